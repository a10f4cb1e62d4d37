/**
 * Texts that arrive again and again: atoms, names of nodes, keys of maps, topics. A table of fixed size from bytes to the
 * string and, when it was needed, the atom; what falls on a taken place takes it. So no text is decoded twice in a
 * row, and a peer that sends ever new ones fills nothing.
 */
import { constants, isUtf8 } from 'node:buffer';
import { type Atom, atom } from '../../terms/atom.ts';

/** Longer texts are not kept. */
export const MAX_CACHED_BYTES = 64;
const SLOTS = 512;
const MAX_ATOM_CHARACTERS = 255;
const LONG_BYTES = 4_096;

/** A text with its bytes. */
export class CachedText {
  readonly bytes: Uint8Array;
  readonly text: string;
  /** The atom of that name, once it was asked for. */
  atom: Atom | null;

  constructor(bytes: Uint8Array, text: string) {
    this.bytes = bytes;
    this.text = text;
    this.atom = null;
  }
}

/** The texts that one connection has received lately. */
export class TextCache {
  readonly #slots: Array<CachedText | null> = Array.from({ length: SLOTS }, () => null);

  /** The text in some bytes of a buffer, at most {@link MAX_CACHED_BYTES}; null when they are not UTF-8. */
  find(buffer: Buffer, start: number, size: number): CachedText | null {
    let hash = size;
    for (let at = start; at < start + size; at++) hash = (Math.imul(hash, 31) + (buffer[at] as number)) | 0;
    const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
    const known = this.#slots[slot] as CachedText | null;
    if (known !== null && isAt(known.bytes, buffer, start, size)) return known;
    const text = decodeText(buffer, start, start + size);
    if (text === undefined) return null;
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at++) bytes[at] = buffer[start + at] as number;
    const found = new CachedText(bytes, asKey(text));
    this.#slots[slot] = found;
    return found;
  }
}

function isAt(bytes: Uint8Array, buffer: Buffer, start: number, size: number): boolean {
  if (bytes.length !== size) return false;
  for (let at = 0; at < size; at++) if (bytes[at] !== buffer[start + at]) return false;
  return true;
}

/** The string as the engine keeps the keys of objects, which makes looking it up as a key cheaper. */
function asKey(text: string): string {
  return Object.keys({ [text]: 0 })[0] as string;
}

/** The text of UTF-8 bytes; undefined when they are none, or more than a string can hold. */
export function decodeText(buffer: Buffer, start: number, end: number): string | undefined {
  if (end - start > constants.MAX_STRING_LENGTH) return undefined;
  // Bytes that are no text take the engine long to make one of.
  if (end - start > LONG_BYTES && !isUtf8(buffer.subarray(start, end))) return undefined;
  const text = buffer.toString('utf8', start, end);
  // What is no UTF-8 is replaced by this character, which may also stand there by itself.
  return text.includes('\uFFFD') && !isUtf8(buffer.subarray(start, end)) ? undefined : text;
}

/** The atom of a name that arrived; undefined when it has too many characters. */
export function atomOf(name: string): Atom | undefined {
  if (name.length > MAX_ATOM_CHARACTERS && Array.from(name).length > MAX_ATOM_CHARACTERS) return undefined;
  return atom(name);
}
