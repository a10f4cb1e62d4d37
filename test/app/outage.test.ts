// A PostgreSQL server that goes away and comes back under the application, or was never there when it started.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { requirePart } from '../support/parts.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { type Answer, startTestApp, type TestApp } from './support/test-app.ts';

const part = requirePart('postgres');
const note = { title: 'Title', body: 'Body', author: 'Ada' };
const AWAY = { error: 'the database is not available, try again later' };
const SHORT = {
  DATABASE_CONNECT_TIMEOUT_MS: '1000',
  DATABASE_QUERY_TIMEOUT_MS: '1000',
  DATABASE_RETRY_MAX_MS: '300',
};

describe.skipIf(part.missing)('PostgreSQL', () => {
  let server: TestPostgres;
  let url: string;
  let app: TestApp;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    ({ url } = await server.createDatabase());
  });
  afterEach(() => app.stop());

  const start = async (): Promise<void> => {
    app = await startTestApp({ env: { DATABASE_URL: url, ...SHORT } });
  };

  /** Asks for everything that needs the database. */
  const askAll = (id: number): Promise<Answer[]> =>
    Promise.all([
      app.ask('GET', '/api/notes'),
      app.ask('GET', `/api/notes/${id}`),
      app.ask('POST', '/api/notes', { json: note }),
      app.ask('PUT', `/api/notes/${id}`, { json: note }),
      app.ask('DELETE', `/api/notes/${id}`),
      app.ask('GET', '/readyz'),
    ]);

  async function expectAway(id: number): Promise<void> {
    const answers = await askAll(id);
    const ready = answers.pop();
    expect(ready?.status).toBe(503);
    expect(Number(ready?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(ready?.body).toMatchObject({ status: 'not ready', database: 'unavailable' });
    for (const { status, body, headers } of answers) {
      expect([status, body]).toEqual([503, AWAY]);
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    }
    expect((await app.ask('GET', '/livez')).status).toBe(200);
  }

  const ready = async (): Promise<void> => {
    while ((await app.ask('GET', '/readyz')).status !== 200) await nextTurn();
  };

  test('that is stopped and started again: 503 meanwhile, and back by itself', async () => {
    await start();
    const client = await app.connect();
    const { id } = await app.make('kept');
    await server.stop();
    try {
      await app.logged(/^the database is away: /);
      await expectAway(id);
    } finally {
      await server.start();
    }
    await ready();
    expect(await app.search('kept')).toEqual(['kept']);
    await app.make('after');
    expect(await client.next()).toContain('"kept"');
    while (!(await client.next()).includes('"after"'));
    expect(await app.search('after')).toEqual(['after']);
  });

  test('that answers nothing: 503 in a bounded time, and back by itself; clients are told to read again', async () => {
    await start();
    const client = await app.connect();
    const { id } = await app.make('kept');
    expect(await client.next()).toContain('"kept"');
    expect(await app.search('kept')).toEqual(['kept']); // the indexer rests, and a connection is idle
    server.pause();
    try {
      // It is sent, and not answered.
      expect((await app.ask('PUT', `/api/notes/${id}`, { json: note })).body).toEqual({
        error: expect.stringContaining('may or may not be stored'),
      });
      const answers = await askAll(id);
      expect(answers.slice(0, 5).map(({ status }) => status)).toEqual([503, 503, 503, 503, 503]);
      await app.logged(/^the database is away: /);
      await expectAway(id);
    } finally {
      server.resume();
    }
    await ready();
    // Nobody knows what became of the changes: a server that goes on may have stored them.
    expect(JSON.parse(await client.next())).toEqual({ event: 'resync', data: {} });
    await app.make('after');
    expect(await app.search('after')).toEqual(['after']);
  });

  test('that is away when the application starts: it listens, and is ready later', async () => {
    await start();
    await app.make('kept');
    await app.stop();
    await server.stop();
    try {
      await start();
      await expectAway(1);
      const search = await app.ask('GET', '/api/notes?q=kept');
      expect([search.status, search.headers.get('retry-after')]).toEqual([503, '1']);
      await app.connect();
    } finally {
      await server.start();
    }
    await ready();
    expect(await app.search('kept')).toEqual(['kept']);
  });

  test('that answers nothing when the application stops does not keep it', async () => {
    await start();
    await app.make('kept');
    server.pause();
    try {
      const asked = app.ask('GET', '/api/notes');
      await app.running('list_notes');
      await app.stop();
      expect((await asked).status).toBe(503);
    } finally {
      server.resume();
    }
  });

  test('is named in the log, and its password is not', async () => {
    const { password, port } = new URL(url);
    await start();
    await server.stop();
    await app.logged(/^the database is away: /);
    await app.ask('GET', '/api/notes');
    await server.start();
    await ready();
    const log = JSON.stringify(app.lines);
    expect(log).toContain(`PostgreSQL at 127.0.0.1:${port}`);
    expect(password.length).toBeGreaterThan(10);
    expect(log).not.toContain(password);
    expect(log).not.toContain('DATABASE_URL');
    const away = app.lines.filter(({ msg }) => msg.startsWith('the database is away: '));
    expect(away[0]).toMatchObject({ level: 50, attempt: 1, retryInMs: expect.any(Number) });
  });
});
