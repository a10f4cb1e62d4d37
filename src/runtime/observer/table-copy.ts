// What a page has of one table, and what must be sent so that it has what the server has.
//
// Invariant: a page that applies all changes in order has the rows, the order, the total and the first number of the last table.
// It does not know what a row means; two rows are the same when their JSON is.
import type { TableChange } from './protocol.ts';

/** A window of a table as the server has it now. */
export interface Table<Row> {
  /** Which row of the whole table is the first of the window, and how many the whole has. */
  readonly first: number;
  readonly total: number;
  /** The rows of the window in order, with their keys. */
  readonly rows: ReadonlyArray<readonly [key: string, row: Row]>;
}

/** The copy that a page has. */
export class TableCopy<Row> {
  /** By key, as JSON. */
  #rows: ReadonlyMap<string, string> = new Map();
  #order: readonly string[] = [];
  #total = -1;
  #first = -1;

  /** @returns what brings the copy up to date, which is then what the page has; undefined when it is so already */
  update({ first, total, rows }: Table<Row>): TableChange<Row> | undefined {
    const now = new Map<string, string>();
    const numbers = new Map<string, number>();
    const set = Object.create(null) as Record<string, Row>;
    let changed = first !== this.#first || total !== this.#total;
    for (const [wanted, row] of rows) {
      const key = distinct(wanted, now, numbers);
      const json = JSON.stringify(row);
      now.set(key, json);
      if (this.#rows.get(key) === json) continue;
      set[key] = row;
      changed = true;
    }
    const order = [...now.keys()];
    const moved =
      order.length !== this.#order.length || order.some((key, index) => key !== this.#order[index]);
    if (!changed && !moved) return undefined;
    this.#rows = now;
    this.#order = order;
    this.#total = total;
    this.#first = first;
    return { set, first, total, ...(moved && { order }) };
  }
}

/** Rows of one key are told apart by a number: two groups may have the same text, as far as it is shown. */
function distinct(key: string, taken: ReadonlyMap<string, unknown>, numbers: Map<string, number>): string {
  if (!taken.has(key)) return key;
  let number = numbers.get(key) ?? 1;
  do number++;
  while (taken.has(`${key} (${number})`));
  numbers.set(key, number);
  return `${key} (${number})`;
}
