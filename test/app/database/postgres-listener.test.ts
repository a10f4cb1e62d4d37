// A server that cannot be listened to: it is told of once, asked again with growing waits, and keeps nobody from anything else.
// PostgreSQL refuses LISTEN on a standby until it is promoted. A server that refuses it for good, as some that speak PostgreSQL's protocol do,
// is PostgreSQL behind a connection that garbles the word, so that it is a syntax error. Poolers: `pgbouncer.test.ts`.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { FastifyBaseLogger } from 'fastify';
import { openDatabase, PostgresListener } from '../../../src/app/database/internal.ts';
import { logDatabase } from '../../../src/app/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { type TestPostgres, startPostgres } from '../../support/postgres.ts';

/** A way to the server on which `listen` becomes a word that it does not know. @returns its port, and how often it was asked */
async function garbling(target: number): Promise<{ readonly port: number; readonly asked: () => number }> {
  let asked = 0;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    near.on('data', (chunk) => {
      const at = chunk.indexOf('listen troupe');
      if (at !== -1) {
        asked += 1;
        chunk.write('lis?en', at);
      }
      far.write(chunk);
    });
    far.pipe(near);
    near.on('error', () => {}).on('close', () => far.destroy());
    far.on('error', () => {}).on('close', () => near.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { port: (server.address() as AddressInfo).port, asked: () => asked };
}

const part = requirePart('postgres');
describe.skipIf(part.missing)('a server that refuses to be listened to', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  test('is told of once, however often it refuses, and listened to as soon as it lets itself be', async () => {
    const { url } = await server.createDatabase();
    const standby = await server.standby();
    onTestFinished(() => standby.remove());
    let attempts = 0;
    const listener = new PostgresListener(
      {
        url: standby.at(url),
        connect: () => {
          attempts += 1;
          return connect(standby.port, '127.0.0.1');
        },
        connectTimeoutMs: 10_000,
        parameters: {},
      },
      20,
    );
    onTestFinished(() => listener.end());
    const told: string[] = [];
    const heard: string[] = [];
    listener.onDeaf((reason) => told.push(reason));
    listener.onNotify('troupe_test', (payload) => heard.push(payload));
    await vi.waitUntil(() => attempts >= 5, { timeout: 20_000 });
    expect(told).toEqual(['the server refuses to be listened to: cannot execute LISTEN during recovery']);
    expect(heard).toEqual([]);

    await standby.promote();
    await vi.waitUntil(() => heard.length > 0, { timeout: 20_000 });
    const client = postgres(standby.at(url), { max: 1, onnotice: () => {} });
    onTestFinished(() => client.end());
    await client`select pg_notify('troupe_test', 'now')`;
    await vi.waitUntil(() => heard.length > 1, { timeout: 20_000 });
    expect([heard, told.length]).toEqual([['', 'now'], 1]);

    // A server that goes away and comes back has refused nothing.
    await standby.stop();
    standby.start().catch(() => {});
    await vi.waitUntil(() => heard.length > 2, { timeout: 20_000 });
    expect(told).toHaveLength(1);
  }, 60_000);

  test('is one line in the log, and as ready as ever', async () => {
    const { url } = await server.createDatabase();
    const { port, asked } = await garbling(server.port);
    const through = new URL(url);
    through.port = String(port);
    const limits = { connectTimeoutMs: 10_000, queryTimeoutMs: 10_000, retryMaxMs: 20 };
    const database = openDatabase({ kind: 'postgres', url: through.href, poolMax: 3, ...limits });
    onTestFinished(() => database.close());
    const lines: string[] = [];
    const log = {
      warn: (line: string) => lines.push(line),
      info: () => {},
      error: () => {},
      debug: () => {},
    };
    onTestFinished(logDatabase(log as unknown as FastifyBaseLogger, database));
    await database.opened();
    database.onNotify?.('troupe_channel_events', () => {});
    await vi.waitUntil(() => asked() >= 5, { timeout: 20_000 });
    expect(lines).toEqual([
      expect.stringMatching(
        /does not tell of new events: the server refuses .*syntax error.*found by looking/,
      ),
    ]);
    expect(database.state).toBe('ready');
    expect(await createNoteRepository(database).create({ title: 't', body: 'b', author: 'a' })).toMatchObject(
      { id: 1 },
    );
  }, 60_000);
});
