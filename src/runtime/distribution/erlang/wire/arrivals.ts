/**
 * Hands on what a peer sends, with its payload. Small messages are read and handed on at once. A large message is read in slices,
 * and small ones of other processes pass it: as Erlang promises, order is kept between two processes, and no more.
 *
 * Whatever comes of a sender of which something waits to be read waits behind it, signals included. So does, while something waits,
 * what has no known sender, and everything after that. What waits is read in the order in which it came.
 *
 * What cannot be read is left out and reported, and only that: a message is lost, an exit or a down has the reason
 * `unreadable_reason`, a request to spawn is refused.
 *
 * Limits: the bytes that wait. When `full`, its owner hands in nothing before some was read.
 */
import type { CarrierHost, Signal } from '../../../process/carrier.ts';
import { type Atom, atom } from '../../../terms/atom.ts';
import { Pid, Ref } from '../../../terms/identifiers.ts';
import { ImproperList, Tuple } from '../../../terms/values.ts';
import type { Grammar, TermReader } from '../../etf/reader.ts';
import { SlicingReader } from '../../etf/slicing-reader.ts';
import { EtfError, TooDeep, TooManyValues } from '../../etf/tags.ts';
import { type SpawnReply, type SpawnRequest, type Sender, senderOf, UNKNOWN_SENDER } from './control.ts';
import { spares } from './frames.ts';

/** Receives what was read. */
export interface ControlSink {
  signal(signal: Signal): void;
  spawnRequest(request: SpawnRequest): void;
  spawnReply(reply: SpawnReply): void;
  /** The peer says that it is a node of Troupe. */
  hello(): void;
  /** Something concerns nothing here. */
  leftOut(what: string): void;
}

/** A control message without what it carries. */
export type Carrying =
  | { readonly op: 'send'; readonly from: Pid; readonly to: Pid }
  | { readonly op: 'sendMany'; readonly from: Pid; readonly to: readonly Pid[] }
  | { readonly op: 'sendNamed'; readonly from: Pid; readonly to: string }
  | { readonly op: 'sendAlias'; readonly from: Pid; readonly to: Ref }
  | { readonly op: 'exit' | 'exitLink'; readonly from: Pid; readonly to: Pid }
  | { readonly op: 'exitOther'; readonly from: Pid }
  | { readonly op: 'down'; readonly target: Pid | string; readonly to: Pid; readonly ref: Ref }
  | { readonly op: 'spawn'; readonly request: Omit<SpawnRequest, 'args'> };

/** How what a message carries is read. */
export type Carried = 'message' | 'reason' | 'term';

/** What waits: a message with the bytes that it carries, or one that carries nothing. */
interface Waiting {
  readonly sender: Sender;
  readonly message: Carrying | undefined;
  readonly carried: Carried;
  readonly bytes: Buffer;
  /** Whether no other code uses their memory. */
  readonly own: boolean;
  readonly refs: readonly Atom[] | null;
  readonly hand: (() => void) | undefined;
}

/** What a process ended with whose reason cannot be read. */
const UNREADABLE = 'unreadable_reason';
/** Fewer bytes are copied, since the buffer in which they came holds other frames or is used again (`read-buffer.ts`); more keep their buffer. */
const COPIED_BYTES = 128 * 1024;
/** What one message that waits costs besides its bytes, roughly. */
const WAITING_BYTES = 256;
/** How many bytes may wait, unless the carrier says otherwise: 128 MiB. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024;
const NOTHING = Buffer.alloc(0);
const ALIAS = atom('alias');

/** How messages are read, and for whom. */
export interface ArrivalsOptions {
  readonly grammar: Grammar;
  /** Stands for the sender of a message that does not say it. */
  readonly unknown: Pid;
  /** How many bytes may wait. Default 128 MiB. */
  readonly maxBytes?: number | undefined;
}

/** What arrives from one peer. */
export class Arrivals {
  readonly #reader: TermReader;
  readonly #slices: SlicingReader;
  readonly #host: CarrierHost;
  readonly #sink: ControlSink;
  readonly #grammar: Grammar;
  /** Stands for the sender of a message that does not say it. */
  readonly #unknown: Pid;
  readonly #maxBytes: number;
  /** From `#first` on; that one may be half read. */
  #waiting: Waiting[] = [];
  #first = 0;
  #bytes = 0;
  /** How much waits of each sender. */
  readonly #senders = new Map<Sender, number>();

