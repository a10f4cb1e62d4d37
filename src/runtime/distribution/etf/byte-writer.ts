/**
 * A buffer that grows as it is written: the bytes of a frame or a term.
 *
 * Invariant: the bytes `[0, length)` are what was written, and `length` is at most `maxBytes` beyond `origin`. Its owner sets
 * `length` to start over or to take back what was written; `reset` also drops a buffer that one large message made grow.
 */
import { TroupeError } from '../../errors.ts';

/** A buffer that has grown beyond this is not kept by `reset`. */
const KEPT_BYTES = 1024 * 1024;

/** Writes bytes and big-endian numbers one after the other. */
export class ByteWriter {
  /** The bytes written so far are its first `length`. It is another object after it had to grow. */
  buffer: Buffer;
  /** How many bytes were written. */
  length = 0;
  /** From where on the bytes count against the limit: what stands before belongs to somebody else. */
  origin = 0;
  readonly #initialBytes: number;
  readonly #maxBytes: number;

  /**
   * @param initialBytes the size of the buffer to begin with.
   * @param maxBytes how large it may become.
   */
  constructor(initialBytes: number, maxBytes: number) {
    this.#initialBytes = initialBytes;
    this.#maxBytes = maxBytes;
    this.buffer = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Starts over. */
  reset(): void {
    this.length = 0;
    if (this.buffer.length > KEPT_BYTES) this.buffer = Buffer.allocUnsafeSlow(this.#initialBytes);
  }

  /**
   * Makes room for some more bytes.
   * @throws TroupeError TROUPE_NOT_ENCODABLE when that is more than the limit.
   */
  ensure(bytes: number): void {
    if (this.length + bytes > this.buffer.length) this.#grow(this.length + bytes);
  }

  #grow(needed: number): void {
    const most = this.origin + this.#maxBytes;
    if (needed > most) {
      throw new TroupeError('TROUPE_NOT_ENCODABLE', `The message is larger than ${this.#maxBytes} bytes.`);
    }
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, this.buffer.length * 2), most));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }

  /** Writes 8 bits. */
  u8(value: number): void {
    this.ensure(1);
    this.buffer[this.length++] = value;
  }

  /** Writes 16 bits. */
  u16(value: number): void {
    this.ensure(2);
    const { buffer, length } = this;
    buffer[length] = value >>> 8;
    buffer[length + 1] = value;
    this.length = length + 2;
  }

  /** Writes 32 bits; of a negative number, its two's complement. */
  u32(value: number): void {
    this.ensure(4);
    const { buffer, length } = this;
    buffer[length] = value >>> 24;
    buffer[length + 1] = value >>> 16;
    buffer[length + 2] = value >>> 8;
    buffer[length + 3] = value;
    this.length = length + 4;
  }

  /** Writes a tag and 32 bits: how most terms begin. */
  tagged(tag: number, value: number): void {
    this.ensure(5);
    const { buffer, length } = this;
    buffer[length] = tag;
    buffer[length + 1] = value >>> 24;
    buffer[length + 2] = value >>> 16;
    buffer[length + 3] = value >>> 8;
    buffer[length + 4] = value;
    this.length = length + 5;
  }

  /** Writes 32 bits at a place that was written before. */
  patch32(at: number, value: number): void {
    const { buffer } = this;
    buffer[at] = value >>> 24;
    buffer[at + 1] = value >>> 16;
    buffer[at + 2] = value >>> 8;
    buffer[at + 3] = value;
  }

  /** Copies bytes. */
  bytes(source: Uint8Array): void {
    const size = source.length;
    this.ensure(size);
    const { buffer, length } = this;
    // Few bytes are copied faster here than by a call into the machine's own code.
    if (size <= 32) for (let at = 0; at < size; at++) buffer[length + at] = source[at] as number;
    else buffer.set(source, length);
    this.length = length + size;
  }
}
