// Helpers that send and receive: messages and calls, groups and channels; and the inbox behind `flush()` and `receive()`. What is
// known of scopes, groups and channels comes from `inspect/`; this file prints it.
//
// The inbox holds a limited number of messages and drops and counts the oldest: a REPL that has joined a busy channel and
// is left open overnight must not fill the memory.
import { type Broadcast, call, cast, type Node, pg, type Pid, pubsub } from '../../index.ts';
import { CHANNEL_SCOPE, type GroupRow, groupRows, scopeNames, scopeRows } from '../../inspect/groups.ts';
import { ChannelWatch } from '../../inspect/watch.ts';
import { destinationOf, Fault, type Helpers, type Shell, WHO, whoCells } from '../shell.ts';
import { present, presentRows, showLine, showValue } from '../show.ts';

/** The helpers for messages and calls. */
export function messageHelpers(shell: Shell): Helpers {
  const { node, self, inbox } = shell;
  return {
    send: {
      usage: "send('name', message)",
      about: 'sends a message to a pid or a registered name',
      run: (...args: unknown[]) => {
        if (args.length < 2) throw new Fault('send(to, message) needs both');
        self.send(destinationOf(node, args[0]), args[1]);
        return args[1];
      },
    },
    call: {
      usage: "call('server', 'name', argument, {timeoutMs: 5000})",
      about: 'calls a server and waits for its reply',
      run: async (to: unknown, name: unknown, argument?: unknown, options: { timeoutMs?: number } = {}) => {
        const target = destinationOf(node, to);
        return await call(node, target, callName(name), argument, {
          ...options,
          from: self,
          signal: shell.signal(),
        });
      },
    },
    cast: {
      usage: "cast('server', 'name', argument)",
      about: 'sends a server a request without a reply',
      run: (to: unknown, name: unknown, argument?: unknown) => {
        cast(node, destinationOf(node, to), callName(name), argument, self);
        return 'ok';
      },
    },
    receive: {
      usage: 'receive((message) => true, {after: 1000})',
      about: 'takes the first message that matches, waiting for one; undefined after the timeout',
      run: (match: (message: unknown) => boolean = () => true, { after }: { after?: number } = {}) => {
        if (typeof match !== 'function')
          throw new Fault('receive(match) needs a function that returns true or false');
        return inbox.receive(match, after, shell.signal());
      },
    },
    flush: {
      usage: 'flush()',
      about: `takes all messages received by this REPL; the last ${INBOX_MAX} are kept`,
      run: () => {
        const { dropped } = inbox;
        const messages = inbox.flush();
        return present(messages, ({ colour }) => {
          const lines = messages.map((message) => showLine(message, { colour }));
          if (dropped > 0) lines.unshift(`(${dropped} older messages were not kept)`);
          return lines.length === 0 ? 'no messages' : lines.join('\n');
        });
      },
    },
  };
}

function callName(name: unknown): string {
  if (typeof name === 'string') return name;
  throw new Fault("the name of a call is a string: call('server', 'name', argument)");
}

// ---- the inbox ----

/** How many messages are kept. */
export const INBOX_MAX = 10_000;

