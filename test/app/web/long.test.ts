// Long lists, long notes and many events in a real browser: what is drawn is bounded by what is seen and by the frames, and
// scrolling goes on to the end. Work is counted, not timed.
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ARRIVALS_MAX, FOLD_CHARACTERS, PAGE_NOTES } from '../../../src/app/web/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { announced, launch, live, noteNamed, titles } from '../../support/page.ts';
import { buildPage, type BuiltPage, Stage } from './browser.ts';

const part = requirePart('chromium');
const provoked = /status of (400|503)/;

describe.skipIf(part.missing)('a long list', () => {
  let built: BuiltPage;
  let browser: Browser;
  let stage: Stage;

  beforeAll(async () => {
    [built, browser] = await Promise.all([buildPage(), launch(part.path)]);
  });
  afterAll(async () => {
    await browser.close();
    await built.remove();
  });
  beforeEach(async () => {
    stage = await Stage.open(browser, built.dir);
  });
  afterEach(() => stage.close(provoked));

  /** Writes notes n1 to nCOUNT. */
  function fill(count: number): void {
    for (let n = 1; n <= count; n += 1) stage.server.create({ title: `n${n}`, body: 'text', author: 'Ada' });
  }

  const toTheEnd = (page: Page) =>
    page.evaluate(() => window.scrollTo(0, document.documentElement.scrollHeight));
  const rowCount = (page: Page) => page.evaluate(() => document.querySelectorAll('.note').length);
  const focusedTitle = (page: Page) =>
    page.evaluate(() => document.activeElement?.querySelector('h3')?.textContent);

  /** Waits until so many rows are there. */
  async function rows(page: Page, count: number): Promise<void> {
    await page.waitForFunction((wanted) => document.querySelectorAll('.note').length === wanted, count);
  }

  test('is read on as it is scrolled, to its end, with what comes and goes meanwhile', async () => {
    fill(450);
    const page = await stage.page();
    expect(await rowCount(page)).toBe(PAGE_NOTES);
    expect(await page.getByTestId('count').innerText()).toBe('The 100 newest notes');
    await toTheEnd(page);
    await rows(page, 200);
    stage.server.create({ title: 'on top', body: 'text', author: 'Joe' });
    stage.server.update(240, { title: 'n240 changed', body: 'text' });
    stage.server.remove(100);
    await rows(page, 201);
    for (const count of [300, 400, 450]) {
      await toTheEnd(page);
      await page.waitForFunction((least) => document.querySelectorAll('.note').length >= least, count);
    }
    const expected = stage.server.list().map(({ title }) => title);
    expect(await titles(page)).toEqual(expected);
    expect(await page.getByTestId('count').innerText()).toBe('450 notes');
    expect(await page.getByTestId('more').count()).toBe(0);
    // Those out of sight are neither laid out nor painted.
    await toTheEnd(page);
    await page.waitForFunction(() => {
      const shown = [...document.querySelectorAll('.note h3')].map((title) =>
        title.checkVisibility({ contentVisibilityAuto: true }),
      );
      return shown.at(-1) === true && shown.filter(Boolean).length < 60;
    });
  });

  test('is read on with the keyboard, and the focus goes to the first note that came', async () => {
    fill(250);
    const page = await stage.page();
    const held = stage.server.hold(/^GET/); // so that it has not been read by itself before the key is pressed
    await page.getByRole('button', { name: 'More notes' }).focus();
    await page.keyboard.press('Enter');
    await held.arrived;
    held.release();
    await rows(page, 200);
    await announced(page, '100 notes more.');
    expect(await focusedTitle(page)).toBe('n150');
  });

  test('says what kept it from being read on, and reads on at the press of a button', async () => {
    fill(150);
    const page = await stage.page();
    stage.server.refusal = { status: 503, body: { error: 'database is away' } };
    await toTheEnd(page);
    await page.getByTestId('more-error').filter({ hasText: 'No more notes could be read.' }).waitFor();
    const { length } = stage.server.requests;
    await page.evaluate(() => window.scrollTo(0, 0));
    await toTheEnd(page);
    stage.server.refusal = null;
    expect(stage.server.requests).toHaveLength(length); // it does not ask again by itself
    await page.getByRole('button', { name: 'Try again' }).click();
    await rows(page, 150);
    expect(await page.getByTestId('more-error').count()).toBe(0);
  });

  test.each([1001, 1013])(
    'that a closing with code %i interrupts is read again in its place',
    async (code) => {
      fill(250);
      const page = await stage.page();
      await toTheEnd(page);
      await rows(page, 200);
      await noteNamed(page, 'n120').scrollIntoViewIfNeeded();
      /** Where the row is once it has come to rest: rows that come into sight take their true height first. */
      const top = () =>
        noteNamed(page, 'n120').evaluate(async (row) => {
          let at = Number.NaN;
          for (let still = 0; still < 10;) {
            await new Promise(requestAnimationFrame);
            const { top: now } = row.getBoundingClientRect();
            still = now === at ? still + 1 : 0;
            at = now;
          }
          return at;
        });
      const before = await top();
      stage.server.closeSockets(code);
      stage.server.create({ title: 'missed', body: 'text', author: 'Joe' });
      stage.server.update(190, { title: 'n190 changed', body: 'text' });
      await noteNamed(page, 'missed').waitFor({ state: 'attached' });
      await live(page);
      await page.getByTestId('note-title').filter({ hasText: 'n190 changed' }).waitFor({ state: 'attached' });
      const expected = stage.server.list().map(({ title }) => title);
      expect((await titles(page)).slice(0, 201)).toEqual(expected.slice(0, 201));
      expect(Math.abs((await top()) - before)).toBeLessThanOrEqual(2);
    },
  );

  test('of what was found is read on, too, and says when notes may be missing', async () => {
    fill(230);
    stage.server.indexing = true;
    const page = await stage.page();
    await page.getByRole('searchbox').fill('text');
    await page.getByTestId('count').filter({ hasText: 'The first 100 notes found' }).waitFor();
    await page.getByTestId('indexing').filter({ hasText: 'some may be missing' }).waitFor();
    for (const count of [200, 230]) {
      await toTheEnd(page);
      await rows(page, count);
    }
    expect(await page.getByTestId('count').innerText()).toBe('230 notes found');
  });

  test('is called live when it is read, not before', async () => {
    fill(1);
    const page = await stage.page();
    const held = stage.server.hold(/^GET/);
    stage.server.forget();
    await held.arrived;
    const status = page.getByTestId('status');
    await status.filter({ hasText: 'Updating…' }).waitFor();
    held.release();
    await live(page);
    expect(await status.innerText()).toBe('Live');
  });

  test('a thousand events at once are drawn in as many frames as there are, and few of them light up', async () => {
    fill(600);
    const page = await stage.page();
    for (const count of [200, 300, 400, 500, 600]) {
      await toTheEnd(page);
      await rows(page, count);
    }
    await page.evaluate(() => {
      const counted = { frames: 0, drawings: 0, rows: 0 };
      Object.assign(window, { counted });
      const frame = () => {
        counted.frames += 1;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
      const drawn = new MutationObserver(() => (counted.drawings += 1)); // called once after each task that changed it
      drawn.observe(document.querySelector('#list-heading') as Element, {
        characterData: true,
        subtree: true,
      });
      const touched = new MutationObserver((records) => (counted.rows += records.length));
      touched.observe(document.querySelector('.notes') as Element, {
        characterData: true,
        attributes: true,
        childList: true,
        subtree: true,
      });
    });
    for (let n = 0; n < 1_000; n += 1) stage.server.create({ title: `e${n}`, body: 'text', author: 'Joe' });
    await rows(page, 1_600);
    const counted = await page.evaluate(
      () => (window as unknown as { counted: Record<string, number> }).counted,
    );
    expect(counted['drawings']).toBeLessThanOrEqual((counted['frames'] ?? 0) + 1);
    expect(counted['rows']).toBeLessThan(1_000 * 5); // each event touches its own row, not those that are there
    const lit = await page.evaluate(() => document.querySelectorAll('.lit-odd, .lit-even').length);
    expect(lit).toBeLessThanOrEqual(ARRIVALS_MAX);
  });

  test('rows of it are no items with numbers, of which one on top would count all others anew', async () => {
    fill(1);
    const page = await stage.page();
    const style = await page.getByTestId('note').evaluate((row) => {
      const { display, contentVisibility } = getComputedStyle(row) as CSSStyleDeclaration & {
        contentVisibility: string;
      };
      return { display, contentVisibility };
    });
    expect(style).toEqual({ display: 'block', contentVisibility: 'auto' });
    expect(await page.getByRole('listitem').count()).toBe(1);
  });

  test('of a note with 100,000 characters the page holds the beginning, until all of it is asked for', async () => {
    const body = 'Some words. '.repeat(8_300);
    stage.server.create({ title: 'long', body, author: 'Ada' });
    const page = await stage.page();
    const text = () => page.getByTestId('note-body').evaluate((element) => element.textContent);
    const shown = await text();
    expect(shown.length).toBeLessThanOrEqual(FOLD_CHARACTERS + 1);
    expect(body.startsWith(shown.slice(0, -1))).toBe(true);
    await page.getByRole('button', { name: 'Show all of it' }).click();
    expect(await text()).toBe(body);
    await page.getByRole('button', { name: 'Show less' }).click();
    expect(await text()).toBe(shown);
  });
});
