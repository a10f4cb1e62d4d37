// A part of a sorted list is what sorting the whole list gives, also for lists that the choice of the pivot is bad for.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { sortedPart } from '../../../src/runtime/inspect/internal.ts';

type Item = readonly [key: number, index: number];
const order = ([a, i]: Item, [b, j]: Item): number => a - b || i - j;

test('a part of a list', () => {
  const keys = fc.array(fc.oneof(fc.nat(5), fc.integer()), { maxLength: 200, size: 'max' });
  fc.assert(
    fc.property(keys, fc.nat(220), fc.nat(220), (list, from, length) => {
      const items = list.map((key, index): Item => [key, index]);
      const expected = items.toSorted(order).slice(from, from + length);
      expect(sortedPart([...items], from, from + length, order)).toEqual(expected);
    }),
  );
});

test('a list whose middle is always its lowest', () => {
  // Made from the end of the search: each round the item in the middle of what is left is the lowest.
  const size = 1_000;
  const keys = new Array<number>(size);
  const places = Array.from({ length: size }, (_, index) => index);
  for (let key = 0; key < size; key++) {
    const middle = key + ((size - 1 - key) >> 1);
    const place = places[middle] as number;
    places[middle] = places[key] as number;
    places[key] = place;
    keys[place] = key;
  }
  let compared = 0;
  const items = keys.map((key, index): Item => [key, index]);
  const part = sortedPart(items, size - 5, size, (a, b) => {
    compared++;
    return order(a, b);
  });
  expect(part.map(([key]) => key)).toEqual([995, 996, 997, 998, 999]);
  expect(compared).toBeLessThan(100_000);
});
