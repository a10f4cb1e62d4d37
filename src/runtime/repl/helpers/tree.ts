// The supervision tree, as data and as a drawing.
//
// A process stands below the supervisor whose child it is; another one below the process that spawned it, while that is
// alive; all others below init. Children that do not run are shown, too.
import {
  type Node,
  type Pid,
  type ProcessInfo,
  supervisionTrees,
  type TreeNode as Supervised,
} from '../../index.ts';
import type { Helpers, Shell } from '../shell.ts';
import { present } from '../show.ts';
import { cut, type TextFormat, visible } from '../table.ts';

/** A process in the tree, or a child of a supervisor that does not run. */
interface TreeNode {
  readonly pid: Pid | undefined;
  /** Its id in the child spec of its supervisor. */
  readonly id: string | undefined;
  readonly name: string | undefined;
  readonly label: string | undefined;
  readonly type: Supervised['type'];
  readonly status: Supervised['status'];
  /** Of a supervisor. */
  readonly strategy: Supervised['strategy'];
  readonly children: TreeNode[];
}

/** How many children of one process are drawn. */
const CHILDREN_DRAWN_MAX = 30;

/** The helper of this file. */
export function treeHelpers({ node }: Shell): Helpers {
  return {
    tree: {
      usage: 'tree()',
      about: 'the supervision tree, and the other processes below who spawned them',
      run: () => {
        const root = readTree(node);
        return present(root, (format) => drawTree(root, format));
      },
    },
  };
}

function readTree(node: Node): TreeNode {
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

/** Branches: before a child, before the last child, and below each of them. */
const BRANCHES = { unicode: ['├─ ', '└─ ', '│  ', '   '], ascii: ['|- ', '`- ', '|  ', '   '] } as const;

function drawTree(root: TreeNode, format: TextFormat): string {
  const [branch, last, line, space] = format.unicode ? BRANCHES.unicode : BRANCHES.ascii;
  const lines: string[] = [];
  const draw = (node: TreeNode, before: string, below: string): void => {
    lines.push(drawLine(node, before, format));
    const shown = node.children.slice(0, CHILDREN_DRAWN_MAX);
    const more = node.children.length - shown.length;
    shown.forEach((child, index) => {
      const isLast = index === shown.length - 1 && more === 0;
      draw(child, below + (isLast ? last : branch), below + (isLast ? space : line));
    });
    if (more > 0) lines.push(`${below}${last}${format.unicode ? '…' : '...'} ${more} more`);
  };
  draw(root, '', '');
  return lines.join('\n');
}

function drawLine(node: TreeNode, before: string, format: TextFormat): string {
  const { pid, id, name, label, type, status, strategy } = node;
  const [called, ...more] = new Set([id, name, label].filter((text) => text !== undefined));
  const kind = type === 'supervisor' ? (strategy ?? 'supervisor') : undefined;
  const notes = [kind, status === 'running' ? undefined : status].filter((note) => note !== undefined);
  const parts = [called, pid?.toString(), ...more, notes.length === 0 ? undefined : `(${notes.join(', ')})`];
  const line = before + visible(parts.filter((part) => part !== undefined).join(' '));
  return format.columns > 0 ? cut(line, format.columns, format) : line;
}
