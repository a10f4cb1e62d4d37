/**
 * The tags of the External Term Format, by their names in `erl_ext_dist`, and what follows each. A tag is the first byte of a
 * term; numbers are big-endian, and `x:32` has 32 bits.
 *
 * `skipTerm` finds the end of a term by its lengths alone, at any depth and in time linear in its bytes. It does not check that
 * what it skips is a term.
 */

/** Stands before a term that is not part of a message between nodes. */
export const VERSION = 131;
/** A native record (OTP 29): fields:32, flags:8, module, name, names of the fields, values. */
export const RECORD = 67;
/** A float: IEEE 754, 64 bits. */
export const NEW_FLOAT = 70;
/** A bitstring: length:32, bits of the last byte:8 (1 to 8), bytes. */
export const BIT_BINARY = 77;
/** A compressed term: size:32, zlib stream. Only after the version byte. */
export const COMPRESSED = 80;
/** An atom of the header of the distribution frame: index:8. */
export const ATOM_CACHE_REF = 82;
/** A pid: node, id:32, serial:32, creation:32. */
export const NEW_PID = 88;
/** A port: node, id:32, creation:32. */
export const NEW_PORT = 89;
/** A reference: words:16, node, creation:32, words of 32 bits. */
export const NEWER_REFERENCE = 90;
/** An integer: 8 bits, unsigned. */
export const SMALL_INTEGER = 97;
/** An integer: 32 bits, signed. */
export const INTEGER = 98;
/** A float as 31 bytes of text; old. */
export const FLOAT = 99;
/** An atom: length:16, Latin-1; old. */
export const ATOM = 100;
/** A reference: node, id:32, creation:8; old. */
export const REFERENCE = 101;
/** A port: node, id:32, creation:8; old. */
export const PORT = 102;
/** A pid: node, id:32, serial:32, creation:8; old. */
export const PID = 103;
/** A tuple: arity:8, elements. */
export const SMALL_TUPLE = 104;
/** A tuple: arity:32, elements. */
export const LARGE_TUPLE = 105;
/** The empty list. */
export const NIL = 106;
/** A list of bytes: length:16, bytes. */
export const STRING = 107;
/** A list: length:32, elements, tail. */
export const LIST = 108;
/** A binary: length:32, bytes. */
export const BINARY = 109;
/** An integer: bytes:8, sign:8, bytes from the lowest. */
export const SMALL_BIG = 110;
/** An integer: bytes:32, sign:8, bytes from the lowest. */
export const LARGE_BIG = 111;
/** A closure: size:32 (which counts itself), and what only its node understands. */
export const NEW_FUN = 112;
/** `fun M:F/A`: module, function, arity. */
export const EXPORT = 113;
/** A reference: words:16, node, creation:8, words of 32 bits; old. */
export const NEW_REFERENCE = 114;
/** An atom: length:8, Latin-1; old. */
export const SMALL_ATOM = 115;
/** A map: pairs:32, keys and values in turn. */
export const MAP = 116;
/** An atom: length:16, UTF-8. */
export const ATOM_UTF8 = 118;
/** An atom: length:8, UTF-8. */
export const SMALL_ATOM_UTF8 = 119;
/** A port: node, id:64, creation:32. */
export const V4_PORT = 120;

/** @internal Whether a tag is one of a tuple. The long one may stand before few elements, too. */
export function isTupleTag(tag: number): boolean {
  return tag === SMALL_TUPLE || tag === LARGE_TUPLE;
}

/** Bytes are not a term, or exceed a limit of the reader. */
export class EtfError extends Error {
  override readonly name = 'EtfError';
}
/** A message holds more values than it may. */
export class TooManyValues extends EtfError {}
/** A term is nested deeper than it may be. */
export class TooDeep extends EtfError {}

// ---- the end of a term ----

/** How many bytes follow a tag that is always followed by the same number of them. */
const FIXED: ReadonlyMap<number, number> = new Map([
  [SMALL_INTEGER, 1],
  [INTEGER, 4],
  [NEW_FLOAT, 8],
  [FLOAT, 31],
  [NIL, 0],
  [ATOM_CACHE_REF, 1],
]);
/** How many bytes follow the node in a pid, a port or an old reference. */
const AFTER_NODE: ReadonlyMap<number, number> = new Map([
  [PID, 9],
  [NEW_PID, 12],
  [PORT, 5],
  [NEW_PORT, 8],
  [V4_PORT, 12],
  [REFERENCE, 5],
]);

/** @internal The position behind the term at `position`. @throws EtfError when the bytes end within it, or hold an unknown tag. */
export function skipTerm(buffer: Buffer, position: number, end: number): number {
  const skipper = new Skipper(buffer, position, end);
  while (skipper.left > 0) skipper.next();
  return skipper.at;
}

/**
 * @internal A term with its bytes as plain binaries, without the form that distinguishes them from text (`EncodeLimits.exactBytes`).
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
    if (term[at] !== BIT_BINARY || (term[at + 5] !== 8 && skipper.at > at + 6)) continue;
    parts.push(term.subarray(kept, at), Buffer.of(BINARY), term.subarray(at + 1, at + 5));
    kept = at + 6;
  }
  return parts.length === 0 ? term : Buffer.concat([...parts, term.subarray(kept)]);
}

class Skipper {
  readonly #buffer: Buffer;
  readonly #end: number;
  at: number;
  /** How many terms are still to skip. */
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
      case SMALL_ATOM:
      case SMALL_ATOM_UTF8:
        return this.#pass(this.#count(1));
      case ATOM:
      case ATOM_UTF8:
      case STRING:
        return this.#pass(this.#count(2));
      case BINARY:
        return this.#pass(this.#count(4));
      case BIT_BINARY:
      case LARGE_BIG:
        return this.#pass(1 + this.#count(4));
      case SMALL_BIG:
        return this.#pass(1 + this.#count(1));
      case NEW_FUN:
        return this.#pass(this.#count(4) - 4);
      case NEW_REFERENCE:
      case NEWER_REFERENCE: {
        const words = this.#count(2);
        return this.#afterNode(4 * words + (tag === NEWER_REFERENCE ? 4 : 1));
      }
      case SMALL_TUPLE:
        return this.#parts(this.#count(1));
      case LARGE_TUPLE:
        return this.#parts(this.#count(4));
      case LIST:
        return this.#parts(this.#count(4) + 1);
      case MAP:
        return this.#parts(2 * this.#count(4));
      case EXPORT:
        return this.#parts(3);
      case RECORD: {
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
    if (tag === ATOM_CACHE_REF) this.#pass(1);
    else if (tag === SMALL_ATOM || tag === SMALL_ATOM_UTF8) this.#pass(this.#count(1));
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
