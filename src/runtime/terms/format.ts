/**
 * Prints terms as Erlang's `~tp` does, on one line: `{point,1.0,<<"x">>}`. A string is a binary, an array is a list of its
 * elements and never a text in quotes; only a `Charlist` is one.
 *
 * It never throws, and shows a part of what is large: 1,000 elements, 32 levels, 4,096 characters of one text, 65,536 in all; `...`
 * stands for the rest. An integer of more than 300 digits is shown by its first digits in base 16. A value that is
 * not a term is shown by its type in brackets.
 *
 * It knows no class of terms: each gives its own text, by the method {@link TEXT}, and so does each of the runtime's messages.
 */
import { isUtf8 } from 'node:buffer';

const inspect = Symbol.for('nodejs.util.inspect.custom');

/** @internal How many elements are shown of one term. */
export const SHOWN_ELEMENTS = 1_000;
const SHOWN_DEPTH = 32;
const SHOWN_CHARACTERS = 4_096;
const SHOWN_IN_ALL = 65_536;
/** Beyond, an integer is not shown with all its digits. */
const LARGE = 10n ** 300n;
const SHOWN_DIGITS = 32;

/** An atom that needs no quotes: a small letter, then letters, digits, `_` and `@`, of Latin-1. */
const PLAIN_ATOM = /^[a-z\u00df-\u00f6\u00f8-\u00ff][\w@\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]*$/;
/** The words of the language, which as atoms are quoted; `else` and `maybe` by OTP 27 and later. */
const RESERVED: ReadonlySet<string> = new Set(
  (
    'after and andalso band begin bnot bor bsl bsr bxor case catch cond div else end fun if let maybe not of or ' +
    'orelse receive rem try when xor'
  ).split(' '),
);
const PRINTED_CONTROLS = '\n\r\t\v\b\f\u001b';
const ESCAPES: Readonly<Record<string, string>> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\b': '\\b',
  '\f': '\\f',
  '\u001b': '\\e',
  '\u007f': '\\d',
  '\\': '\\\\',
};

/** @internal The method by which a class of terms gives its text. */
export const TEXT: unique symbol = Symbol('text');

/** What classes of terms have in common: they are shown as Erlang prints them. */
export abstract class Term {
  /** @internal @param depth how deep the term is nested, itself included. */
  abstract [TEXT](formatter: Formatter, depth: number): string;

  /** As Erlang prints it. */
  toString(): string {
    return formatTerm(this);
  }

  [inspect](): string {
    return this.toString();
  }
}

/** @internal The text of a term. */
export function formatTerm(term: unknown): string {
  const text = new Formatter().format(term, 0);
  return text.length > SHOWN_IN_ALL ? `${text.slice(0, SHOWN_IN_ALL)}...` : text;
}

/** @internal The beginning of a text that is longer than this, and a sign that there is more. */
export function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}

/** An integer: in decimal while it is small, since the time for decimal digits grows faster than their number. */
function formatInteger(value: bigint): string {
  if (value < LARGE && value > -LARGE) return String(value);
  const digits = value.toString(16);
  return `${value < 0n ? '-' : ''}16#${digits.slice(value < 0n ? 1 : 0, SHOWN_DIGITS)}...`;
}

/** @internal The text of a float, the shortest that reads as the same one. See `float_to_list/2` with `short`. */
export function formatFloat(value: number): string {
  if (!Number.isFinite(value)) return `[${value}]`;
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const [mantissa = '', exponent = ''] = Math.abs(value).toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const sign = value < 0 ? '-' : '';
  return sign + placePoint(digits, Number(exponent) + 1, Math.abs(value) < 2 ** 53);
}

/** @param place where the point stands, from the first digit on. @param exact below 2^53, where no digit is made up. */
function placePoint(digits: string, place: number, exact: boolean): string {
  const size = digits.length;
  if (place > 0 && place < size) return `${digits.slice(0, place)}.${digits.slice(place)}`;
  const exponent = String(place - 1);
  // Of the two ways of writing it the shorter one.
  const cost = exponent.length + (size === 1 ? 3 : 2);
  if (place <= 0 && (place === 0 || 2 - place <= cost)) return `0.${'0'.repeat(-place)}${digits}`;
  if (place > 0 && exact && (place === size || place - size + 2 <= cost)) {
    return `${digits}${'0'.repeat(place - size)}.0`;
  }
  return `${digits[0]}.${digits.slice(1) || '0'}e${exponent}`;
}

/** @internal Prints one term; `...` stands for what goes beyond the limits. */
export class Formatter {
  #left = SHOWN_ELEMENTS;

