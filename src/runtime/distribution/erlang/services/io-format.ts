/**
 * The directives of `io:format` that are met in practice: `~p ~w ~P ~W ~s ~c ~b ~B ~x ~X ~+ ~# ~f ~e ~g ~n ~i ~~`, with width,
 * precision, padding and modifiers. Terms are printed on one line.
 *
 * It is for output that a process of another node sends here unformatted, and not for programs. See `io:fwrite/3`.
 */
import { formatTerm } from '../../../terms/format.ts';
import { Atom } from '../../../terms/atom.ts';
import { Charlist, Float, Tuple } from '../../../terms/values.ts';
import { charactersOf } from './characters.ts';

/** The most characters of one value. */
const VALUE_MAX = 8_192;
/** How deep a term is looked through for texts. */
const DEPTH_MAX = 32;
/** The widest field. */
const WIDTH_MAX = 1_024;
const DIRECTIVE = /~(-?\d+|\*)?(?:\.(\d+|\*)?)?(?:\.(\*|.))?([tlkK]*)(.)/gsu;

/** A directive: `~Width.Precision.PadModifiersControl`. */
interface Directive {
  readonly width: number | undefined;
  readonly precision: number | undefined;
  readonly pad: string;
  readonly control: string;
}

/** The arguments that are left, taken in order. */
class Arguments {
  readonly #values: readonly unknown[];
  #next = 0;

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  /** @throws Mismatch when there is none left. */
  take(): unknown {
    if (this.#next >= this.#values.length) throw new Mismatch();
    return this.#values[this.#next++];
  }

  get allTaken(): boolean {
    return this.#next === this.#values.length;
  }
}

/** Format and arguments do not go together. */
class Mismatch extends Error {}

/**
 * Formats as `io_lib:format/2`.
 * @param most the most characters of the text; what is more is cut off.
 * @returns undefined when format and arguments do not go together.
 */
export function formatIo(format: string, values: readonly unknown[], most: number): string | undefined {
  const args = new Arguments(values);
  let text = '';
  let end = 0;
  try {
    for (const match of format.matchAll(DIRECTIVE)) {
      text += format.slice(end, match.index);
      end = match.index + match[0].length;
      text += pad(readDirective(match, args), args);
      if (text.length > most) return text.slice(0, most);
    }
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    return undefined;
  }
  const rest = format.slice(end);
  return args.allTaken && !rest.includes('~') ? text + rest : undefined;
}

/** A term as Erlang prints it, on one line. @param most characters; the rest is cut off. */
export function showTerm(term: unknown, most = VALUE_MAX): string {
  const text = formatTerm(term);
  return text.length > most ? `${text.slice(0, most)}...` : text;
}

function readDirective(match: RegExpExecArray, args: Arguments): Directive {
  const [, width, precision, padding = ' ', , control = ''] = match;
  return {
    width: readNumber(width, args),
    precision: readNumber(precision, args),
    pad: padding === '*' ? String.fromCodePoint(character(args.take())) : padding,
    control,
  };
}

function readNumber(text: string | undefined, args: Arguments): number | undefined {
  if (text === undefined) return undefined;
  const value = text === '*' ? args.take() : Number(text);
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new Mismatch();
  return Math.min(Math.max(value, -WIDTH_MAX), WIDTH_MAX);
}

/** Puts a value into a field of its width: to the right, or with a negative width to the left; too wide, it is stars. */
function pad(directive: Directive, args: Arguments): string {
  const text = convert(directive, args);
  const { width, pad: padding, control } = directive;
  if (width === undefined || FREE.has(control)) return text;
  const length = Math.abs(width);
  if (text.length > length) return control === 's' ? text.slice(0, length) : '*'.repeat(length);
  return width < 0 ? text.padEnd(length, padding) : text.padStart(length, padding);
}

/** Controls whose width is no width of a field. */
const FREE = new Set(['n', '~', 'c', 'p', 'P', 'i']);

function convert({ control, precision, width }: Directive, args: Arguments): string {
  switch (control) {
    case '~':
      return '~';
    case 'n':
      return '\n'.repeat(Math.max(0, width ?? 1));
    case 'i':
      args.take();
      return '';
    case 'c':
      return String.fromCodePoint(character(args.take())).repeat(Math.max(0, precision ?? width ?? 1));
    case 's':
      return characters(args.take(), precision);
    case 'p':
      return showTerm(quoteTexts(args.take(), 0));
    case 'w':
      return showTerm(args.take());
    case 'P':
    case 'W': {
      const term = args.take();
      // How deep it is to be printed: what is large is cut anyway.
      args.take();
      return showTerm(control === 'P' ? quoteTexts(term, 0) : term);
    }
    case 'b':
    case 'B':
    case 'x':
    case 'X':
    case '#':
    case '+':
      return integer(control, precision ?? 10, args);
    case 'f':
    case 'e':
    case 'g':
      return number(control, precision ?? 6, args.take());
    default:
      throw new Mismatch();
  }
}

/** Turns lists that can be read into texts, as `~p` does: it prints them in quotes. */
function quoteTexts(term: unknown, depth: number): unknown {
  if (depth >= DEPTH_MAX) return term;
  if (term instanceof Tuple)
    return new Tuple(term.elements.map((item: unknown) => quoteTexts(item, depth + 1)));
  if (!Array.isArray(term)) return term;
  const list = term as readonly unknown[];
  if (list.length > 0 && list.length <= VALUE_MAX && list.every(isReadable)) {
    return new Charlist(String.fromCodePoint(...list));
  }
  return list.map((item) => quoteTexts(item, depth + 1));
}

/** Whether a value is the number of a letter, sign or space. See `io_lib:printable_list/1`. */
function isReadable(value: unknown): value is number {
  if (typeof value !== 'number' || charactersOf(value, 'unicode', 1) === undefined) return false;
  return (value >= 32 && value < 127) || value >= 160 || (value >= 8 && value <= 13) || value === 27;
}

function characters(value: unknown, precision: number | undefined): string {
  const text = value instanceof Atom ? value.name : charactersOf(value, 'unicode', VALUE_MAX);
  // true, false, nil and undefined are atoms, too.
  const named = text ?? (ATOMS.has(value) ? showTerm(value) : undefined);
  if (named === undefined) throw new Mismatch();
  return precision === undefined ? named : named.slice(0, precision).padEnd(precision);
}

const ATOMS: ReadonlySet<unknown> = new Set([true, false, null, undefined]);

/** An integer in a base, in small or large letters; with `#` after the base, with `x` after what the next argument says. */
function integer(control: string, base: number, args: Arguments): string {
  const value = args.take();
  if ((typeof value !== 'number' && typeof value !== 'bigint') || base < 2 || base > 36) throw new Mismatch();
  const prefix = prefixOf(control, base, args);
  const digits = (value < 0 ? -value : value).toString(base);
  const small = control === 'b' || control === 'x' || control === '+';
  return `${value < 0 ? '-' : ''}${prefix}${small ? digits : digits.toUpperCase()}`;
}

function prefixOf(control: string, base: number, args: Arguments): string {
  if (control === '#' || control === '+') return `${base}#`;
  if (control !== 'x' && control !== 'X') return '';
  const value = args.take();
  return characters(value, undefined);
}

function number(control: string, precision: number, value: unknown): string {
  const read = value instanceof Float ? value.value : value;
  if (typeof read !== 'number') throw new Mismatch();
  const digits = Math.min(Math.max(precision, 1), 100);
  if (control === 'f') return read.toFixed(digits);
  if (control === 'g' && Math.abs(read) >= 0.1 && Math.abs(read) < 10_000)
    return read.toFixed(Math.max(1, digits - 1));
  return read.toExponential(Math.max(1, digits - 1));
}

function character(value: unknown): number {
  if (typeof value !== 'number' || charactersOf(value, 'unicode', 1) === undefined) throw new Mismatch();
  return value;
}