/** A waiting receive. */
interface Waiter {
  readonly match: (message: unknown) => boolean;
  readonly resolve: (message: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages that wait to be looked at. */
export class Inbox {
  #messages: unknown[] = [];
  readonly #waiters = new Set<Waiter>();
  /** Messages dropped since the last `flush`. */
  dropped = 0;

  /** The number of waiting messages. */
  get length(): number {
    return this.#messages.length;
  }

  /** Adds a message, or passes it to a waiting receive. @returns false when a receive took it. */
  push(message: unknown): boolean {
    for (const waiter of this.#waiters) {
      try {
        if (!waiter.match(message)) continue;
        waiter.resolve(message);
      } catch (error) {
        waiter.reject(error);
        continue;
      }
      return false;
    }
    this.#messages.push(message);
    if (this.#messages.length > INBOX_MAX) {
      this.#messages.shift();
      this.dropped++;
    }
    return true;
  }

  /** Takes all messages. */
  flush(): unknown[] {
    const all = this.#messages;
    this.#messages = [];
    this.dropped = 0;
    return all;
  }

  /**
   * Takes the first message that matches; waits for one if there is none.
   * @param afterMs resolves with undefined after so many milliseconds
   * @param signal rejects with its reason when it aborts
   */
  receive(
    match: (message: unknown) => boolean,
    afterMs: number | undefined,
    signal: AbortSignal,
  ): Promise<unknown> {
    const index = this.#messages.findIndex(match);
    if (index !== -1) return Promise.resolve(this.#messages.splice(index, 1)[0]);
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined = undefined;
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        signal.removeEventListener('abort', aborted);
      };
      const waiter: Waiter = {
        match,
        resolve: (message) => {
          settle();
          resolve(message);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const aborted = (): void => {
        waiter.reject(signal.reason);
      };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', aborted);
      if (afterMs !== undefined) timer = setTimeout(waiter.resolve, afterMs, undefined);
    });
  }
}

// ---- groups and channels ----

/** The helpers for groups and channels. */
export function groupHelpers(shell: Shell): Helpers {
  const { node, self } = shell;
  const watch = new ChannelWatch(self, (broadcast) => {
    shell.announce(({ colour }) => broadcastLine(broadcast, colour));
  });
  return {
    scopes: {
      usage: 'scopes()',
      about: 'the pg scopes that run on this node',
      run: () =>
        presentRows(
          scopeRows(node),
          [{ heading: 'SCOPE' }, { heading: 'PID' }, { heading: 'GROUPS', numeric: true }],
          ({ scope, pid, groups }) => [scope, pid.toString(), String(groups)],
          'no scope runs',
        ),
    },
    groups: {
      usage: "groups('scope')",
      about: `the groups of a scope and how many members they have; of ${CHANNEL_SCOPE} when none is named`,
      run: (scope: string = CHANNEL_SCOPE) =>
        presentRows(
          sortedGroups(node, scope),
          [{ heading: 'GROUP' }, { heading: 'MEMBERS', numeric: true }, { heading: 'LOCAL', numeric: true }],
          (row) => [groupText(row.group), String(row.members), String(row.local)],
          'no groups',
        ),
    },
    members: {
      usage: "members('group', 'scope')",
      about: 'the members of a group on all nodes, and how often each has joined',
      run: (group: unknown, scope: string = CHANNEL_SCOPE) =>
        presentMembers(node, membersOf(node, group, scope, pg.getMembers)),
    },
    localMembers: {
      usage: "localMembers('group', 'scope')",
      about: 'the members on this node',
      run: (group: unknown, scope: string = CHANNEL_SCOPE) =>
        presentMembers(node, membersOf(node, group, scope, pg.getLocalMembers)),
    },
    join: {
      usage: "join('channel')",
      about: 'joins this REPL to a channel: flush() shows what it receives',
      run: (channel: unknown) => {
        pubsub.join(self, channelName(channel));
        return 'ok';
      },
    },
    leave: {
      usage: "leave('channel')",
      about: 'removes one membership of this REPL',
      run: (channel: unknown) => {
        const name = channelName(channel);
        if (pubsub.leave(self, name) === 'ok') return 'ok';
        throw new Fault(`this REPL has not joined '${name}'`);
      },
    },
    broadcast: {
      usage: "broadcast('channel', 'topic', payload)",
      about: 'sends a message to all members of a channel',
      run: (channel: unknown, topic: string, payload: unknown) => {
        pubsub.broadcast(self, channelName(channel), topic, payload);
        return 'ok';
      },
    },
    watch: {
      usage: "watch('channel')",
      about: 'prints each message of a channel as it arrives',
      run: (channel: unknown) => {
        watch.add(channelName(channel));
        return 'ok';
      },
    },
    unwatch: {
      usage: "unwatch('channel')",
      about: 'stops a watch; without a channel, all of them',
      run: (...args: unknown[]) => {
        if (args.length === 0) watch.removeAll();
        else unwatch(watch, channelName(args[0]));
        return 'ok';
      },
    },
  };
}

/** The groups of a scope, sorted as they print. */
function sortedGroups(node: Node, scope: string): GroupRow[] {
  if (!hasScope(node, scope)) return [];
  const rows = groupRows(node, scope);
  const texts = new Map(rows.map((row) => [row, groupText(row.group)]));
  return rows.toSorted((a, b) => ((texts.get(a) as string) < (texts.get(b) as string) ? -1 : 1));
}

function membersOf(node: Node, group: unknown, scope: string, get: typeof pg.getMembers): readonly Pid[] {
  if (hasScope(node, scope) && pg.getMembers(node, scope, group).length > 0) return get(node, scope, group);
  throw new Fault(
    `no group ${showLine(group, { colour: false })} in ${scope}; groups() lists those that have members`,
  );
}

/** Whether a scope runs; the scope of channels starts with its first use. @throws Fault for any other that does not run */
function hasScope(node: Node, scope: string): boolean {
  if (scopeNames(node).includes(scope)) return true;
  if (scope === CHANNEL_SCOPE) return false;
  throw new Fault(`no pg scope '${scope}' runs on this node; scopes() lists those that do`);
}

/** A row for each process, with the number of its memberships; as a value, each as often as it has joined. */
function presentMembers(node: Node, pids: readonly Pid[]): readonly Pid[] {
  const joins = new Map<string, { readonly pid: Pid; count: number }>();
  for (const pid of pids) {
    const known = joins.get(pid.toString());
    if (known === undefined) joins.set(pid.toString(), { pid, count: 1 });
    else known.count++;
  }
  const table = presentRows(
    [...joins.values()],
    WHO.toSpliced(1, 0, { heading: 'JOINED', numeric: true }),
    ({ pid, count }) => whoCells(node, pid).toSpliced(1, 0, String(count)),
    'no members here',
  );
  return present([...pids], (format) => showValue(table, format));
}

function groupText(group: unknown): string {
  return typeof group === 'string' ? group : showLine(group, { colour: false });
}

/** The name of a channel: a string, or a channel made with `defineChannel`. */
function channelName(channel: unknown): string {
  if (typeof channel === 'string' && channel !== '') return channel;
  const name: unknown =
    typeof channel === 'object' && channel !== null && 'name' in channel ? channel.name : undefined;
  if (typeof name === 'string' && name !== '') return name;
  throw new Fault("name a channel by its string, such as 'notes'");
}

function unwatch(watch: ChannelWatch, channel: string): void {
  if (!watch.remove(channel)) throw new Fault(`'${channel}' is not watched`);
}

function broadcastLine({ channel, topic, sender, payload }: Broadcast, colour: boolean): string {
  // As a JavaScript string literal without its quotes: nothing in it can control the terminal.
  const [name, label] = [channel, topic].map((text) => showLine(text, { colour: false }).slice(1, -1));
  return `[${name}] ${label} from ${sender.toString()}: ${showLine(payload, { colour })}`;
}
