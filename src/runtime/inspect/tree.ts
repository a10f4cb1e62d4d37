// The supervision tree of a node, as data.
//
// A process stands below the supervisor whose child it is; another one below the process that spawned it, while that is
// alive; all others below init. Children that do not run appear too.
import {
  type Node,
  type Pid,
  type ProcessInfo,
  supervisionTrees,
  type TreeNode as Supervised,
} from '../index.ts';

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
  readonly children: TreeNode[];
}

/** Reads the whole tree of a node, from init down. */
export function readTree(node: Node): TreeNode {
  const byPid = new Map<number, TreeNode>();
  const root = processNode(node.processInfo(node.initPid) as ProcessInfo);
  byPid.set(numberOf(node.initPid), root);
  const limits = { childrenMax: Number.MAX_SAFE_INTEGER };
  root.children.push(...supervisionTrees(node, limits).map((tree) => supervisedNode(node, tree, byPid)));
  const others: Array<{ made: TreeNode; parent: Pid | undefined }> = [];
  for (const pid of node.processes()) {
    const info = byPid.has(numberOf(pid)) ? undefined : node.processInfo(pid);
    if (info === undefined) continue;
    const made = processNode(info);
    byPid.set(numberOf(pid), made);
    others.push({ made, parent: info.parent });
  }
  for (const { made, parent } of others) {
    const above = parent === undefined ? undefined : byPid.get(numberOf(parent));
    (above ?? root).children.push(made);
  }
  return root;
}

function supervisedNode(node: Node, tree: Supervised, byPid: Map<number, TreeNode>): TreeNode {
  const { pid, id, name, label, type, status, strategy } = tree;
  const children = tree.children.map((child) => supervisedNode(node, child, byPid));
  const made = { pid, id, name, label, type, status, strategy, children };
  if (pid?.node === node.name) byPid.set(numberOf(pid), made);
  return made;
}

function processNode({ pid, registeredName: name, label }: ProcessInfo): TreeNode {
  const [type, status] = ['worker', 'running'] as const;
  return { pid, id: undefined, name, label, type, status, strategy: undefined, children: [] };
}

/** Tells the pids of one node apart; cheaper than their keys, of which a large node has many. */
function numberOf({ serial, id }: Pid): number {
  return serial * 2 ** 28 + id;
}
