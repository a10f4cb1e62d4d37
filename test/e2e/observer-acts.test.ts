// The observer's page where something is at stake: signing in and out, what may be done and what not, traces, and a server that goes away
// and comes back as another one.
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { call } from 'troupe';
import { launch } from '../support/page.ts';
import type { ObserverOptions } from 'troupe/observer';
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

const part = requirePart('chromium');
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const TOKEN = 'a token that nobody guesses';
/** What Chromium says by itself of a refused token, and while the server is away. */
const REFUSED = /status of 401/;
const LOST = /WebSocket connection to '.*' failed|ERR_CONNECTION_(REFUSED|RESET)|ERR_EMPTY_RESPONSE/;

describe.skipIf(part.missing)("the observer's page", () => {
  let built: Awaited<ReturnType<typeof buildObserverPage>>;
  let browser: Browser;
  let shop: Shop;
  let observed: Observed;
  let pages: Pages;
  let provoked: RegExp[];

  beforeAll(async () => {
    [built, browser] = await Promise.all([buildObserverPage(), launch(part.path)]);
  });
  afterAll(async () => {
    await browser.close();
    built.remove();
  });
  beforeEach(async () => {
    provoked = [];
    pages = new Pages(browser);
    shop = await Shop.open();
  });
  afterEach(async () => {
    await pages.close(...provoked);
    await observed.close();
    await shop.close();
  });

  const serve = async (options: Partial<ObserverOptions> = {}, port = 0): Promise<void> => {
    observed = await Observed.open({ node: shop.node, folder: built.folder, ...options }, port);
  };
  const side = (page: Page) => page.getByTestId('side');
  const told = (page: Page, text: string): Promise<void> =>
    page.getByTestId('announcer').filter({ hasText: text }).waitFor({ state: 'attached' });

  describe('signing in', () => {
    test('takes the token, lasts over a reload, and ends with signing out', async () => {
      provoked = [REFUSED];
      await serve({ token: TOKEN });
      const page = await pages.open(observed.url);
      await page.getByLabel('Token').waitFor();
      expect(await focused(page)).toBe('token');
      expect(await violations(page)).toEqual([]);
      await picture(page, 'sign-in');
      await page.keyboard.type('a wrong one of some length');
      await page.keyboard.press('Enter');
      await page.getByRole('alert').filter({ hasText: 'This is not the token.' }).waitFor();
      expect(await violations(page)).toEqual([]);
      expect(await focused(page)).toBe('token');
      await page.keyboard.type(TOKEN);
      await page.keyboard.press('Enter');
      await live(page);
      await page.reload();
      await live(page);
      expect(await page.evaluate('document.cookie')).toBe('');
      await page.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Token').waitFor();
      await page.reload();
      await page.getByLabel('Token').waitFor();
    });

    test('is asked for again in every page when the session has ended', async () => {
      await serve({ token: TOKEN });
      const page = await pages.open(observed.url);
      await page.getByLabel('Token').fill(TOKEN);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await live(page);
      const other = await page.context().newPage();
      await other.goto(observed.url);
      await live(other);
      await other.getByRole('button', { name: 'Sign out' }).click();
      await page.getByLabel('Token').waitFor();
      expect(await page.getByRole('navigation').count()).toBe(0);
    });

    test('is not asked for where no token is needed', async () => {
      await serve();
      const page = await pages.open(observed.url);
      await live(page);
      expect(await page.getByRole('button', { name: 'Sign out' }).count()).toBe(0);
    });
  });

  describe('acts', () => {
    test('are not there where nothing is allowed', async () => {
      await serve();
      const page = await pages.open(`${observed.url}#/processes?process=till`);
      await side(page).getByRole('heading', { name: 'till' }).waitFor();
      expect(await page.getByTestId('acts').count()).toBe(0);
    });

    test('a process is suspended, and goes on', async () => {
      await serve({ allow: true });
      const page = await pages.open(`${observed.url}#/processes?process=till`);
      await side(page).getByRole('button', { name: 'Suspend' }).click();
      await told(page, 'The process is suspended.');
      // It answers nobody.
      await expect(call(shop.node, 'till', 'add', 1, { timeoutMs: 50 })).rejects.toMatchObject({
        reason: 'timeout',
      });
      await side(page).getByRole('button', { name: 'Resume' }).click();
      await told(page, 'The process goes on.');
      await call(shop.node, 'till', 'add', 1);
    });

    test('a message is sent, when it is JSON', async () => {
      await serve({ allow: true });
      const received = new Promise((resolve) => {
        const pid = shop.node.spawnWith({ name: 'listener' }, async (self) => resolve(await self.receive()));
        expect(pid).toBeDefined();
      });
      const page = await pages.open(`${observed.url}#/processes?process=listener`);
      await side(page).getByRole('button', { name: 'Send…' }).click();
      const dialog = page.getByRole('dialog', { name: 'Send a message' });
      await dialog.waitFor();
      expect(await focused(page)).toBe('message');
      expect(await violations(page)).toEqual([]);
      await page.keyboard.type('{"item": ');
      await dialog.getByRole('button', { name: 'Send' }).click();
      expect(await page.evaluate("document.getElementById('message').validationMessage")).toMatch(
        'This is not JSON',
      );
      await dialog.getByLabel('Message, as JSON').fill('{"item": "bread"}');
      await dialog.getByRole('button', { name: 'Send' }).click();
      expect(await received).toEqual({ item: 'bread' });
      await told(page, 'The message was sent.');
    });

    test('a process is killed after a question, and what is seen then is its end', async () => {
      await serve({ allow: true });
      const page = await pages.open(`${observed.url}#/tree?process=till`);
      const before = shop.node.whereis('till');
      const kill = side(page).getByRole('button', { name: 'Kill…' });
      await kill.click();
      const dialog = page.getByRole('dialog', { name: 'Kill this process?' });
      await dialog.waitFor();
      expect(await violations(page)).toEqual([]);
      await picture(page, 'kill');
      await page.keyboard.press('Escape');
      await dialog.waitFor({ state: 'hidden' });
      expect(shop.node.whereis('till')).toEqual(before);
      await page.goto(`${observed.url}#/tree?process=${encodeURIComponent(String(before))}`);
      await side(page).getByText(String(before)).first().waitFor();
      await kill.click();
      await dialog.getByRole('button', { name: 'Kill', exact: true }).click();
      await side(page).getByRole('status').filter({ hasText: 'alive' }).waitFor();
      await told(page, 'The exit signal was sent.');
      expect(shop.node.whereis('till')).not.toEqual(before);
      expect(await violations(page)).toEqual([]);
    });
  });

  describe('a trace', () => {
    test('of a process is drawn as a sequence, and ends with its process', async () => {
      await serve();
      const page = await pages.open(`${observed.url}#/processes?process=till`, {
        viewport: { width: 1280, height: 1100 },
      });
      await side(page).getByRole('button', { name: 'Trace messages' }).click();
      const sequence = page.getByTestId('sequence');
      await sequence.locator('.arrow[data-kind=reply]').nth(2).waitFor();
      const lifelines = await sequence.locator('.lifeline text').allTextContents();
      expect(lifelines).toContain(String(shop.node.whereis('till')));
      expect(await sequence.locator('.arrow[data-kind=call] title').first().textContent()).toBe(
        'call add(1)',
      );
      expect(await violations(page)).toEqual([]);
      await picture(page, 'trace');
      await side(page).getByRole('button', { name: 'List' }).click();
      await side(page).getByRole('list', { name: 'Messages' }).getByText("'next, please'").first().waitFor();
      expect(await violations(page)).toEqual([]);
      await side(page).getByRole('button', { name: 'Stop' }).click();
      await page.getByTestId('trace-state').filter({ hasText: 'Ended (stopped)' }).waitFor();
      await side(page).getByRole('button', { name: 'Trace again' }).click();
      await page.getByTestId('trace-state').filter({ hasText: 'Running' }).waitFor();
      shop.node.exit(shop.node.whereis('till')!, 'kill');
      await told(page, 'The trace has ended.');
    });

    test('of a channel shows its broadcasts', async () => {
      await serve();
      const page = await pages.open(`${observed.url}#/channels`);
      await page.getByRole('link', { name: 'orders' }).click();
      await side(page).getByRole('button', { name: 'Trace messages' }).click();
      const broadcasts = page.getByTestId('sequence').locator('.arrow[data-kind=broadcast]');
      await broadcasts.nth(1).waitFor();
      expect(await broadcasts.first().locator('title').textContent()).toMatch(/^broadcast placed \{ id: \d+/);
      await picture(page, 'trace-channel');
    });
  });

  test('a server that comes back is another one: its processes are shown, and the others are gone', async () => {
    provoked = [LOST];
    await serve();
    const { port, url } = observed;
    const old = shop.node.spawnWith({ name: 'only_before' }, (self) => self.receive());
    const page = await pages.open(`${url}#/processes?match=only`);
    const cell = (name: string) => page.getByRole('gridcell', { name, exact: true });
    await cell('only_before').first().waitFor();
    expect(String(old)).toMatch(/^<0\./);
    await observed.close();
    await page.locator('[data-testid=status][data-state=waiting]').waitFor();
    await told(page, 'Not connected.');
    // What was seen last stays, and is said to be old.
    await page.locator('.body[data-stale]').getByRole('gridcell', { name: 'only_before' }).first().waitFor();
    await shop.close();
    shop = await Shop.open();
    shop.node.spawnWith({ name: 'only_after' }, (self) => self.receive());
    await serve({}, port);
    await live(page);
    await told(page, 'Connected again.');
    await cell('only_after').first().waitFor();
    expect(await cell('only_before').count()).toBe(0);
    expect(await page.getByRole('searchbox').inputValue()).toBe('only');
  });

  test('a page that is one too many says so, and comes in when another has gone', async () => {
    await serve({ maxPages: 1 });
    const first = await pages.open(observed.url);
    await live(first);
    const second = await pages.open(observed.url);
    const status = second.getByTestId('status');
    await status.filter({ hasText: 'too many pages look into this node' }).waitFor();
    await first.close();
    await second.getByRole('button', { name: 'Try now' }).click();
    await live(second);
    expect(await status.innerText()).toBe('Live');
  });

  test('a page that nobody sees asks for nothing', async () => {
    await serve();
    const page = await pages.open(`${observed.url}#/processes`);
    const looks: string[] = [];
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => looks.push(String(payload))));
    await page.reload();
    await page.getByRole('gridcell').first().waitFor();
    const hide = (hidden: boolean): string =>
      `Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${hidden ? 'hidden' : 'visible'}' });
       document.dispatchEvent(new Event('visibilitychange'));`;
    await page.evaluate(hide(true));
    await vi.waitFor(() => expect(JSON.parse(looks.at(-1) ?? '')).toMatchObject({ type: 'look', views: {} }));
    expect(JSON.parse(looks.at(-1) ?? '').views).toEqual({});
    await page.evaluate(hide(false));
    await vi.waitFor(() => expect(JSON.parse(looks.at(-1) ?? '').views).toMatchObject({ load: true }));
  });
});
