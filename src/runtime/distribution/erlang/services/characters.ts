/** Reads `unicode:chardata()` and `iodata()`: texts and characters in lists of any depth. */
import { Charlist, ImproperList } from '../../../terms/values.ts';

/** What the bytes of binaries are, and up to where numbers are characters. */
export type Encoding = 'latin1' | 'unicode';

/** How deep lists may be nested. */
const DEPTH_MAX = 512;

/**
 * The text of character data.
 * @param most how many characters are read; the rest is left out.
 * @returns undefined when the value is no character data.
 */
export function charactersOf(data: unknown, encoding: Encoding, most: number): string | undefined {
  const reader = new Reader(encoding, most);
  return reader.read(data, 0) ? reader.text : undefined;
}

class Reader {
  text = '';
  readonly #latin1: boolean;
  readonly #most: number;

  constructor(encoding: Encoding, most: number) {
    this.#latin1 = encoding === 'latin1';
    this.#most = most;
  }

  /** @returns false for something that is no character data. */
  read(data: unknown, depth: number): boolean {
    if (this.text.length > this.#most) return true;
    if (typeof data === 'number') return this.#character(data);
    // A binary arrives as a string when its bytes are UTF-8, whatever the sender means by them.
    if (typeof data === 'string') this.#bytes(this.#latin1 ? Buffer.from(data) : undefined, data);
    else if (data instanceof Uint8Array) this.#bytes(Buffer.from(data), undefined);
    else if (data instanceof Charlist) this.text += data.text;
    else if (depth >= DEPTH_MAX) return false;
    else if (Array.isArray(data)) return data.every((item) => this.read(item, depth + 1));
    else if (data instanceof ImproperList) {
      return data.items.every((item) => this.read(item, depth + 1)) && this.read(data.tail, depth + 1);
    } else return false;
    return true;
  }

  #bytes(bytes: Buffer | undefined, text: string | undefined): void {
    this.text += bytes === undefined ? text : bytes.toString(this.#latin1 ? 'latin1' : 'utf8');
  }

  #character(point: number): boolean {
    const isCharacter =
      Number.isInteger(point) && point >= 0 && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    if (isCharacter) this.text += String.fromCodePoint(point);
    return isCharacter;
  }
}
