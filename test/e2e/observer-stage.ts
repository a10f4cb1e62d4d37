// What the tests of the observer's page begin with: a shop that runs on one node, a second node that follows its orders, the plugin on a
// port, the built page in Chromium. A page that reports an error, or breaks its policy, fails its test.
//
// Pictures of the views are kept in .tmp/observer.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { source as axe } from 'axe-core';
import Fastify, { type FastifyInstance } from 'fastify';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import {
  call,
  child,
  createNode,
  defineChannel,
  defineServer,
  defineSupervisor,
  type Node,
  on,
  pg,
  type Pid,
} from 'troupe';
import { inspectServer } from 'troupe/inspect';
import { observer, type ObserverOptions } from 'troupe/observer';
import { build } from 'vite';
import { startTroupe } from '../support/troupe-node.ts';

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

/** What a page would run if it took a text of the node for HTML. */
export const MARKUP = '<img src=x onerror="document.title=\'intruded\'">';

const orders = defineChannel<{ placed: { readonly id: number; readonly item: string } }>('orders');

const till = defineServer({
  name: 'till',
  init: (_self, start: number) => ({ total: start, note: MARKUP }),
  call: {
    add: (state, amount: number) => (state.total += amount),
    /** Awaits until somebody lets it. */
    wait: (_state, until: Promise<void>) => until,
  },
  info: () => undefined,
});

const warehouse = defineServer({
  name: 'warehouse',
  init: (self) => {
    orders.join(self);
    return { packed: 0 };
  },
  info: on(orders, {
    placed: (state: { packed: number }) => {
      state.packed++;
    },
  }),
});

const tills = defineSupervisor({
  name: 'till_sup',
  children: () => [1, 2, 3].map((number) => child(till, [number], { id: `till ${number}` })),
});

const shop = defineSupervisor({
  name: 'shop_sup',
  strategy: 'rest_for_one',
  children: () => [
    child(till, [40], { id: 'till', name: 'till' }),
    child(warehouse, [], { id: 'warehouse', name: 'warehouse' }),
    child(tills, [], { id: 'tills', name: 'till_sup' }),
  ],
});

const inspected = defineSupervisor({
  name: 'inspect_sup',
  children: () => [child(inspectServer, [{ allow: true }], { id: 'inspect', name: 'troupe_inspect' })],
});

/** The shop, on one node or beside a second one. */
export class Shop {
  readonly node: Node;
  /** A process that waits for messages. */
  readonly customer: Pid;
  readonly #nodes: readonly Node[];
  readonly #trade: ReturnType<typeof setInterval>;
  #orders = 0;

  private constructor(nodes: readonly [Node, ...Node[]]) {
    const [node] = nodes;
    this.#nodes = nodes;
    this.node = node;
    this.customer = node.spawnWith({ label: 'customer' }, async (self) => {
      for (;;) await self.receive();
    });
    this.#trade = setInterval(() => this.trade(), 1_000 / TRADES_PER_SECOND);
  }

  /** @param epmdPort of the second node; without it there is none */
  static async open(epmdPort?: number): Promise<Shop> {
    const nodes: [Node, ...Node[]] = [
      epmdPort === undefined ? createNode() : await connectedNode('one', epmdPort),
    ];
    const [node] = nodes;
    await node.start(shop, [], { name: 'shop_sup' });
    pg.start(node, 'tools');
    pg.join(node, 'tools', ['hammer', 1], node.whereis('till') as Pid);
    if (epmdPort !== undefined) {
      const second = await connectedNode('two', epmdPort);
      nodes.push(second);
      await second.start(inspected, [], { name: 'inspect_sup' });
      await second.start(warehouse, [], { name: 'far_warehouse' });
      await node.connect(second.name);
    }
    return new Shop(nodes);
  }

  /** An order, a call and a message. */
  trade(): void {
    const id = ++this.#orders;
    orders.broadcast(this.node, 'placed', { id, item: ['bread', 'milk', 'tea'][id % 3] ?? '' });
    this.node.send('till', 'next, please');
    call(this.node, 'till', 'add', 1).catch(() => {}); // while it is suspended or has been killed nobody answers
  }

  /** A handler that holds the event loop up. */
  block(ms: number): void {
    const work = (): void => {
      const end = performance.now() + ms;
      while (performance.now() < end);
    };
    this.node.spawnWith({ label: 'yearly report' }, work);
  }

  async close(): Promise<void> {
    clearInterval(this.#trade);
    for (const node of this.#nodes.toReversed()) await node.stop();
  }
}

async function connectedNode(name: string, epmdPort: number): Promise<Node> {
  const { node } = await startTroupe({ name: `${name}@127.0.0.1`, epmd: 'auto', epmdPort });
  return node;
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
