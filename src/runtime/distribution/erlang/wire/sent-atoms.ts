/**
 * The atoms that a peer was told by name, and is told by number since: the writing half of `atom-cache.ts`. See `erl_ext_dist`,
 * "Distribution Header".
 *
 * It is used for a message that goes to several processes of a BEAM node: the receiver looks each name up for each of them
 * otherwise, which costs it more than all else (docs/adr/0012). So it works on one message at a time, from `begin` to `end`:
 * the message is encoded first, and each of its frames begins with the header.
 *
 * Invariants: a number means the same atom as long as the connection lasts. No frame may pass the one that names an atom it
 * refers to: who begins a message sees to it that nothing is held back then, so that such a frame is either written before
 * all that come later, or held back together with them.
 *
 * Limits: 2,048 atoms for a connection; those that come later are written out, and so are those beyond 255 bytes, or 255
 * different ones in a message.
 */
import type { ByteWriter } from '../../etf/byte-writer.ts';
import type { AtomNumbers } from '../../etf/scalar-writer.ts';
import { SMALL_ATOM_UTF8 } from '../../etf/tags.ts';
import { ATOM_CACHE_ENTRIES } from './atom-cache.ts';

const MAX_ATOMS_OF_MESSAGE = 255;
const NEW_ENTRY = 8;

/** An atom of a message. */
interface Mention {
  readonly name: string;
  /** With its tag. */
  readonly encoded: Uint8Array;
}

/** The atoms that one peer was told. */
export class SentAtoms implements AtomNumbers {
  /** Where the peer has the atoms that it was told. */
  readonly #slots = new Map<string, number>();
  /** The atoms of the message, and the number of each in it. */
  readonly #mentions: Mention[] = [];
  readonly #numbers = new Map<string, number>();
  /** How many of them the peer was not told. */
  #unknown = 0;
  #state: 'idle' | 'encoding' | 'writing' = 'idle';
  /** The header, once the peer knows all atoms in it. */
  #header: Uint8Array | undefined;

  /** Begins a message. @returns false while another one is under way: a getter in it sends. */
  begin(): boolean {
    if (this.#state !== 'idle') return false;
    this.#state = 'encoding';
    this.#mentions.length = 0;
    this.#numbers.clear();
    this.#unknown = 0;
    this.#header = undefined;
    return true;
  }

  numberOf(name: string, encoded: Uint8Array): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#mentions.length;
    // What is written once the header stands can have no numbers but those in it.
    if (this.#state !== 'encoding' || number >= MAX_ATOMS_OF_MESSAGE || encoded[0] !== SMALL_ATOM_UTF8)
      return -1;
    if (!this.#slots.has(name)) {
      if (this.#slots.size + this.#unknown >= ATOM_CACHE_ENTRIES) return -1;
      this.#unknown++;
    }
    this.#mentions.push({ name, encoded });
    this.#numbers.set(name, number);
    return number;
  }

  /** Writes the header of a frame. The message is encoded, and its next frame comes behind this one. */
  writeHeader(writer: ByteWriter): void {
    this.#state = 'writing';
    if (this.#header !== undefined) {
      writer.bytes(this.#header);
      return;
    }
    const start = writer.length;
    const tells = this.#write(writer);
    if (!tells) this.#header = Uint8Array.prototype.slice.call(writer.buffer, start, writer.length);
  }

  /** The message is sent, or given up. */
  end(): void {
    this.#state = 'idle';
  }

  /** @returns whether it names an atom that the peer does not know. */
  #write(writer: ByteWriter): boolean {
    const slots = this.#slots;
    const mentions = this.#mentions;
    const count = mentions.length;
    writer.u8(count);
    if (count === 0) return false;
    const first = slots.size;
    for (const { name } of mentions) if (!slots.has(name)) slots.set(name, slots.size);
    const flags = (mention: Mention | undefined): number => {
      if (mention === undefined) return 0;
      const slot = slots.get(mention.name) as number;
      return (slot >= first ? NEW_ENTRY : 0) | (slot >> 8);
    };
    // Half a byte for each, and one for the whole: no name has a length of two bytes.
    for (let at = 0; at <= count; at += 2) writer.u8(flags(mentions[at]) | (flags(mentions[at + 1]) << 4));
    for (const { name, encoded } of mentions) {
      const slot = slots.get(name) as number;
      writer.u8(slot & 255);
      // Its length and its text, as behind the tag.
      if (slot >= first) writer.bytes(encoded.subarray(1));
    }
    return slots.size > first;
  }
}
