// The part of PostgreSQL's protocol, version 3, that a server needs to pass messages on: where each ends. A client's first message
// has no type; each later one begins with one letter. Both have a length of four bytes, which counts itself. https://www.postgresql.org/docs/current/protocol-message-formats.html

export interface Received {
  readonly kind: 'startup' | 'terminate' | 'message';
  readonly bytes: Uint8Array;
}

const LENGTH_BYTES = 4;
const TERMINATE = 'X'.charCodeAt(0);

/** Reassembles the messages of one client. */
export class MessageReader {
  #chunks: Buffer[] = [];
  #length = 0;
  /** How many bytes must have arrived before it is worth looking. */
  #wanted = LENGTH_BYTES;
  #typeBytes = 0;

  /** Whether nothing of a further message has arrived. */
  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** @param chunk is copied */
  push(chunk: Uint8Array): void {
    this.#chunks.push(Buffer.from(chunk));
    this.#length += chunk.length;
  }

  /** The next message, once all of it has arrived. */
  take(): Received | undefined {
    if (this.#length < this.#wanted) return undefined;
    const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#length);
    const end = this.#typeBytes + bytes.readUInt32BE(this.#typeBytes);
    if (this.#length < end) {
      this.#chunks = [bytes];
      this.#wanted = end;
      return undefined;
    }
    const kind = this.#typeBytes === 0 ? 'startup' : bytes[0] === TERMINATE ? 'terminate' : 'message';
    this.#typeBytes = 1;
    this.#wanted = 1 + LENGTH_BYTES;
    this.#length -= end;
    this.#chunks = this.#length === 0 ? [] : [bytes.subarray(end)];
    return { kind, bytes: bytes.subarray(0, end) };
  }
}

/** The message that runs a statement without parameters. */
export function simpleQuery(text: string): Uint8Array {
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(1 + LENGTH_BYTES);
  head.write('Q');
  head.writeUInt32BE(LENGTH_BYTES + body.length, 1);
  return Buffer.concat([head, body]);
}
