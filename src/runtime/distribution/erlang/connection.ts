/**
 * A connection that is up: reads frames from its socket and applies them, writes signals to it, and keeps it alive.
 *
 * Bad input costs the peer this connection and nothing else: a frame that cannot be read ends it with `bad_frame`. Frames are
 * processed for a few milliseconds at a time; then the socket is paused until the event loop has had its turn.
 *
 * A connection ends once, and reports it to its owner in a turn of its own: processes send signals in the middle of their work,
 * and their links must not break under them. Whatever is sent in between is lost, like everything else under way.
 *
 * How connections are set up, and what waits for one, is not known here.
 */
import { SystemCall } from '../../otp/gen.ts';
import { Pid } from '../../terms/identifiers.ts';
import type { Tuple } from '../../terms/values.ts';
import type { CarrierHost, Signal } from '../../process/carrier.ts';
import { plainBinaries } from '../etf/tags.ts';
import type { TermWriter } from '../etf/writer.ts';
import { messageWriter } from '../messages.ts';
import { type BusyWait, type Ticked, Ticks } from './keep-alive.ts';
import type { EstablishedConnection } from './connect/connector.ts';
import type { PeerConnection, Services } from './services/index.ts';
import { type Sender, senderOf, type SpawnReply, type SpawnRequest, UNKNOWN_SENDER } from './wire/control.ts';
import { ControlWriter, type SingleSignal } from './wire/control-writer.ts';
import { FLAGS, hasNames } from './connect/handshake-messages.ts';
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
import type { Unfinished } from './wire/frames.ts';

/** When a connection is closed in an orderly way: how long the peer may go without reading any of what is left. */
const CLOSE_TIMEOUT_MS = 1_000;

/** Why a connection ended; the reason of `nodeDown`. */
export type EndReason =
  /** The other side closed it, or the network did. */
  | 'connection_closed'
  /** This node's program closed it. */
  | 'disconnect'
  /** Nothing arrived for too long. */
  | 'net_tick_timeout'
  /** What arrived could not be read. */
  | 'bad_frame'
  /** More would have waited than the limit allows. */
  | 'queue_full';

/** The owner of a node's connections. */
export interface ConnectionOwner {
  /** @internal */ readonly host: CarrierHost;
  /** @internal */ readonly settings: Settings;
  /** @internal */ readonly packer: Packer;
  /** @internal */ readonly unfinished: Unfinished;
  /** @internal */ readonly services: Services;
  /** @internal */ readonly busyWait: BusyWait;
  /** @internal The connection has ended. Called once, in a turn of its own or by `tellNow`. */
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
  /** True while a frame is being written: what a getter in the message sends waits in `#late`. */
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
      // Room for the largest message, the rest of the batch and the rest of its frame.
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
    const { maxFrameBytes, netTickTimeMs: fragmentTimeMs } = settings;
    const limitsIn = { maxFrameBytes, fragmentTimeMs, unfinished: owner.unfinished };
    this.#inbound = new Inbound(established, host, limitsIn, this);
    this.#ticks = new Ticks(this, settings.netTickTimeMs);
  }

  /** Sends what has been waiting. */
  start(pending: readonly PackedSignal[]): void {
    // First, so that the peer knows it before it answers anything.
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

  // ---- sending ----

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
        // In one piece, however long the list: frames of other senders that use the list must not overtake it.
        this.#lists.sent(id, list);
        this.#sentSignals++;
        this.#queue.added(start, from.id);
      }
    } finally {
      this.#encoding = false;
      if (this.#late.length > 0) this.#sendLate();
    }
  }

  /** Sends the same message to each of several pids, with numbers for its atoms where possible. */
  #sendSame(from: Pid, to: readonly Pid[], signal: Signal & { readonly op: 'sendMany' }): void {
    const { packer } = this.#owner;
    const { atoms } = this.#control;
    const [first] = to;
    // While something is held back, frames of others could overtake the one that defines an atom.
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

  /** Sends the same payload to each of several pids. @param numbered whether its atoms are numbers. */
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

  /** What was encoded for any node, in a form that this peer can read. */
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

  /** A frame has been added to the batch. */
  #added(start: number, sender: Sender): void {
    this.#sentSignals++;
    const { controlStart, payloadStart, fragments } = this.#control;
    if (fragments && payloadStart > 0 && this.#writer.length - payloadStart > FRAGMENT_BYTES) {
      this.#queue.addedLarge(start, controlStart, payloadStart, sender);
    } else {
      this.#queue.added(start, sender);
    }
  }

  /** Acknowledges an unlink on behalf of a peer that does not do so. */
  #acknowledge({ id, from, to }: Signal & { readonly op: 'unlink' }): void {
    this.#owner.host.receive(this.name, { op: 'unlinkAck', id, from: to, to: from });
  }

  #isOwn({ origin }: Pid): boolean {
    return origin.equals(this.#owner.host.origin);
  }

  #isCurrent({ origin }: Pid): boolean {
    return origin.creation === this.creation && origin.node === this.name;
  }

  // ---- state ----

  /** How many bytes wait to be written. */
  get queuedBytes(): number {
    return this.#ended === undefined ? this.#queue.queuedBytes : 0;
  }

  /** Whether it has not ended. */
  get usable(): boolean {
    return this.#ended === undefined;
  }

  /** Resolves when nothing waits to be written, or the connection has ended. */
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

  // ---- ticks ----

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

  /** Ends it at once: what was not written is lost. No effect after the end. */
  end(reason: EndReason): void {
    if (this.#ended !== undefined) return;
    this.#stop(reason);
    this.#established.socket.destroy();
    this.#telling = setImmediate(() => this.tellNow());
  }

  /**
   * Ends it in an orderly way: writes what waits first, and reports the end as `end` does.
   * @returns when the socket is closed; a peer that does not read, or does not close its side, cannot delay that for long.
   */
  close(reason: EndReason): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    const { socket } = this.#established;
    this.#queue.flushAll();
    this.#stop(reason);
    this.#telling = setImmediate(() => this.tellNow());
    // What had come before the other side closed it may have been waiting to be read.
    if (socket.closed) return Promise.resolve();
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
      // What still arrives is discarded, but has to be read to see the end of it.
      socket.resume();
      socket.end();
    });
  }

  /** Reports the end to the owner now, unless that has been done. */
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
