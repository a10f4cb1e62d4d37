// The pg scopes of a node, their groups and the channels among them, as data.
import { type Node, pg, type Pid } from '../index.ts';

/** The scope of channels. */
export const CHANNEL_SCOPE = 'nova_scope';
/** The behaviour of a scope in its process info. */
const SCOPE_BEHAVIOUR = 'pg';

/** A pg scope that runs on the node. */
export interface ScopeRow {
  readonly scope: string;
  readonly pid: Pid;
  /** How many groups have members. */
  readonly groups: number;
}

/** A group that has members. */
export interface GroupRow {
  readonly group: unknown;
  /** Members on all nodes, each as often as it has joined. */
  readonly members: number;
  /** Members on this node. */
  readonly local: number;
}

/** The names of the scopes that run, sorted. */
export function scopeNames(node: Node): string[] {
  return node
    .registered()
    .filter((name) => node.processInfo(node.whereis(name) as Pid)?.currentBehaviour === SCOPE_BEHAVIOUR)
    .toSorted();
}

/** The scopes that run, sorted by name. */
export function scopeRows(node: Node): ScopeRow[] {
  return scopeNames(node).map((scope) => ({
    scope,
    pid: node.whereis(scope) as Pid,
    groups: pg.whichGroups(node, scope).length,
  }));
}

/** The groups of a scope, in no order; none when the scope does not run. */
export function groupRows(node: Node, scope: string): GroupRow[] {
  if (!scopeNames(node).includes(scope)) return [];
  return pg.whichGroups(node, scope).map((group) => ({
    group,
    members: pg.getMembers(node, scope, group).length,
    local: pg.getLocalMembers(node, scope, group).length,
  }));
}

/** The channels that have members and whose names are strings. */
export function channelNames(node: Node): string[] {
  if (!scopeNames(node).includes(CHANNEL_SCOPE)) return [];
  return pg.whichGroups(node, CHANNEL_SCOPE).filter((group) => typeof group === 'string');
}