  format(value: unknown, depth: number): string {
    switch (typeof value) {
      case 'string':
        return formatText(value);
      case 'number':
        return Number.isInteger(value) && !Object.is(value, -0) ? String(value) : formatFloat(value);
      case 'object':
        if (value === null) return 'nil';
        return depth > SHOWN_DEPTH ? '...' : this.#object(value, depth + 1);
      case 'bigint':
        return formatInteger(value);
      case 'boolean':
      case 'undefined':
        return String(value);
      case 'function':
      case 'symbol':
      default:
        return `[${typeof value}]`;
    }
  }

  #object(value: object, depth: number): string {
    if (TEXT in value) return (value as Term)[TEXT](this, depth);
    if (Array.isArray(value)) return `[${this.items(value, depth)}]`;
    if (value instanceof Map) return this.#map(value, depth);
    if (value instanceof Uint8Array) return this.#bytes(value);
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype || prototype === null) {
      return this.pairs(Object.entries(value), formatText, depth);
    }
    return `[${typeof value.constructor === 'function' ? value.constructor.name : 'object'}]`;
  }

  #map(map: ReadonlyMap<unknown, unknown>, depth: number): string {
    return this.pairs(map, (key) => this.format(key, depth), depth);
  }

  /** Several terms with commas between them. */
  items(items: readonly unknown[], depth: number): string {
    const shown: string[] = [];
    for (const item of items) {
      if (--this.#left < 0) {
        shown.push('...');
        break;
      }
      shown.push(this.format(item, depth));
    }
    return shown.join(',');
  }

  /** A tuple that begins with an atom, and has at least one more element. */
  tagged(tag: string, fields: readonly unknown[], depth: number): string {
    return `{${formatAtom(tag)},${this.items(fields, depth)}}`;
  }

  /** The pairs of a map, in its brackets. */
  pairs<Key>(
    entries: Iterable<readonly [Key, unknown]>,
    formatKey: (key: Key) => string,
    depth: number,
    arrow = ' => ',
  ): string {
    const shown: string[] = [];
    for (const [key, value] of entries) {
      if (--this.#left < 0) {
        shown.push('...');
        break;
      }
      shown.push(`${formatKey(key)}${arrow}${this.format(value, depth)}`);
    }
    return `#{${shown.join(',')}}`;
  }

  #bytes(bytes: Uint8Array): string {
    const text = isUtf8(bytes) ? Buffer.from(bytes).toString() : undefined;
    return text !== undefined && isPrintable(text)
      ? formatText(text)
      : `<<${this.items([...bytes.subarray(0, SHOWN_ELEMENTS + 1)], 0)}>>`;
  }
}

/** @internal An atom, in quotes where it needs them. */
export function formatAtom(name: string): string {
  return PLAIN_ATOM.test(name) && !RESERVED.has(name) ? name : `'${shortened(name, "'")}'`;
}

/** Whether a text is shown as one: the characters that `io_lib:printable_unicode_list/1` takes, as far as they are shown. */
function isPrintable(text: string): boolean {
  for (const character of text.slice(0, SHOWN_CHARACTERS)) {
    const code = character.codePointAt(0) as number;
    const plain =
      code < 0x80 ? code >= 0x20 && code < 0x7f : code >= 0xa0 && code !== 0xfffe && code !== 0xffff;
    if (!plain && !PRINTED_CONTROLS.includes(character)) return false;
  }
  return true;
}

/** A string, which is a binary to Erlang. */
function formatText(text: string): string {
  if (!isPrintable(text)) {
    const bytes = Buffer.from(text.slice(0, SHOWN_CHARACTERS));
    return `<<${bytes.join(',')}${text.length > SHOWN_CHARACTERS ? ',...' : ''}>>`;
  }
  return `<<"${shortened(text, '"')}"${/[\u{80}-\u{10ffff}]/u.test(text) ? '/utf8' : ''}>>`;
}

/** @internal A text, escaped for such quotes and cut to its limit. */
export function shortened(text: string, quote: string): string {
  const shown = text.slice(0, SHOWN_CHARACTERS);
  const escaped = Array.from(shown, (character) => escape(character, quote)).join('');
  return text.length > SHOWN_CHARACTERS ? `${escaped}...` : escaped;
}

function escape(character: string, quote: string): string {
  if (character === quote) return `\\${quote}`;
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) as number;
  if (code >= 0x20 && (code < 0x80 || code >= 0xa0)) return character;
  return `\\${code.toString(8).padStart(3, '0')}`;
}
