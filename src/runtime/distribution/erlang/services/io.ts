/**
 * The group leader of what this node has others run: takes their output by the io protocol, so that `io:format` in a function
 * called from here does not wait for ever. It reads nothing: requests for input get `{error, enotsup}`. See "The Erlang I/O
 * Protocol" of stdlib.
 *
 * Also `logger_proxy`, to which a BEAM node sends the log events of such processes; the directives of `io:format` for output
 * that arrives unformatted (not for programs); and character data in lists of any depth.
 */
import { TroupeError } from '../../../errors.ts';
import type { Process } from '../../../process/process.ts';
import { Pid } from '../../../terms/identifiers.ts';
import { telemetry } from '../../../telemetry.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Tuple, tuple, Charlist, Float, ImproperList } from '../../../terms/values.ts';
import { publishDropped } from './service-process.ts';
import { formatTerm } from '../../../terms/format.ts';

const written = telemetry('troupe:distribution:io');

/** The maximum number of characters of one request; the rest is cut off. */
export const MAX_TEXT = 65_536;
/** How many requests one `requests` may hold. */
const MAX_REQUESTS = 1_000;

const OK = atom('ok');
const NOT_SUPPORTED = tuple(atom('error'), atom('enotsup'));
const BAD_REQUEST = tuple(atom('error'), atom('request'));

/** Takes the text that a process of another node has written. */
export type Output = (text: string, from: Pid) => void;

/** Answers the io protocol. */
export class IoServer {
  readonly #output: Output | undefined;

  constructor(output: Output | undefined) {
    this.#output = output;
  }

  /** Handles a message to the group leader. */
  handle(self: Process, message: unknown): void {
    const [tag, from, replyAs, request] = message instanceof Tuple ? message.elements : [];
    if (tag !== IO_REQUEST || !(from instanceof Pid)) {
      publishDropped(self.node, '', () => 'a message to the group leader');
      return;
    }
    const reply = tuple(IO_REPLY, replyAs, this.#request(self, from, request));
    try {
      self.send(from, reply);
    } catch (error) {
      if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
      // The term to send back was nested as deeply as possible when it arrived.
      publishDropped(self.node, from.node, () => 'an io request that cannot be answered');
    }
  }

  /** Handles a message to `logger_proxy`. */
  handleLog(self: Process, message: unknown): void {
    const text = readLogEvent(message);
    if (text === undefined) publishDropped(self.node, '', () => 'a message to logger_proxy');
    else this.#write(self, writerOf(message) ?? self.pid, text);
  }

  #request(self: Process, from: Pid, request: unknown): unknown {
    if (!(request instanceof Tuple))
      return request === GET_OPTIONS ? [tuple(ENCODING, UNICODE)] : refusal(request);
    const [kind, first] = request.elements;
    if (kind === PUT_CHARS) {
      const text = readPutChars(request.elements.slice(1));
      if (text === undefined) return BAD_REQUEST;
      this.#write(self, from, text);
      return OK;
    }
    if (kind === SET_OPTIONS) return OK;
    if (kind !== REQUESTS) return refusal(kind);
    return Array.isArray(first) && first.length <= MAX_REQUESTS
      ? this.#requests(self, from, first as readonly unknown[])
      : BAD_REQUEST;
  }

  /** Several requests: the first that fails is the answer, or else the last. They are not nested, as in OTP. */
  #requests(self: Process, from: Pid, requests: readonly unknown[]): unknown {
    let answer: unknown = OK;
    for (const request of requests) {
      if (request instanceof Tuple && request.elements[0] === REQUESTS) return BAD_REQUEST;
      answer = this.#request(self, from, request);
      if (answer instanceof Tuple) return answer;
    }
    return answer;
  }

  #write(self: Process, from: Pid, text: string): void {
    const shown = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
    if (written.hasSubscribers) written.publish({ node: self.node.name, from, text: shown });
    this.#output?.(shown, from);
  }
}

const IO_REQUEST = atom('io_request');
const IO_REPLY = atom('io_reply');
const PUT_CHARS = atom('put_chars');
const SET_OPTIONS = atom('setopts');
const GET_OPTIONS = atom('getopts');
const REQUESTS = atom('requests');
const ENCODING = atom('encoding');
const UNICODE = atom('unicode');
const LOG = atom('log');

function refusal(kind: unknown): unknown {
  return kind instanceof Atom && kind.name.startsWith('get_') ? NOT_SUPPORTED : BAD_REQUEST;
}

/** Reads `[Encoding,] Chars` or `[Encoding,] Module, Function, Args`. */
function readPutChars(parts: readonly unknown[]): string | undefined {
  const encoding: Encoding = parts[0] === UNICODE ? 'unicode' : 'latin1';
  const rest = parts.length === 2 || parts.length === 4 ? parts.slice(1) : parts;
  if (rest.length === 1) return charactersOf(rest[0], encoding, MAX_TEXT);
  const [module, name, args] = rest;
  if (rest.length !== 3 || !Array.isArray(args)) return undefined;
  return applied(module, name, args as readonly unknown[]);
}

