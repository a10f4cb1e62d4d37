/**
 * The identifiers of Erlang: pids, references and ports.
 *
 * A pid names one process for ever: node name, creation (the incarnation of that node), id and serial. Two pids with
 * these four equal are the same pid, whatever object carries them; compare with {@link Pid.equals} or by
 * {@link Pid.key}. A pid of a live local process also holds the process itself, so that a send needs no look-up; the
 * field is cleared when the process dies, so that an old pid keeps no dead process in memory.
 *
 * A ref is node, creation and up to five 32-bit words. Refs made here count upwards in two halves, so that their
 * fields stay small integers; refs of other nodes keep the words that they came with, and are echoed unchanged.
 *
 * Nothing is sent here: that is the business of `Process` and `Node`.
 */
import { TEXT } from './format.ts';

/** The node and incarnation that a pid or ref belongs to. One object is shared by all pids of an incarnation. */
export class Origin {
  /** Full node name, `name@host`. */
  readonly node: string;
  /** Incarnation of the node, a 32-bit number; 0 to 3 are never used. */
  readonly creation: number;

  constructor(node: string, creation: number) {
    this.node = node;
    this.creation = creation;
  }

  /** True when both name the same incarnation of the same node. */
  equals(other: Origin): boolean {
    return this === other || (this.creation === other.creation && this.node === other.node);
  }
}

/**
 * The numbers that stand for node names in printed pids and refs. OTP prints 0 for the local node; here 0 is the first
 * node made in this operating system process, and further names are numbered as they are first printed. Only printing
 * and {@link parsePid} fill it, so a peer cannot make it grow.
 */
const channelByNode = new Map<string, number>();
const nodeByChannel: string[] = [];

/** The number that stands for a node name in printed pids (the first field of `<0.12.0>`). */
export function channelOf(node: string): number {
  let channel = channelByNode.get(node);
  if (channel === undefined) {
    channel = nodeByChannel.length;
    channelByNode.set(node, channel);
    nodeByChannel.push(node);
  }
  return channel;
}

/** The node name that a printed channel number stands for, or undefined when none was printed with it. */
export function nodeOfChannel(channel: number): string | undefined {
  return nodeByChannel[channel];
}

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** A process identifier. See erlang:pid(), `erlang:pid_to_list/1`. */
export class Pid {
  declare readonly origin: Origin;
  /** Number of the process in its node, below 2^28. */
  declare readonly id: number;
  /** Counts how often ids wrapped around. */
  declare readonly serial: number;
  /** @internal The live process of this node, or null when it is dead or lives elsewhere. Only `process/` knows its class. */
  declare process: object | null;

  constructor(origin: Origin, id: number, serial: number) {
    this.origin = origin;
    this.id = id;
    this.serial = serial;
    this.process = null;
  }

  /** Name of the node the process lives on. */
  get node(): string {
    return this.origin.node;
  }

  /** Incarnation of that node. */
  get creation(): number {
    return this.origin.creation;
  }

  /** A string that is equal for equal pids and different for different ones, for use as a key. */
  get key(): string {
    return `${this.origin.node}/${this.origin.creation}.${this.id}.${this.serial}`;
  }

  /** True when the other value is a pid of the same process. */
  equals(other: unknown): boolean {
    return (
      this === other ||
      (other instanceof Pid &&
        this.id === other.id &&
        this.serial === other.serial &&
        this.origin.equals(other.origin))
    );
  }

  /** `<channel.id.serial>`, as `erlang:pid_to_list/1` prints it. */
  toString(): string {
    return `<${channelOf(this.origin.node)}.${this.id}.${this.serial}>`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect](): string {
    return this.toString();
  }

  /** @internal */
  [TEXT](): string {
    return this.toString();
  }
}

/**
 * Reads the text form of a pid, `<0.12.0>`.
 * @returns its three numbers, or undefined when the text is not a pid. See `erlang:list_to_pid/1`.
 */
export function parsePid(text: string): { channel: number; id: number; serial: number } | undefined {
  const match = /^<(\d{1,9})\.(\d{1,10})\.(\d{1,10})>$/.exec(text.trim());
  if (match === null) return undefined;
  return { channel: Number(match[1]), id: Number(match[2]), serial: Number(match[3]) };
}

// ---- references ----

/** A reference: a value that is unique in the cluster. See `erlang:make_ref/0`, `erlang:ref_to_list/1`. */
export class Ref {
  declare readonly origin: Origin;
  /** @internal Low 18 bits of the count, or 0 when `foreign` is set. */
  declare readonly low: number;
  /** @internal High bits of the count. */
  declare readonly high: number;
  /** @internal The words of a ref that was not made by this runtime. */
  declare readonly foreign: readonly number[] | null;
  /**
   * @internal The monitor that this ref stands for, while it is active; afterwards undefined. Null when it is not known:
   * a ref that travelled is another object than the one that the monitor knows.
   */
  declare monitor: object | null | undefined;

  constructor(origin: Origin, low: number, high: number, foreign: readonly number[] | null = null) {
    this.origin = origin;
    this.low = low;
    this.high = high;
    this.foreign = foreign;
    this.monitor = null;
  }

  /** Name of the node that made the ref. */
  get node(): string {
    return this.origin.node;
  }

  /** Incarnation of that node. */
  get creation(): number {
    return this.origin.creation;
  }

  /** The ref's 32-bit words, least significant first. */
  get words(): readonly number[] {
    return this.foreign ?? [this.low, this.high, 0];
  }

  /** A string that is equal for equal refs and different for different ones. */
  get key(): string {
    return `${this.origin.node}/${this.origin.creation}#${this.words.join('.')}`;
  }

  /** True when the other value is the same reference. */
  equals(other: unknown): boolean {
    if (this === other) return true;
    if (!(other instanceof Ref)) return false;
    // Most refs differ here; a process may compare one with all its monitors.
    if (this.foreign === null && other.foreign === null && this.low !== other.low) return false;
    if (!this.origin.equals(other.origin)) return false;
    const mine = this.words;
    const theirs = other.words;
    return mine.length === theirs.length && mine.every((word, index) => word === theirs[index]);
  }

  /** `#Ref<channel.words>`, as `erlang:ref_to_list/1` prints it. */
  toString(): string {
    return `#Ref<${[channelOf(this.origin.node), ...[...this.words].toReversed()].join('.')}>`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect](): string {
    return this.toString();
  }

  /** @internal */
  [TEXT](): string {
    return this.toString();
  }
}

/** Makes the refs of one node. Unique for 2^49 calls. */
export class RefCounter {
  readonly #origin: Origin;
  #low = 0;
  #high = 0;

  constructor(origin: Origin) {
    this.#origin = origin;
  }

  /** A new ref, different from every other. */
  next(): Ref {
    if (++this.#low === 0x40000) {
      this.#low = 0;
      this.#high++;
    }
    return new Ref(this.#origin, this.#low, this.#high);
  }
}

// ---- ports ----

/** A port of a BEAM node. See erlang:port(). */
export class Port {
  declare readonly origin: Origin;
  declare readonly id: bigint;

  constructor(origin: Origin, id: bigint) {
    this.origin = origin;
    this.id = id;
  }

  /** A string that is equal for equal ports and different for different ones. */
  get key(): string {
    return `${this.origin.node}/${this.origin.creation}|${this.id}`;
  }

  toString(): string {
    return `#Port<${channelOf(this.origin.node)}.${this.id}>`;
  }

  [inspect](): string {
    return this.toString();
  }

  /** @internal */
  [TEXT](): string {
    return this.toString();
  }
}
