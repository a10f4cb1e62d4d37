/**
 * The tags of the External Term Format, by their names in `erl_ext_dist`, and what follows each. A tag is the first byte of a
 * term; numbers are big-endian, and `x:32` has 32 bits.
 */

/** Stands before a term that is by itself. */
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
