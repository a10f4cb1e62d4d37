/**
 * A connection that is up: reads frames from its socket and has them applied, writes signals into it, keeps it alive.
 *
 * What a peer sends can cost it this connection and nothing else: a frame that cannot be read ends it with `bad_frame`. Frames
 * are worked on for a few milliseconds at a time; then the socket is paused until the event loop had its turn.
 *
 * A connection ends once, and tells its owner in a turn of its own: signals are sent from within processes, which must not
 * find their links broken by it half-way. What is sent in between is lost, as the rest of what was under way is.
 *
 * It knows nothing of how connections are made, nor of what waits for one.
 */
import { SystemCall } from '../../otp/gen.ts';
import { Pid } from '../../terms/identifiers.ts';
import type { Tuple } from '../../terms/values.ts';
import type { CarrierHost, Signal } from '../../process/carrier.ts';
import { plainBinaries } from '../etf/tags.ts';
import type { TermWriter } from '../etf/writer.ts';
import { messageWriter } from '../messages.ts';
import { type BusyWait, type Ticked, Ticks } from './keep-alive.ts';
import type {
  EstablishedConnection,
  PeerConnection,
  Services,
  SpawnReply,
  SpawnRequest,
} from './contracts.ts';
import { type Sender, senderOf, UNKNOWN_SENDER } from './wire/control.ts';
import { ControlWriter, type SingleSignal } from './wire/control-writer.ts';
import { FLAGS, hasNames } from './connect/flags.ts';
import { Inbound, type InboundOwner } from './wire/inbound.ts';
import { LISTED_BYTES, MAX_LISTED, SentLists } from './wire/multicast.ts';
import type { Settings } from './options.ts';
import type { PeerInfo } from './line.ts';
import {
  BATCH_BUFFER_BYTES,
  FRAGMENT_BYTES,
  type PackedSignal,
  type Packer,
  SendQueue,
} from './wire/send-queue.ts';

/** In what time a peer has to read something of what is left when the connection is closed in good order. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Why a connection ended; the reason of `nodeDown`. */
export type EndReason =
  /** The other side closed it, or the network did. */
  | 'connection_closed'
  /** This node's program closed it. */
  | 'disconnect'
  /** Nothing came for too long. */
  | 'net_tick_timeout'
  /** What came could not be read. */
  | 'bad_frame'
  /** More was to wait than may. */
  | 'queue_full';

/** Who runs the connections of a node. */
export interface ConnectionOwner {
  /** @internal */ readonly host: CarrierHost;
  /** @internal */ readonly settings: Settings;
  /** @internal */ readonly packer: Packer;
  /** @internal */ readonly services: Services;
  /** @internal */ readonly busyWait: BusyWait;
  /** @internal It is of no use any more. Called once, in a turn of its own or by `tellNow`. */
  ended(connection: Connection, reason: EndReason): void;
  /** @internal */ leftOut(peer: string, what: string): void;
  /** @internal */ badFrame(peer: string, reason: string): void;
  /** @internal */ busy(peer: string, queuedBytes: number): void;
  /** @internal */ full(peer: string, queuedBytes: number): void;
}

/** A connection that is up. */
export class Connection implements PeerConnection, InboundOwner, Ticked {
  readonly name: string;
  readonly creation: number;
  readonly flags: bigint;
  readonly #established: EstablishedConnection;
  readonly #owner: ConnectionOwner;
  readonly #writer: TermWriter;
  readonly #control: ControlWriter;
  readonly #queue: SendQueue;
  readonly #inbound: Inbound;
  readonly #ticks: Ticks;
  /** Whether the peer has registered names; see `hasNames`. */
  readonly #named: boolean;
  readonly #lists = new SentLists();
  readonly #since = new Date();
  #troupe = false;
  /** True while a frame is being written: what a getter in it sends waits in `#late`. */
  #encoding = false;
  #late: PackedSignal[] = [];
  #ended: EndReason | undefined = undefined;
  #telling: NodeJS.Immediate | undefined = undefined;
  #waiting: Array<() => void> = [];
  #sentSignals = 0;
  #sentTicks = 0;

