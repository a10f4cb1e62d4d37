// Helpers for scopes, groups and channels.
import { pg, type Pid, pubsub } from '../../index.ts';
import { Fault } from '../fault.ts';
import { type Helpers, type Shell, WHO, whoCells } from '../shell.ts';
import { presentRows, showLine } from '../show.ts';
import { Watches } from './watches.ts';

/** The scope of channels, and so of the groups that are meant when none is named. */
const CHANNEL_SCOPE = 'nova_scope';
/** What process info calls a scope. */
const SCOPE_BEHAVIOUR = 'pg';

interface GroupRow {
  readonly group: unknown;
  readonly members: number;
  readonly local: number;
}

/** The helpers of this file. */
export function groupHelpers(shell: Shell): Helpers {
  const { node, self } = shell;
  const watches = new Watches(shell);
  return {
    scopes: {
      usage: 'scopes()',
      about: 'the pg scopes that run on this node',
      run: () =>
        presentRows(
          scopesOf(shell).map((scope) => ({
            scope,
            pid: node.whereis(scope) as Pid,
            groups: pg.whichGroups(node, scope).length,
          })),
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
          groupsOf(shell, scope),
          [{ heading: 'GROUP' }, { heading: 'MEMBERS', numeric: true }, { heading: 'LOCAL', numeric: true }],
          (row) => [groupText(row.group), String(row.members), String(row.local)],
          'no groups',
        ),
    },
    members: {
      usage: "members('group', 'scope')",
      about: 'the members of a group on all nodes, each as often as it has joined',
      run: (group: unknown, scope: string = CHANNEL_SCOPE) =>
        presentMembers(shell, membersOf(shell, group, scope, pg.getMembers)),
    },
    localMembers: {
      usage: "localMembers('group', 'scope')",
      about: 'the members on this node',
      run: (group: unknown, scope: string = CHANNEL_SCOPE) =>
        presentMembers(shell, membersOf(shell, group, scope, pg.getLocalMembers)),
    },
    join: {
      usage: "join('channel')",
      about: 'makes this REPL a member: flush() shows what it receives',
      run: (channel: unknown) => {
        pubsub.join(self, channelName(channel));
        return 'ok';
      },
    },
    leave: {
      usage: "leave('channel')",
      about: 'ends a membership of this REPL',
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
        watches.add(channelName(channel));
        return 'ok';
      },
    },
    unwatch: {
      usage: "unwatch('channel')",
      about: 'ends a watch; without a channel, all',
      run: (...args: unknown[]) => {
        if (args.length === 0) watches.removeAll();
        else watches.remove(channelName(args[0]));
        return 'ok';
      },
    },
  };
}

/** The names of the scopes that run. */
export function scopesOf({ node }: Shell): string[] {
  return node
    .registered()
    .filter((name) => node.processInfo(node.whereis(name) as Pid)?.currentBehaviour === SCOPE_BEHAVIOUR)
    .toSorted();
}

/** The groups of the channels' scope that are named by texts. */
export function channelsOf(shell: Shell): string[] {
  if (!scopesOf(shell).includes(CHANNEL_SCOPE)) return [];
  return pg.whichGroups(shell.node, CHANNEL_SCOPE).filter((group) => typeof group === 'string');
}

function groupsOf(shell: Shell, scope: string): GroupRow[] {
  if (!hasScope(shell, scope)) return [];
  const { node } = shell;
  const rows = pg.whichGroups(node, scope).map((group) => ({
    group,
    members: pg.getMembers(node, scope, group).length,
    local: pg.getLocalMembers(node, scope, group).length,
  }));
  const texts = new Map(rows.map((row) => [row, groupText(row.group)]));
  return rows.toSorted((a, b) => ((texts.get(a) as string) < (texts.get(b) as string) ? -1 : 1));
}

function membersOf(shell: Shell, group: unknown, scope: string, get: typeof pg.getMembers): readonly Pid[] {
  const { node } = shell;
  if (hasScope(shell, scope) && pg.getMembers(node, scope, group).length > 0) return get(node, scope, group);
  throw new Fault(
    `no group ${showLine(group, { colour: false })} in ${scope}; groups() lists those that have members`,
  );
}

/** True when a scope runs; the one of channels starts with its first use. @throws Fault */
function hasScope(shell: Shell, scope: string): boolean {
  if (scopesOf(shell).includes(scope)) return true;
  if (scope === CHANNEL_SCOPE) return false;
  throw new Fault(`no pg scope '${scope}' runs on this node; scopes() lists those that do`);
}

function presentMembers({ node }: Shell, pids: readonly Pid[]): readonly Pid[] {
  return presentRows(pids, WHO, (pid) => whoCells(node, pid), 'no members here');
}

function groupText(group: unknown): string {
  return typeof group === 'string' ? group : showLine(group, { colour: false });
}

/** A channel is given by its name, or by what `defineChannel` made. */
function channelName(channel: unknown): string {
  if (typeof channel === 'string' && channel !== '') return channel;
  const name: unknown =
    typeof channel === 'object' && channel !== null && 'name' in channel ? channel.name : undefined;
  if (typeof name === 'string' && name !== '') return name;
  throw new Fault("a channel is given by its name, such as 'notes'");
}
