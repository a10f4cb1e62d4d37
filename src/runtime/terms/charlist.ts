/**
 * Charlists: texts as lists of code points, Erlang's `"text"`.
 *
 * A string is a binary to Erlang. Where it expects a list of characters, say so with `charlist('text')`. What arrives as a
 * list of numbers is an array of numbers, as nothing tells a text from them; `text` reads one.
 */

/** A text that is a list of code points on the wire; make one with {@link charlist}. */
export class Charlist {
  declare readonly text: string;

  constructor(characters: string) {
    this.text = characters;
  }

  toString(): string {
    return this.text;
  }

  toJSON(): string {
    return this.text;
  }
}

/** A text that goes to Erlang as a list of its characters. */
export function charlist(characters: string): Charlist {
  return new Charlist(characters);
}

/**
 * Reads a text in any of its forms: a string (a binary), a charlist (an array of code points), or a `Charlist`.
 * @returns undefined when the value is no text.
 */
export function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof Charlist) return value.text;
  if (!Array.isArray(value)) return undefined;
  const points = value as readonly unknown[];
  if (!points.every(isCodePoint)) return undefined;
  let read = '';
  // Not all at once: a call takes only so many arguments.
  for (let start = 0; start < points.length; start += 4_096) {
    read += String.fromCodePoint(...points.slice(start, start + 4_096));
  }
  return read;
}

function isCodePoint(value: unknown): value is number {
  return (
    typeof value === 'number' &&
    Number.isInteger(value) &&
    value >= 0 &&
    value <= 0x10ffff &&
    (value < 0xd800 || value > 0xdfff)
  );
}
