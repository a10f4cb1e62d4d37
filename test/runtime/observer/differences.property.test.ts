// What is sent is right: whatever a table does, a page that applies the changes has what the server has; and whatever a page sends,
// it is read or refused with a sentence.
import * as fc from 'fast-check';
import type { TableChange } from 'troupe/observer';
import { expect, test } from 'vitest';
import { NotUnderstood, readFromPage, TableCopy } from '../../../src/runtime/observer/internal.ts';
import { applyChange, type PageTable } from './support.ts';

interface Row {
  readonly name: string;
  readonly value: number;
  readonly maybe?: string | undefined;
}

const key = fc.constantFrom('<0.1.0>', '<0.2.0>', '<0.3.0>', 'a', 'a (2)', '__proto__', 'constructor', '');
const row: fc.Arbitrary<Row> = fc.record(
  { name: fc.string(), value: fc.integer({ min: 0, max: 2 }), maybe: fc.constantFrom('x', undefined) },
  { requiredKeys: ['name', 'value'] },
);
const table = fc.record({
  first: fc.nat(3),
  total: fc.nat(20),
  // The same key twice: the names of two groups may read the same.
  rows: fc.array(fc.tuple(key, row), { maxLength: 8 }),
});
const SEED = Number(process.env['SEED'] ?? Date.now() % 2 ** 31);

const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test(`a page that applies all changes has the table of the server (SEED=${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(table, { maxLength: 12 }), (tables) => {
      const copy = new TableCopy<Row>();
      let page: PageTable | undefined;
      for (const now of tables) {
        const change = copy.update(now);
        // As it comes over the wire.
        if (change !== undefined) page = applyChange(page, asJson(change) as TableChange<unknown>);
        if (page === undefined) continue;
        expect([page.first, page.total]).toEqual([now.first, now.total]);
        expect(page.order.map((each) => page?.rows.get(each))).toEqual(
          now.rows.map(([, each]) => asJson(each)),
        );
        expect(new Set(page.order).size).toBe(now.rows.length);
        expect(copy.update(now)).toBe(undefined);
      }
    }),
    { seed: SEED, numRuns: 500 },
  );
});

test('only what differs is sent', () => {
  const copy = new TableCopy<number>();
  const rows = (...values: number[]) => values.map((value, index) => [`k${index}`, value] as const);
  expect(copy.update({ first: 0, total: 3, rows: rows(1, 2, 3) })).toEqual({
    first: 0,
    total: 3,
    set: { k0: 1, k1: 2, k2: 3 },
    order: ['k0', 'k1', 'k2'],
  });
  expect(copy.update({ first: 0, total: 3, rows: rows(1, 5, 3) })).toEqual({
    first: 0,
    total: 3,
    set: { k1: 5 },
  });
  expect(copy.update({ first: 0, total: 4, rows: rows(1, 5, 3) })).toEqual({ first: 0, total: 4, set: {} });
  expect(copy.update({ first: 1, total: 4, rows: rows(1, 5, 3).slice(1) })).toEqual({
    first: 1,
    total: 4,
    set: {},
    order: ['k1', 'k2'],
  });
});

/** JSON that is like what a page sends, with something wrong in it now and then. */
const like = fc.letrec((tie) => ({
  any: fc.oneof({ depthSize: 'small' }, fc.jsonValue(), tie('message')),
  message: fc.record(
    {
      type: fc.constantFrom('look', 'trace', 'untrace', 'act', 'constructor'),
      id: fc.oneof(fc.nat(), fc.jsonValue()),
      node: fc.oneof(fc.string(), fc.jsonValue()),
      target: fc.oneof(fc.string(), fc.record({ channel: fc.string() }), tie('any')),
      act: fc.record(
        {
          kind: fc.constantFrom('exit', 'send', 'suspend', 'resume', 'call'),
          target: fc.oneof(fc.string(), tie('any')),
          reason: fc.oneof(fc.constantFrom('kill', 'shutdown'), tie('any')),
          message: fc.oneof(fc.string(), tie('any')),
        },
        { requiredKeys: [] },
      ),
      views: fc.record(
        {
          processes: fc.record(
            {
              sort: fc.constantFrom('pid', 'mailbox', 'no such thing'),
              first: fc.oneof(fc.integer(), fc.double()),
              count: fc.integer({ min: -1, max: 600 }),
              match: fc.oneof(fc.string(), tie('any')),
            },
            { requiredKeys: ['sort'] },
          ),
          tree: fc.record({
            open: fc.oneof(fc.array(fc.string()), tie('any')),
            first: fc.nat(),
            count: fc.nat(600),
          }),
          members: fc.record({ group: tie('any'), first: fc.nat(), count: fc.nat(500) }),
          load: fc.oneof(fc.boolean(), tie('any')),
          process: tie('any'),
        },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ['type'] },
  ),
}));

test(`what a page sends is read, or refused with a sentence (SEED=${SEED})`, () => {
  let read = 0;
  const refused: string[] = [];
  const check = (text: string): void => {
    try {
      readFromPage(text);
      read++;
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      refused.push(error.message);
    }
  };
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        like.any.map((value) => JSON.stringify(value)),
      ),
      check,
    ),
    { seed: SEED, numRuns: 3_000 },
  );
  expect(read).toBeGreaterThan(50);
  expect(refused.filter((message) => !/^[\w ,]+$/.test(message))).toEqual([]);
  expect(refused.length).toBeGreaterThan(50);
});
