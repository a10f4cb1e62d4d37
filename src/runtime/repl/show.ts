// How values and errors are shown to who types.
//
// A helper can say how its result reads best, as a table for instance; to code it stays the array or object that it is.
import { inspect } from 'node:util';
import { formatReason, ProcessExit, TroupeError } from '../index.ts';
import { Fault } from './fault.ts';
import { type Column, textTable, type TextFormat, visible } from './table.ts';

/** The widest that values are laid out when the output is no terminal. */
const WIDTH_WITHOUT_TERMINAL = 120;
/** How many rows of a table are shown. */
const ROWS_MAX = 100;

type Renderer = (format: TextFormat) => string;
const renderers = new WeakMap<object, Renderer>();

/** Says how a value is shown where it is the result of a line. */
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

/** What stands for a value whose own inspect function throws. What it throws may have a text that throws. */
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

/** Frames of what runs the code, not of the code. */
const OWN_FRAME =
  /^ +at .*(\/repl\/(evaluator|containment|marks|session)\.[jt]s|\(?node:(vm|async_hooks|internal|net|events|fs:\d)|\(?evalmachine\.)/;
/** What a line of an error may not hold but colours. */
// oxlint-disable-next-line no-control-regex
const CONTROL = /\u001B(?!\[\d+m)|[\u0000-\u0009\u000B-\u001A\u001C-\u001F\u007F-\u009F]/g;

/** An error that a line has thrown, or that nobody caught. */
export function showError(error: unknown, format: TextFormat): string {
  if (error instanceof Fault || error instanceof TroupeError) return `** ${visible(error.message)}`;
  if (error instanceof ProcessExit) return `** (EXIT) ${visible(formatReason(error.reason))}`;
  const text = showValue(error, format);
  if (!(error instanceof Error)) return `Uncaught ${text}`;
  const lines = text.split('\n').filter((line) => !OWN_FRAME.test(line));
  // A function that is called by its bare name has the scope for its `this`.
  const own = lines.map((line) => line.replace(/^( +at )Proxy\./, '$1'));
  return `Uncaught ${own.join('\n').replace(CONTROL, visible)}`;
}

/** An error that nobody caught, so that it is not taken for the result of a line. */
export function showUncaught(error: unknown, format: TextFormat): string {
  return showError(error, format).replace(/^\*\* /, '** (uncaught) ');
}

/** What is wrong with an input, with the line and a caret. */
export function showSyntaxError(error: SyntaxError): string {
  return `Uncaught:\n${String(error.stack).replace(CONTROL, visible)}`;
}
