// What the tests of the observer share: a server with the plugin, and a page that speaks its protocol and keeps what it was sent.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { createNode, type Node, type NodeOptions } from 'troupe';
import { troupeFastify, type WebSocketOptions } from 'troupe/fastify';
import {
  type Act,
  type Changes,
  type FromPage,
  observer,
  type ObserverOptions,
  type TableChange,
  type ToPage,
  type Views,
} from 'troupe/observer';
import { onTestFinished } from 'vitest';
import type { WebSocket } from 'ws';
import { type Client, open } from '../fastify/helpers.ts';

export const TOKEN = 'a-token-of-some-length';

/** Options of {@link observe}. */
export interface ObserveOptions extends Partial<Omit<ObserverOptions, 'node'>> {
  readonly node?: Node | NodeOptions;
  readonly fastify?: FastifyServerOptions;
  readonly webSocket?: WebSocketOptions;
  /** Registers the observer without `troupeFastify`. */
  readonly alone?: boolean;
}

export interface Observed {
  readonly app: FastifyInstance;
  readonly node: Node;
  readonly port: number;
  readonly url: string;
}

/** Serves the observer of a node on a port of its own. */
export async function observe(options: ObserveOptions = {}): Promise<Observed> {
  const { node: given, fastify, webSocket, alone = false, ...rest } = options;
  const node = given !== undefined && 'processes' in given ? given : createNode(given);
  const app: FastifyInstance = Fastify({ forceCloseConnections: true, ...fastify });
  onTestFinished(async () => {
    await app.close();
    await node.stop();
  });
  if (!alone) await app.register(troupeFastify, { node, webSocket: { closeTimeoutMs: 200, ...webSocket } });
  await app.register(observer, { node, folder: pageFolder(), ...rest });
  await app.listen({ port: 0, host: '127.0.0.1' });
  const { port } = app.server.address() as AddressInfo;
  return { app, node, port, url: `http://127.0.0.1:${port}` };
}

/** A folder with the files of a page. */
function pageFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-page-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'assets'));
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>observer</title>');
  writeFileSync(join(folder, 'assets/page-1a2b.js'), 'export {};');
  return folder;
}

/** The cookie that a token gets. */
export async function cookieFor(url: string, token = TOKEN, path = '/observer/session'): Promise<string> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token }),
  });
  if (response.status !== 204) throw new Error(`${response.status}: ${await response.text()}`);
  return response.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
}

/** A table as a page keeps it. */
export interface PageTable {
  first: number;
  total: number;
  order: readonly string[];
  rows: Map<string, unknown>;
}

/** Applies a change as a page does. */
export function applyChange(table: PageTable | undefined, change: TableChange<unknown>): PageTable {
  const order = change.order ?? table?.order ?? [];
  const rows = new Map<string, unknown>();
  for (const key of order) {
    const row = Object.hasOwn(change.set, key) ? change.set[key] : table?.rows.get(key);
    if (row === undefined) throw new Error(`the page never got the row ${key}`);
    rows.set(key, row);
  }
  return { first: change.first, total: change.total, order, rows };
}

type TableName = 'processes' | 'tree' | 'groups' | 'members' | 'channels';
const TABLES: readonly string[] = [
  'processes',
  'tree',
  'groups',
  'members',
  'channels',
] satisfies TableName[];

/** What a page of the test knows. */
export class Page {
  readonly client: Client;
  readonly frames: ToPage[] = [];
  readonly tables = new Map<string, PageTable>();
  readonly values = new Map<string, unknown>();
  readonly problems = new Map<string, string>();
  #id = 0;

  constructor(client: Client) {
    this.client = client;
  }

  static async open(
    port: number,
    options: WebSocket.ClientOptions = {},
    path = '/observer/socket',
  ): Promise<Page> {
    const page = new Page(await open(port, path, options));
    await page.frame('hello');
    return page;
  }

  /** Looks at views. @returns the id of the look */
  look(views: Views): number {
    const id = ++this.#id;
    this.say({ type: 'look', id, views });
    return id;
  }

  act(act: Act, node?: string): number {
    const id = ++this.#id;
    this.say({ type: 'act', id, act, ...(node !== undefined && { node }) });
    return id;
  }

  trace(target: string | { readonly channel: string }): number {
    const id = ++this.#id;
    this.say({ type: 'trace', id, target });
    return id;
  }

  say(message: FromPage): void {
    this.client.send(JSON.stringify(message));
  }

  /** The next frame, taken into account. */
  async next(): Promise<ToPage> {
    const frame = JSON.parse(await this.client.next()) as ToPage;
    this.frames.push(frame);
    if (frame.type === 'problem') {
      this.problems.set(frame.view, frame.text);
      this.tables.delete(frame.view);
      this.values.delete(frame.view);
    }
    if (frame.type === 'changes') {
      for (const [name, change] of Object.entries(frame.changes) as Array<[keyof Changes, unknown]>) {
        this.problems.delete(name);
        if (TABLES.includes(name))
          this.tables.set(name, applyChange(this.tables.get(name), change as TableChange<unknown>));
        else this.values.set(name, change);
      }
    }
    return frame;
  }

  /** The next frame of a type. */
  async frame<Type extends ToPage['type']>(type: Type): Promise<Extract<ToPage, { type: Type }>> {
    for (;;) {
      const frame = await this.next();
      if (frame.type === type) return frame as Extract<ToPage, { type: Type }>;
    }
  }

  /** Takes frames until something holds. */
  async until(holds: (page: this) => boolean): Promise<void> {
    while (!holds(this)) await this.next();
  }

  /** What the rows of a table have under a name, in order. */
  column(table: TableName, field: string): unknown[] {
    const { order = [], rows = new Map<string, unknown>() } = this.tables.get(table) ?? {};
    return order.map((key) => (rows.get(key) as Record<string, unknown>)[field]);
  }
}
