// What the tests of the observer's page begin with: the shop, on one node or beside a second one that follows its orders, the plugin on a
// port, the built page in Chromium. A page that reports an error, or breaks its policy, fails its test.
//
// Pictures of the views are kept in .tmp/observer.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { source as axe } from 'axe-core';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { call, cast, createNode, type Node, pg, type Pid } from 'troupe';
import { observer, type ObserverOptions } from 'troupe/observer';
import { build } from 'vite';
import { startTroupe } from '../support/troupe-node.ts';
import { orders, shop } from './observer-shop.ts';

const root = join(import.meta.dirname, '../..');
const PICTURES = join(root, '.tmp/observer');
/** What is traded in a second, so that there is something to see. */
const TRADES_PER_SECOND = 20;

/** Builds the page into a folder of its own. */
export async function buildObserverPage(): Promise<{ readonly folder: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-observer-'));
  const configFile = join(root, 'src/runtime/observer/page/vite.config.ts');
  await build({ configFile, logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

// ---- the shop ----

/** The shop, on one node or beside a second one. */
export class Shop {
  readonly node: Node;
  /** A process that waits for messages. */
  readonly customer: Pid;
  readonly #second: ChildProcess | undefined;
  readonly #trade: ReturnType<typeof setInterval>;
  #orders = 0;

  private constructor(node: Node, second: ChildProcess | undefined) {
    this.node = node;
    this.#second = second;
    this.customer = node.spawnWith({ label: 'customer' }, async (self) => {
      for (;;) await self.receive();
    });
    this.#trade = setInterval(() => this.trade(), 1_000 / TRADES_PER_SECOND);
  }

  /** @param epmdPort of the second node; without it there is none */
  static async open(epmdPort?: number): Promise<Shop> {
    const name = 'one@127.0.0.1';
    const node =
      epmdPort === undefined ? createNode() : (await startTroupe({ name, epmd: 'auto', epmdPort })).node;
    await node.start(shop, [], { name: 'shop_sup' });
    pg.start(node, 'tools');
    pg.join(node, 'tools', ['hammer', 1], node.whereis('till') as Pid);
    return new Shop(node, epmdPort === undefined ? undefined : await startSecond(epmdPort, name));
  }

  /** An order, a call and a message. */
  trade(): void {
    const id = ++this.#orders;
    orders.broadcast(this.node, 'placed', { id, item: ['bread', 'milk', 'tea'][id % 3] ?? '' });
    for (const till of ['till', `till_${1 + (id % 3)}`]) this.node.send(till, 'next, please');
    call(this.node, 'till', 'add', 1).catch(() => {}); // while it is suspended or has been killed nobody answers
  }

  /** Has a handler hold the event loop up. */
  block(ms: number): void {
    cast(this.node, 'till', 'report', ms);
  }

  async close(): Promise<void> {
    clearInterval(this.#trade);
    if (this.#second !== undefined) {
      const gone = once(this.#second, 'close');
      this.#second.stdin?.end();
      await gone;
    }
    await this.node.stop();
  }
}

/** Starts the second node; answers when it is connected. */
async function startSecond(epmdPort: number, first: string): Promise<ChildProcess> {
  const program = join(import.meta.dirname, 'observer-second-program.ts');
  const args = ['--import', 'tsx', program, String(epmdPort), first];
  const second = spawn(process.execPath, args, { cwd: root, stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(second, 'close').then(() => 'gone');
  if ((await Promise.race([once(second.stdout, 'data'), gone])) === 'gone')
    throw new Error('the second node has ended');
  return second;
}

// ---- the server ----

/** A server with the observer. */
export class Observed {
  readonly url: string;
  readonly port: number;
  readonly #app: FastifyInstance;

  private constructor(app: FastifyInstance) {
    this.#app = app;
    this.port = (app.server.address() as AddressInfo).port;
    this.url = `http://127.0.0.1:${this.port}/observer/`;
  }

  /** Serves; at a port that was served before, or at any. */
  static async open(options: ObserverOptions, port = 0): Promise<Observed> {
    const app: FastifyInstance = Fastify({ forceCloseConnections: true });
    await app.register(observer, options);
    await app.listen({ host: '127.0.0.1', port });
    return new Observed(app);
  }

  async close(): Promise<void> {
    await this.#app.close();
  }
}

// ---- the pages ----

/** What axe finds in a page. */
interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: ReadonlyArray<{ readonly html: string; readonly failureSummary: string }>;
}

/** The pages of one test. */
export class Pages {
  readonly #browser: Browser;
  readonly #errors: string[] = [];
  readonly #contexts: BrowserContext[] = [];

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  /** Opens a page in a browser profile of its own, at `address`. */
  async open(address: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    this.#contexts.push(context);
    context.setDefaultTimeout(20_000);
    context.on('weberror', (error) => this.#errors.push(error.error().message));
    context.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.#errors.push(message.text());
    });
    const page = await context.newPage();
    await page.goto(address);
    return page;
  }

  /** Closes all; throws on errors in the browser that match none of `provoked`. */
  async close(...provoked: RegExp[]): Promise<void> {
    for (const context of this.#contexts.splice(0)) await context.close();
    const faults = this.#errors.splice(0).filter((error) => !provoked.some((pattern) => pattern.test(error)));
    if (faults.length > 0) throw new Error(`The browser reports: ${faults.join('; ')}`);
  }
}

/** Waits until the page is connected. */
export async function live(page: Page): Promise<void> {
  await page.locator('[data-testid=status][data-state=live]').waitFor();
}

/** What axe finds wrong with a page, whatever its impact. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate<readonly Violation[]>('axe.run().then(({ violations }) => violations)');
  return found.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id} (${impact}): ${html}: ${failureSummary}`),
  );
}

/** Keeps a picture of a page. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`) });
}

/** The id of the element that has the focus. */
export function focused(page: Page): Promise<string> {
  return page.evaluate('document.activeElement?.id');
}
