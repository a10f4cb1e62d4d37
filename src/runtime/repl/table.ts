// Tables for terminals: columns padded to their widest cell, numbers to the right, cut to the width of the terminal.
//
// Cells may come from anywhere, a client of the application included: what would move the cursor is made visible first.

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
}

const GAP = '  ';
const CELL_MAX = 200;
/** No column is cut below this width. */
const COLUMN_MIN = 8;

/** A table as lines, without a line break at the end. */
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
  const line = (row: readonly string[]): string =>
    columns
      .map(({ numeric }, index) =>
        pad(cut(row[index] ?? '', widths[index] as number, format), widths[index] as number, numeric),
      )
      .join(GAP)
      .trimEnd();
  const heading = line(columns.map((column) => column.heading));
  return [format.colour ? `\u001B[1m${heading}\u001B[22m` : heading, ...cells.map(line)].join('\n');
}

/** Takes the width that is too much from the widest columns that hold text. */
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

function pad(text: string, width: number, right = false): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)));
  return right ? space + text : text + space;
}

/** Text that takes at most so many places, ending in an ellipsis when it was longer. */
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

/** Text in which what would control the terminal is written as an escape sequence of JavaScript. */
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

/** How many places a text takes in a terminal. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}
