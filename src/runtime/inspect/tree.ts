// The supervision tree of a node, as data.
//
// A process stands below the supervisor whose child it is; another one below the process that spawned it, while that is
// alive; all others below init. Children that do not run appear too.
//
// Where everything stands is found in one pass over the processes; rows are made of what is listed, and of the rest only the number is
// known. Trees have as many levels as processes have spawned each other, so a limit of levels keeps the recursion small.
import { type ChildInfo, type Node, type Pid, type TreeNode as Supervised } from '../index.ts';
import { Supervisor } from '../otp/supervisor-process.ts';
import type { Process } from '../process/process.ts';

/** A process in the tree, or a child of a supervisor that does not run. */
export interface TreeNode {
  readonly pid: Pid | undefined;
  /** The id in the child spec of its supervisor. */
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly label: string | undefined;
  readonly type: Supervised['type'];
  readonly status: Supervised['status'];
  /** Of a supervisor. */
  readonly strategy: Supervised['strategy'];
  /** How many children it has, listed or not. */
  readonly childCount: number;
  readonly children: TreeNode[];
}

/** How many levels are listed. */
const LEVELS_MAX = 1_000;
const NO_CHILDREN = { supervisors: 0, workers: 0 };

/** What is listed of a tree. */
interface Limits {
  /** Whose children are listed, besides those of init; those of all by default. */
  readonly open?: readonly Pid[] | undefined;
  /** How many nodes; all by default. */
  readonly limit?: number;
}

/** Reads the tree of a node, from init down. */
export function readTree(node: Node, { open, limit = Infinity }: Limits = {}): TreeNode {
  const { root, isOpen, childrenOf, factsOf } = treeOf(node, open);
  let left = limit;
  const read = (place: Place, level: number): TreeNode => {
    left--;
    const children: TreeNode[] = [];
    if (level < LEVELS_MAX && isOpen(place))
      childrenOf(place, (child) => {
        if (left > 0) children.push(read(child, level + 1));
      });
    return { ...factsOf(place), children };
  };
  return read(root, 1);
}

/** A line of the tree as a list. */
export interface TreeLine extends Omit<TreeNode, 'children'> {
  /** Tells it from all others: its pid, or for a child that does not run the pid of its supervisor and its id. */
  readonly key: string;
  /** 0 for the root. */
  readonly depth: number;
  /** Whether its children are lines, if it has any. */
  readonly open: boolean;
}

/** Reads a part of the tree as a list of lines, each before those of its children. Nothing is made of what lies outside of the part. */
export function readLines(
  node: Node,
  open: readonly Pid[],
  first: number,
  limit: number,
): { readonly total: number; readonly lines: TreeLine[] } {
  const { root, isOpen, childrenOf, factsOf } = treeOf(node, open);
  const lines: TreeLine[] = [];
  let total = 0;
  const read = (place: Place, depth: number, above: Pid | undefined): void => {
    const isShown = total >= first && total < first + limit;
    total++;
    const isOpened = depth + 1 < LEVELS_MAX && isOpen(place);
    if (isShown) {
      const key = place.pid?.toString() ?? `${String(above)}/${String(place.id)}`;
      lines.push({ key, depth, open: isOpened, ...factsOf(place) });
    }
    if (isOpened)
      childrenOf(place, (child) => {
        read(child, depth + 1, place.pid);
      });
  };
  read(root, 0, undefined);
  return { total, lines };
}

/** How a tree is walked. */
interface Tree {
  readonly root: Place;
  isOpen(place: Place): boolean;
  childrenOf(place: Place, visit: (child: Place) => void): void;
  factsOf(place: Place): Omit<TreeNode, 'children'>;
}

function treeOf(node: Node, open: readonly Pid[] | undefined): Tree {
  const init = node.find(node.initPid) as Process;
  const below = belowEach(node, init);
  const opened = open === undefined ? undefined : new Set([init, ...open.map((pid) => node.find(pid))]);
  const othersBelow = ({ process }: Place): readonly Process[] =>
    (process === null ? undefined : below.get(process)) ?? [];
  return {
    root: plain(init),
    isOpen: ({ process }) => process !== null && (opened === undefined || opened.has(process)),
    childrenOf(place, visit) {
      for (const child of supervisorAt(place)?.infos() ?? []) visit(supervised(node, child));
      for (const child of othersBelow(place)) visit(plain(child));
    },
    factsOf(place) {
      const { process, pid, id, type, status } = place;
      const supervisor = supervisorAt(place);
      const { supervisors, workers } = supervisor?.counts() ?? NO_CHILDREN;
      return {
        pid,
        id,
        name: process?.extra?.name,
        label: process?.label,
        type,
        status,
        strategy: supervisor?.flags.strategy,
        childCount: supervisors + workers + othersBelow(place).length,
      };
    },
  };
}

/** What is known of a place in the tree before its node is made; `process` is null for one that does not run here. */
interface Place {
  readonly process: Process | null;
  readonly pid: Pid | undefined;
  readonly id: string | undefined;
  readonly type: TreeNode['type'];
  readonly status: TreeNode['status'];
}

function supervised(node: Node, { id, pid, type, status }: ChildInfo): Place {
  const process = pid === undefined ? null : node.find(pid);
  return { process, pid, id: id === undefined ? undefined : String(id), type, status };
}

function plain(process: Process): Place {
  const type = supervisorIn(process) === undefined ? 'worker' : 'supervisor';
  return { process, pid: process.pid, id: undefined, type, status: 'running' };
}

/** What stands below each process besides the children of supervisors; below init supervisors first. */
function belowEach(node: Node, init: Process): Map<Process, Process[]> {
  const children = new Set<Process>();
  const supervisors: Process[] = [];
  const workers: Process[] = [];
  node.table.forEach((process) => {
    const supervisor = supervisorIn(process);
    (supervisor === undefined ? workers : supervisors).push(process);
    for (const { pid } of supervisor?.infos() ?? []) {
      const child = pid === undefined ? null : node.find(pid);
      if (child !== null) children.add(child);
    }
  });
  supervisors.sort(({ pid: a }, { pid: b }) => a.serial - b.serial || a.id - b.id);
  const below = new Map<Process, Process[]>();
  for (const process of [...supervisors, ...workers]) {
    if (process === init || children.has(process)) continue;
    const { parent } = process;
    const above = (parent === null ? null : node.find(parent)) ?? init;
    const known = below.get(above);
    if (known === undefined) below.set(above, [process]);
    else known.push(process);
  }
  return below;
}

function supervisorAt({ process }: Place): Supervisor | undefined {
  return process === null ? undefined : supervisorIn(process);
}

function supervisorIn({ state }: Process): Supervisor | undefined {
  return state instanceof Supervisor ? state : undefined;
}
