// The built page in a real Chromium, against the fake server. What a page reports as an error fails the test, except
// what the test says it provokes: Chromium writes refused requests and lost sockets to the console by itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { build } from 'vite';
import { FakeServer } from './fake-server.ts';

export type BuiltPage = { dir: string; remove(): Promise<void> };

/** Builds the page into a folder of its own. */
export async function buildPage(): Promise<BuiltPage> {
  const dir = await mkdtemp(join(tmpdir(), 'troupe-page-'));
  const configFile = join(import.meta.dirname, '../../../vite.config.ts');
  await build({ configFile, logLevel: 'warn', build: { outDir: dir, emptyOutDir: true } });
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
}

/** Starts the browser at `path`. */
export function launch(path: string): Promise<Browser> {
  const args = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ];
  return chromium.launch({ executablePath: path, args });
}

/** A server and the pages that are open on it. */
export class Stage {
  readonly server: FakeServer;
  readonly #browser: Browser;
  readonly #errors: string[] = [];
  readonly #closing: (() => Promise<void>)[] = [];

  private constructor(server: FakeServer, browser: Browser) {
    this.server = server;
    this.#browser = browser;
  }

  static async open(browser: Browser, pageDir: string): Promise<Stage> {
    const server = new FakeServer(pageDir, Date.now());
    await server.start();
    return new Stage(server, browser);
  }

  /** Opens the page in a browser profile of its own, at a fragment or not, and waits until it is live, unless it cannot be. */
  async page(
    options: BrowserContextOptions = {},
    fragment = '',
    until: 'live' | 'any' = 'live',
  ): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1200, height: 860 }, ...options });
    this.#closing.push(() => context.close());
    context.setDefaultTimeout(15_000);
    context.on('weberror', (error) => this.#errors.push(error.error().message));
    context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.#errors.push(message.text());
    });
    const page = await context.newPage();
    await page.goto(`${this.server.url}${fragment}`);
    if (until === 'live') await live(page);
    return page;
  }

  /** Closes everything; throws on errors in the browser that match none of `provoked`. */
  async close(...provoked: RegExp[]): Promise<void> {
    for (const close of this.#closing) await close();
    await this.server.stop();
    const faults = this.#errors.filter((error) => !provoked.some((pattern) => pattern.test(error)));
    if (faults.length > 0) throw new Error(`The browser reports: ${faults.join('; ')}`);
  }
}

/** Waits until the page is connected and has read its list. */
export async function live(page: Page): Promise<void> {
  await page.locator('[data-testid=status][data-state=live]').waitFor();
  await page
    .locator('[data-testid=notes][data-state=ready], [data-testid=empty], [data-testid=missing]')
    .first()
    .waitFor();
}

/** The row of the note with this title. */
export function noteNamed(page: Page, title: string): Locator {
  return page.getByTestId('note').filter({ has: page.getByRole('heading', { name: title, exact: true }) });
}

/** The titles in the list, in order. */
export function titles(page: Page): Promise<string[]> {
  return page.getByTestId('note-title').allTextContents();
}

/** Waits until a screen reader has been told this. */
export function announced(page: Page, text: string): Promise<void> {
  return page.getByTestId('announcer').filter({ hasText: text }).waitFor({ state: 'attached' });
}