  /** @param reader stands where what a message carries begins. */
  constructor(
    reader: TermReader,
    host: CarrierHost,
    sink: ControlSink,
    { grammar, unknown, maxBytes = MAX_WAITING_BYTES }: ArrivalsOptions,
  ) {
    this.#reader = reader;
    this.#slices = new SlicingReader(host);
    this.#host = host;
    this.#sink = sink;
    this.#grammar = grammar;
    this.#unknown = unknown;
    this.#maxBytes = maxBytes;
  }

  /** True while something waits. */
  get busy(): boolean {
    return this.#first < this.#waiting.length;
  }

  /** True when no more may wait. */
  get full(): boolean {
    return this.#bytes >= this.#maxBytes;
  }

  /** A signal that carries nothing. */
  signal(signal: Signal): void {
    if (this.busy) this.#inOrder(senderOf(signal), () => this.#sink.signal(signal));
    else this.#sink.signal(signal);
  }

  /** The answer to a request to spawn. The new process is its sender; without one, the sender is unknown. */
  spawnReply(reply: SpawnReply): void {
    const { result } = reply;
    if (this.busy) {
      this.#inOrder(result instanceof Pid ? result.id : UNKNOWN_SENDER, () => this.#sink.spawnReply(reply));
    } else {
      this.#sink.spawnReply(reply);
    }
  }

  /** A message to a pid. */
  send(from: Pid, to: Pid): void {
    if (this.busy) return this.carry({ op: 'send', from, to }, 'message');
    const at = this.#reader.position;
    let message: unknown;
    try {
      message = this.#reader.message(this.#grammar);
    } catch (error) {
      this.#notAtOnce(error, { op: 'send', from, to }, 'message', at);
      return;
    }
    this.#sent(from, to, message);
  }

  /** What a message carries comes next. */
  carry(message: Carrying, carried: Carried): void {
    const reader = this.#reader;
    const at = reader.position;
    if (this.busy && this.#waits(this.#senderOf(message))) return this.#wait(message, carried, at);
    let value: unknown;
    try {
      value =
        carried === 'message'
          ? reader.message(this.#grammar)
          : carried === 'reason'
            ? reader.reason()
            : reader.term();
    } catch (error) {
      this.#notAtOnce(error, message, carried, at);
      return;
    }
    this.#done(message, value);
  }

  /**
   * Reads on in what waits, until nothing does or the time has come.
   * @returns whether nothing waits.
   */
  goOn(until: number): boolean {
    for (;;) {
      const waiting = this.#waiting[this.#first];
      if (waiting === undefined) return true;
      const { message, hand } = waiting;
      if (message === undefined) {
        this.#passed(waiting);
        hand?.();
      } else if (!this.#read(waiting, message, until)) {
        return false;
      }
      if (this.busy && performance.now() >= until) return false;
    }
  }

  /** Forgets all that waits. */
  abandon(): void {
    this.#waiting = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#senders.clear();
    this.#slices.abandon();
  }

  /** @returns whether what a message carries was read. */
  #read(waiting: Waiting, message: Carrying, until: number): boolean {
    const slices = this.#slices;
    const { bytes, own, refs, carried } = waiting;
    try {
      if (!slices.slicing) {
        slices.reset(bytes, 0, bytes.length, refs);
        slices.ownsBuffer = own;
        slices.begin(carried === 'message' ? this.#grammar : carried, 0);
      }
      if (!slices.goOn(until)) return false;
    } catch (error) {
      this.#passed(waiting);
      this.#unreadable(error, message);
      return true;
    }
    this.#passed(waiting);
    if (own && !slices.kept) spares(bytes);
    this.#done(message, slices.taken());
    return true;
  }

  // ---- what waits ----

  #waits(sender: Sender): boolean {
    return sender === UNKNOWN_SENDER || this.#senders.has(sender) || this.#senders.has(UNKNOWN_SENDER);
  }

  #senderOf(message: Carrying): Sender {
    if (message.op === 'spawn') return message.request.from.id;
    if (message.op === 'down') return message.target instanceof Pid ? message.target.id : UNKNOWN_SENDER;
    return message.from === this.#unknown ? UNKNOWN_SENDER : message.from.id;
  }

