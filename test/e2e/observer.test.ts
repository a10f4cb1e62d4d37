// The observer's page on a real node, in a real browser: every view in both schemes and on a phone, the links between them, the keyboard.
// Axe finds nothing wrong with any of them.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  onTestFinished,
  test,
  vi,
} from 'vitest';
import { launch } from '../support/page.ts';
import { freePort } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import {
  buildObserverPage,
  focused,
  live,
  Observed,
  Pages,
  picture,
  Shop,
  violations,
} from './observer-stage.ts';
import { MARKUP } from './observer-shop.ts';

const part = requirePart('chromium');
// Starts a browser and two nodes, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const PHONE = { width: 375, height: 667 };

describe.skipIf(part.missing)("the observer's page", () => {
  let built: Awaited<ReturnType<typeof buildObserverPage>>;
  let browser: Browser;
  let shop: Shop;
  let observed: Observed;
  let pages: Pages;

  beforeAll(async () => {
    [built, browser, shop] = await Promise.all([
      buildObserverPage(),
      launch(part.path),
      freePort().then((port) => Shop.open(port)),
    ]);
    observed = await Observed.open({ node: shop.node, folder: built.folder, allow: true });
  });
  afterAll(async () => {
    await observed.close();
    await shop.close();
    await browser.close();
    built.remove();
  });
  beforeEach(() => {
    pages = new Pages(browser);
  });
  afterEach(() => pages.close());

  const row = (page: Page, text: string) =>
    page.getByRole('row').filter({ has: page.getByRole('gridcell', { name: text, exact: true }) });

  /** A place, and what is seen when it is there. */
  const places: ReadonlyArray<readonly [name: string, hash: string, seen: (page: Page) => Promise<unknown>]> =
    [
      [
        'load',
        '#/load',
        async (page) => {
          // The first may come before the page looks.
          await vi.waitFor(async () => {
            shop.block(30);
            await page
              .getByRole('cell', { name: /^<.*till$/ })
              .first()
              .waitFor({ timeout: 2_000 });
          }, 20_000);
          await page.locator('[data-chart=delay] canvas').waitFor();
        },
      ],
      ['processes', '#/processes', (page) => row(page, 'warehouse').first().waitFor()],
      ['tree', '#/tree', (page) => page.getByRole('treeitem', { name: 'till_3' }).waitFor()],
      [
        'groups',
        '#/groups?group=orders',
        async (page) => {
          const members = page.getByRole('grid', { name: 'Members of orders' });
          await members.getByText('two@127.0.0.1').waitFor();
          await members.getByText('one@127.0.0.1').waitFor();
        },
      ],
      ['channels', '#/channels', (page) => row(page, 'orders').locator('polyline').waitFor()],
      ['nodes', '#/nodes', (page) => page.locator('.edge text', { hasText: '/s' }).first().waitFor()],
      ['process', '#/tree?process=till', (page) => page.getByText("note: 'main till'").waitFor()],
      [
        'channel',
        '#/channels?channel=orders',
        (page) => page.getByRole('button', { name: 'Trace messages' }).waitFor(),
      ],
    ];

  describe.each(['light', 'dark'] as const)('%s', (colorScheme) => {
    test.each(places)('shows %s at %s, on a desk and on a phone', async (name, hash, seen) => {
      for (const [size, viewport] of Object.entries({ desk: { width: 1280, height: 800 }, phone: PHONE })) {
        const page = await pages.open(observed.url + hash, { colorScheme, viewport });
        await live(page);
        await seen(page);
        await picture(page, `${name}-${colorScheme}-${size}`);
        expect(await violations(page), `${name}, ${size}`).toEqual([]);
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(viewport.width);
      }
    });
  });

  test('what the node says is text, wherever it stands', async () => {
    const pid = shop.node.spawnWith({ label: MARKUP }, (self) => self.receive());
    onTestFinished(() => shop.node.exit(pid, 'kill'));
    const page = await pages.open(`${observed.url}#/processes?match=img`);
    await row(page, MARKUP).first().click();
    await page.getByRole('heading', { name: MARKUP }).waitFor();
    await page.goto(`${observed.url}#/tree`);
    await page.getByText(MARKUP).first().waitFor();
    await page.getByRole('treeitem', { name: 'till_1' }).getByRole('link').click();
    await page.getByTestId('side').locator('pre', { hasText: 'onerror' }).waitFor();
    expect(await page.locator('img').count()).toBe(0);
    expect(await page.title()).not.toBe('intruded');
  });

  test('links lead from one thing to the next, to another node too, and back', async () => {
    const page = await pages.open(`${observed.url}#/processes?sort=name`);
    await page.getByRole('searchbox').fill('warehouse');
    await row(page, 'warehouse').first().click();
    const side = page.getByTestId('side');
    await side.getByRole('link', { name: 'orders' }).click();
    await page.getByRole('heading', { name: 'Members of orders' }).waitFor();
    expect(new URL(page.url()).hash).toBe('#/groups?scope=nova_scope&group=orders');
    const far = page.getByRole('row').filter({ hasText: 'two@127.0.0.1' }).getByRole('link');
    await far.last().click();
    await side.getByRole('heading', { name: 'far_warehouse' }).waitFor();
    expect(await page.getByTestId('node').innerText()).toBe('two@127.0.0.1');
    await page.goBack();
    await page.getByTestId('node').filter({ hasText: 'one@127.0.0.1' }).waitFor(); // the members stand there before, too
    await page.getByRole('heading', { name: 'Members of orders' }).waitFor();
    await page.goBack();
    await side.getByRole('heading', { name: 'warehouse' }).waitFor();
    await page.reload();
    await side.getByRole('heading', { name: 'warehouse' }).waitFor();
    expect(await page.getByRole('searchbox').inputValue()).toBe('warehouse');
    await page
      .getByRole('columnheader', { name: 'Name' })
      .and(page.locator('[aria-sort=ascending]'))
      .waitFor();
    expect(await page.getByRole('grid').getByRole('row').count()).toBe(2);
  });

  test('a click on a node looks into it, and the way back is there', async () => {
    const page = await pages.open(`${observed.url}#/nodes`);
    await page.getByRole('link', { name: 'two@127.0.0.1' }).first().click();
    await page.getByRole('link', { name: 'two@127.0.0.1, shown here' }).waitFor();
    await page.getByRole('navigation').getByRole('link', { name: 'Processes' }).click();
    await row(page, 'far_warehouse').first().waitFor();
    expect(await row(page, 'till').count()).toBe(0);
    await page.getByRole('banner').getByRole('link', { name: 'one@127.0.0.1' }).click();
    await row(page, 'till').first().waitFor();
  });

  test('columns sort, and say so', async () => {
    const page = await pages.open(`${observed.url}#/processes`);
    await live(page);
    const header = (name: string) => page.getByRole('columnheader', { name });
    await header('Busy').and(page.locator('[aria-sort=descending]')).waitFor();
    const pids = async (): Promise<number[]> =>
      (await page.getByRole('gridcell').getByRole('link').allInnerTexts()).map((pid) =>
        Number(pid.split('.')[1]),
      );
    await header('Pid').getByRole('button').click();
    await header('Pid').and(page.locator('[aria-sort=ascending]')).waitFor();
    await vi.waitFor(async () => expect((await pids()).slice(0, 4)).toEqual([0, 1, 2, 3]), 10_000);
    await header('Pid').getByRole('button').click();
    await header('Pid').and(page.locator('[aria-sort=descending]')).waitFor();
    await vi.waitFor(async () => {
      const shown = await pids();
      expect(shown).toEqual(shown.toSorted((a, b) => b - a));
    }, 10_000);
  });

  test('nothing that matches is said to be so', async () => {
    const page = await pages.open(`${observed.url}#/processes?match=no+such+process`);
    await page.getByText('No process has this in its name').waitFor();
    await page.goto(`${observed.url}#/processes?process=no_such_process`);
    const problem = await page.getByTestId('side').getByRole('status').innerText();
    expect(problem).toMatch(/no_such_process/);
  });

  describe('with the keyboard alone', () => {
    test('rows are walked through, opened and left, and the focus stays where it was', async () => {
      const page = await pages.open(`${observed.url}#/processes?sort=pid`);
      await row(page, 'till').first().waitFor();
      for (let tabs = 0; (await focused(page)) !== 'grid-processes'; tabs++) {
        expect(tabs).toBeLessThan(12);
        await page.keyboard.press('Tab');
      }
      await page.keyboard.press('ArrowDown');
      await page.keyboard.press('ArrowDown');
      const active = (): Promise<string | null> =>
        page.locator('#grid-processes').getAttribute('aria-activedescendant');
      await vi.waitFor(async () => expect(await active()).toBe(`processes-${encodeURIComponent('<0.1.0>')}`));
      await page.keyboard.press('End');
      await vi.waitFor(async () =>
        expect(await active()).not.toBe(`processes-${encodeURIComponent('<0.1.0>')}`),
      );
      await page.keyboard.press('Home');
      await vi.waitFor(async () => expect(await active()).toBe(`processes-${encodeURIComponent('<0.0.0>')}`));
      await page.keyboard.press('Enter');
      await page.getByTestId('side').getByRole('heading', { name: 'init' }).waitFor();
      expect(await focused(page)).toBe('side-title');
      await page.keyboard.press('Escape');
      await page.getByTestId('side').waitFor({ state: 'detached' });
      expect(await focused(page)).toBe('grid-processes');
      // The rows have been drawn anew many times since: the node sends four times a second.
      expect(await active()).toBe(`processes-${encodeURIComponent('<0.0.0>')}`);
    });

    test('the tree is opened, closed and walked through', async () => {
      const page = await pages.open(`${observed.url}#/tree`);
      const item = (name: string) => page.getByRole('treeitem', { name });
      await item('till_3').waitFor();
      await page.locator('#grid-tree').focus();
      const active = async (): Promise<string> => {
        const id = await page.locator('#grid-tree').getAttribute('aria-activedescendant');
        return page.locator(`[id="${id}"] .title`).innerText();
      };
      await page.keyboard.press('Home');
      await vi.waitFor(async () => expect(await active()).toBe('init'));
      for (let steps = 0; (await active()) !== 'till_sup'; steps++) {
        expect(steps).toBeLessThan(30);
        await page.keyboard.press('ArrowDown');
      }
      expect(await item('till_sup').first().getAttribute('aria-level')).toBe('3');
      expect(await item('till_sup').first().getAttribute('aria-expanded')).toBe('true');
      await page.keyboard.press('ArrowLeft');
      await item('till_3').waitFor({ state: 'detached' });
      expect(await item('till_sup').first().getAttribute('aria-expanded')).toBe('false');
      await page.keyboard.press('ArrowRight');
      await item('till_3').waitFor();
      await page.keyboard.press('ArrowRight');
      await vi.waitFor(async () => expect(await active()).toBe('till_1'));
      expect(await item('till_1').getAttribute('aria-posinset')).toBe('1');
      expect(await item('till_1').getAttribute('aria-setsize')).toBe('3');
      await page.keyboard.press('ArrowLeft');
      await vi.waitFor(async () => expect(await active()).toBe('till_sup'));
      await page.keyboard.press('Enter');
      await page.getByTestId('side').getByRole('heading', { name: 'till_sup' }).waitFor();
      await page.keyboard.press('Escape');
      await vi.waitFor(async () => expect(await focused(page)).toBe('grid-tree'));
    });
  });

  test('on a phone the side covers the page, and what is below is out of reach', async () => {
    const page = await pages.open(`${observed.url}#/processes?process=till`, { viewport: PHONE });
    await page.getByTestId('side').getByRole('heading', { name: 'till' }).waitFor();
    expect(await page.locator('main').getAttribute('inert')).toBe('');
    await page.getByRole('button', { name: 'Close' }).click();
    await row(page, 'till').first().waitFor();
    expect(await page.locator('main').getAttribute('inert')).toBe(null);
    await page.getByLabel('Sort by').selectOption('Mailbox');
    await page
      .getByRole('columnheader', { name: 'Mailbox' })
      .and(page.locator('[aria-sort=descending]'))
      .waitFor();
  });

  test('the picture in README.md is small; TROUPE_UPDATE_IMAGES=true makes it anew', async () => {
    const page = await pages.open(`${observed.url}#/processes?process=till`, {
      viewport: { width: 1280, height: 960 },
    });
    await page.getByRole('button', { name: 'Trace messages' }).click();
    await page.getByTestId('sequence').locator('.arrow').nth(12).waitFor();
    await page.locator('.grid-body .rate', { hasText: /[1-9]/ }).first().waitFor();
    const image = join(import.meta.dirname, '../../docs/images/observer.png');
    await picture(page, 'readme');
    if (process.env['TROUPE_UPDATE_IMAGES'] === 'true') await page.screenshot({ path: image });
    expect(statSync(image).size).toBeLessThan(200_000);
  });

  test('nothing moves for who wants that', async () => {
    const page = await pages.open(observed.url, { reducedMotion: 'reduce' });
    await live(page);
    expect(await page.evaluate('document.getAnimations().length')).toBe(0);
  });
});
