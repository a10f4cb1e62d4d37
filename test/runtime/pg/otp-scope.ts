// A scope process as pg.erl of OTP 25 is one: its tables, what it answers, and above all what it dies of: a `leave` for a group
// that it has not recorded of a peer ({badkey, Group}), and any message that it does not know. Functions are named after
// those of pg.erl. It runs on a node of the runtime, but looks at terms as a BEAM node would, where an atom and a binary
// are two groups.
import { atom, type Atom, Down, type Node, NodeDown, NodeUp, type Pid, type Process, Tuple } from 'troupe';
import { Cast } from '../../../src/runtime/otp/internal.ts';
import { canonicalText } from '../../../src/runtime/pg/internal.ts';

/** Members by group: how often each pid has joined. */
export type Membership = Map<string, Map<string, number>>;

/** A group by the text that is equal for equal terms. */
interface Named {
  readonly name: unknown;
  readonly pids: readonly Pid[];
}

interface Remote {
  readonly ref: unknown;
  readonly groups: Map<string, Named>;
}

/** What the scope is called to do: `gen_server:call`, in order with what others send it. */
class Call {
  readonly kind: 'join_local' | 'leave_local';
  readonly group: unknown;
  readonly pids: readonly Pid[];

  constructor(kind: Call['kind'], group: unknown, pids: readonly Pid[]) {
    this.kind = kind;
    this.group = group;
    this.pids = pids;
  }
}

/** A scope of OTP 25, which can be started again. */
export class OtpScope {
  readonly #node: Node;
  readonly #scope: string;
  readonly #visible: boolean;
  readonly #faults: string[];
  #pid: Pid | undefined;
  #remote = new Map<string, Remote & { readonly peer: Pid }>();
  #local = new Map<string, { readonly pid: Pid; readonly ref: unknown; groups: string[] }>();
  #names = new Map<string, unknown>();
  /** All and local members of each group, as in the ETS table. */
  #ets = new Map<string, { all: readonly Pid[]; local: readonly Pid[] }>();

  /**
   * @param visible whether it learns of nodes that come up; BEAM nodes do not of those that are hidden.
   * @param faults gets what any of its processes died of.
   */
  constructor(node: Node, scope: string, visible: boolean, faults: string[]) {
    this.#node = node;
    this.#faults = faults;
    this.#scope = scope;
    this.#visible = visible;
    this.start();
  }

  get pid(): Pid {
    return this.#pid!;
  }

