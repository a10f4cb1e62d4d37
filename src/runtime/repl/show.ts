// How values, errors and tables appear at the prompt, and results as JSON for scripts.
//
// - A helper can choose how its result is shown, as a table for instance; code still sees the array or object itself.
// - Columns are padded to their widest cell, numbers aligned right, lines cut to the width of the terminal.
// - Text may come from anywhere, clients of the application included: characters that would control the terminal are
//   escaped first.
//
// JSON has no word for much of what JavaScript has. Every result is valid JSON all the same, and writing it fails only for its size:
//
// - pids and refs (all that has toJSON) as they print; dates as ISO 8601; bigints as strings of digits
// - undefined as null, also as the value of a property; NaN and the infinities as strings
// - an Error as {name, message} with code, reason, cause and its other own properties, without its stack
// - a Map as an array of [key, value], a Set as an array, bytes as an array of numbers
// - functions, symbols and what has no other form as the REPL prints them; what contains itself as "[Circular]"
import { inspect } from 'node:util';
import { formatReason, ProcessExit, TroupeError } from '../index.ts';
import { Fault } from './shell.ts';

/** How text can be shown. */
export interface TextFormat {
  /** Width in characters; 0 to cut nothing. */
  readonly columns: number;
  readonly colour: boolean;
  readonly unicode: boolean;
}

/** A column: its heading, and whether its cells are numbers. */
export interface Column {
  readonly heading: string;
  readonly numeric?: boolean;
  /** The colour of a cell, where there are colours; none for most. */
  readonly tint?: (cell: string) => Tint | undefined;
}

/** The colours of what is worth a look. */
const TINTS = { red: 31, green: 32, yellow: 33, cyan: 36 } as const;
/** One of them. */
export type Tint = keyof typeof TINTS;

/** Text in a colour, where there are colours. */
export function tinted(text: string, tint: Tint | undefined, { colour }: Pick<TextFormat, 'colour'>): string {
  return colour && tint !== undefined && text !== '' ? `\u001B[${TINTS[tint]}m${text}\u001B[39m` : text;
}

/** The layout width for values when the output is not a terminal. */
const WIDTH_WITHOUT_TERMINAL = 120;
/** How many rows of a table are shown. */
const ROWS_MAX = 100;

type Renderer = (format: TextFormat) => string;
const renderers = new WeakMap<object, Renderer>();

/** Sets how a value is shown when it is the result of a line. */
export function present<T extends object>(value: T, render: Renderer): T {
  renderers.set(value, render);
  return value;
}

/** Shows rows as a table, the first hundred of them. */
export function presentRows<Row>(
  rows: readonly Row[],
  columns: readonly Column[],
  cells: (row: Row) => readonly string[],
  none: string,
): readonly Row[] {
  return present([...rows], (format) => {
    if (rows.length === 0) return none;
    const table = textTable(columns, rows.slice(0, ROWS_MAX).map(cells), format);
    return rows.length <= ROWS_MAX
      ? table
      : `${table}\n${format.unicode ? '…' : '...'} ${rows.length - ROWS_MAX} more`;
  });
}

/** A value as text. */
export function showValue(value: unknown, format: TextFormat): string {
  const render = typeof value === 'object' && value !== null ? renderers.get(value) : undefined;
  if (render !== undefined) return render(format);
  try {
    return inspect(value, {
      colors: format.colour,
      breakLength: format.columns || WIDTH_WITHOUT_TERMINAL,
      depth: 4,
      maxArrayLength: 100,
      maxStringLength: 10_000,
    });
  } catch (error) {
    return cannotBeShown(error);
  }
}

/** Stands in for a value whose own inspect function throws. Converting what it throws to text may throw as well. */
function cannotBeShown(error: unknown): string {
  try {
    return `[cannot be shown: ${visible(String(error))}]`;
  } catch {
    return '[cannot be shown]';
  }
}

/** A value on one line. */
export function showLine(value: unknown, format: Pick<TextFormat, 'colour'>): string {
  try {
    return inspect(value, {
      colors: format.colour,
      breakLength: Infinity,
      compact: true,
      depth: 4,
      maxArrayLength: 20,
      maxStringLength: 1_000,
    }).replaceAll('\n', ' ');
  } catch (error) {
    return cannotBeShown(error);
  }
}

