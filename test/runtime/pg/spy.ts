// A scope process that is none: it notes what a real one tells it, and can tell it anything. It checks the rule which keeps
// an OTP scope alive: nothing before a snapshot, and no leave of what was not told. One that answers does what pg.erl does
// with `discover` and `DOWN`, and has no members.
import { Down, type Node, type Pid } from 'troupe';
import { Discover, Join, Leave, Sync } from '../../../src/runtime/pg/protocol.ts';
import { canonicalText } from '../../../src/runtime/pg/group-key.ts';

/** What was told, as [group, pid key, how often]. */
type Told = Map<string, Map<string, number>>;

/** A peer that only watches. */
export class Spy {
  readonly pid: Pid;
  readonly got: unknown[] = [];
  /** Breaches of the rule. */
  readonly faults: string[] = [];
  /** What each scope process has told, by the key of its pid. */
  readonly told = new Map<string, Told>();
  readonly #node: Node;

  readonly #answers: boolean;
  readonly #known = new Set<string>();

  /** @param scope the name that it is registered under on its node. */
  constructor(node: Node, scope: string, answers = false) {
    this.#node = node;
    this.#answers = answers;
    this.pid = node.spawnWith(
      { name: scope },
      { name: 'spy', init: () => undefined, handle: (_self, message) => this.#take(message) },
    );
  }

  /** Tells the scope of a node something. */
  tell(to: Node, scope: string, message: unknown): void {
    this.#node.find(this.pid)?.send({ name: scope, node: to.name }, message);
  }

  /** The kinds of what came. */
  get kinds(): string[] {
    return this.got.map((message) => (message as object).constructor.name);
  }

  /** Forgets what came, but not what was told. */
  clear(): void {
    this.got.length = 0;
  }

  #take(message: unknown): void {
    this.got.push(message);
    if (message instanceof Sync) this.#synced(message);
    else if (message instanceof Join) this.#joined(message);
    else if (message instanceof Leave) this.#left(message);
    else if (message instanceof Discover) this.#discovered(message.peer);
    else if (message instanceof Down) this.#ended(message.target as Pid);
    else this.faults.push(`unknown message ${String(message)}`);
  }

  #discovered(peer: Pid): void {
    const self = this.#node.find(this.pid);
    if (!this.#answers || self === null) return;
    self.send(peer, new Sync(this.pid, []));
    if (this.#known.has(peer.key)) return;
    this.#known.add(peer.key);
    self.monitor(peer);
    self.send(peer, new Discover(this.pid));
  }

  #ended(peer: Pid): void {
    this.#known.delete(peer.key);
    this.told.delete(peer.key);
  }

  #synced({ peer, groups }: Sync): void {
    const told: Told = new Map();
    for (const [group, pids] of groups) {
      const text = canonicalText(group);
      if (told.has(text)) this.faults.push(`${text} twice in one sync`);
      if (pids.length === 0) this.faults.push(`${text} without members in a sync`);
      told.set(text, counts(pids));
    }
    this.told.set(peer.key, told);
  }

  #joined({ peer, group, pids }: Join): void {
    const told = this.told.get(peer.key);
    if (told === undefined) {
      this.faults.push('a join before the sync');
      return;
    }
    const text = canonicalText(group);
    const members = told.get(text) ?? new Map<string, number>();
    told.set(text, members);
    for (const { key } of list(pids)) members.set(key, (members.get(key) ?? 0) + 1);
    if (list(pids).length === 0) this.faults.push(`a join of nobody to ${text}`);
  }

  #left({ peer, pids, groups }: Leave): void {
    const told = this.told.get(peer.key);
    for (const group of groups) {
      const members = told?.get(canonicalText(group));
      // This is where OTP crashes.
      if (members === undefined) this.faults.push(`a leave of ${canonicalText(group)}, which was not told`);
      for (const { key } of list(pids)) this.#leftOne(members, key);
      if (members?.size === 0) told?.delete(canonicalText(group));
    }
  }

  #leftOne(members: Map<string, number> | undefined, key: string): void {
    const count = members?.get(key) ?? 0;
    if (count === 0) this.faults.push(`a leave of ${key}, which was not told`);
    else if (count === 1) members?.delete(key);
    else members?.set(key, count - 1);
  }
}

function list(pids: Pid | readonly Pid[]): readonly Pid[] {
  return Array.isArray(pids) ? (pids as readonly Pid[]) : [pids as Pid];
}

function counts(pids: readonly Pid[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { key } of pids) found.set(key, (found.get(key) ?? 0) + 1);
  return found;
}
