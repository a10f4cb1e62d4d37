// How the application stops: what clients are told, what is finished, what is cut off. Its limits are set so that a test
// would never end, or fail, if it waited for a limit that it should not wait for.
import { afterEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/app/database/internal.ts';
import { openRaw, type Raw, UPGRADE } from '../support/client.ts';
import { barrier, FaultyDatabase } from '../support/faulty-database.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

const note = JSON.stringify({ title: 'Title', body: 'Body', author: 'Ada' });
const POST = `POST /api/notes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${note.length}\r\n\r\n`;
const FOR_EVER = { SHUTDOWN_TIMEOUT_MS: '600000' };

export function describeStop(inner: () => Database): void {
  let database: FaultyDatabase;
  let app: TestApp;

  afterEach(() => app.stop());

  const start = async (env: Record<string, string>): Promise<void> => {
    database = new FaultyDatabase(inner());
    app = await startTestApp({ database, env });
  };

  /** A WebSocket client that says nothing, not even to a close; it keeps the service from closing its port. */
  async function silentClient(): Promise<Raw> {
    const raw = await openRaw(app.port, UPGRADE);
    await raw.until('\r\n\r\n');
    return raw;
  }

  describe('while the application stops', () => {
    test('connections are closed with 1001, and whoever asks meanwhile is answered', async () => {
      await start(FOR_EVER);
      const client = await app.connect();
      const silent = await silentClient();
      const stopped = app.stop();
      expect(await client.closed).toEqual({
        code: 1001,
        reason: expect.stringMatching(/^going away; retry=\d+$/) as string,
      });
      const ready = await app.ask('GET', '/readyz');
      expect([ready.status, ready.headers.get('connection')]).toEqual([503, 'close']);
      expect(ready.body).toEqual({
        status: 'not ready',
        cause: 'the service is shutting down',
        service: 'stopping',
        database: 'ready',
        indexer: 'ready',
      });
      expect((await app.ask('GET', '/livez')).status).toBe(200);
      const { id } = await app.make('at the last moment');
      expect((await app.ask('GET', `/api/notes/${id}`)).status).toBe(200);
      const late = await (await openRaw(app.port, UPGRADE)).rest;
      expect(late).toMatch(/^HTTP\/1.1 503 /);
      expect(late.split('\r\n\r\n')[1]).toBe('{"error":"the service is busy, try again soon"}');
      await stopped;
      await silent.rest;
      expect(await app.ask('GET', '/livez').catch((error: Error) => error.message)).toBe('fetch failed');
    });

    test('a request under way is finished', async () => {
      await start(FOR_EVER);
      const held = barrier();
      database.fault = { after: held.wait };
      const first = await openRaw(app.port, `${POST}${note}`);
      const second = await openRaw(app.port, POST.replace('\r\n', '\r\nexpect: 100-continue\r\n'));
      await held.reached;
      await second.until('100 Continue\r\n\r\n');
      const stopped = app.stop();
      second.write(note); // the rest of a request whose head had come before
      held.release();
      for (const { rest } of [first, second]) {
        const answer = await rest;
        expect(answer).toMatch(/^HTTP\/1.1 201 /m);
        expect(JSON.parse(answer.split('\r\n\r\n').at(-1) ?? '')).toMatchObject({ title: 'Title' });
      }
      await stopped;
    });

    test('connections on which nothing was asked are not waited for', async () => {
      await start(FOR_EVER);
      const silent = await openRaw(app.port);
      const half = await openRaw(app.port, 'GET /api/notes HTTP/1.1\r\nhost: localhost\r\n');
      const kept = await openRaw(app.port, 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n');
      await kept.until('alive');
      await app.stop();
      expect(await silent.rest).toBe('');
      expect(await half.rest).toBe('');
      await kept.rest;
    });

    test('what takes too long is cut off, a body that never comes and a controller that never answers', async () => {
      await start({ SHUTDOWN_TIMEOUT_MS: '400' });
      const held = barrier();
      database.fault = { after: held.wait };
      const [never, slow] = [
        await openRaw(app.port, `${POST}${note}`),
        await openRaw(app.port, `${POST}{"ti`),
      ];
      const silent = await silentClient();
      await held.reached;
      await app.stop();
      expect([await never.rest, await slow.rest]).toEqual(['', '']);
      await silent.rest;
      held.release();
    });

    test('a client that asks again and again does not keep it going', async () => {
      await start(FOR_EVER);
      const silent = await silentClient();
      const GET = 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n';
      const kept = await openRaw(app.port, GET);
      kept.socket.on('data', () => kept.write(GET));
      const stopped = app.stop();
      await kept.rest;
      await stopped;
      await silent.rest;
      expect(app.node.processes()).toEqual([]);
    });
  });

  test('an application that has stopped has left nothing running', async () => {
    await start(FOR_EVER);
    const [first, second] = [app.stop(), app.stop()];
    await first;
    await second;
    expect(app.node.processes()).toEqual([]);
    expect(app.lines.map(({ msg }) => msg)).not.toContain('a process crashed');
  });
}
