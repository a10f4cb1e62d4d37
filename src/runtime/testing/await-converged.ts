/**
 * Waiting until nodes agree about who is a member of what.
 *
 * What a scope knows of other nodes comes to it in messages, so views differ for a while, and there is no moment at which
 * any node could know that they agree: this looks at all of them from outside, in turns of the event loop.
 */
import { canonicalText } from '../pg/group-table.ts';
import { NOVA_SCOPE } from '../pg/channel-forms.ts';
import { getLocalMembers, getMembers, whichGroups } from '../pg/pg.ts';
import { findScope } from '../pg/scope.ts';
import type { Node } from '../process/node.ts';
import { checkWithin, timeoutError, type WaitOptions } from './wait.ts';
import { untilQuiet } from './settle.ts';

/** How many differences an error lists. */
const LISTED_MAX = 20;

/** How often each pid is a member of each group, by texts that are equal on all nodes. */
type View = Map<string, { readonly group: unknown; readonly members: Map<string, Membership> }>;

interface Membership {
  readonly shown: string;
  readonly node: string;
  count: number;
}

/**
 * Waits until nodes agree on a scope: it runs on each of them; each knows exactly the members that the others have of
 * their own; they know the same of nodes that are not among them; and none knows a member on a node that it is not
 * connected to.
 *
 * @param nodes nodes of this operating system process.
 * @param scope the name of the scope; that of channels and `pubsub` when it is left out.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT, which lists who is missing where, and who is known and gone.
 * @example
 * network.heal();
 * await awaitConverged([a, b, c], 'rooms');
 */
export async function awaitConverged(
  nodes: readonly Node[],
  scope: string = NOVA_SCOPE,
  options?: WaitOptions,
): Promise<void> {
  const withinMs = checkWithin(options);
  const giveUpAt = performance.now() + withinMs;
  const converged = await untilQuiet(
    nodes.map(({ scheduler }) => scheduler),
    () => differences(nodes, scope).length === 0,
    giveUpAt,
  );
  if (converged) return;
  const found = differences(nodes, scope);
  const listed = found.slice(0, LISTED_MAX).map((line) => `\n  - ${line}`);
  if (found.length > LISTED_MAX) listed.push(`\n  and ${found.length - LISTED_MAX} more`);
  if (found.length === 0) listed.push('\n  - they agree, but have not come to rest');
  throw timeoutError(withinMs, `the nodes had not agreed on the scope '${scope}': ${listed.join('')}`);
}

function differences(nodes: readonly Node[], scope: string): string[] {
  const absent = nodes.filter((node) => findScope(node, scope) === undefined);
  if (absent.length > 0) return absent.map(({ name }) => `${name} does not run the scope`);
  const own = new Map(nodes.map((node) => [node.name, viewOf(node, scope, getLocalMembers)]));
  const views = nodes.map((node) => ({ node, view: viewOf(node, scope, getMembers) }));
  const found: string[] = [];
  for (const { node, view } of views) {
    const connected = new Set([node.name, ...node.nodes()]);
    for (const [text, { group, members }] of view) {
      for (const [key, { shown, node: home, count }] of members) {
        const real = own.get(home)?.get(text)?.members.get(key)?.count;
        if (!connected.has(home)) {
          found.push(`${node.name} has ${shown} in ${show(group)}, and is not connected to ${home}`);
        } else if (own.has(home) && real === undefined) {
          found.push(`${node.name} has ${shown} in ${show(group)}, where it no longer is`);
        } else if (own.has(home) && real !== count) {
          found.push(`${node.name} has ${shown} ${count} times in ${show(group)}, not ${real}`);
        }
      }
    }
    for (const other of views) found.push(...missing(node.name, view, other.node.name, other.view));
  }
  return found;
}

/** What one node knows and another does not. */
function missing(name: string, view: View, otherName: string, other: View): string[] {
  const found: string[] = [];
  for (const [text, { group, members }] of other) {
    for (const [key, { shown }] of members) {
      if (view.get(text)?.members.has(key) === true) continue;
      found.push(`${name} does not have ${shown} in ${show(group)}, which ${otherName} has`);
    }
  }
  return found;
}

function viewOf(node: Node, scope: string, get: typeof getMembers): View {
  const view: View = new Map();
  for (const group of whichGroups(node, scope)) {
    const members = new Map<string, Membership>();
    for (const pid of get(node, scope, group)) {
      const known = members.get(pid.key);
      if (known !== undefined) known.count++;
      else members.set(pid.key, { shown: `${pid.toString()} of ${pid.node}`, node: pid.node, count: 1 });
    }
    view.set(canonicalText(group), { group, members });
  }
  return view;
}

function show(group: unknown): string {
  return typeof group === 'string' ? `'${group}'` : canonicalText(group);
}
