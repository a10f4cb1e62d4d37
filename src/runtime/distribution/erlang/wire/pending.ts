/**
 * Signals that wait for a connection. What they carry is encoded already, so that what the sender changes afterwards does not
 * travel, and what cannot be sent fails in the sender; the rest of the frame depends on what the two nodes agree on, and is
 * written when the connection is up.
 *
 * Limits: how many signals wait for one peer, and how many bytes they carry.
 */
import type { Signal } from '../../../process/carrier.ts';
import type { AtomNumbers } from '../../etf/scalar-writer.ts';
import { TermWriter } from '../../etf/writer.ts';
import { hasPayload, nameIn, writePayload } from './control-writer.ts';

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
  /** Finds out which names can be no atoms. */
  readonly #names = new TermWriter({}, FIRST_BYTES);
  #busy = false;

  /** @param maxBytes how many bytes a signal may carry. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#writer = new TermWriter({ maxBytes }, FIRST_BYTES);
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
    const writer = this.#busy ? new TermWriter({ maxBytes: this.#maxBytes }, FIRST_BYTES) : this.#writer;
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
