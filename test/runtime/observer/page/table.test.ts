// The window of a table: changes of the server give what it has; what is seen, drawn and asked for stays within its bounds. The random
// tables print their seed.
import { describe, expect, test } from 'vitest';
import {
  changeTable,
  drawnOrder,
  drawnRows,
  followActive,
  OVERSCAN_ROWS,
  ROW_PX,
  rowAt,
  seenRows,
  slotsOf,
  type Span,
  type Table,
  wantedRows,
  WINDOW_MAX_ROWS,
} from '../../../../src/runtime/observer/page/internal.ts';
import type { TableChange } from '../../../../src/runtime/observer/index.ts';

const table = (first: number, total: number, ...keys: string[]): Table<string> => ({
  first,
  total,
  order: keys,
  rows: new Map(keys.map((key) => [key, `row ${key}`])),
});

describe('a change', () => {
  test('sets rows, and keeps the order when it has none', () => {
    const after = changeTable(table(5, 9, 'a', 'b'), { set: { b: 'new' }, total: 10, first: 5 });
    expect(after).toMatchObject({ first: 5, total: 10, order: ['a', 'b'] });
    expect([...after.rows]).toEqual([
      ['a', 'row a'],
      ['b', 'new'],
    ]);
  });

  test('forgets the rows that are not in its order', () => {
    const after = changeTable(table(0, 2, 'a', 'b'), {
      set: { c: 'C' },
      order: ['c', 'a'],
      total: 2,
      first: 0,
    });
    expect([...after.rows.keys()]).toEqual(['c', 'a']);
    const again = changeTable(after, { set: {}, order: ['b'], total: 2, first: 0 });
    expect(rowAt(again, 0)).toBe(undefined);
  });

  test('may have the names of what every object has as keys', () => {
    const set = JSON.parse('{"constructor": "x", "__proto__": "y"}') as Record<string, string>;
    const after = changeTable<string>(undefined, {
      set,
      order: ['constructor', '__proto__', 'toString'],
      total: 3,
      first: 0,
    });
    expect([...after.rows.values()]).toEqual(['x', 'y']);
  });

  test('brings any table to what the server has', () => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    console.log(`seed ${seed}`);
    let state = seed;
    const random = (below: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return Math.floor((state / 0x80000000) * below);
    };
    let here: Table<number> | undefined;
    let there = { first: 0, rows: new Map<string, number>() };
    for (let round = 0; round < 300; round++) {
      const keys = Array.from({ length: random(30) }, () => `k${random(60)}`);
      const next = {
        first: random(100),
        rows: new Map(keys.map((key) => [key, random(3) === 0 ? random(5) : (there.rows.get(key) ?? 0)])),
      };
      const set: Record<string, number> = {};
      for (const [key, row] of next.rows) if (there.rows.get(key) !== row) set[key] = row;
      const order = [...next.rows.keys()];
      const moved = order.join() !== [...there.rows.keys()].join();
      const change: TableChange<number> = { set, total: 200, first: next.first, ...(moved && { order }) };
      here = changeTable(here, change);
      there = next;
      expect([...here.rows], `seed ${seed}`).toEqual([...there.rows]);
      expect(here.first).toBe(there.first);
    }
  });
});

describe('what is seen', () => {
  const height = 10 * ROW_PX;

  test('are the rows between the edges, and no others', () => {
    expect(seenRows({ top: 0, height }, 1_000)).toEqual({ first: 0, count: 10 });
    expect(seenRows({ top: ROW_PX / 2, height }, 1_000)).toEqual({ first: 0, count: 11 });
    expect(seenRows({ top: 5 * ROW_PX, height }, 8)).toEqual({ first: 5, count: 3 });
    expect(seenRows({ top: 0, height }, 0)).toEqual({ first: 0, count: 0 });
  });

  test('is drawn with some rows around it', () => {
    expect(drawnRows({ top: 100 * ROW_PX, height }, 1_000)).toEqual({
      first: 100 - OVERSCAN_ROWS,
      count: 10 + 2 * OVERSCAN_ROWS,
    });
    expect(drawnRows({ top: 0, height }, 3)).toEqual({ first: 0, count: 3 });
  });

  test('keeps its elements while it moves: a row never shares the element of another', () => {
    for (const moving of [0, 2]) {
      for (let top = 0; top < 50 * ROW_PX; top += 7) {
        const grid = { top, height, moving };
        const drawn = drawnOrder(grid, 1_000);
        const elements = drawn.map((index) => index % slotsOf(grid));
        expect(new Set(elements).size).toBe(drawn.length);
        const order = moving === 0 ? drawn : elements;
        expect(order).toEqual(order.toSorted((a, b) => a - b));
      }
    }
  });

  test('lies in the window that is asked for, wherever it is scrolled to, and that is asked for seldom', () => {
    let wanted: Span = { first: 0, count: 100 };
    let asked = 0;
    for (let top = 0; top < 10_000 * ROW_PX; top += 3 * ROW_PX) {
      const next = wantedRows(wanted, { top, height });
      if (next !== wanted) asked++;
      wanted = next;
      const seen = seenRows({ top, height }, 10_000);
      expect(wanted.first).toBeLessThanOrEqual(seen.first);
      expect(wanted.first + wanted.count).toBeGreaterThanOrEqual(seen.first + seen.count);
      expect(wanted.count).toBeLessThanOrEqual(WINDOW_MAX_ROWS);
    }
    expect(asked).toBeLessThan(120);
  });

  test('is asked for in no larger window than the server gives, however high the screen', () => {
    expect(wantedRows({ first: 0, count: 100 }, { top: 0, height: 100_000 }).count).toBe(WINDOW_MAX_ROWS);
  });
});

describe('the active row', () => {
  test('moves with its key, stays where it was without it, and is within the table', () => {
    expect(followActive({ index: 0, key: 'a' }, table(0, 3, 'c', 'b', 'a'))).toEqual({ index: 2, key: 'a' });
    expect(followActive({ index: 1, key: 'gone' }, table(0, 3, 'c', 'b', 'a'))).toEqual({
      index: 1,
      key: 'b',
    });
    expect(followActive({ index: 9, key: undefined }, table(0, 2, 'a', 'b'))).toEqual({ index: 1, key: 'b' });
    expect(followActive({ index: 0, key: 'a' }, table(0, 0))).toBe(undefined);
    expect(followActive(undefined, table(0, 1, 'a'))).toBe(undefined);
  });
});
