/** Bytes that are gathered chunk by chunk, up to a limit; the time and memory it takes are in proportion to what arrived. */

const FIRST_BYTES = 64;

/** A buffer that grows with what is added to it. */
export class Gathered {
  readonly #maxBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  /** @param maxBytes how many are taken at the most */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What has arrived; valid until the next `add`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** @returns false when the limit is passed; nothing was taken then */
  add(chunk: Buffer): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#maxBytes) return false;
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(
        Math.max(length, Math.min(2 * this.#buffer.length, this.#maxBytes), FIRST_BYTES),
      );
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = length;
    return true;
  }
}
