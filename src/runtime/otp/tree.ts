/**
 * The supervision trees of a node, as a tool draws them: supervisors, their children, what those run.
 *
 * It reads the tables of the supervisors without asking them, so it answers at once, also while a supervisor waits for a child.
 * A supervisor shows its children once all of them have been started. Children on other nodes are shown by their pid only.
 */
import { checkInteger } from '../errors.ts';
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import type { ChildInfo, Strategy } from './child-spec.ts';
import { Supervisor } from './supervisor-process.ts';

/** A supervisor or worker, in a tree. */
export interface TreeNode {
  /** The id in its supervisor; undefined at the root and under a dynamic supervisor. */
  readonly id: string | undefined;
  readonly pid: Pid | undefined;
  readonly status: ChildInfo['status'];
  readonly type: ChildInfo['type'];
  readonly modules: readonly string[];
  /** The registered name of the process. */
  readonly name: string | undefined;
  /** The label of the process, or what it was spawned from. */
  readonly label: string | undefined;
  /** Of a supervisor of this node. */
  readonly strategy: Strategy | undefined;
  /** In start order; empty for a worker. */
  readonly children: readonly TreeNode[];
  /** How many children are left out, because of the limits. */
  readonly omitted: number;
}

/** Limits of {@link supervisionTrees}. */
export interface TreeOptions {
  /** Shows this supervisor only, in place of those that no other supervises. */
  readonly root?: Pid;
  /** How many levels are shown, from 1 on. Default 32. */
  readonly depthMax?: number;
  /** How many children of one supervisor are shown. Default 100. */
  readonly childrenMax?: number;
}

const DEFAULT_DEPTH_MAX = 32;
const DEFAULT_CHILDREN_MAX = 100;

/**
 * The supervision trees of a node.
 * @returns one tree for each supervisor that has no supervisor itself, the oldest first; with `root` one tree, or none when
 * that is not a supervisor of this node.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for a limit that is not a whole number.
 */
export function supervisionTrees(node: Node, options: TreeOptions = {}): TreeNode[] {
  const { root, depthMax = DEFAULT_DEPTH_MAX, childrenMax = DEFAULT_CHILDREN_MAX } = options;
  checkInteger('depthMax', depthMax, 0);
  checkInteger('childrenMax', childrenMax, 0);
  return rootsOf(node, root).map(({ pid, behaviour }) =>
    draw(
      node,
      { id: undefined, pid, status: 'running', type: 'supervisor', modules: [behaviour.name] },
      { depth: depthMax, children: childrenMax },
    ),
  );
}

function rootsOf(node: Node, root: Pid | undefined): Process[] {
  if (root !== undefined) {
    const process = node.find(root);
    return process !== null && supervisorIn(process) !== undefined ? [process] : [];
  }
  const supervisors = node.table.all().filter((process) => supervisorIn(process) !== undefined);
  return supervisors
    .filter(({ parent }) => {
      const above = parent === null ? null : node.find(parent);
      return above === null || !supervisorIn(above);
    })
    .toSorted(({ pid: a }, { pid: b }) => a.serial - b.serial || a.id - b.id);
}

function draw(node: Node, info: ChildInfo, limits: { depth: number; children: number }): TreeNode {
  const process = info.pid === undefined ? null : node.find(info.pid);
  const supervisor = process === null ? undefined : supervisorIn(process);
  const children: TreeNode[] = [];
  let omitted = 0;
  for (const below of supervisor?.infos() ?? []) {
    if (limits.depth <= 1 || children.length >= limits.children) omitted++;
    else children.push(draw(node, below, { ...limits, depth: limits.depth - 1 }));
  }
  return {
    ...info,
    id: info.id === undefined ? undefined : String(info.id),
    name: process?.extra?.name,
    label: process?.label,
    strategy: supervisor?.flags.strategy,
    children,
    omitted,
  };
}

function supervisorIn(process: Process): Supervisor | undefined {
  return process.state instanceof Supervisor ? process.state : undefined;
}
