// A buffer that inputs are written into, used again for each.

const SIZE = 1 << 18;

export class Bytes {
  readonly #buffer = Buffer.alloc(SIZE);
  length = 0;

  /** Empties it. */
  begin(): this {
    this.length = 0;
    return this;
  }

  /** True while there is room for more than the largest single thing that is written. */
  get roomy(): boolean {
    return this.length < SIZE / 2;
  }

  u8(value: number): this {
    this.#buffer[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    this.length = this.#buffer.writeUInt16BE(value & 0xffff, this.length);
    return this;
  }

  u32(value: number): this {
    this.length = this.#buffer.writeUInt32BE(value >>> 0, this.length);
    return this;
  }

  u64(value: bigint): this {
    this.length = this.#buffer.writeBigUInt64BE(BigInt.asUintN(64, value), this.length);
    return this;
  }

  double(value: number): this {
    this.length = this.#buffer.writeDoubleBE(value, this.length);
    return this;
  }

  raw(bytes: Uint8Array): this {
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  text(text: string, encoding: BufferEncoding = 'utf8'): this {
    this.length += this.#buffer.write(text, this.length, encoding);
    return this;
  }

  /** Writes a number over what is there. */
  setU32(at: number, value: number): void {
    this.#buffer.writeUInt32BE(value >>> 0, at);
  }

  /** A copy of what was written from a place on. */
  copy(from = 0): Buffer {
    return Buffer.from(this.#buffer.subarray(from, this.length));
  }
}