  constructor(established: EstablishedConnection, owner: ConnectionOwner) {
    const { host, settings } = owner;
    const { peer, creation, flags, socket } = established;
    this.name = peer;
    this.creation = creation;
    this.flags = flags;
    this.#named = hasNames(established);
    this.#established = established;
    this.#owner = owner;
    const limits = {
      // Besides a message of the greatest size, the rest of the batch and of its frame.
      maxBytes: settings.sendQueue.maxBytes + 2 * BATCH_BUFFER_BYTES,
      nativeRecords: (flags & FLAGS.NATIVE_RECORDS) !== 0n,
      exactBytes: this.#named,
    };
    this.#writer = messageWriter(limits, BATCH_BUFFER_BYTES);
    this.#control = new ControlWriter(this.#writer, {
      peer,
      creation,
      flags,
      maxFrameBytes: settings.sendQueue.maxBytes,
    });
    this.#queue = new SendQueue(socket, this.#writer, settings.sendQueue, {
      busy: (queuedBytes) => owner.busy(peer, queuedBytes),
      full: (queuedBytes) => {
        owner.full(peer, queuedBytes);
        this.end('queue_full');
      },
      drained: () => this.#drained(),
    });
    const limitsIn = { maxFrameBytes: settings.maxFrameBytes, fragmentTimeMs: settings.netTickTimeMs };
    this.#inbound = new Inbound(established, host, limitsIn, this);
    this.#ticks = new Ticks(this, settings.netTickTimeMs);
  }

  /** Sends what has waited. */
  start(pending: readonly PackedSignal[]): void {
    // First, so that the other side knows it before it answers anything.
    if (this.#named) this.#write(() => this.#control.hello(this.#owner.host.node.initPid), UNKNOWN_SENDER);
    for (const packed of pending) this.#sendPacked(packed);
  }

  /** Begins to read. */
  read(): void {
    if (this.#ended === undefined) this.#inbound.start();
  }

  // ---- coming in ----

  signal(signal: Signal): void {
    const { host, services } = this.#owner;
    if (signal.op === 'sendMany') this.#inbound.delivered(signal.to.length);
    if ('message' in signal && signal.message instanceof SystemCall && !this.#troupe) {
      services.systemCall(this.name, signal.message, () => host.receive(this.name, signal));
    } else {
      host.receive(this.name, signal);
    }
  }

  spawnRequest(request: SpawnRequest): void {
    this.#owner.services.spawnRequest(this, request);
  }

  spawnReply(reply: SpawnReply): void {
    this.#owner.services.spawnReply(this, reply);
  }

  hello(): void {
    this.#troupe = true;
  }

  leftOut(what: string): void {
    this.#owner.leftOut(this.name, what);
  }

  came(): void {
    this.#owner.busyWait.begin();
  }

  tick(): void {
    this.#ticks.received();
  }

  bad(reason: string): void {
    this.#owner.badFrame(this.name, reason);
    this.end('bad_frame');
  }

  closed(): void {
    this.end('connection_closed');
  }

  // ---- going out ----

  /** @throws TroupeError TROUPE_NOT_ENCODABLE; then nothing was sent. */
  send(signal: Signal): void {
    if (this.#ended !== undefined || this.#encoding) {
      const packed = this.#owner.packer.pack(signal);
      if (this.#ended === undefined) this.#late.push(packed);
      return;
    }
    if (signal.op === 'sendMany') this.#sendMany(signal.from, signal.to, signal);
    else this.#sendSingle(signal, undefined);
  }

  sendControl(message: Tuple, ...payload: readonly [] | readonly [unknown]): void {
    if (this.#ended !== undefined) return;
    const sender = message.elements.find((item) => item instanceof Pid && this.#isOwn(item));
    this.#write(
      () => this.#control.raw(message, payload),
      sender instanceof Pid ? sender.id : UNKNOWN_SENDER,
    );
  }

  #sendSingle(signal: SingleSignal, payload: Uint8Array | undefined): void {
    const start = this.#writer.length;
    this.#encoding = true;
    try {
      if (this.#control.signal(signal, payload)) this.#added(start, senderOf(signal));
      if (signal.op === 'unlink' && !this.#control.unlinkIds) this.#acknowledge(signal);
    } finally {
      this.#encoding = false;
      if (this.#late.length > 0) this.#sendLate();
    }
  }

  #sendMany(from: Pid, to: readonly Pid[], signal: Signal & { readonly op: 'sendMany' }): void {
    const { message } = signal;
    if (!this.#troupe || to.length < 2 || to.length > MAX_LISTED) {
      this.#sendSame(from, to, signal);
      return;
    }
    if (this.#lists.has(to)) {
      this.#sendList(from, to, message);
      return;
    }
    const current = to.every((pid) => this.#isCurrent(pid)) ? to : to.filter((pid) => this.#isCurrent(pid));
    const { once, again } = this.#lists.apart(current);
    this.#sendList(from, once, message);
    if (again.length > 0) this.#sendMany(from, again, { ...signal, to: again });
  }

  #sendList(from: Pid, list: readonly Pid[], message: unknown): void {
    const start = this.#writer.length;
    this.#encoding = true;
    try {
      let id = this.#control.many(from, list, message, this.#lists, !this.#queue.holding);
      if (id !== 0 && this.#writer.length - start - list.length * LISTED_BYTES > FRAGMENT_BYTES) {
        this.#writer.length = start;
        id = this.#control.many(from, list, message, this.#lists, false);
      }
      if (id === 0) {
        this.#added(start, from.id);
      } else {
        // In one piece, however long the list is: frames of other senders that use it may not pass it.
        this.#lists.sent(id, list);
        this.#sentSignals++;
        this.#queue.added(start, from.id);
      }
    } finally {
      this.#encoding = false;
      if (this.#late.length > 0) this.#sendLate();
    }
  }

  /** Sends the same message to each of some pids, its atoms by number where that can be. */
  #sendSame(from: Pid, to: readonly Pid[], signal: Signal & { readonly op: 'sendMany' }): void {
    const { packer } = this.#owner;
    const { atoms } = this.#control;
    const [first] = to;
    // While something is held back, frames of others could pass the one that names an atom.
    if (first === undefined || to.length < 2 || this.#queue.holding || atoms?.begin() !== true) {
      this.#sendEach(from, to, packer.payload(signal), false);
      return;
    }
    try {
      this.#control.numberAtoms(from, first);
      this.#sendEach(from, to, packer.payload(signal, atoms), true);
    } finally {
      atoms.end();
    }
  }

  /** Sends the same payload to each of some pids. @param numbered whether it has numbers for its atoms. */
  #sendEach(from: Pid, to: readonly Pid[], packed: Buffer, numbered: boolean): void {
    const payload = this.#readable(packed);
    const large = payload.length > FRAGMENT_BYTES && this.#control.fragments;
    for (const pid of to) {
      if (this.#ended !== undefined) return;
      this.#sentSignals++;
      if (large) {
        this.#queue.addLarge(this.#control.fragmentStart(from, pid, numbered), payload, from.id);
      } else {
        const start = this.#writer.length;
        this.#control.message(from, pid, payload, numbered);
        this.#queue.added(start, from.id);
      }
    }
  }

  #sendPacked({ signal, payload }: PackedSignal): void {
    if (this.#ended !== undefined) return;
    if (signal.op === 'sendMany') this.#sendEach(signal.from, signal.to, payload as Buffer, false);
    else this.#sendSingle(signal, payload && this.#readable(payload));
  }

  /** What was encoded for any node, in a form that this one reads. */
  #readable(payload: Buffer): Buffer {
    return this.#named ? payload : plainBinaries(payload);
  }

  #sendLate(): void {
    const late = this.#late;
    this.#late = [];
    for (const packed of late) this.#sendPacked(packed);
  }

  #write(write: () => void, sender: Sender): void {
    const start = this.#writer.length;
    this.#encoding = true;
    try {
      write();
      this.#added(start, sender);
    } finally {
      this.#encoding = false;
      if (this.#late.length > 0) this.#sendLate();
    }
  }

  /** A frame stands in the batch. */
  #added(start: number, sender: Sender): void {
    this.#sentSignals++;
    const { controlStart, payloadStart, fragments } = this.#control;
    if (fragments && payloadStart > 0 && this.#writer.length - payloadStart > FRAGMENT_BYTES) {
      this.#queue.addedLarge(start, controlStart, payloadStart, sender);
    } else {
      this.#queue.added(start, sender);
    }
  }

  /** Answers an unlink in place of a peer that does not. */
  #acknowledge({ id, from, to }: Signal & { readonly op: 'unlink' }): void {
    this.#owner.host.receive(this.name, { op: 'unlinkAck', id, from: to, to: from });
  }

  #isOwn({ origin }: Pid): boolean {
    return origin.equals(this.#owner.host.origin);
  }

  #isCurrent({ origin }: Pid): boolean {
    return origin.creation === this.creation && origin.node === this.name;
  }

  // ---- how it is ----

  /** How many bytes wait to be written. */
  get queuedBytes(): number {
    return this.#ended === undefined ? this.#queue.queuedBytes : 0;
  }

  /** Whether it can be used. */
  get usable(): boolean {
    return this.#ended === undefined;
  }

  /** Resolves when nothing waits to be written, or it has ended. */
  drained(): Promise<void> {
    if (this.queuedBytes === 0) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  info(): PeerInfo {
    return {
      name: this.name,
      creation: this.creation,
      state: 'up',
      direction: this.#established.initiator ? 'out' : 'in',
      troupe: this.#troupe,
      since: this.#since,
      sent: {
        messages: this.#sentSignals,
        writes: this.#queue.writes,
        bytes: this.#queue.bytes,
        ticks: this.#sentTicks,
      },
      received: { ...this.#inbound.traffic },
      queuedBytes: this.queuedBytes,
    };
  }

  // ---- staying alive ----

  get readCount(): number {
    return this.#inbound.chunks;
  }

  get writeCount(): number {
    return this.#queue.writes;
  }

  get working(): boolean {
    return this.#inbound.working;
  }

  sendTick(): void {
    if (this.#queue.tick()) this.#sentTicks++;
  }

  silent(): void {
    this.end('net_tick_timeout');
  }

  // ---- the end ----

  /** Ends it at once: what was not written is lost. No effect when it has ended. */
  end(reason: EndReason): void {
    if (this.#ended !== undefined) return;
    this.#stop(reason);
    this.#established.socket.destroy();
    this.#telling = setImmediate(() => this.tellNow());
  }

  /**
   * Ends it in good order: what waits is written before. Its owner is told as by `end`.
   * @returns when the socket is closed, which a peer that does not read, or does not close its side, cannot put off for long.
   */
  close(reason: EndReason): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    const { socket } = this.#established;
    this.#queue.flushAll();
    this.#stop(reason);
    this.#telling = setImmediate(() => this.tellNow());
    return new Promise((resolve) => {
      let left = Infinity;
      const timer = setInterval(() => {
        const { writableLength } = socket;
        if (writableLength === 0 || writableLength >= left) socket.destroy();
        left = writableLength;
      }, CLOSE_TIMEOUT_MS);
      socket.once('close', () => {
        clearInterval(timer);
        resolve();
      });
      // What still comes is of no interest, but has to be read for the end of it to be seen.
      socket.resume();
      socket.end();
    });
  }

  /** Tells the owner now that it has ended, unless that was done. */
  tellNow(): void {
    if (this.#ended === undefined || this.#telling === undefined) return;
    clearImmediate(this.#telling);
    this.#telling = undefined;
    this.#owner.ended(this, this.#ended);
  }

  #stop(reason: EndReason): void {
    this.#ended = reason;
    this.#ticks.stop();
    this.#inbound.stop();
    this.#queue.close();
    this.#late = [];
    this.#drained();
  }

  #drained(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
