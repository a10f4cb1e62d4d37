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
  const init = node.find(node.initPid) as Process;
  const below = belowEach(node, init);
  const opened = open === undefined ? undefined : new Set([init, ...open.map((pid) => node.find(pid))]);
  let left = limit;
  const read = (info: Info, level: number): TreeNode => {
    left--;
    const { process, pid, id, type, status } = info;
    const supervisor = process === null ? undefined : supervisorIn(process);
    const others = (process === null ? undefined : below.get(process)) ?? [];
    const children: TreeNode[] = [];
    const add = (child: Info): void => {
      if (left > 0) children.push(read(child, level + 1));
    };
    if (level < LEVELS_MAX && (opened === undefined || opened.has(process))) {
      for (const child of supervisor?.infos() ?? []) add(supervised(node, child));
      for (const child of others) add(plain(child));
    }
    const { supervisors, workers } = supervisor?.counts() ?? NO_CHILDREN;
    return {
      pid,
      id,
      name: process?.extra?.name,
      label: process?.label,
      type,
      status,
      strategy: supervisor?.flags.strategy,
      childCount: supervisors + workers + others.length,
      children,
    };
  };
  return read(plain(init), 1);
}

/** What is known of a place in the tree before its node is made; `process` is null for one that does not run here. */
interface Info {
  readonly process: Process | null;
  readonly pid: Pid | undefined;
  readonly id: string | undefined;
  readonly type: TreeNode['type'];
  readonly status: TreeNode['status'];
}

function supervised(node: Node, { id, pid, type, status }: ChildInfo): Info {
  const process = pid === undefined ? null : node.find(pid);
  return { process, pid, id: id === undefined ? undefined : String(id), type, status };
}

function plain(process: Process): Info {
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

function supervisorIn({ state }: Process): Supervisor | undefined {
  return state instanceof Supervisor ? state : undefined;
}