  start(): void {
    if (this.#pid !== undefined) this.#node.exit(this.#pid, 'kill');
    this.#remote = new Map();
    this.#local = new Map();
    this.#names = new Map();
    this.#ets = new Map();
    this.#pid = this.#node.spawnWith(
      { name: this.#scope },
      {
        name: 'otp_scope',
        init: (self) => {
          if (!this.#visible) return;
          this.#node.monitorNodes(self.pid, true);
          for (const node of this.#node.nodes()) this.#discover(self, { name: this.#scope, node }, node);
        },
        handle: (self, message) => {
          try {
            this.#handle(self, message);
          } catch (error) {
            this.#faults.push(String(error));
            throw error;
          }
        },
      },
    );
  }

  join(group: unknown, pids: readonly Pid[]): void {
    this.#node.send(this.pid, new Call('join_local', group, pids));
  }

  leave(group: unknown, pids: readonly Pid[]): void {
    this.#node.send(this.pid, new Call('leave_local', group, pids));
  }

  /** What it knows, as the ETS table has it. */
  members(which: 'all' | 'local'): Membership {
    const found: Membership = new Map();
    for (const [text, lists] of this.#ets) {
      if (lists[which].length > 0) found.set(text, counts(lists[which]));
    }
    return found;
  }

  /** The name of a group of `members`. */
  nameOf(text: string): unknown {
    return this.#names.get(text);
  }

  /** The members that a peer has reported. */
  told(peer: Pid): Membership {
    const groups = this.#remote.get(peer.key)?.groups ?? new Map<string, Named>();
    return new Map(Array.from(groups, ([text, { pids }]) => [text, counts(pids)]));
  }

  /** How many peers it knows. */
  get peers(): number {
    return this.#remote.size;
  }

  #handle(self: Process, message: unknown): void {
    if (message instanceof Call) this.#call(self, message);
    else if (message instanceof Down) this.#down(self, message);
    else if (message instanceof NodeUp) {
      this.#discover(self, { name: this.#scope, node: message.node }, message.node);
    } else if (message instanceof Cast) this.#cast(self, message);
    else if (!(message instanceof NodeDown)) this.#info(self, message);
  }

  // handle_call

  #call(self: Process, { kind, group, pids }: Call): void {
    const text = this.#text(group);
    if (kind === 'join_local') {
      for (const pid of pids) this.#joinLocal(self, pid, text);
      this.#change(text, (all) => [...pids, ...all], 'local');
      this.#broadcast(self, new Tuple([atom('join'), self.pid, group, oneOrMany(pids)]));
      return;
    }
    const left = pids.filter((pid) => this.#leaveLocal(self, pid, text));
    if (left.length === 0) return;
    this.#change(text, (all) => subtract(all, pids), 'local');
    // As OTP does: the pids that were named, whether they were members or not.
    this.#broadcast(self, new Tuple([atom('leave'), self.pid, oneOrMany(pids), [group]]));
  }

  #joinLocal(self: Process, pid: Pid, text: string): void {
    const known = this.#local.get(pid.key);
    if (known === undefined) this.#local.set(pid.key, { pid, ref: self.monitor(pid), groups: [text] });
    else known.groups = [text, ...known.groups];
  }

  #leaveLocal(self: Process, pid: Pid, text: string): boolean {
    const known = this.#local.get(pid.key);
    if (known === undefined || !known.groups.includes(text)) return false;
    known.groups = without(known.groups, text);
    if (known.groups.length > 0) return true;
    self.demonitor(known.ref as never);
    this.#local.delete(pid.key);
    return true;
  }

  // handle_cast

