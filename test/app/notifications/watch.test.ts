// What a client that watches is told of the processes behind its connection, who is told nothing, and what it costs at most.
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { namedMax, WATCHERS_MAX } from '../../../src/app/notifications/internal.ts';
import { pubsub } from 'troupe';
import { openClient, type TestClient } from '../support/client.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

type Frame = { event: string; data: Record<string, unknown>; id?: string };
interface Members {
  readonly nodes: readonly {
    node: string;
    count: number;
    members: readonly { pid: string; name?: string }[];
  }[];
  readonly nodeCount: number;
}

let app: TestApp;
let clients: TestClient[] = [];
beforeAll(async () => {
  app = await startTestApp();
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.terminate()));
  clients = [];
});
afterAll(() => app.stop());

async function open(query = '', port = app.port): Promise<TestClient> {
  const client = await openClient(`ws://127.0.0.1:${port}/notifications${query}`);
  clients.push(client);
  return client;
}

async function next(client: TestClient): Promise<Frame> {
  return JSON.parse(await client.next()) as Frame;
}

/** The members as soon as this is true of them. */
async function membersWhere(client: TestClient, holds: (members: Members) => boolean): Promise<Members> {
  for (;;) {
    const { event, data } = await next(client);
    if (event === 'members' && holds(data as unknown as Members)) return data as unknown as Members;
  }
}

describe('a client that watches', () => {
  test('is told of its own process, of the members, and of each message before its event', async () => {
    const client = await open('?since=');
    expect((await next(client)).event).toBe('live');
    client.send('watch');
    const { data: own } = await next(client);
    expect(own).toEqual({
      pid: expect.stringMatching(/^<0\.\d+\.0>$/),
      node: app.node.name,
      channel: 'notes',
      observer: true,
    });
    const [only, ...others] = (await membersWhere(client, () => true)).nodes;
    expect(others).toEqual([]);
    expect(only).toEqual({
      node: app.node.name,
      count: 2,
      members: expect.arrayContaining([
        { pid: String(app.node.whereis('note_indexer')), name: 'note_indexer' },
        { pid: own['pid'] },
      ]),
    });
    const made = await app.make('x'.repeat(200));
    const message = await next(client);
    const event = await next(client);
    expect(event).toMatchObject({ event: 'note_created', data: made });
    expect(message).toEqual({
      event: 'message',
      data: {
        channel: 'notes',
        sender: expect.stringMatching(/^<0\.\d+\.0>$/),
        node: app.node.name,
        topic: 'note_created',
        payload: { id: made.id, title: `${'x'.repeat(80)}…` },
        id: event.id,
      },
    });
    await app.ask('DELETE', `/api/notes/${made.id}`);
    expect((await next(client)).data).toMatchObject({ topic: 'note_deleted', payload: { id: made.id } });
    await next(client);
    const other = await open();
    await membersWhere(client, ({ nodes }) => nodes[0]?.count === 3);
    await other.terminate();
    await membersWhere(client, ({ nodes }) => nodes[0]?.count === 2);
  });

  test('gets messages without a position, too, and none any more after `unwatch`', async () => {
    const client = await open();
    client.send('watch');
    expect((await next(client)).event).toBe('connection');
    expect((await next(client)).event).toBe('members');
    const made = await app.make('one');
    expect(await next(client)).toMatchObject({ event: 'message', data: { payload: { title: 'one' } } });
    expect((await next(client)).data).toEqual(made);
    for (let n = 0; n < 50; n++)
      for (const word of ['unwatch', 'watch', 'watch', 'unwatch']) client.send(word);
    client.send('ping');
    while ((await client.next()) !== 'pong');
    await app.make('two');
    expect(await next(client)).toMatchObject({ event: 'note_created', data: { title: 'two' } });
  });

  test(`is told of ${namedMax.pids} members of a node by name, and how many there are`, async () => {
    const client = await open();
    for (let n = 0; n < 30; n++)
      app.node.spawn(async (self) => {
        pubsub.join(self, 'notes');
        await self.receive(() => false);
      });
    client.send('watch');
    const { nodes } = await membersWhere(client, (members) => (members.nodes[0]?.count ?? 0) >= 32);
    expect(nodes[0]?.members).toHaveLength(namedMax.pids);
  });

  test(`is one of ${WATCHERS_MAX}; further ones are told so, until one has left or died`, async () => {
    const all = await Promise.all(Array.from({ length: WATCHERS_MAX }, () => open()));
    const own: Frame[] = [];
    for (const client of all) {
      client.send('watch');
      own.push(await next(client));
    }
    expect(own.filter(({ data }) => 'full' in data)).toEqual([]);
    const late = await open();
    const asks = async (): Promise<boolean> => {
      late.send('watch');
      return 'full' in (await next(late)).data;
    };
    expect(await asks()).toBe(true);
    app.node.exit(app.node.pid(String(own[0]!.data['pid'])), 'kill');
    await all[0]!.closed;
    expect(await asks()).toBe(false);
  });
});

test.each([
  ['through a proxy', {}, { 'x-forwarded-for': '192.0.2.7' }, false],
  [
    'through a proxy, with a token',
    { OBSERVER_TOKEN: 'a-token-of-some-length' },
    { 'x-forwarded-for': '192.0.2.7' },
    true,
  ],
  [
    'where nothing is shown, with a token',
    { OBSERVER_TOKEN: 'a-token-of-some-length', WATCH: 'off' },
    {},
    true,
  ],
])('who can reach the observer is told so: %s', async (_what, env, headers, reached) => {
  const other = await startTestApp({ env });
  onTestFinished(() => other.stop());
  const client = await other.connect(headers);
  client.send('watch');
  const { data } = await next(client);
  expect(data['observer'] === true).toBe(reached);
  const page = await other.ask('GET', '/observer/session', { headers });
  expect(page.status === 200).toBe(reached);
});

test('where strangers may connect nothing is shown', async () => {
  const proxied = await startTestApp({ env: { ALLOWED_HOSTS: 'notes.example.org' } });
  onTestFinished(() => proxied.stop());
  const client = await open('', proxied.port);
  client.send('watch');
  expect(await next(client)).toEqual({ event: 'connection', data: { hidden: true } });
  await proxied.make('one');
  expect((await next(client)).event).toBe('note_created');
});