/** Stack frames of the machinery that runs the code, not of the code. */
const OWN_FRAME =
  /^ +at .*(\/repl\/(evaluator|containment|session)\.[jt]s|\(?node:(vm|async_hooks|internal|net|events|fs:\d)|\(?evalmachine\.)/;
/** Control characters that are escaped in errors; colours are kept. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /\u001B(?!\[\d+m)|[\u0000-\u0009\u000B-\u001A\u001C-\u001F\u007F-\u009F]/g;

/** An error that a line threw, or that nothing caught. */
export function showError(error: unknown, format: TextFormat): string {
  if (error instanceof Fault || error instanceof TroupeError) return `** ${visible(error.message)}`;
  if (error instanceof ProcessExit) return `** (EXIT) ${visible(formatReason(error.reason))}`;
  const text = showValue(error, format);
  if (!(error instanceof Error)) return `Uncaught ${text}`;
  const lines = text.split('\n').filter((line) => !OWN_FRAME.test(line));
  // A function called by its bare name gets the scope, a proxy, as `this`.
  const own = lines.map((line) => line.replace(/^( +at )Proxy\./, '$1'));
  return `Uncaught ${own.join('\n').replace(CONTROL, visible)}`;
}

/** An uncaught error, marked so that it is not mistaken for the result of a line. */
export function showUncaught(error: unknown, format: TextFormat): string {
  return showError(error, format).replace(/^\*\* /, '** (uncaught) ');
}

/** A syntax error, with the line and a caret. */
export function showSyntaxError(error: SyntaxError): string {
  return `Uncaught:\n${String(error.stack).replace(CONTROL, visible)}`;
}

// ---- tables ----

const GAP = '  ';
const CELL_MAX = 200;
/** No column is cut below this width. */
const COLUMN_MIN = 8;

/** A table as lines, without a final line break. */
export function textTable(
  columns: readonly Column[],
  rows: ReadonlyArray<readonly string[]>,
  format: TextFormat,
): string {
  const cells = rows.map((row) => row.map((cell) => cut(visible(cell), CELL_MAX, format)));
  const widths = columns.map(({ heading }, index) =>
    cells.reduce((width, row) => Math.max(width, widthOf(row[index] ?? '')), heading.length),
  );
  if (format.columns > 0) fit(widths, columns, format.columns);
  const line = (row: readonly string[], isHeading = false): string =>
    columns
      .map(({ numeric, tint }, index) => {
        const width = widths[index] as number;
        const cell = cut(row[index] ?? '', width, format);
        return pad(cell, width, numeric, (text) =>
          tinted(text, isHeading ? undefined : tint?.(cell), format),
        );
      })
      .join(GAP)
      .trimEnd();
  const heading = line(
    columns.map((column) => column.heading),
    true,
  );
  const lines = cells.map((row) => line(row));
  return [format.colour ? `\u001B[1m${heading}\u001B[22m` : heading, ...lines].join('\n');
}

/** Takes excess width from the widest text columns. */
function fit(widths: number[], columns: readonly Column[], width: number): void {
  const gaps = GAP.length * (widths.length - 1);
  for (;;) {
    const total = widths.reduce((sum, each) => sum + each, gaps);
    if (total <= width) return;
    let widest = -1;
    widths.forEach((each, index) => {
      if (columns[index]?.numeric !== true && each > COLUMN_MIN && each > (widths[widest] ?? 0))
        widest = index;
    });
    if (widest === -1) return;
    widths[widest] = Math.max(
      COLUMN_MIN,
      (widths[widest] as number) - (total - width),
      secondWidest(widths, widest) - 1,
    );
  }
}

function secondWidest(widths: readonly number[], widest: number): number {
  return widths.reduce((width, each, index) => (index === widest ? width : Math.max(width, each)), 0);
}

/** @param dress gives the text its colour, which takes no room */
function pad(text: string, width: number, right = false, dress = (plain: string): string => plain): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? space + dress(text) : dress(text) + space;
}

/** Text cut to a width in terminal cells, ending in an ellipsis when it was longer. */
export function cut(text: string, width: number, format: Pick<TextFormat, 'unicode'>): string {
  if (widthOf(text) <= width) return text;
  const ellipsis = format.unicode ? '…' : '...';
  let kept = '';
  let used = ellipsis.length;
  for (const character of text) {
    used += widthOf(character);
    if (used > width) break;
    kept += character;
  }
  return kept + ellipsis;
}

/** Text with characters that would control the terminal written as JavaScript escape sequences. */
export function visible(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001F\u007F-\u009F\u200E\u200F\u2028-\u202E\u2066-\u2069]/g, (character) => {
    if (character === '\n') return String.raw`\n`;
    if (character === '\t') return String.raw`\t`;
    return `\\u${(character.codePointAt(0) as number).toString(16).padStart(4, '0')}`;
  });
}

