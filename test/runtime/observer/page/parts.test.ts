// The small parts of the observer's page: addresses, figures, sequence charts, the colours of the style sheets.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  age,
  bytes,
  duration,
  hashOf,
  HOME,
  lifelines,
  LIFELINES_MAX,
  MATCH_MAX,
  parseRoute,
  percent,
  rate,
  type Route,
  ROW_PX,
} from '../../../../src/runtime/observer/page/internal.ts';

describe('an address', () => {
  test.each<Partial<Route>>([
    {},
    { view: 'processes', sort: 'mailbox', reverse: true, match: 'a & b=c#?/%' },
    { view: 'groups', scope: 'my scope', group: '{tuple, "x"}', node: 'two@127.0.0.1' },
    { view: 'tree', process: '<0.12.0>' },
    { view: 'channels', channel: 'notes' },
  ])('leads back to %j', (changes) => {
    const route = { ...HOME, ...changes };
    expect(parseRoute(hashOf(route))).toEqual(route);
  });

  test('is short', () => {
    expect(hashOf(HOME)).toBe('#/load');
    expect(hashOf({ ...HOME, view: 'processes', reverse: true })).toBe('#/processes?reverse');
  });

  test('that is not understood leads to the start, and a filter is bounded', () => {
    expect(parseRoute('#/elsewhere?sort=wrong')).toEqual(HOME);
    expect(parseRoute('')).toEqual(HOME);
    // A link must not lead to what the server closes the page for.
    for (const name of ['node', 'process', 'scope']) {
      expect(parseRoute(`#/load?${name}=${'x'.repeat(255)}`)).toMatchObject({ [name]: 'x'.repeat(255) });
      expect(parseRoute(`#/load?${name}=${'x'.repeat(256)}`)).toEqual(HOME);
    }
    for (const name of ['group', 'channel'])
      expect(parseRoute(`#/load?${name}=${'x'.repeat(4_097)}`)).toEqual(HOME);
    expect(parseRoute(`#/processes?match=${'x'.repeat(1_000)}`).match).toHaveLength(MATCH_MAX);
  });
});

test('figures read well', () => {
  expect([0, 0.4, 9.96, 12.4, 1_204].map(rate)).toEqual(['0', '0.4', '10', '12', '1,204']);
  expect([0, 0.000_4, 0.004, 0.31, 1].map(percent)).toEqual(['0 %', '0 %', '0.4 %', '31 %', '100 %']);
  expect([0, 0.84, 12.4, 999.4, 999.6, 1_250, 59_900, 60_000].map(duration)).toEqual([
    '0 ms',
    '0.8 ms',
    '12 ms',
    '999 ms',
    '1.0 s',
    '1.3 s',
    '59.9 s',
    '1 min 0 s',
  ]);
  expect([-5, 12_000, 184_000, 7_500_000, 273_600_000].map(age)).toEqual([
    '0 s',
    '12 s',
    '3 min 4 s',
    '2 h 5 min',
    '3 d 4 h',
  ]);
  expect([0, 812, 999.6, 1_234, 34_000_000, 5e15].map(bytes)).toEqual([
    '0 B',
    '812 B',
    '1.0 kB',
    '1.2 kB',
    '34 MB',
    '5000 TB',
  ]);
});

test('a sequence chart has a bounded number of lifelines', () => {
  const event = (from: string | undefined, to: string) =>
    ({ at: 0, direction: 'in', kind: 'message', from, to, text: '' }) as const;
  expect(lifelines([event(undefined, 'a'), event('a', 'b')])).toEqual(['unknown', 'a', 'b']);
  const many = lifelines(Array.from({ length: 50 }, (_, at) => event(`<0.${at}.0>`, 'a')));
  expect(many).toHaveLength(LIFELINES_MAX);
  expect(many.at(-1)).toBe('others');
});

describe('the style sheets', () => {
  const folder = new URL('../../../../src/runtime/observer/page/style/', import.meta.url);
  const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
  const [light = '', dark = ''] = [...read('palette.css').matchAll(/:root \{([^}]*)\}/g)].map(
    ([, block]) => block,
  );
  const colours = (block: string): Map<string, string> =>
    new Map(
      [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', hex = '']) => [name, hex]),
    );
  const TEXT: readonly (readonly [string, readonly string[]])[] = [
    ['ink', ['ground', 'sheet', 'wash', 'amber-wash', 'red-wash']],
    ['ink-soft', ['ground', 'sheet', 'wash']],
    ['green', ['ground', 'sheet', 'wash']],
    ['green-deep', ['ground', 'sheet', 'wash']],
    ['on-green', ['green', 'green-deep']],
    ['red', ['ground', 'sheet']],
    ['on-red', ['red']],
    ['amber', ['ground', 'sheet', 'amber-wash']],
  ];
  /** Edges of fields, and lines of charts. */
  const EDGES: readonly (readonly [string, readonly string[]])[] = [
    ['edge', ['ground', 'sheet']],
    ['line-first', ['sheet']],
    ['line-second', ['sheet']],
  ];

  test.each([
    ['light', colours(light)],
    ['dark', colours(dark)],
  ])('have enough contrast, %s', (_name, palette) => {
    expect([...palette.keys()].toSorted()).toEqual([...colours(light).keys()].toSorted());
    const poor = (pairs: typeof TEXT, least: number): string[] =>
      pairs.flatMap(([above, belows]) =>
        belows
          .filter((below) => contrast(palette.get(above), palette.get(below)) < least)
          .map((below) => `${above} on ${below}`),
      );
    expect(poor(TEXT, 4.5)).toEqual([]);
    expect(poor(EDGES, 3)).toEqual([]);
  });

  test('fetch nothing, and know how high a row is', () => {
    for (const name of readdirSync(folder)) expect(read(name)).not.toMatch(/url\(|@import/);
    expect(read('grid.css')).toContain(`--row: ${ROW_PX}px;`);
  });
});

/** By the formula of WCAG 2.2. */
function contrast(a = '', b = ''): number {
  const [lighter = 0, darker = 0] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const channel = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return channel <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
