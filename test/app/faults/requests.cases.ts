// What becomes of the application when something in it fails: one request, the index, the supervision tree. The database is
// real, with faults put in front of it.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/app/database/internal.ts';
import { notesTable as notes } from '../../../src/app/notes/internal.ts';
import { sys } from 'troupe';
import { openRaw } from '../support/client.ts';
import { away, barrier, FaultyDatabase } from '../support/faulty-database.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const note = { title: 'Title', body: 'Body', author: 'Ada' };
const AWAY = { error: 'the database is not available, try again later' };
const ERROR_LEVEL = 50;

export function describeFaultyRequests(inner: () => Database): void {
  let database: FaultyDatabase;
  let app: TestApp;

  beforeEach(async () => {
    await inner().run((db) => db.delete(notes));
    database = new FaultyDatabase(inner());
  });
  afterEach(() => app.stop());

  const start = async (env: Record<string, string> = {}): Promise<void> => {
    app = await startTestApp({ database, env });
  };

  describe('a controller that throws', () => {
    beforeEach(() => start());

    test('answers 500 without a word of the inside, and nothing else falls', async () => {
      const client = await app.connect();
      const kept = await app.make('kept');
      expect(JSON.parse(await client.next())).toMatchObject({ event: 'note_created' });
      const before = app.node.processes().length;
      database.fault = {
        before() {
          throw new TypeError('secret of the inside');
        },
      };
      const asked = [
        app.ask('GET', '/api/notes'),
        app.ask('GET', `/api/notes/${kept.id}`),
        app.ask('POST', '/api/notes', { json: note }),
        app.ask('PUT', `/api/notes/${kept.id}`, { json: note }),
        app.ask('DELETE', `/api/notes/${kept.id}`),
      ];
      for (const { status, body } of await Promise.all(asked)) {
        expect([status, body]).toEqual([500, { error: 'internal server error' }]);
      }
      database.fault = undefined;
      expect(app.node.processes()).toHaveLength(before);
      expect(await app.ask('GET', `/api/notes/${kept.id}`)).toMatchObject({ status: 200, body: kept });
      expect(await app.search('kept')).toEqual(['kept']);
      client.send('ping');
      expect(await client.next()).toBe('pong');
      expect(client.pending).toEqual([]);
    });

    test('is logged once with its stack and request, and once as the crash of its process', async () => {
      database.fault = {
        before() {
          throw new TypeError('secret of the inside');
        },
      };
      await app.ask('GET', '/api/notes');
      const failed = await app.logged(/^the request failed$/);
      expect(failed).toMatchObject({ level: ERROR_LEVEL, err: { message: 'secret of the inside' } });
      expect(failed['reqId']).toEqual(expect.any(String));
      expect((failed['err'] as { stack: string }).stack).toContain('requests.cases.ts');
      expect(await app.logged(/^a process crashed$/)).toMatchObject({ label: 'list_notes' });
      const told = app.lines.filter(({ msg }) => /^(the request failed|a process crashed)$/.test(msg));
      expect(told).toHaveLength(2);
    });
  });

  describe('a database that is away', () => {
    beforeEach(() => start());

    test('is answered 503 with Retry-After, and is one line of the log for each kind of request, without a stack', async () => {
      const { id } = await app.make('a');
      database.fault = {
        before() {
          throw away();
        },
      };
      const asked = [
        await app.ask('GET', '/api/notes'),
        await app.ask('GET', `/api/notes/${id}`),
        await app.ask('GET', '/api/notes?q=a'),
        await app.ask('POST', '/api/notes', { json: note }),
        await app.ask('PUT', `/api/notes/${id}`, { json: note }),
        await app.ask('DELETE', `/api/notes/${id}`),
      ];
      for (const { status, body, headers } of asked) {
        expect([status, body, headers.get('retry-after')]).toEqual([503, AWAY, '2']);
      }
      const lines = app.lines.filter(({ msg }) => /cannot be served|crashed|failed/.test(msg));
      expect(lines).toHaveLength(asked.length - 1); // a search is a list
      for (const line of lines) {
        expect(line).toMatchObject({ level: 40, reason: 'PostgreSQL at nowhere was lost' });
        expect(line).not.toHaveProperty('err');
      }
      database.fault = undefined;
      expect((await app.ask('GET', `/api/notes/${id}`)).status).toBe(200);
    });

    test('makes the service not ready, but alive', async () => {
      expect((await app.ask('GET', '/readyz')).body).toEqual({
        status: 'ready',
        service: 'running',
        database: 'ready',
        indexer: 'ready',
      });
      database.pretended = 'unavailable';
      expect(await app.ask('GET', '/readyz')).toMatchObject({
        status: 503,
        body: { status: 'not ready', service: 'running', database: 'unavailable', indexer: 'ready' },
      });
      const { body, headers } = await app.ask('GET', '/readyz');
      expect(body).toMatchObject({ cause: 'the database cannot be reached; the log says why' });
      expect(headers.get('retry-after')).toBe('1');
      expect(await app.ask('GET', '/livez')).toMatchObject({ status: 200, body: { status: 'alive' } });
    });
  });

  describe('many readers', () => {
    beforeEach(() => start());

    test('of single notes leave changes a share of the database', async () => {
      const { id } = await app.make('read');
      const held = barrier();
      const reached = { database: 0 };
      database.fault = {
        before: () => {
          reached.database++;
          return held.wait();
        },
      };
      const asked = Array.from({ length: 200 }, () => app.ask('GET', `/api/notes/${id}`));
      const running = (label: string): number =>
        app.node.processes().filter((pid) => app.node.processInfo(pid)?.label === label).length;
      while (running('get_note') < asked.length) await nextTurn();
      const change = app.ask('PUT', `/api/notes/${id}`, { json: note });
      await app.running('update_note');
      while (reached.database < 65) await nextTurn();
      expect(reached.database).toBeLessThan(100); // the indexer may ask as well
      held.release();
      expect((await change).status).toBe(200);
      expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(asked.map(() => 200));
    });
  });

  describe('a change', () => {
    beforeEach(() => start());

    test('that was surely not stored makes nobody read again, unlike one that may have been', async () => {
      const isResyncing = async (): Promise<boolean> => {
        const { due } = (await sys.getState(app.node, 'note_indexer')) as { due: Map<symbol, unknown> };
        return [...due.keys()].some(({ description }) => description === 'resync');
      };
      const fail = async (maybeDone: boolean) => {
        database.fault = {
          before() {
            throw away(maybeDone);
          },
        };
        const answer = await app.ask('POST', '/api/notes', { json: note });
        database.fault = undefined;
        return answer;
      };
      expect(await fail(false)).toMatchObject({ status: 503, body: AWAY });
      expect(await isResyncing()).toBe(false);
      expect(await fail(true)).toMatchObject({
        status: 503,
        body: { error: expect.stringContaining('may or may not be stored') },
      });
      expect(await isResyncing()).toBe(true);
    });

    test('is broadcast although its client goes away before it is stored', async () => {
      const client = await app.connect();
      const held = barrier();
      database.fault = { after: held.wait };
      const body = JSON.stringify(note);
      const raw = await openRaw(
        app.port,
        `POST /api/notes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      await held.reached;
      raw.socket.destroy();
      await raw.rest;
      await clientGone('create_note');
      held.release();
      expect(JSON.parse(await client.next())).toMatchObject({ event: 'note_created', data: note });
      expect(await app.search('title')).toEqual(['Title']);
    });

    test('that was stored although the database seemed to break off is found', async () => {
      database.fault = {
        after() {
          throw away();
        },
      };
      expect((await app.ask('POST', '/api/notes', { json: note })).status).toBe(503);
      database.fault = undefined;
      let found: string[] = [];
      while (found.length === 0) found = await app.search('title');
      expect(found).toEqual(['Title']);
    });

    test('has time until the database gives up, however short a request may take', async () => {
      await app.stop();
      await start({ REQUEST_TIMEOUT_MS: '100' });
      const client = await app.connect();
      const held = barrier();
      database.fault = { after: held.wait };
      const changing = app.ask('POST', '/api/notes', { json: note });
      await held.reached;
      const read = await app.ask('GET', '/api/notes');
      expect([read.status, read.body]).toEqual([503, { error: 'the service is busy, try again soon' }]);
      held.release();
      expect((await changing).status).toBe(201);
      expect(JSON.parse(await client.next())).toMatchObject({ event: 'note_created' });
    });
  });

  /** Fulfilled when a controller of this name has been told that its client is gone. */
  async function clientGone(label: string): Promise<void> {
    const pid = await app.running(label);
    while (app.node.processInfo(pid)?.messageQueueLength === 0) await nextTurn();
  }
}