const WIDE =
  /[\u1100-\u115F\u2E80-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE4F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;
const NO_WIDTH = /\p{Mn}|\p{Me}|\p{Cf}/u;

/** The width of a text in terminal cells. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

// ---- JSON ----

/** How deep values are written; below that as "[Object]". */
const DEPTH_MAX = 64;
/** How many values one result may hold. */
const VALUES_MAX = 2_000_000;

/** A value as JSON, on one line. @throws Fault when it holds more than two million values. */
export function toJson(value: unknown): string {
  return JSON.stringify(new Writer().plain(value));
}

/** Converts a value to what JSON.stringify writes unchanged. */
class Writer {
  #count = 0;
  /** The objects that the value at hand is in. */
  readonly #above = new Set<object>();

  plain(value: unknown): unknown {
    // An object that is reachable in several ways is written for each of them.
    if (++this.#count > VALUES_MAX) throw new Fault('the result holds too many values to be written as JSON');
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'undefined':
        return null;
      case 'number':
        return Number.isFinite(value) ? value : String(value);
      case 'bigint':
        return String(value);
      case 'object':
        return value === null ? null : this.#object(value);
      default:
        return inspect(value);
    }
  }

  #object(value: object): unknown {
    if (this.#above.has(value)) return '[Circular]';
    if (this.#above.size === DEPTH_MAX) return Array.isArray(value) ? '[Array]' : '[Object]';
    const each = (item: unknown): unknown => this.plain(item);
    this.#above.add(value);
    try {
      // Most values are one of these two; the rest are told apart by class.
      if (Array.isArray(value)) return value.length === 0 ? [] : Array.from(value, each);
      if (isPlain(value)) return this.#record(value);
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
      if (value instanceof Set || isBytes(value)) return Array.from(value, each);
      if (value instanceof Map) return Array.from(value, ([key, item]) => [each(key), each(item)]);
      if (value instanceof Error) return plainError(value, each);
      if ('toJSON' in value && typeof value.toJSON === 'function') return each(value.toJSON());
      if (OPAQUE.some((kind) => value instanceof kind)) return inspect(value, { depth: 0 });
      return this.#record(value);
    } catch (error) {
      if (error instanceof Fault) throw error;
      return `[cannot be read: ${String(error)}]`; // a getter, a proxy or a toJSON of its own that throws
    } finally {
      this.#above.delete(value);
    }
  }

  #record(value: object): object {
    const record = Object.create(null) as Record<string, unknown>;
    for (const name of Object.keys(value))
      record[name] = this.plain((value as Record<string, unknown>)[name]);
    return record;
  }
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return (prototype === Object.prototype || prototype === null) && !('toJSON' in value);
}

function plainError(error: Error, each: (item: unknown) => unknown): Record<string, unknown> {
  const written: Record<string, unknown> = { name: error.name, message: error.message };
  if ('cause' in error) written['cause'] = each(error.cause);
  if (error instanceof AggregateError) written['errors'] = each(error.errors);
  for (const [name, item] of Object.entries(error)) written[name] ??= each(item);
  return written;
}

function isBytes(value: object): value is Iterable<number | bigint> & object {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** Classes whose properties say nothing. */
const OPAQUE: readonly (abstract new (...args: never[]) => object)[] = [
  Promise,
  WeakMap,
  WeakSet,
  WeakRef,
  RegExp,
  ArrayBuffer,
  SharedArrayBuffer,
  DataView,
  Number,
  String,
  Boolean,
];
