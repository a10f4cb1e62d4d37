// The WebSocket connections at /notifications, on either database: what clients are told, and what hostile ones are.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Note, notes } from '../../../src/app/notes/internal.ts';
import { Down } from 'troupe';
import { openClient, openRaw, type TestClient, UPGRADE } from '../support/client.ts';
import type { TestApp } from '../support/test-app.ts';

const MAX_PAYLOAD = 65_536;

export function describeNotifications(app: () => TestApp): void {
  let clients: TestClient[] = [];
  const connect = async (headers?: Record<string, string>): Promise<TestClient> => {
    const client = await app().connect(headers);
    clients.push(client);
    return client;
  };
  const members = () => notes.getMembers(app().node);

  /** Fulfilled when all members but the indexer have left. */
  async function nobodyListens(): Promise<void> {
    const { node } = app();
    const indexer = node.whereis('note_indexer');
    for (const pid of members().filter((member) => !member.equals(indexer))) {
      await new Promise<void>((resolve) => {
        node.spawn(async (self) => {
          self.monitor(pid);
          await self.receive((message) => message instanceof Down);
          resolve();
        });
      });
    }
  }

  beforeEach(() => app().clear());
  afterEach(async () => {
    await Promise.all(clients.map((client) => client.terminate()));
    clients = [];
    await nobodyListens();
  });

  describe('a client', () => {
    test('is answered pong to ping', async () => {
      const client = await connect();
      for (let n = 0; n < 3; n++) {
        client.send('ping');
        expect(await client.next()).toBe('pong');
      }
    });

    test('is told of each change, in exactly this form and order', async () => {
      const client = await connect();
      const made = await app().make('Grüße 😀', 'line\nline\u2028', 'Ada');
      const change = { title: '"quoted"', body: '<b>' };
      const changed = (await app().ask('PUT', `/api/notes/${made.id}`, { json: change })).body as Note;
      await app().ask('DELETE', `/api/notes/${made.id}`);
      expect(await client.next()).toBe(`{"event":"note_created","data":${JSON.stringify(made)}}`);
      expect(await client.next()).toBe(`{"event":"note_updated","data":${JSON.stringify(changed)}}`);
      expect(await client.next()).toBe(`{"event":"note_deleted","data":{"id":${made.id}}}`);
    });

    test('is told nothing of what has not happened', async () => {
      const client = await connect();
      const json = { title: 'a', body: 'b' };
      const { id } = await app().make('a');
      await app().ask('POST', '/api/notes', { json });
      await app().ask('PUT', '/api/notes/2147483647', { json });
      await app().ask('PUT', `/api/notes/${id}`, { json: {} });
      await app().ask('DELETE', '/api/notes/2147483647');
      await app().ask('GET', '/api/notes?q=a');
      client.send('ping');
      expect(JSON.parse(await client.next())).toMatchObject({ event: 'note_created', data: { id } });
      expect(await client.next()).toBe('pong');
    });

    test('may say what it likes', async () => {
      const client = await connect();
      const texts = [
        '',
        'PING',
        'ping ',
        '{"event":"note_deleted","data":{"id":1}}',
        '\u0000',
        'x'.repeat(MAX_PAYLOAD),
      ];
      for (const text of texts) client.send(text);
      client.socket.ping('hello');
      client.socket.pong('unasked');
      client.send('ping');
      expect(await client.next()).toBe('pong');
      expect(client.pending).toEqual([]);
    });

    test('that floods the service with pings is answered each of them, and keeps nobody waiting', async () => {
      const [flooding, other] = [await connect(), await connect()];
      for (let n = 0; n < 5_000; n++) flooding.send('ping');
      await app().make('meanwhile');
      expect(JSON.parse(await other.next())).toMatchObject({ event: 'note_created' });
      let pongs = 0;
      for (let n = 0; n < 5_001; n++) if ((await flooding.next()) === 'pong') pongs++;
      expect(pongs).toBe(5_000);
    });

    test('that sends bytes is closed with 1003', async () => {
      const client = await connect();
      client.send(Buffer.from('ping'));
      expect(await client.closed).toEqual({ code: 1003, reason: 'text frames only' });
    });

    test('that sends too much at once is closed with 1009', async () => {
      const client = await connect();
      client.send('x'.repeat(MAX_PAYLOAD + 1));
      expect(await client.closed).toMatchObject({ code: 1009 });
    });

    test('that breaks the protocol is closed, and others are not', async () => {
      const other = await connect();
      const frames = {
        notMasked: '8100',
        reservedBits: 'f18000000000',
        notUtf8: '818200000000c328',
        opcode: '8380',
      };
      for (const frame of Object.values(frames)) {
        const raw = await openRaw(app().port, UPGRADE);
        await raw.until('\r\n\r\n');
        raw.write(Buffer.from(frame, 'hex'));
        await raw.rest;
      }
      await app().make('after');
      expect(JSON.parse(await other.next())).toMatchObject({ event: 'note_created' });
    });
  });

  test('50 clients are each told of each change', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => connect()));
    expect(members()).toHaveLength(51);
    const made = [await app().make('one'), await app().make('two'), await app().make('three')];
    await app().ask('DELETE', `/api/notes/${made[0]?.id}`);
    for (const client of all) {
      const events = [await client.next(), await client.next(), await client.next(), await client.next()];
      expect(events.map((text) => (JSON.parse(text) as { data: { id: number } }).data.id)).toEqual([
        ...made.map(({ id }) => id),
        made[0]?.id,
      ]);
      expect(client.pending).toEqual([]);
    }
  });

  test('a connection is a member as long as it lives, however it ends', async () => {
    const [terminated, closed, killed] = [await connect(), await connect(), await connect()];
    expect(members()).toHaveLength(4);
    await terminated.terminate();
    closed.socket.close();
    await closed.closed;
    const indexer = app().node.whereis('note_indexer');
    for (const pid of members().filter((member) => !member.equals(indexer))) app().node.exit(pid, 'kill');
    expect(members()).toHaveLength(1);
    expect(await killed.closed).toMatchObject({ code: 1011 });
  });

  describe('an upgrade', () => {
    const refused = (headers: Record<string, string>) =>
      openClient(`ws://127.0.0.1:${app().port}/notifications`, headers).then(
        (client) => client.terminate().then(() => 'opened'),
        (error: Error) => error.message,
      );

    test('from a page of another origin is refused', async () => {
      const { port } = app();
      const origins = [
        'https://example.org',
        `https://127.0.0.1.example.org:${port}`,
        `http://localhost:${port}`,
      ];
      for (const origin of [...origins, 'null', 'nonsense', '', `http://127.0.0.1:${port + 1}`]) {
        expect([origin, await refused({ origin })]).toEqual([origin, 'Unexpected server response: 403']);
      }
      const raw = await openRaw(port, UPGRADE.replace('\r\n', '\r\norigin: https://example.org\r\n'));
      expect((await raw.rest).split('\r\n\r\n')[1]).toBe(
        '{"error":"a page of another origin may not open a WebSocket here"}',
      );
    });

    test('from a page of its own origin, and from no page, is taken', async () => {
      for (const origin of [`http://127.0.0.1:${app().port}`, `https://127.0.0.1:${app().port}`]) {
        expect(await refused({ origin })).toBe('opened');
      }
      expect(await refused({})).toBe('opened');
    });

    test('that cannot become a WebSocket is refused', async () => {
      const wrong = [
        UPGRADE.replace('version: 13', 'version: 7'),
        UPGRADE.replace(/sec-websocket-key: .*\r\n/, ''),
        UPGRADE.replace('upgrade: websocket', 'upgrade: nonsense'),
        UPGRADE.replace('GET', 'POST'),
        UPGRADE.replace('/notifications', '/%zz'),
      ];
      for (const text of wrong) {
        const { rest } = await openRaw(app().port, text);
        expect([text, await rest]).toEqual([text, expect.stringMatching(/^HTTP\/1.1 4\d\d /)]);
      }
    });

    test('of another path is refused', async () => {
      for (const path of ['/', '/nothing', '/api/notes']) {
        await expect(openClient(`ws://127.0.0.1:${app().port}${path}`)).rejects.toThrow('404');
      }
      expect(members()).toHaveLength(1);
    });
  });
}
