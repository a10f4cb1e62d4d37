// A fake scope process: it records what a real one sends it, and can send it anything. It checks the rule which keeps
// an OTP scope alive: nothing before a snapshot, and no leave of what was not told.
import { Down, type Node, type Pid } from 'troupe';
import {
  canonicalText,
  type NamedGroup,
  type PeerMessage as Read,
  readEntry,
  readPeerMessage,
} from '../../../src/runtime/pg/internal.ts';

/** A message whose groups are read, too. */
type PeerMessage =
  | Exclude<Read, { kind: 'sync' }>
  | { readonly kind: 'sync'; readonly peer: Pid; readonly groups: readonly NamedGroup[] };

type Message<Kind> = PeerMessage & { readonly kind: Kind };

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

  /** @param scope the name that it is registered under on its node. */
  constructor(node: Node, scope: string) {
    this.#node = node;
    this.pid = node.spawnWith(
      { name: scope },
      { name: 'spy', init: () => undefined, handle: (_self, message) => this.#take(message) },
    );
  }

  /** Tells the scope of a node something. */
  tell(to: Node, scope: string, message: unknown): void {
    this.#node.find(this.pid)?.send({ name: scope, node: to.name }, message);
  }

  /** What came, of the protocol. */
  get messages(): PeerMessage[] {
    return this.got.flatMap((message) => read(message) ?? []);
  }

  /** The kinds of what came. */
  get kinds(): string[] {
    return this.messages.map(({ kind }) => kind);
  }

  /** The messages of one kind. */
  of<Kind extends PeerMessage['kind']>(kind: Kind): Array<Message<Kind>> {
    return this.messages.filter((message): message is Message<Kind> => message.kind === kind);
  }

  /** Forgets what came, but not what was told. */
  clear(): void {
    this.got.length = 0;
  }

  #take(message: unknown): void {
    this.got.push(message);
    if (message instanceof Down) {
      this.told.delete((message.target as Pid).key);
      return;
    }
    const said = read(message);
    if (said === undefined) this.faults.push(`unknown message ${String(message)}`);
    else if (said.kind === 'sync') this.#synced(said);
    else if (said.kind === 'join') this.#joined(said);
    else if (said.kind === 'leave') this.#left(said);
  }

  #synced({ peer, groups }: Message<'sync'>): void {
    const told: Told = new Map();
    for (const [group, pids] of groups) {
      const text = canonicalText(group);
      if (told.has(text)) this.faults.push(`${text} twice in one sync`);
      if (pids.length === 0) this.faults.push(`${text} without members in a sync`);
      told.set(text, counts(pids));
    }
    this.told.set(peer.key, told);
  }

  #joined({ peer, group, pids }: Message<'join'>): void {
    const told = this.told.get(peer.key);
    if (told === undefined) {
      this.faults.push('a join before the sync');
      return;
    }
    const text = canonicalText(group);
    const members = told.get(text) ?? new Map<string, number>();
    told.set(text, members);
    for (const { key } of pids) members.set(key, (members.get(key) ?? 0) + 1);
    if (pids.length === 0) this.faults.push(`a join of nobody to ${text}`);
  }

  #left({ peer, pids, groups }: Message<'leave'>): void {
    const told = this.told.get(peer.key);
    for (const group of groups) {
      const members = told?.get(canonicalText(group));
      // This is where OTP crashes.
      if (members === undefined) this.faults.push(`a leave of ${canonicalText(group)}, which was not told`);
      for (const { key } of pids) this.#leftOne(members, key);
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

function read(message: unknown): PeerMessage | undefined {
  const said = readPeerMessage(message);
  if (said?.kind !== 'sync') return said;
  const { kind, peer, entries } = said;
  return { kind, peer, groups: entries.map((entry) => readEntry(peer, entry)) };
}

function counts(pids: readonly Pid[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { key } of pids) found.set(key, (found.get(key) ?? 0) + 1);
  return found;
}
