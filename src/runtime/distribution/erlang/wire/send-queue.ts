/**
 * What waits to be written: for one socket a batch of small frames, and behind it large messages in pieces; and signals that wait
 * for a connection.
 *
 * Frames are encoded into the batch itself. It goes out once a turn, after the microtasks, in one write; or at once when it
 * is full. While the system takes no more, it grows up to its size before another write is queued, so that many small
 * batches do not wait as many buffers.
 *
 * A large message is held back, and written some fragments at a time while little waits in the socket, so that small messages of
 * other processes pass it: only the order between two processes is promised. However much the system takes, the event loop has its
 * turn in between. What its sender sends afterwards waits behind it. So does, while a large message is held, a frame without a known
 * sender, and everything after such a frame.
 *
 * Of a signal that waits for a connection, what it carries is encoded already: what its sender changes afterwards does not travel,
 * and what cannot be sent fails in the sender. The rest of the frame depends on what the two nodes agree on, and is written when
 * the connection is up.
 *
 * Limits: see `SendQueueLimits`, and for one peer the number of signals that wait and the bytes that they carry. The queue counts
 * and reports; its owner closes the connection.
 */
import type { Socket } from 'node:net';
import type { AtomNumbers, ByteWriter } from '../../etf/scalar-writer.ts';
import {
  DIST_FIRST_FRAGMENT,
  DIST_FRAGMENT,
  hasPayload,
  nameIn,
  type Sender,
  UNKNOWN_SENDER,
  VERSION,
  writePayload,
} from './control.ts';
import type { Signal } from '../../../process/carrier.ts';
import type { TermWriter } from '../../etf/writer.ts';
import { messageWriter } from '../../messages.ts';

/** How many bytes make a batch. */
const BATCH_BYTES = 64 * 1024;
/** The size of a batch's buffer: a frame that begins before the batch is full seldom makes it grow. */
export const BATCH_BUFFER_BYTES = BATCH_BYTES + 16 * 1024;
/** How many bytes of a payload go into one fragment; as in OTP. */
export const FRAGMENT_BYTES = 64 * 1024;
/** Fragments are written while less than this waits in the socket, and as many in a turn of the event loop. */
const FRAGMENTS_AHEAD_BYTES = 4 * FRAGMENT_BYTES;

/** Length, version, tag and the two counters. */
const FRAGMENT_HEAD_BYTES = 4 + 2 + 16;

/** As in the scheduler: `queueMicrotask` costs three times as much. */
const NOW = Promise.resolve();

/** How much may wait. */
export interface SendQueueLimits {
  readonly highWaterBytes: number;
  readonly maxBytes: number;
}

/** The listener. */
export interface SendQueueOwner {
  /** More than `highWaterBytes` wait; not repeated before nothing does. */
  busy(queuedBytes: number): void;
  /** More than `maxBytes` wait. */
  full(queuedBytes: number): void;
  /** Nothing waits any more. */
  drained(): void;
}

/** Something held back: a large message, or a frame behind one. */
interface Held {
  readonly sender: Sender;
  /** What stands before the payload of a large message: its atoms and the control message; undefined for a frame. */
  readonly head: Buffer | undefined;
  /** The payload, or the frame. */
  readonly bytes: Buffer;
  at: number;
}

/** The send queue of one connection. */
export class SendQueue {
  readonly #socket: Socket;
  readonly #writer: ByteWriter;
  readonly #limits: SendQueueLimits;
  readonly #owner: SendQueueOwner;
  #scheduled = false;
  #closed = false;
  #busy = false;
  /** True when fragments were written in this turn of the event loop. */
  #paced = false;
  readonly #held: Held[] = [];
  #heldBytes = 0;
  /** How many of the held have a sender. */
  readonly #senders = new Map<Sender, number>();
  #sequence = 0n;
  /** How many writes there were, and their bytes. */
  writes = 0;
  bytes = 0;

