// The application inside the test's own process, on a port of its own, with its log kept. Its data folder goes with it.
import { mkdtempSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type App, createApp, loadConfig } from '../../../src/app/internal.ts';
import type { ClusterCarrier } from '../../../src/app/cluster/internal.ts';
import type { Database } from '../../../src/app/database/internal.ts';
import type { Note } from '../../../src/app/notes/internal.ts';
import type { Pid } from 'troupe';
import { openClient, type TestClient } from './client.ts';

/** An answer; `body` is what its JSON says, or its text when it is not JSON. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

export interface Ask {
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
}

/** A line of the log, as pino writes it. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface TestApp extends App {
  readonly port: number;
  readonly log: App['log'];
  readonly lines: readonly LogLine[];
  ask(method: string, path: string, what?: Ask): Promise<Answer>;
  /** Makes a note over HTTP. */
  make(title: string, body?: string, author?: string): Promise<Note>;
  /** What a search finds, by title. */
  search(query: string): Promise<string[]>;
  /** Opens a WebSocket and waits for the answer to its first ping: from then on it misses nothing. */
  connect(headers?: Record<string, string>): Promise<TestClient>;
  /** Removes all notes. */
  clear(): Promise<void>;
  /** Waits until a process with this label runs. */
  running(label: string): Promise<Pid>;
  /** Waits until the log has a line that matches, and answers it. */
  logged(pattern: RegExp): Promise<LogLine>;
  stop(): Promise<void>;
}

export interface TestAppOptions {
  /** Settings besides DATA_DIR and PORT. */
  readonly env?: Record<string, string>;
  /** In place of the one that the settings describe. */
  readonly database?: Database;
  /** Connects the node, when the settings name one. */
  readonly carrier?: ClusterCarrier;
}

/** Starts the application. `stop()` also removes its data folder. */
export async function startTestApp({ env = {}, database, carrier }: TestAppOptions = {}): Promise<TestApp> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-app-'));
  const config = loadConfig({ LOG_LEVEL: 'debug', ...env, DATA_DIR: folder, PORT: '0' });
  const lines: LogLine[] = [];
  const watchers = new Set<() => void>();
  const stream = {
    write(line: string) {
      lines.push(JSON.parse(line) as LogLine);
      for (const look of watchers) look();
    },
  };
  const logger = { level: config.logLevel, stream };
  const app = await createApp(config, {
    logger,
    ...(database !== undefined && { database }),
    ...(carrier !== undefined && { carrier }),
  });
  await app.http.listen({ host: config.host, port: config.port });
  const { port } = app.http.server.address() as AddressInfo;

  const ask = async (method: string, path: string, what: Ask = {}): Promise<Answer> => {
    const { json, body = json === undefined ? undefined : JSON.stringify(json), headers = {} } = what;
    const type = json === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { ...type, ...headers },
      ...(body !== undefined && { body }),
      redirect: 'manual',
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    };
  };
  const list = async (path: string): Promise<Note[]> => {
    const { status, body } = await ask('GET', path);
    if (status !== 200) throw new Error(`${path} is answered ${status}: ${JSON.stringify(body)}`);
    return (body as { notes: Note[] }).notes;
  };

  return {
    ...app,
    port,
    lines,
    ask,
    async make(title, body = 'body', author = 'author') {
      const answer = await ask('POST', '/api/notes', { json: { title, body, author } });
      if (answer.status !== 201) throw new Error(`not made: ${JSON.stringify(answer.body)}`);
      return answer.body as Note;
    },
    search: async (query) =>
      (await list(`/api/notes?q=${encodeURIComponent(query)}`)).map(({ title }) => title),
    async connect(headers = {}) {
      const client = await openClient(`ws://127.0.0.1:${port}/notifications`, headers);
      client.send('ping');
      const first = await client.next();
      if (first !== 'pong') throw new Error(`the answer to the first ping is ${first}`);
      return client;
    },
    async clear() {
      for (let left = await list('/api/notes'); left.length > 0; left = await list('/api/notes'))
        for (const { id } of left) await ask('DELETE', `/api/notes/${id}`);
    },
    async running(label) {
      for (;;) {
        const pid = app.node.processes().find((each) => app.node.processInfo(each)?.label === label);
        if (pid !== undefined) return pid;
        await nextTurn();
      }
    },
    logged(pattern) {
      return new Promise((resolve) => {
        const look = (): void => {
          const found = lines.find(({ msg }) => pattern.test(msg));
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      });
    },
    async stop() {
      try {
        await app.stop();
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}