  /** Hands something on when nothing of its sender waits. */
  #inOrder(sender: Sender, hand: () => void): void {
    if (!this.#waits(sender)) hand();
    else
      this.#add({ sender, message: undefined, carried: 'term', bytes: NOTHING, own: true, refs: null, hand });
  }

  #wait(message: Carrying, carried: Carried, at: number): void {
    this.#reader.position = at;
    const { unread, atoms, ownsBuffer: own } = this.#reader;
    const bytes = unread.length < COPIED_BYTES ? Buffer.from(unread) : unread;
    const refs = atoms === null ? null : atoms.slice();
    this.#add({ sender: this.#senderOf(message), message, carried, bytes, own, refs, hand: undefined });
  }

  #add(waiting: Waiting): void {
    this.#waiting.push(waiting);
    this.#bytes += WAITING_BYTES + waiting.bytes.length;
    this.#senders.set(waiting.sender, (this.#senders.get(waiting.sender) ?? 0) + 1);
  }

  /** The first of those that wait is done. */
  #passed({ sender, bytes }: Waiting): void {
    this.#bytes -= WAITING_BYTES + bytes.length;
    const left = (this.#senders.get(sender) ?? 1) - 1;
    if (left === 0) this.#senders.delete(sender);
    else this.#senders.set(sender, left);
    this.#first++;
    if (this.#first * 2 < this.#waiting.length) return;
    this.#waiting.splice(0, this.#first);
    this.#first = 0;
  }

  // ---- the payload ----

  /** The payload was not read at once: it is large, or cannot be read. */
  #notAtOnce(error: unknown, message: Carrying, carried: Carried, at: number): void {
    if (error instanceof TooManyValues || error instanceof TooDeep) this.#wait(message, carried, at);
    else this.#unreadable(error, message);
  }

  #done(message: Carrying, value: unknown): void {
    switch (message.op) {
      case 'send':
        return this.#sent(message.from, message.to, value);
      case 'sendAlias':
        return this.#sentAlias(message.from, message.to, value);
      case 'spawn':
        return this.#sink.spawnRequest({ ...message.request, args: value });
      case 'exitOther':
        return this.#sink.leftOut('an exit signal to an alias or a name');
      case 'exit':
      case 'exitLink':
      case 'down':
        return this.#sink.signal({ ...message, reason: value });
      case 'sendMany':
        return this.#sink.signal({ op: 'sendMany', from: message.from, to: message.to, message: value });
      case 'sendNamed':
        return this.#sink.signal({ op: 'sendNamed', from: message.from, to: message.to, message: value });
    }
  }

  /** The payload is left out; a signal takes effect without it. */
  #unreadable(error: unknown, message: Carrying): void {
    if (!(error instanceof EtfError)) throw error;
    this.#sink.leftOut(`what a message carried: ${error.message}`);
    if (message.op === 'spawn') this.#sink.spawnRequest({ ...message.request, args: undefined });
    else if ('target' in message || message.op === 'exit' || message.op === 'exitLink') {
      this.#sink.signal({ ...message, reason: UNREADABLE });
    }
  }

  /** An answer to a call may come to the pid, too: as `{[alias | Ref], Reply}`. */
  #sent(from: Pid, to: Pid, message: unknown): void {
    const alias = message instanceof Tuple ? aliasOf(message) : undefined;
    if (alias === undefined || !alias.origin.equals(this.#host.origin)) {
      this.#sink.signal({ op: 'send', from, to, message });
    } else {
      this.#sink.signal({ op: 'sendAlias', from, to: alias, message: (message as Tuple).elements[1] });
    }
  }

  /** A message to an alias. Only calls hold aliases here: a message that does not answer one is left out. */
  #sentAlias(from: Pid, to: Ref, message: unknown): void {
    const alias = message instanceof Tuple ? aliasOf(message) : undefined;
    if (alias?.equals(to) === true) {
      this.#sink.signal({ op: 'sendAlias', from, to, message: (message as Tuple).elements[1] });
    } else {
      this.#sink.leftOut('a message to an alias that is not an answer');
    }
  }
}

/** The alias of an answer `{[alias | Ref], Reply}`. */
function aliasOf({ elements }: Tuple): Ref | undefined {
  const [tag] = elements;
  if (elements.length !== 2 || !(tag instanceof ImproperList)) return undefined;
  return tag.items.length === 1 && tag.items[0] === ALIAS && tag.tail instanceof Ref ? tag.tail : undefined;
}