  readonly #afterMicrotasks = (): void => {
    process.nextTick(this.#turn);
  };
  readonly #turn = (): void => {
    this.#scheduled = false;
    if (this.#closed) return;
    if (this.#socket.writableLength === 0) this.flush();
    this.#check();
  };
  readonly #nextTurn = (): void => {
    this.#paced = false;
    if (!this.#closed && this.#held.length > 0 && this.#socket.writableLength === 0) this.flush();
  };
  readonly #written = (): void => {
    if (this.#closed || this.#socket.writableLength > 0) return;
    this.flush();
    if (this.queuedBytes > 0) return;
    this.#busy = false;
    this.#owner.drained();
  };

  /** @param writer the batch; its owner encodes whole frames into it and calls `added` after each. */
  constructor(socket: Socket, writer: ByteWriter, limits: SendQueueLimits, owner: SendQueueOwner) {
    this.#socket = socket;
    this.#writer = writer;
    this.#limits = limits;
    this.#owner = owner;
  }

  /** How many bytes wait in this program. */
  get queuedBytes(): number {
    return this.#writer.length + this.#heldBytes + this.#socket.writableLength;
  }

  /** True while a large message is held back, which later frames may pass. */
  get holding(): boolean {
    return this.#held.length > 0;
  }

  /** A frame was put into the batch, from `start` on. */
  added(start: number, sender: Sender): void {
    if (this.#held.length === 0 || !this.#waits(sender)) {
      this.#scheduleOrFlush();
      return;
    }
    this.#hold({ sender, head: undefined, bytes: this.#take(start), at: 0 });
    this.#scheduleOrFlush();
    // The batch does not grow by it, so that nothing else would look before the turn is over.
    this.#check();
  }

  /**
   * A large message was put into the batch, from `start` on, with no atoms in its header, its control message from `control`
   * and its payload from `payload` on: it goes out in fragments.
   */
  addedLarge(start: number, control: number, payload: number, sender: Sender): void {
    const taken = this.#take(start);
    // The number of its atoms stands before the control message.
    const head = taken.subarray(control - 1 - start, payload - start);
    this.addLarge(head, taken.subarray(payload - start), sender);
  }

  /**
   * Adds a large message, which goes out in fragments.
   * @param head its atoms, from their number on, and the control message
   */
  addLarge(head: Buffer, payload: Buffer, sender: Sender): void {
    this.#hold({ sender, head, bytes: payload, at: 0 });
    this.#scheduleOrFlush();
    this.#check();
  }

  /** Writes a tick, unless something waits anyway. @returns whether it did. */
  tick(): boolean {
    if (this.queuedBytes > 0) return false;
    this.#write(TICK);
    return true;
  }

  /** Writes the batch, and as many fragments as go with it. */
  flush(): void {
    const writer = this.#writer;
    const { length } = writer;
    if (length > 0) {
      this.#write(writer.buffer.subarray(0, length));
      // When nothing waits, the system has copied it.
      if (this.#socket.writableLength > 0 || writer.buffer.length > 2 * BATCH_BUFFER_BYTES) {
        writer.buffer = Buffer.allocUnsafeSlow(BATCH_BUFFER_BYTES);
      }
      writer.length = 0;
    }
    if (this.#held.length === 0 || this.#paced) return;
    this.#paced = true;
    setImmediate(this.#nextTurn);
    this.#writeHeld(FRAGMENTS_AHEAD_BYTES);
  }

  /** Writes all that waits, so that the socket can be ended. */
  flushAll(): void {
    this.flush();
    this.#writeHeld(Infinity);
  }

  /** Nothing is written any more. */
  close(): void {
    this.#closed = true;
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.#senders.clear();
    this.#writer.length = 0;
  }

  #scheduleOrFlush(): void {
    if (this.#writer.length >= BATCH_BYTES) {
      this.flush();
      this.#check();
    }
    if (this.#scheduled) return;
    this.#scheduled = true;
    void NOW.then(this.#afterMicrotasks);
  }

  #check(): void {
    const queued = this.queuedBytes;
    if (queued > this.#limits.maxBytes) {
      this.#owner.full(queued);
      return;
    }
    if (queued < this.#limits.highWaterBytes || this.#busy) return;
    this.#busy = true;
    this.#owner.busy(queued);
  }

  #waits(sender: Sender): boolean {
    return sender === UNKNOWN_SENDER || this.#senders.has(sender) || this.#senders.has(UNKNOWN_SENDER);
  }

  /** Takes what was written last out of the batch. */
  #take(start: number): Buffer {
    const writer = this.#writer;
    const { buffer, length } = writer;
    writer.length = start;
    if (length - start < BATCH_BYTES) {
      const taken = Buffer.allocUnsafeSlow(length - start);
      buffer.copy(taken, 0, start, length);
      return taken;
    }
    // A large one keeps the buffer, and the batch gets another.
    writer.buffer = Buffer.allocUnsafeSlow(Math.max(BATCH_BUFFER_BYTES, start));
    buffer.copy(writer.buffer, 0, 0, start);
    return buffer.subarray(start, length);
  }

  #hold(held: Held): void {
    this.#held.push(held);
    this.#heldBytes += held.bytes.length;
    this.#senders.set(held.sender, (this.#senders.get(held.sender) ?? 0) + 1);
  }

  #writeHeld(aheadBytes: number): void {
    const socket = this.#socket;
    let count = 0;
    let written = 0;
    socket.cork();
    while (count < this.#held.length && Math.max(socket.writableLength, written) < aheadBytes) {
      const held = this.#held[count] as Held;
      const size = this.#writePart(held);
      held.at += size;
      written += size;
      this.#heldBytes -= size;
      if (held.at < held.bytes.length) continue;
      count++;
      const left = (this.#senders.get(held.sender) ?? 1) - 1;
      if (left === 0) this.#senders.delete(held.sender);
      else this.#senders.set(held.sender, left);
    }
    socket.uncork();
    if (count > 0) this.#held.splice(0, count);
  }

  /** @returns how many of the held bytes were written. */
  #writePart({ head, bytes, at }: Held): number {
    if (head === undefined) {
      this.#write(bytes);
      return bytes.length;
    }
    const size = Math.min(FRAGMENT_BYTES, bytes.length - at);
    const left = Math.ceil((bytes.length - at) / FRAGMENT_BYTES);
    const first = at === 0;
    if (first) this.#sequence++;
    const headBytes = FRAGMENT_HEAD_BYTES + (first ? head.length : 0);
    const start = Buffer.allocUnsafe(headBytes);
    start.writeUInt32BE(headBytes + size - 4, 0);
    start[4] = VERSION;
    start[5] = first ? DIST_FIRST_FRAGMENT : DIST_FRAGMENT;
    start.writeBigUInt64BE(this.#sequence, 6);
    start.writeBigUInt64BE(BigInt(left), 14);
    if (first) head.copy(start, FRAGMENT_HEAD_BYTES);
    // Its bytes are written from where they are: copies of a large message cost more than all else.
    this.bytes += headBytes;
    this.#socket.write(start);
    this.#write(bytes.subarray(at, at + size));
    return size;
  }

  #write(bytes: Buffer): void {
    this.writes++;
    this.bytes += bytes.length;
    this.#socket.write(bytes, this.#written);
  }
}

