// The built page in a real Chromium, against the fake server. What a page reports as an error fails the test, except
// what the test says it provokes: Chromium writes refused requests and lost sockets to the console by itself.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { build } from 'vite';
import { live } from '../../support/page.ts';
import { FakeServer } from './fake-server.ts';

export type BuiltPage = { dir: string; remove(): Promise<void> };

/** Builds the page into a folder of its own. */
export async function buildPage(): Promise<BuiltPage> {
  const dir = await mkdtemp(join(tmpdir(), 'troupe-page-'));
  const configFile = join(import.meta.dirname, '../../../vite.config.ts');
  await build({ configFile, logLevel: 'warn', build: { outDir: dir, emptyOutDir: true } });
  return { dir, remove: () => rm(dir, { recursive: true, force: true }) };
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
