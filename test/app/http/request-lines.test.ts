// Whatever clients send, and however often, the log grows by a bounded number of bounded lines.
import type { InjectOptions } from 'fastify';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { KEYS_MAX } from 'troupe/log';
import { DatabaseUnavailableError } from '../../../src/app/database/internal.ts';
import { FaultyDatabase, openPgliteForTests, type OpenedDatabase } from '../support/faulty-database.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const [LEVEL_INFO, LEVEL_WARN] = [30, 40];
const long = 'x'.repeat(8_000);
let opened: OpenedDatabase;
let database: FaultyDatabase;
let app: TestApp;
let before: number;

beforeAll(async () => {
  opened = await openPgliteForTests();
  database = new FaultyDatabase(opened.database);
  app = await startTestApp({ database, env: { LOG_LEVEL: 'info' } });
});
afterAll(async () => {
  await app.stop();
  await opened.remove();
});
beforeEach(() => {
  before = app.lines.length;
});

/** Asks many times; answers what was logged, as text and fields. */
async function linesOf(times: number, ask: (n: number) => InjectOptions): Promise<unknown[]> {
  // oxlint-disable-next-line no-await-in-loop
  for (let n = 0; n < times; n++) await app.http.inject(ask(n));
  const lines = app.lines.slice(before);
  for (const line of lines) expect(JSON.stringify(line).length).toBeLessThan(1_000);
  return lines.map(({ level, msg, statusCode, count }) => [level, msg, statusCode, count]);
}

test.each([
  ['paths that are not there', 404, { method: 'GET', url: '/no/such/path' }],
  ['methods that are not allowed', 405, { method: 'PUT', url: '/api/notes' }],
  ['notes that are not numbers', 400, { method: 'GET', url: '/api/notes/x' }],
  ['bodies of another type', 415, { method: 'POST', url: '/api/notes', payload: 'x' }],
  ['WebSockets without an upgrade', 426, { method: 'GET', url: '/notifications' }],
  ['requests that succeed', 200, { method: 'GET', url: '/livez' }],
] as const)('%s', async (_what, status, request) => {
  const lines = await linesOf(300, (n) => ({
    ...request,
    url: `${request.url}?${n}${long}`,
    headers: { 'user-agent': long, referer: long },
  }));
  expect(lines).toEqual([[LEVEL_INFO, 'request completed', status, 1]]);
});

test('requests while the database is away', async () => {
  database.fault = {
    before: () => {
      throw new DatabaseUnavailableError('unreachable', `away: ${long}`, 1_000);
    },
  };
  const lines: unknown[] = [];
  for (let n = 0; n < 200; n++) {
    // oxlint-disable-next-line no-await-in-loop
    const { statusCode } = await app.http.inject({ method: 'GET', url: `/api/notes/${n + 1}` });
    expect(statusCode).toBe(503);
  }
  database.fault = undefined;
  for (const { level, msg, count } of app.lines.slice(before)) lines.push([level, msg, count]);
  expect(lines).toEqual([
    [LEVEL_WARN, 'the request cannot be served now', 1],
    [LEVEL_INFO, 'request completed', 1],
  ]);
});

test('clients from many addresses share what is told', async () => {
  const lines = await linesOf(2_000, (n) => ({
    method: 'DELETE',
    url: '/x',
    remoteAddress: `10.0.${n >> 8}.${n & 255}`,
  }));
  expect(lines.length).toBeLessThanOrEqual(KEYS_MAX + 1);
});

test('all addresses of one IPv6 network are one client', async () => {
  const lines = await linesOf(300, (n) => ({
    method: 'PATCH',
    url: '/x',
    remoteAddress: `2001:db8::1:${n.toString(16)}`,
  }));
  expect(lines.length).toBeLessThanOrEqual(1);
});