const TICK = Buffer.alloc(4);

// ---- before there is a connection ----

/** A signal with what it carries. */
export interface PackedSignal {
  /** Its message or reason is not looked at any more. */
  readonly signal: Signal;
  readonly payload: Buffer | undefined;
}

/** Encodes what signals carry, ahead of the rest of their frames. */
export class Packer {
  readonly #maxBytes: number;
  readonly #writer: TermWriter;
  /** Finds out which names cannot be atoms. */
  readonly #names = messageWriter({}, FIRST_BYTES);
  #busy = false;

  /** @param maxBytes how many bytes a signal may carry. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#writer = messageWriter({ maxBytes }, FIRST_BYTES);
  }

  /**
   * Encodes all of a signal that may not be possible to encode.
   * @throws TroupeError TROUPE_NOT_ENCODABLE
   */
  pack(signal: Signal): PackedSignal {
    const name = nameIn(signal);
    if (name !== undefined) {
      this.#names.length = 0;
      this.#names.atomName(name);
    }
    return { signal, payload: hasPayload(signal) ? this.payload(signal) : undefined };
  }

  /**
   * What a signal carries.
   * @param numbers what numbers its atoms, for a frame with a header that names them
   * @throws TroupeError TROUPE_NOT_ENCODABLE
   */
  payload(signal: Signal, numbers: AtomNumbers | null = null): Buffer {
    // A getter in a message may send another one.
    const writer = this.#busy ? messageWriter({ maxBytes: this.#maxBytes }, FIRST_BYTES) : this.#writer;
    const outermost = !this.#busy;
    this.#busy = true;
    writer.numbers = numbers;
    try {
      writePayload(writer, signal);
      return Buffer.from(writer.buffer.subarray(0, writer.length));
    } finally {
      if (outermost) this.#busy = false;
      writer.numbers = null;
      writer.reset();
    }
  }
}

/** What a message has room for at first. */
const FIRST_BYTES = 4_096;
/** What a signal costs besides what it carries, roughly. */
const SIGNAL_BYTES = 128;

/** The signals that wait for a connection to one peer. */
export class PendingSignals {
  #signals: PackedSignal[] = [];
  #bytes = 0;
  readonly #maxSignals: number;
  readonly #maxBytes: number;

  constructor(maxSignals: number, maxBytes: number) {
    this.#maxSignals = maxSignals;
    this.#maxBytes = maxBytes;
  }

  get empty(): boolean {
    return this.#signals.length === 0;
  }

  /** How many bytes wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns false when there is no room for it. */
  add(packed: PackedSignal): boolean {
    const bytes = SIGNAL_BYTES + (packed.payload?.length ?? 0);
    if (this.#signals.length >= this.#maxSignals || this.#bytes + bytes > this.#maxBytes) return false;
    this.#signals.push(packed);
    this.#bytes += bytes;
    return true;
  }

  /** Takes all of them out, in the order in which they came. */
  take(): readonly PackedSignal[] {
    const signals = this.#signals;
    this.#signals = [];
    this.#bytes = 0;
    return signals;
  }
}
