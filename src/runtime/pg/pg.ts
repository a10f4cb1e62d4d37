/**
 * Process groups: OTP's `pg`.
 *
 * A process of this node joins a group of a scope, by any name, and is a member on every node where the scope runs; when it
 * ends it has left. There are no groups without members, and nothing is kept about a group but its members. A process
 * may join several times and must leave as often. The order of members is undefined, and what different nodes see may
 * differ for a while.
 *
 * The first argument of each function says where it runs: in a process, or on a node, for code outside any process. Scopes run
 * independently of each other; one is started with `start`, `startLink`, or by a supervisor with `scope`. See the manual page of
 * `pg`.
 */
import { TroupeError, badArgument, kindOf } from '../errors.ts';
import { Node } from '../process/node.ts';
import { START, type Startable } from '../process/behaviour.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { type Scope, findScope, startScope } from './scope.ts';

/** Where a function runs: in a process, or on a node, for code outside any process. */
export type Place = Node | Process;

/** What a started scope is known by. */
export interface ScopeRef {
  readonly name: string;
  readonly pid: Pid;
}

// ---- starting ----

/**
 * Starts a scope on a node, without a link.
 * @param name what its process is registered as, here and on the other nodes.
 * @returns the pid of the scope process.
 * @throws TroupeError TROUPE_NAME_TAKEN when it runs already. See `pg:start/1`.
 */
export function start(place: Place, name: string): Pid {
  return startScope(nodeOf(place), name).pid;
}

/** Starts a scope that is linked to the process which starts it. See `pg:start_link/1`. */
export function startLink(self: Process, name: string): Pid {
  if (!self.alive) throw self.dead();
  return startScope(self.node, name, self).pid;
}

/**
 * A scope for `node.start` and for the child specs of supervisors. When it is started again its members of this node have
 * to join again, as in OTP; those of other nodes come back on their own.
 * @example `await node.start(pg.scope('rooms'))`
 */
export function scope(name: string): Startable<readonly [], object, ScopeRef> {
  return {
    [START]: (node, parent, linked) =>
      new Promise((resolve) => {
        const { pid } = startScope(node, name, linked ? parent : undefined);
        resolve({ name, pid });
      }),
  };
}

// ---- members ----

/**
 * Makes processes members of a group, each as often as it is named. A process that has ended joins nothing.
 * @param group any value that can leave a node; values that are equal by structure name one group.
 * @param pids processes of this node; the calling process when left out.
 * @throws TroupeError TROUPE_NO_SCOPE, TROUPE_NOT_LOCAL, TROUPE_BAD_ARGUMENT for what cannot name a group. See `pg:join/3`.
 */
export function join(self: Process, scopeName: string, group: unknown): void;
export function join(place: Place, scopeName: string, group: unknown, pids: Pid | readonly Pid[]): void;
export function join(place: Place, scopeName: string, group: unknown, pids?: Pid | readonly Pid[]): void {
  scopeAt(place, scopeName).join(group, pids ?? ownPid(place));
}

/**
 * Lets processes leave a group, each as often as it is named.
 * @returns `not_joined` when none of them was a member.
 * @throws TroupeError as `join`. See `pg:leave/3`.
 */
export function leave(self: Process, scopeName: string, group: unknown): 'ok' | 'not_joined';
export function leave(
  place: Place,
  scopeName: string,
  group: unknown,
  pids: Pid | readonly Pid[],
): 'ok' | 'not_joined';
export function leave(
  place: Place,
  scopeName: string,
  group: unknown,
  pids?: Pid | readonly Pid[],
): 'ok' | 'not_joined' {
  return scopeAt(place, scopeName).leave(group, pids ?? ownPid(place));
}

/**
 * The members of a group on all nodes, each as often as it has joined; none when the scope does not run. The array is a
 * snapshot, frozen, and may be shared. See `pg:get_members/2`.
 */
export function getMembers(place: Place, scopeName: string, group: unknown): readonly Pid[] {
  return findScope(nodeOf(place), scopeName)?.group(group)?.pids ?? NONE;
}

/** The members of a group on this node. See `pg:get_local_members/2`. */
export function getLocalMembers(place: Place, scopeName: string, group: unknown): readonly Pid[] {
  return findScope(nodeOf(place), scopeName)?.group(group)?.localPids ?? NONE;
}

/** The names of all groups. @throws TroupeError TROUPE_NO_SCOPE. See `pg:which_groups/1`. */
export function whichGroups(place: Place, scopeName: string): unknown[] {
  return scopeAt(place, scopeName).groups(false);
}

/** The names of the groups with members on this node. @throws TroupeError TROUPE_NO_SCOPE. See `pg:which_local_groups/1`. */
export function whichLocalGroups(place: Place, scopeName: string): unknown[] {
  return scopeAt(place, scopeName).groups(true);
}

// ---- following changes ----

/**
 * Follows a group: `GroupJoined` and `GroupLeft` messages with the ref tell what changes from now on.
 * @returns the ref, and the members at this moment.
 * @throws TroupeError TROUPE_NO_SCOPE. See `pg:monitor/2`.
 */
export function monitor(
  self: Process,
  scopeName: string,
  group: unknown,
): { readonly ref: Ref; readonly members: readonly Pid[] } {
  const found = scopeAt(self, scopeName);
  const members = found.group(group)?.pids ?? NONE;
  return { ref: found.monitor(self, [group]), members };
}

/**
 * Follows all groups of a scope, as `monitor` does one.
 * @returns the ref, and the members of all groups at this moment. See `pg:monitor_scope/1`.
 */
export function monitorScope(
  self: Process,
  scopeName: string,
): { readonly ref: Ref; readonly groups: ReadonlyMap<unknown, readonly Pid[]> } {
  const found = scopeAt(self, scopeName);
  const groups = new Map(found.groups(false).map((name) => [name, found.group(name)?.pids ?? NONE]));
  return { ref: found.monitor(self, undefined), groups };
}

/**
 * Ends following, and takes what it has brought out of the mailbox.
 * @returns false when the ref stands for nothing that this process follows. See `pg:demonitor/2`.
 */
export function demonitor(self: Process, scopeName: string, ref: Ref): boolean {
  return scopeAt(self, scopeName).demonitor(self, ref);
}

const NONE: readonly Pid[] = Object.freeze([]);

/** @internal The node of a place. @throws TroupeError TROUPE_PROCESS_DEAD for a process that has ended. */
export function nodeOf(place: Place): Node {
  if (place instanceof Node) return place;
  const { alive } = Object(place) as { readonly alive?: unknown };
  if (alive === true) return place.node;
  if (alive === false) throw place.dead();
  throw badArgument(`A process or a node is needed first, such as \`self\`, not ${kindOf(place)}.`);
}

/** @internal The pid of the process that calls. */
export function ownPid(place: Place): Pid {
  if (place === nodeOf(place)) throw badArgument('A node cannot join or leave a group: name the pids.');
  return (place as Process).pid;
}

function scopeAt(place: Place, name: string): Scope {
  const node = nodeOf(place);
  const found = findScope(node, name);
  if (found === undefined) {
    throw new TroupeError('TROUPE_NO_SCOPE', `Node '${node.name}' runs no pg scope '${name}'.`, {
      reason: 'noproc',
    });
  }
  return found;
}
