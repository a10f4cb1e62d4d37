// How the page looks in each of its states, on a desk and on a phone, light and dark: nothing sticks out, axe finds nothing to object to, and a
// picture is kept in .tmp/notes for people to look at.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { source as axe } from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { requirePart } from '../../support/parts.ts';
import { launch, noteNamed } from '../../support/page.ts';
import { buildPage, type BuiltPage, Stage } from './browser.ts';

// Starts a browser, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PICTURES = join(import.meta.dirname, '../../../.tmp/notes');
const MINUTE = 60_000;
/** What Chromium says by itself of a server that is away or refuses. */
const provoked = [/Failed to load resource/, /WebSocket connection to '.*' failed/];

const looks = [
  ['light', 1200, 860],
  ['dark', 1200, 860],
  ['light', 375, 740],
  ['dark', 375, 740],
] as const;

/** Fills the list. */
function fill({ server }: Stage): number {
  const day = 24 * 60 * MINUTE;
  server.create(
    { title: 'Recipe for bread', body: 'Flour, water, salt.\nAnd time.', author: 'Grace' },
    3 * day,
  );
  const long = Array.from({ length: 20 }, (_, n) => `Line ${n + 1} of a long text.`).join('\n');
  server.create({ title: 'Something long', body: long, author: 'Joe' }, 5 * 60 * MINUTE);
  const { id } = server.create(
    { title: 'Process groups', body: 'A member that dies is gone.', author: 'Ada' },
    90 * MINUTE,
  );
  server.update(id, {
    title: 'Process groups',
    body: 'A member that dies is gone from the group.',
    updatedBy: 'Joe',
  });
  server.create({ title: 'Made just now', body: 'Seen in every open browser.', author: 'Ada' });
  return id;
}

const states: Record<string, (page: Page, stage: Stage) => Promise<void>> = {
  async list() {},
  async empty(page, { server }) {
    for (const { id } of server.list()) server.remove(id);
    await page.getByTestId('empty').waitFor();
  },
  async 'nothing found'(page) {
    await page.getByRole('searchbox').fill('zebra');
    await page.getByTestId('nothing-found').waitFor();
  },
  async 'one note'(page) {
    await noteNamed(page, 'Process groups').getByRole('link').click();
    await page.getByTestId('changes').waitFor();
  },
  async 'no such note'(page) {
    await page.goto(`${page.url().split('#')[0]}#/notes/999`);
    await page.getByTestId('missing').waitFor();
  },
  async edited(page, { server }) {
    await page.getByRole('button', { name: 'Edit “Process groups”' }).click();
    await page.getByTestId('edit-body-3').fill('Mine.');
    server.update(3, { title: 'Process groups', body: 'Theirs.' });
    await page.getByTestId('edit-conflict').waitFor();
  },
  async incomplete(page) {
    await page.getByTestId('new-title').fill('x'.repeat(201));
    await page.getByRole('button', { name: 'Add note' }).click();
    await page.getByTestId('new-body-problem').waitFor();
  },
  async refused(page, { server }) {
    for (const field of ['title', 'body', 'author']) await page.getByTestId(`new-${field}`).fill('Typed');
    server.refusal = { status: 503, body: { error: 'database is away' }, headers: { 'retry-after': '2' } };
    await page.getByRole('button', { name: 'Add note' }).click();
    await page.getByTestId('new-error').waitFor();
  },
  async away(page, { server }) {
    await server.stop();
    await page.locator('[data-testid=status][data-state=waiting]').waitFor();
    await page.getByText('perhaps out of date').waitFor();
  },
  async confirm(page) {
    await page.getByRole('button', { name: 'Delete “Process groups”' }).click();
    await page.getByRole('dialog').waitFor();
  },
  async deleted(page) {
    await page.getByRole('button', { name: 'Delete “Process groups”' }).click();
    await page.getByTestId('confirm-delete').click();
    await page.getByTestId('undo').waitFor();
  },
  async 'what is happening'(page, { server }) {
    await page.getByRole('button', { name: 'What is happening' }).click();
    await page.getByTestId('happening-members').waitFor();
    for (const title of ['One', 'Two']) server.create({ title, body: 'text', author: 'Joe' });
    await page.getByTestId('happening-messages').filter({ hasText: 'Two' }).waitFor();
  },
  async keys(page) {
    await page.locator('h1').click();
    await page.keyboard.press('?');
    await page.getByRole('dialog', { name: 'Keys' }).waitFor();
  },
};

describe.skipIf(requirePart('chromium').missing)('the page looks well', () => {
  let built: BuiltPage;
  let browser: Browser;
  let stage: Stage;

  beforeAll(async () => {
    mkdirSync(PICTURES, { recursive: true });
    [built, browser] = await Promise.all([buildPage(), launch(requirePart('chromium').path)]);
  });
  afterAll(async () => {
    await browser.close();
    await built.remove();
  });
  beforeEach(async () => {
    stage = await Stage.open(browser, built.dir);
  });
  afterEach(() => stage.close(...provoked));

  const cases = Object.keys(states).flatMap((name) => looks.map((look) => [name, ...look] as const));

  test.each(cases)('%s, %s, %i px', async (name, colorScheme, width, height) => {
    fill(stage);
    const page = await stage.page({ colorScheme, viewport: { width, height }, reducedMotion: 'reduce' });
    await states[name]?.(page, stage);
    await page.screenshot({
      path: join(PICTURES, `${name.replaceAll(' ', '-')}-${colorScheme}-${width}.png`),
    });
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    await page.evaluate(axe);
    const { violations } = await page.evaluate<{ violations: Violation[] }>('axe.run()');
    expect(violations.map(told)).toEqual([]);
  });
});

/** What axe finds in a page. */
interface Violation {
  readonly id: string;
  readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>;
}

function told({ id, nodes }: Violation): string {
  return `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`;
}
