// Limits that settings change, and clients that run into them: each is told, and nobody else is.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/app/database/internal.ts';
import { shareMax } from '../../../src/app/http/internal.ts';
import { notes } from '../../../src/app/notes/internal.ts';
import { openClient, openRaw, UPGRADE } from '../support/client.ts';
import { barrier, FaultyDatabase } from '../support/faulty-database.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

export function describeLimits(inner: () => Database): void {
  let database: FaultyDatabase;
  let app: TestApp;

  afterEach(() => app.stop());

  const start = async (env: Record<string, string> = {}): Promise<void> => {
    database = new FaultyDatabase(inner());
    app = await startTestApp({ database, env });
  };

  describe('a request', () => {
    test('that takes too long to arrive is answered 408, whether its head or its body is late', async () => {
      await start({ REQUEST_TIMEOUT_MS: '200' });
      const heads = [
        'GET /livez HTTP/1.1\r\nhost: localhost\r\n',
        `POST /api/notes HTTP/1.1\r\nhost: localhost\r\n${TYPE}\r\n{`,
      ];
      for (const { rest } of await Promise.all(heads.map((head) => openRaw(app.port, head)))) {
        const answer = await rest;
        expect(answer).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
        expect(answer.split('\r\n\r\n')[1]).toBe('{"error":"the request took too long to arrive"}');
      }
      expect((await app.ask('GET', '/livez')).status).toBe(200);
    });

    test('that takes too long to be answered is answered 503', async () => {
      await start({ REQUEST_TIMEOUT_MS: '200' });
      const held = barrier();
      database.fault = { before: held.wait };
      const { status, body, headers } = await app.ask('GET', '/api/notes');
      expect([status, body]).toEqual([503, { error: 'the service is busy, try again soon' }]);
      expect(headers.get('retry-after')).toBe('1');
      held.release();
    });

    test('may be as large as BODY_LIMIT_BYTES says', async () => {
      await start({ BODY_LIMIT_BYTES: '1024' });
      await app.make('fits', 'x'.repeat(900));
      const json = { title: 'a', body: 'x'.repeat(1_100), author: 'b' };
      const error = 'the body has more than 1024 bytes';
      expect(await app.ask('POST', '/api/notes', { json })).toMatchObject({ status: 413, body: { error } });
    });
  });

  describe('what all requests may hold', () => {
    const busy = { error: 'the service has too much to send and to receive, try again soon' };
    const MIB = 1_048_576;

    test('is bodies that arrive: what does not fit is answered 503, and has room when others are done', async () => {
      await start({
        TRAFFIC_MAX_BYTES: String(Math.ceil((2 * MIB) / shareMax)),
        BODY_LIMIT_BYTES: String(MIB),
        PAGE_BYTES: '1024',
      });
      const length = MIB - 1_000;
      const head = `POST /api/notes HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
      const sockets: Socket[] = [];
      const onSocket = (message: unknown): void =>
        void sockets.push((message as { readonly socket: Socket }).socket);
      subscribe('net.server.socket', onSocket);
      const arriving = await Promise.all([1, 2].map(() => openRaw(app.port, head + 'x'.repeat(length - 1))));
      // Until all of it has come: one byte of either is missing. What is sent before could take the place of the rest.
      const arrived = head.length + length - 1;
      while (sockets.filter(({ bytesRead }) => bytesRead >= arrived).length < 2) await nextTurn();
      unsubscribe('net.server.socket', onSocket);
      const refused = await app.ask('POST', '/api/notes', {
        json: { title: 'a', body: 'x'.repeat(5_000), author: 'b' },
      });
      expect(refused).toMatchObject({ status: 503, body: busy });
      expect(refused.headers.get('retry-after')).toBe('1');
      expect((await app.ask('GET', '/livez')).status).toBe(200);
      // What is left is for answers.
      expect((await app.ask('GET', '/api/notes')).status).toBe(200);
      for (const { write } of arriving) write('x');
      for (const { until } of arriving) expect(await until('not valid JSON')).toContain(' 400 ');
      expect((await app.make('fits', 'x'.repeat(5_000))).title).toBe('fits');
    });

    test('is answers that are not taken', async () => {
      await start({
        TRAFFIC_MAX_BYTES: String(MIB),
        PAGE_BYTES: String(MIB),
        BODY_LIMIT_BYTES: String(MIB),
      });
      await app.clear();
      const held = barrier();
      database.fault = { before: held.wait };
      const list = app.ask('GET', '/api/notes');
      await held.reached;
      const refused = await app.ask('GET', '/api/notes');
      expect(refused).toMatchObject({ status: 503, body: busy });
      held.release();
      database.fault = undefined;
      expect((await list).status).toBe(200);
      for (let n = 0; n < 5; n++) expect((await app.ask('GET', '/api/notes')).status).toBe(200);
    });
  });

  test('lists and searches without end leave room for changes, and for each other', async () => {
    const PAGE = 100_000;
    await start({
      TRAFFIC_MAX_BYTES: '1048576',
      PAGE_BYTES: String(PAGE),
      BODY_LIMIT_BYTES: '102400',
    });
    await app.clear();
    const { id } = await app.make('there');
    expect((await app.ask('GET', '/api/notes?q=there')).body).toMatchObject({ notes: [{ id }] });
    // The indexer answers what stands before its work on the note, and then behind it: it has nothing more to do.
    for (let n = 0; n < 3; n++) expect((await app.ask('GET', '/readyz')).status).toBe(200);
    const held = barrier();
    let isHeld = 0;
    database.fault = {
      before() {
        if (isHeld >= 4) return undefined;
        isHeld++;
        return held.wait();
      },
    };
    const flood = Array.from({ length: 300 }, () => app.ask('GET', '/api/notes'));
    const refused = await Promise.any(
      flood.map(async (asked) => {
        const { status } = await asked;
        if (status !== 503) throw new Error('it was answered');
        return status;
      }),
    );
    // Four are worked on, and hold what they may be; those that wait hold nothing.
    expect([refused, isHeld]).toEqual([503, 4]);
    expect((await app.ask('GET', `/api/notes/${id}`)).status).toBe(200);
    expect((await app.ask('GET', '/api/notes?q=there')).body).toMatchObject({ notes: [{ id }] });
    expect((await app.make('made meanwhile', 'x'.repeat(50_000))).title).toBe('made meanwhile');
    held.release();
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    const answered = statuses.filter((status) => status === 200).length;
    expect(answered).toBeGreaterThanOrEqual(4);
    expect(answered).toBeLessThan(300);
    expect(statuses.every((status) => status === 200 || status === 503)).toBe(true);
  });

  test('connections beyond MAX_CONNECTIONS are refused, and one line of the log says how many', async () => {
    await start({ MAX_CONNECTIONS: '2' });
    const kept = await openRaw(app.port);
    const client = await app.connect();
    for (let n = 0; n < 20; n++) expect(await (await openRaw(app.port)).rest).toBe('');
    expect(await app.logged(/^a connection was refused/)).toMatchObject({ count: 1, maxConnections: 2 });
    expect(app.lines.filter(({ msg }) => msg.startsWith('a connection was refused'))).toHaveLength(1);
    // Within the bound everybody is served.
    kept.write('GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    expect(await kept.rest).toContain('{"status":"alive"}');
    expect((await app.make('told')).title).toBe('told');
    expect(await client.next()).toContain('"told"');
  });

  describe('a WebSocket', () => {
    test('may be opened from the pages that ALLOWED_ORIGINS names', async () => {
      await start({ ALLOWED_ORIGINS: 'https://notes.example.org, http://127.0.0.1:1' });
      for (const origin of [
        'https://notes.example.org',
        'http://127.0.0.1:1',
        `http://127.0.0.1:${app.port}`,
      ]) {
        await (await app.connect({ origin })).terminate();
      }
      for (const origin of ['https://example.org', 'http://notes.example.org', 'http://127.0.0.1:2']) {
        await expect(openClient(`ws://127.0.0.1:${app.port}/notifications`, { origin })).rejects.toThrow(
          '403',
        );
      }
    });

    test('takes messages as large as WS_MAX_PAYLOAD_BYTES says', async () => {
      await start({ WS_MAX_PAYLOAD_BYTES: '128' });
      const client = await app.connect();
      client.send('x'.repeat(128));
      client.send('ping');
      expect(await client.next()).toBe('pong');
      client.send('x'.repeat(129));
      expect(await client.closed).toMatchObject({ code: 1009 });
    });

    test('whose client does not read is given up, and others are told all the same', async () => {
      await start({ WS_SEND_LIMIT_BYTES: '2097152' });
      const stuck = await openRaw(app.port, UPGRADE);
      await stuck.until('\r\n\r\n');
      stuck.socket.pause();
      const client = await app.connect();
      const members = () => notes.getMembers(app.node).length;
      expect(members()).toBe(3);
      let made = 0;
      for (; members() === 3; made++) await app.make(`large ${made}`, '漢'.repeat(100_000));
      for (let n = 0; n < made; n++) expect(await client.next()).toContain(`"large ${n}"`);
      expect(await app.logged(/^a connection is over$/)).toMatchObject({
        code: 1013,
        reason: '{shutdown, slow_client}',
      });
      stuck.socket.destroy();
    });
  });

  const TYPE = 'content-type: application/json\r\ncontent-length: 100\r\n';
}