  #cast(self: Process, { name, argument }: Cast): void {
    const [tag, peer, groups, more] = name === '$request' && argument instanceof Tuple ? argument : [];
    if (tag !== atom('sync') || more !== undefined) throw new Error(`badarg: cast ${name}`);
    this.#sync(self, peer as Pid, groups as readonly Tuple[]);
  }

  #sync(self: Process, peer: Pid, groups: readonly Tuple[]): void {
    const known = this.#remote.get(peer.key);
    const ref = known?.ref ?? self.monitor(peer);
    const left = new Map(known?.groups);
    const told = new Map<string, Named>();
    for (const [name, pids] of groups as Iterable<Iterable<unknown>> as Iterable<[unknown, readonly Pid[]]>) {
      const text = this.#text(name);
      const old = left.get(text);
      left.delete(text);
      if (old !== undefined && !this.#ets.has(text)) throw new Error(`badmatch: ${text} is not in the table`);
      this.#change(text, (all) => subtract([...pids, ...all], old?.pids ?? []), 'remote');
      told.set(text, { name, pids });
    }
    for (const [text, { pids }] of left) this.#change(text, (all) => subtract(all, pids), 'remote');
    this.#remote.set(peer.key, { peer, ref, groups: told });
  }

  // handle_info

  #info(self: Process, message: unknown): void {
    const [tag, peer, third, fourth] = message instanceof Tuple ? message : [];
    const form = `${(tag as Atom | undefined)?.name}/${message instanceof Tuple ? message.length : 0}`;
    if (form === 'discover/2') this.#discovered(self, peer as Pid);
    else if (form === 'join/4') this.#joined(peer as Pid, third, list(fourth));
    else if (form === 'leave/4') this.#left(peer as Pid, list(third), fourth as readonly unknown[]);
    else throw new Error(`badarg: ${String(message)} as ${form}`);
  }

  #discovered(self: Process, peer: Pid): void {
    const groups = new Map<string, Pid[]>();
    for (const { pid, groups: names } of this.#local.values()) {
      for (const text of names) groups.set(text, [pid, ...(groups.get(text) ?? [])]);
    }
    const told = [...groups].map(([text, pids]) => new Tuple([this.#names.get(text), pids]));
    this.#send(self, peer, new Cast('$request', new Tuple([atom('sync'), self.pid, told])));
    if (this.#remote.has(peer.key)) return;
    this.#remote.set(peer.key, { peer, ref: self.monitor(peer), groups: new Map() });
    this.#discover(self, peer, peer.node);
  }

  #joined(peer: Pid, name: unknown, pids: readonly Pid[]): void {
    const known = this.#remote.get(peer.key);
    if (known === undefined) return;
    const text = this.#text(name);
    this.#change(text, (all) => [...pids, ...all], 'remote');
    known.groups.set(text, { name, pids: [...pids, ...(known.groups.get(text)?.pids ?? [])] });
  }

  #left(peer: Pid, pids: readonly Pid[], groups: readonly unknown[]): void {
    const known = this.#remote.get(peer.key);
    if (known === undefined) return;
    for (const name of groups) {
      if (this.#ets.has(this.#text(name)))
        this.#change(this.#text(name), (all) => subtract(all, pids), 'remote');
    }
    for (const name of groups) {
      const text = this.#text(name);
      const before = known.groups.get(text);
      if (before === undefined) throw new Error(`badkey: ${text}, of which ${peer.key} has not told`);
      const remaining = subtract(before.pids, pids);
      if (remaining.length === 0) known.groups.delete(text);
      else known.groups.set(text, { name, pids: remaining });
    }
  }

  #down(self: Process, { ref, target }: Down): void {
    const pid = target as Pid;
    if (pid.node === this.#node.name) {
      const known = this.#local.get(pid.key);
      if (known?.ref !== ref) return;
      this.#local.delete(pid.key);
      for (const text of known.groups) this.#change(text, (all) => subtract(all, [pid]), 'local');
      const names = known.groups.map((text) => this.#names.get(text));
      this.#broadcast(self, new Tuple([atom('leave'), self.pid, pid, names]));
      return;
    }
    const peer = this.#remote.get(pid.key);
    if (peer?.ref !== ref) return;
    this.#remote.delete(pid.key);
    for (const [text, { pids }] of peer.groups) this.#change(text, (all) => subtract(all, pids), 'remote');
  }

  // What they have in common

  #text(name: unknown): string {
    const text = canonicalText(name);
    this.#names.set(text, name);
    return text;
  }

  #change(text: string, change: (pids: readonly Pid[]) => readonly Pid[], where: 'local' | 'remote'): void {
    const { all, local } = this.#ets.get(text) ?? { all: [], local: [] };
    const now = { all: change(all), local: where === 'local' ? change(local) : local };
    if (now.all.length === 0 && now.local.length === 0) this.#ets.delete(text);
    else this.#ets.set(text, now);
  }

  #discover(self: Process, to: Parameters<Process['send']>[0], node: string): void {
    if (this.#node.router.connectedPeer(node) === undefined) return;
    self.send(to, new Tuple([atom('discover'), self.pid]));
  }

  #broadcast(self: Process, message: Tuple): void {
    for (const { peer } of this.#remote.values()) this.#send(self, peer, message);
  }

  /** With `noconnect`. */
  #send(self: Process, peer: Pid, message: unknown): void {
    if (this.#node.router.connectedPeer(peer.node) !== undefined) self.send(peer, message);
  }
}

function list(pids: unknown): readonly Pid[] {
  return Array.isArray(pids) ? (pids as readonly Pid[]) : [pids as Pid];
}

function oneOrMany(pids: readonly Pid[]): Pid | readonly Pid[] {
  return pids.length === 1 ? pids[0]! : pids;
}

/** `--` of lists. */
function subtract(pids: readonly Pid[], others: readonly Pid[]): readonly Pid[] {
  const gone = counts(others);
  return pids.filter(({ key }) => {
    const count = gone.get(key) ?? 0;
    if (count > 0) gone.set(key, count - 1);
    return count === 0;
  });
}

function without(texts: readonly string[], text: string): string[] {
  const at = texts.indexOf(text);
  return texts.filter((_, index) => index !== at);
}

/** How often each pid is in a list, by its key. */
export function counts(pids: readonly Pid[]): Map<string, number> {
  const found = new Map<string, number>();
  for (const { key } of pids) found.set(key, (found.get(key) ?? 0) + 1);
  return found;
}
