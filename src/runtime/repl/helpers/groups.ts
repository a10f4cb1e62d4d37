// Helpers for scopes, groups and channels. The data comes from `inspect/`; this file prints it.
import { type Broadcast, type Node, pg, type Pid, pubsub } from '../../index.ts';
import { CHANNEL_SCOPE, type GroupRow, groupRows, scopeNames, scopeRows } from '../../inspect/groups.ts';
import { ChannelWatch } from '../../inspect/watch.ts';
import { Fault, type Helpers, type Shell, WHO, whoCells } from '../shell.ts';
import { presentRows, showLine } from '../show.ts';

/** The helpers for groups and channels. */
export function groupHelpers(shell: Shell): Helpers {
  const { node, self } = shell;
  const watch = new ChannelWatch(self, (broadcast) => {
    shell.announce((colour) => broadcastLine(broadcast, colour));
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
      about: 'the members of a group on all nodes, each as often as it joined',
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

function presentMembers(node: Node, pids: readonly Pid[]): readonly Pid[] {
  return presentRows(pids, WHO, (pid) => whoCells(node, pid), 'no members here');
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