/** The text of a function that the writer wants applied; only formatting is known here. */
function applied(module: unknown, name: unknown, args: readonly unknown[]): string {
  const isFormat = module === atom('io_lib') && (name === atom('format') || name === atom('fwrite'));
  if (isFormat && args.length === 2 && Array.isArray(args[1])) {
    const format = charactersOf(args[0] instanceof Atom ? args[0].name : args[0], 'unicode', MAX_TEXT);
    const text = format === undefined ? undefined : formatIo(format, args[1] as readonly unknown[], MAX_TEXT);
    if (text !== undefined) return text;
  }
  return `${showTerm(module)}:${showTerm(name)} ${showTerm(args, MAX_TEXT)}\n`;
}

/** The process that logged; the last element of a log event is a map that describes it. */
function writerOf(message: unknown): Pid | undefined {
  const meta: unknown = message instanceof Tuple ? message.elements.at(-1) : undefined;
  const pid: unknown = meta instanceof Map ? meta.get(atom('pid')) : undefined;
  return pid instanceof Pid ? pid : undefined;
}

/** Reads `{log, Level, Format, Args, Meta}` or `{log, Level, StringOrReport, Meta}`, in one line. */
function readLogEvent(message: unknown): string | undefined {
  if (!(message instanceof Tuple) || message.elements[0] !== LOG) return undefined;
  const [, level, what, args] = message.elements;
  const format = charactersOf(what, 'unicode', MAX_TEXT);
  const text =
    format !== undefined && message.length === 5 && Array.isArray(args)
      ? formatIo(format, args as readonly unknown[], MAX_TEXT)
      : format;
  return `${showTerm(level)}: ${text ?? showTerm([what, args], MAX_TEXT)}\n`;
}

// ---- io:format ----

/** The maximum number of characters of one value. */
const VALUE_MAX = 8_192;
/** How deep a term is searched for texts. */
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

/** The remaining arguments, taken in order. */
class Arguments {
  readonly #values: readonly unknown[];
  #next = 0;

  constructor(values: readonly unknown[]) {
    this.#values = values;
  }

  /** @throws Mismatch if none is left. */
  take(): unknown {
    if (this.#next >= this.#values.length) throw new Mismatch();
    return this.#values[this.#next++];
  }

  get allTaken(): boolean {
    return this.#next === this.#values.length;
  }
}

/** Format and arguments do not match. */
class Mismatch extends Error {}

/**
 * Formats as `io_lib:format/2` does, with the directives that are met in practice: `~p ~w ~P ~W ~s ~c ~b ~B ~x ~X ~+ ~# ~f ~e
 * ~g ~n ~i ~~`, with width, precision, padding and modifiers. Terms are printed on one line. See `io:fwrite/3`.
 * @param most the maximum number of characters; the rest is cut off.
 * @returns undefined if format and arguments do not match.
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
function showTerm(term: unknown, most = VALUE_MAX): string {
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

/** Puts a value into a field: to the right, or with a negative width to the left; a value that is too wide becomes stars. */
function pad(directive: Directive, args: Arguments): string {
  const text = convert(directive, args);
  const { width, pad: padding, control } = directive;
  if (width === undefined || FREE.has(control)) return text;
  const length = Math.abs(width);
  if (text.length > length) return control === 's' ? text.slice(0, length) : '*'.repeat(length);
  return width < 0 ? text.padEnd(length, padding) : text.padStart(length, padding);
}

/** Controls whose width is not that of a field. */
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
      // The depth to print: large terms are cut off anyway.
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

/** Turns readable lists into texts, which `~p` prints in quotes. */
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
  // true, false, nil and undefined are atoms as well.
  const named = text ?? (ATOMS.has(value) ? showTerm(value) : undefined);
  if (named === undefined) throw new Mismatch();
  return precision === undefined ? named : named.slice(0, precision).padEnd(precision);
}

const ATOMS: ReadonlySet<unknown> = new Set([true, false, null, undefined]);

/** An integer in a base, in lower or upper case; `#` and `+` prefix the base, `x` and `X` the next argument. */
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

// ---- character data ----

/** The encoding of binaries, and the range of numbers that are characters. */
export type Encoding = 'latin1' | 'unicode';

/** How deep lists may be nested. */
const LIST_DEPTH_MAX = 512;

/**
 * The text of character data: `unicode:chardata()` and `iodata()`.
 * @param most how many characters are read; the rest is left out.
 * @returns undefined if the value is not character data.
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

  /** @returns false for anything but character data. */
  read(data: unknown, depth: number): boolean {
    if (this.text.length > this.#most) return true;
    if (typeof data === 'number') return this.#character(data);
    // A binary whose bytes are UTF-8 arrives as a string, whatever encoding the sender meant.
    if (typeof data === 'string') this.#bytes(this.#latin1 ? Buffer.from(data) : undefined, data);
    else if (data instanceof Uint8Array) this.#bytes(Buffer.from(data), undefined);
    else if (data instanceof Charlist) this.text += data.text;
    else if (depth >= LIST_DEPTH_MAX) return false;
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
