// An Erlang node with pg, led from a test: terms go in and come out as bytes, and pids can be compared with those that the
// nodes of the test have.
import { atom, type Node, pg, type Pid, Tuple, tuple } from 'troupe';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { expect, onTestFinished, vi } from 'vitest';
import { type ErlNode, startErl } from '../../../support/erl.ts';
import { startTroupe } from '../../../support/troupe-node.ts';
import { keys } from '../../distribution/cluster.ts';

/** How long an outside program may take. */
export const WAIT = { timeout: 20_000, interval: 20 };

/** How often each pid is in each group, by the group's name as Erlang prints it. */
export type View = Record<string, string[]>;

/** An Erlang node. */
export class Beam {
  readonly erl: ErlNode;

  constructor(erl: ErlNode) {
    this.erl = erl;
  }

  get name(): string {
    return this.erl.name;
  }

  /** The value of expressions in which `X` is a term. */
  async ask(expressions: string, x?: unknown): Promise<unknown> {
    return decodeTerm(await this.erl.evalBytes(`X = binary_to_term(Input), ${expressions}`, encodeTerm(x)));
  }

  /** Calls a function of a module that is named by an atom. */
  call(module: string, name: string, ...args: readonly unknown[]): Promise<unknown> {
    return this.ask('{M, F, A} = X, apply(M, F, A)', tuple(atom(module), atom(name), args));
  }

  /** Starts a scope, linked to nobody. */
  async startScope(scope: string): Promise<Pid> {
    const answer = (await this.call('pg', 'start', atom(scope))) as Tuple<[unknown, Pid]>;
    return answer.elements[1];
  }

  /** The scope process. */
  async scope(scope: string): Promise<Pid> {
    return (await this.ask('whereis(X)', atom(scope))) as Pid;
  }

  /** Processes that do nothing. */
  async spawn(count: number): Promise<Pid[]> {
    const idle = 'spawn(fun() -> receive never -> ok end end)';
    return (await this.ask(`[${idle} || _ <- lists:seq(1, X)]`, count)) as Pid[];
  }

  join(scope: string, group: unknown, pids: Pid | readonly Pid[]): Promise<unknown> {
    return this.call('pg', 'join', atom(scope), group, pids);
  }

  leave(scope: string, group: unknown, pids: Pid | readonly Pid[]): Promise<unknown> {
    return this.call('pg', 'leave', atom(scope), group, pids);
  }

  async members(scope: string, group: unknown): Promise<readonly Pid[]> {
    return (await this.call('pg', 'get_members', atom(scope), group)) as Pid[];
  }

  /** Everybody in the scope. */
  async view(scope: string, local = false): Promise<View> {
    const get = local ? 'get_local_members' : 'get_members';
    const which = local ? 'which_local_groups' : 'which_groups';
    const groups = (await this.ask(`[{G, pg:${get}(X, G)} || G <- pg:${which}(X)]`, atom(scope))) as Array<
      Tuple<[unknown, Pid[]]>
    >;
    return viewOf(groups.map(({ elements }) => elements));
  }
}

/** Waits until a node of either kind has these members in a group. */
export function expectMembers(
  node: Node | Beam,
  scope: string,
  group: unknown,
  pids: readonly Pid[],
): Promise<void> {
  return vi.waitFor(async () => {
    const members =
      node instanceof Beam ? await node.members(scope, group) : pg.getMembers(node, scope, group);
    expect(keys(members)).toEqual(keys(pids));
  }, WAIT);
}

/** Everybody in a scope, as a node knows them. */
export function viewAt(node: Node, scope: string, local = false): View {
  const groups = local ? pg.whichLocalGroups(node, scope) : pg.whichGroups(node, scope);
  const members = local ? pg.getLocalMembers : pg.getMembers;
  return viewOf(groups.map((group) => [group, members(node, scope, group)]));
}

/** What several nodes have of their own, together. */
export function union(views: readonly View[]): View {
  const all: View = {};
  for (const view of views) {
    for (const [group, pids] of Object.entries(view))
      all[group] = [...(all[group] ?? []), ...pids].toSorted();
  }
  return all;
}

function viewOf(groups: ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>): View {
  return Object.fromEntries(groups.map(([group, pids]) => [nameOf(group), keys(pids)]));
}

function nameOf(group: unknown): string {
  return typeof group === 'string' ? JSON.stringify(group) : String(new Tuple([group]));
}

/** An Erlang node that ends with its test. */
export async function startBeam(name: string, epmdPort: number): Promise<Beam> {
  const erl = await startErl({ name: `${name}@127.0.0.1`, epmdPort });
  onTestFinished(() => erl.stop());
  return new Beam(erl);
}

let nodes = 0;

/** A node that ends with its test. */
export async function startNode(epmdPort: number): Promise<Node> {
  const { node } = await startTroupe({ name: `troupe${++nodes}@127.0.0.1`, epmdPort });
  onTestFinished(() => node.stop());
  return node;
}
