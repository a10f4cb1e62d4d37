/**
 * Finds the end of a term without reading it: at any depth, in as much time as it has bytes. It looks at lengths only; what stands
 * within may be no term all the same.
 */
import { EtfError } from './scalar-reader.ts';
import * as tags from './tags.ts';

/** How many bytes follow the tag of a term that has always as many. */
const FIXED: ReadonlyMap<number, number> = new Map([
  [tags.SMALL_INTEGER, 1],
  [tags.INTEGER, 4],
  [tags.NEW_FLOAT, 8],
  [tags.FLOAT, 31],
  [tags.NIL, 0],
  [tags.ATOM_CACHE_REF, 1],
]);
/** How many bytes follow the node of a pid, a port or a reference. */
const AFTER_NODE: ReadonlyMap<number, number> = new Map([
  [tags.PID, 9],
  [tags.NEW_PID, 12],
  [tags.PORT, 5],
  [tags.NEW_PORT, 8],
  [tags.V4_PORT, 12],
  [tags.REFERENCE, 5],
]);

/** @internal The position behind the term at another. @throws EtfError when it ends too early, or begins with no tag. */
export function skipTerm(buffer: Buffer, position: number, end: number): number {
  const skipper = new Skipper(buffer, position, end);
  while (skipper.left > 0) skipper.next();
  return skipper.at;
}

/**
 * @internal A term with its bytes as plain binaries, without the form that tells them from text (`EncodeLimits.exactBytes`).
 * @throws EtfError as `skipTerm`
 */
export function plainBinaries(term: Buffer): Buffer {
  const skipper = new Skipper(term, 0, term.length);
  const parts: Buffer[] = [];
  let kept = 0;
  while (skipper.left > 0) {
    const { at } = skipper;
    skipper.next();
    // The tag, a length of four bytes, and how many bits of the last byte count.
    if (term[at] !== tags.BIT_BINARY || (term[at + 5] !== 8 && skipper.at > at + 6)) continue;
    parts.push(term.subarray(kept, at), Buffer.of(tags.BINARY), term.subarray(at + 1, at + 5));
    kept = at + 6;
  }
  return parts.length === 0 ? term : Buffer.concat([...parts, term.subarray(kept)]);
}

class Skipper {
  readonly #buffer: Buffer;
  readonly #end: number;
  at: number;
  /** How many terms are to be skipped. */
  left = 1;

  constructor(buffer: Buffer, at: number, end: number) {
    this.#buffer = buffer;
    this.at = at;
    this.#end = end;
  }

  next(): void {
    this.left--;
    const tag = this.#count(1);
    const fixed = FIXED.get(tag);
    if (fixed !== undefined) this.#pass(fixed);
    else if (AFTER_NODE.has(tag)) this.#afterNode(AFTER_NODE.get(tag) as number);
    else this.#other(tag);
  }

  #other(tag: number): void {
    switch (tag) {
      case tags.SMALL_ATOM:
      case tags.SMALL_ATOM_UTF8:
        return this.#pass(this.#count(1));
      case tags.ATOM:
      case tags.ATOM_UTF8:
      case tags.STRING:
        return this.#pass(this.#count(2));
      case tags.BINARY:
        return this.#pass(this.#count(4));
      case tags.BIT_BINARY:
      case tags.LARGE_BIG:
        return this.#pass(1 + this.#count(4));
      case tags.SMALL_BIG:
        return this.#pass(1 + this.#count(1));
      case tags.NEW_FUN:
        return this.#pass(this.#count(4) - 4);
      case tags.NEW_REFERENCE:
      case tags.NEWER_REFERENCE: {
        const words = this.#count(2);
        return this.#afterNode(4 * words + (tag === tags.NEWER_REFERENCE ? 4 : 1));
      }
      case tags.SMALL_TUPLE:
        return this.#parts(this.#count(1));
      case tags.LARGE_TUPLE:
        return this.#parts(this.#count(4));
      case tags.LIST:
        return this.#parts(this.#count(4) + 1);
      case tags.MAP:
        return this.#parts(2 * this.#count(4));
      case tags.EXPORT:
        return this.#parts(3);
      case tags.RECORD: {
        const fields = this.#count(4);
        this.#pass(1);
        return this.#parts(2 * fields + 2);
      }
      default:
        throw new EtfError(`No term begins with ${tag} (at byte ${this.at})`);
    }
  }

  /** Skips an atom, and some bytes. */
  #afterNode(bytes: number): void {
    const tag = this.#count(1);
    if (tag === tags.ATOM_CACHE_REF) this.#pass(1);
    else if (tag === tags.SMALL_ATOM || tag === tags.SMALL_ATOM_UTF8) this.#pass(this.#count(1));
    else this.#pass(this.#count(2));
    this.#pass(bytes);
  }

  #parts(count: number): void {
    // Each has a byte at least.
    if (count > this.#end - this.at) throw this.#cutOff();
    this.left += count;
  }

  #count(bytes: number): number {
    this.#pass(bytes);
    return this.#buffer.readUIntBE(this.at - bytes, bytes);
  }

  #pass(bytes: number): void {
    if (bytes < 0 || bytes > this.#end - this.at) throw this.#cutOff();
    this.at += bytes;
  }

  #cutOff(): EtfError {
    return new EtfError(`The term is cut off (at byte ${this.at})`);
  }
}
