// Contrast, computed from the custom properties of the style sheet by the formula of WCAG 2.2, in both schemes: 4.5:1
// for text (success criterion 1.4.3), 3:1 for the edges of fields and the focus ring (1.4.11).
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';

const folder = new URL('../../../src/app/web/style/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8');
const [light = '', dark = ''] = [...read('palette.css').matchAll(/:root \{([^}]*)\}/g)].map(
  ([, block]) => block,
);

function colours(block: string): Map<string, string> {
  return new Map(
    [...block.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name = '', hex = '']) => [name, hex]),
  );
}

const schemes = { light: colours(light), dark: colours(dark) };

const text: [string, string[]][] = [
  ['ink', ['paper', 'sheet', 'glow', 'amber-wash', 'red-wash']],
  ['ink-soft', ['paper', 'sheet', 'glow']],
  ['green', ['paper', 'sheet', 'glow']],
  ['on-green', ['green', 'green-deep']],
  ['red', ['paper', 'sheet', 'glow']],
  ['on-red', ['red']],
  ['amber', ['paper', 'sheet', 'glow']],
];
const edges: [string, string[]][] = [
  ['edge', ['paper', 'sheet', 'amber-wash', 'red-wash']],
  ['green', ['paper', 'sheet', 'amber-wash', 'red-wash']],
];

describe.each(Object.entries(schemes))('%s', (_name, palette) => {
  test('names every colour', () => {
    expect([...palette.keys()].toSorted()).toEqual([...schemes.light.keys()].toSorted());
    expect(palette.size).toBeGreaterThan(10);
  });

  test.each(pairs(text))('text %s on %s', (above, below) => {
    expect(contrast(palette.get(above), palette.get(below))).toBeGreaterThanOrEqual(4.5);
  });

  test.each(pairs(edges))('edge %s on %s', (above, below) => {
    expect(contrast(palette.get(above), palette.get(below))).toBeGreaterThanOrEqual(3);
  });
});

test('nothing comes from elsewhere', () => {
  for (const name of readdirSync(folder)) expect(read(name)).not.toMatch(/url\(|@import/);
});

function pairs(table: [string, string[]][]): [string, string][] {
  return table.flatMap(([above, belows]) => belows.map((below): [string, string] => [above, below]));
}

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
