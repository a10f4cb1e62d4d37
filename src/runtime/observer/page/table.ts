// A table of which the server sends a window: rows by key, their order, and how many there are in all. And which part of it is seen,
// drawn and asked for. Pure.
import type { TableChange } from '../protocol.ts';
import { OVERSCAN_ROWS, ROW_PX, WINDOW_FIRST_ROWS, WINDOW_MARGIN_ROWS, WINDOW_MAX_ROWS } from './limits.ts';

/** What is here of a table: `order` begins with the row of the number `first`. */
export interface Table<Row> {
  readonly first: number;
  readonly total: number;
  readonly order: readonly string[];
  readonly rows: ReadonlyMap<string, Row>;
}

/** Applies a change. Rows that left the window are let go; the server sends them again when they come back. */
export function changeTable<Row>(table: Table<Row> | undefined, change: TableChange<Row>): Table<Row> {
  const order = change.order ?? table?.order ?? [];
  const rows = new Map<string, Row>();
  for (const key of order) {
    const row = Object.hasOwn(change.set, key) ? change.set[key] : table?.rows.get(key);
    if (row !== undefined) rows.set(key, row);
  }
  return { first: change.first, total: change.total, order, rows };
}

/** The key of the row with a number; undefined where it is not here. */
export function keyAt(table: Table<unknown> | undefined, index: number): string | undefined {
  return table?.order[index - table.first];
}

/** The row with a number; undefined where it is not here. */
export function rowAt<Row>(table: Table<Row> | undefined, index: number): Row | undefined {
  const key = keyAt(table, index);
  return key === undefined ? undefined : table?.rows.get(key);
}

/** Rows from `first` on. */
export interface Span {
  readonly first: number;
  readonly count: number;
}

/** What of a grid is seen, and what its keys have chosen. */
export interface Grid {
  /** How far it is scrolled, and how high it is, in pixels. */
  readonly top: number;
  readonly height: number;
  /** What is asked for. */
  readonly wanted: Span;
  /**
   * Counts down to 0, with the clock, when scrolling has come to rest. Until then each row keeps its element, and the elements
   * their order, which is not that of the rows: moving elements costs more than all else that is drawn.
   */
  readonly moving: number;
  /** The row that keys act on, by its number and, when it is here, its key, with which it moves. */
  readonly active: { readonly index: number; readonly key: string | undefined } | undefined;
}

/** A grid that has not been seen yet. */
export const UNSEEN: Grid = {
  top: 0,
  height: 0,
  wanted: { first: 0, count: WINDOW_FIRST_ROWS },
  moving: 0,
  active: undefined,
};

/** The rows that are seen at least in part. */
export function seenRows({ top, height }: Pick<Grid, 'top' | 'height'>, total: number): Span {
  const first = Math.min(Math.max(0, Math.floor(top / ROW_PX)), Math.max(0, total - 1));
  const end = Math.min(total, Math.ceil((top + height) / ROW_PX));
  return { first, count: Math.max(0, end - first) };
}

/** The rows that are drawn: those that are seen and some around them. */
export function drawnRows(grid: Pick<Grid, 'top' | 'height'>, total: number): Span {
  const seen = seenRows(grid, total);
  const first = Math.max(0, seen.first - OVERSCAN_ROWS);
  return { first, count: Math.min(total, seen.first + seen.count + OVERSCAN_ROWS) - first };
}

/** As many elements as are ever drawn at once. */
export function slotsOf({ height }: Pick<Grid, 'height'>): number {
  return Math.ceil(height / ROW_PX) + 2 * OVERSCAN_ROWS + 2;
}

/** The numbers of the rows that are drawn, in the order of their elements. A row has the element of its number modulo `slotsOf`. */
export function drawnOrder(grid: Pick<Grid, 'top' | 'height' | 'moving'>, total: number): readonly number[] {
  const { first, count } = drawnRows(grid, total);
  const indices = Array.from({ length: count }, (_, at) => first + at);
  const slots = slotsOf(grid);
  return grid.moving === 0 ? indices : indices.toSorted((a, b) => (a % slots) - (b % slots));
}

/** The window to ask for: the one before as long as what is seen lies well inside it, else one around what is seen. */
export function wantedRows(before: Span, { top, height }: Pick<Grid, 'top' | 'height'>): Span {
  const first = Math.floor(top / ROW_PX);
  const seen = Math.ceil(height / ROW_PX) + 1;
  const half = WINDOW_MARGIN_ROWS / 2;
  const isInside =
    (before.first === 0 || first - half >= before.first) &&
    first + seen + half <= before.first + before.count;
  if (isInside) return before;
  const from = Math.max(0, first - WINDOW_MARGIN_ROWS);
  return { first: from, count: Math.min(WINDOW_MAX_ROWS, seen + 2 * WINDOW_MARGIN_ROWS) };
}

/** The active row after a change of the table: it has moved with its key, or stays where it was. */
export function followActive(active: Grid['active'], table: Table<unknown> | undefined): Grid['active'] {
  if (active === undefined || table === undefined || table.total === 0) return undefined;
  const at = active.key === undefined ? -1 : table.order.indexOf(active.key);
  if (at >= 0) return { index: table.first + at, key: active.key };
  const index = Math.min(active.index, table.total - 1);
  return { index, key: keyAt(table, index) };
}
