// A part of a sorted list, without sorting the rest.
//
// A tool that shows fifty of ten thousand rows asks several times a second. What stands in the part is found by partition, in a time
// that grows with the list and not with its logarithm, and only the part is sorted.
import { checkInteger } from '../errors.ts';
import type { Page, PageOptions } from './inspector.ts';

/** How many rows a page has when nobody says. */
const LIMIT_DEFAULT = 1_000;
/** How often a range is halved before the rest is sorted: twice what a list of a million needs by good luck. */
const ROUNDS_MAX = 40;

/** Compares as `Array.prototype.sort` does; it must tell any two rows apart, or a page could repeat one of the page before. */
export type Order<Row> = (a: Row, b: Row) => number;

/** A page of rows, made of the items that stand in it. Reorders `items`. */
export function pageOf<Item, Row>(
  items: Item[],
  order: Order<Item>,
  { first = 0, limit = LIMIT_DEFAULT }: PageOptions,
  limitMax: number,
  row: (item: Item) => Row,
): Page<Row> {
  checkInteger('first', first, 0);
  checkInteger('limit', limit, 0, limitMax);
  return { first, total: items.length, rows: sortedPart(items, first, first + limit, order).map(row) };
}

/** What stands in a part of the sorted list: from an index, up to one that does not belong to it. Reorders `items`. */
export function sortedPart<Item>(items: Item[], from: number, to: number, order: Order<Item>): Item[] {
  const end = Math.min(to, items.length);
  const begin = Math.min(from, end);
  if (begin > 0) partition(items, 0, items.length, begin, order);
  if (end < items.length) partition(items, begin, items.length, end, order);
  return items.slice(begin, end).toSorted(order);
}

/** Reorders a range so that no item from an index on belongs before it. */
function partition<Item>(items: Item[], from: number, to: number, index: number, order: Order<Item>): void {
  let [low, high] = [from, to - 1];
  for (let round = 0; low < high; round++) {
    if (round === ROUNDS_MAX) {
      // An order that the choice of the pivot is bad for.
      for (const item of items.slice(low, high + 1).toSorted(order)) items[low++] = item;
      return;
    }
    const pivot = items[(low + high) >> 1] as Item;
    let [left, right] = [low, high];
    while (left <= right) {
      while (order(items[left] as Item, pivot) < 0) left++;
      while (order(items[right] as Item, pivot) > 0) right--;
      if (left > right) break;
      const swapped = items[left] as Item;
      items[left++] = items[right] as Item;
      items[right--] = swapped;
    }
    if (index <= right) high = right;
    else if (index >= left) low = left;
    else return;
  }
}

/** Orders texts by their UTF-16 code units; none counts as the empty one. */
export function compareTexts(a = '', b = ''): number {
  return a < b ? -1 : Number(a > b);
}
