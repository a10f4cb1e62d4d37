// Several instances as one service, over a network in memory that can be cut. With real connections: ../cluster.test.ts.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CALLS_MAX, type Note, notes } from '../../../src/app/notes/internal.ts';
import { call, cast, createNode, type Node, pubsub, type TroupeError } from 'troupe';
import { inspectRemote } from 'troupe/inspect';
import { createMemoryNetwork, type MemoryNetwork } from 'troupe/testing';
import type { TestClient } from '../support/client.ts';
import {
  away,
  barrier,
  FaultyDatabase,
  type OpenedDatabase,
  openPgliteForTests,
} from '../support/faulty-database.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

let shared: OpenedDatabase;
let network: MemoryNetwork;
let apps: TestApp[];
let clients: TestClient[];

beforeAll(async () => {
  shared = await openPgliteForTests();
});
afterAll(() => shared.remove());
beforeEach(() => {
  network = createMemoryNetwork();
  [apps, clients] = [[], []];
});
afterEach(async () => {
  await Promise.all(clients.map((client) => client.terminate()));
  network.heal();
  if (apps[0] !== undefined) await apps[0].clear();
  await Promise.all(apps.map((app) => app.stop()));
});

/** Starts an instance; on the database that all share, unless another is given. */
async function start(
  name: string,
  { database = new FaultyDatabase(shared.database, 'postgres'), env = {} }: Options = {},
): Promise<TestApp> {
  const settings = { TROUPE_NODE: name, TROUPE_COOKIE: 'secret', ...env };
  const app = await startTestApp({
    env: settings,
    carrier: network.carrier(name),
    ...(database !== 'none' && { database }),
  });
  apps.push(app);
  await ready(app);
  return app;
}

interface Options {
  readonly database?: FaultyDatabase | 'none';
  readonly env?: Record<string, string>;
}

async function ready(app: TestApp): Promise<void> {
  while ((await app.ask('GET', '/readyz')).status !== 200) await nextTurn();
}

async function connect(app: TestApp): Promise<TestClient> {
  const client = await app.connect();
  clients.push(client);
  return client;
}

/** Connects instances and waits until each knows of the others, and has read what it may have missed. */
async function join(...instances: TestApp[]): Promise<void> {
  const listeners = await Promise.all(instances.map((app) => connect(app)));
  for (const { node } of instances)
    for (const { node: other } of instances) if (node !== other) await node.connect(other.name);
  for (const listener of listeners) await nextEvent(listener, 'resync');
}

/** The next frame of a client other than `resync`, which may come more than once; or the next `resync`. */
async function nextEvent(client: TestClient, wanted?: 'resync'): Promise<{ event: string; data: Note }> {
  for (;;) {
    const frame = JSON.parse(await client.next()) as { event: string; data: Note };
    if (wanted === undefined ? frame.event !== 'resync' : frame.event === wanted) return frame;
  }
}

async function untilFound(app: TestApp, query: string): Promise<void> {
  while (!(await app.search(query)).includes(query)) await nextTurn();
}

describe('instances that share a database', () => {
  test('are one service: what is done through one, clients and searches of all find', async () => {
    const [a, b, c] = [await start('a@test'), await start('b@test'), await start('c@test')];
    await join(a, b, c);
    const listeners = await Promise.all([a, b, c].map((app) => connect(app)));
    const made = await b.make('shared', 'text', 'Ada');
    const changed = (
      await c.ask('PUT', `/api/notes/${made.id}`, { json: { title: 'changed', body: 'text' } })
    ).body;
    for (const app of [a, b, c]) await untilFound(app, 'changed');
    await a.ask('DELETE', `/api/notes/${made.id}`);
    const { body: restored } = await b.ask('POST', `/api/notes/${made.id}/restore`);
    for (const app of [a, b, c]) await untilFound(app, 'changed');
    await a.ask('DELETE', `/api/notes/${made.id}`);
    for (const listener of listeners) {
      expect(await nextEvent(listener)).toEqual({ event: 'note_created', data: made });
      expect(await nextEvent(listener)).toEqual({ event: 'note_updated', data: changed });
      expect(await nextEvent(listener)).toEqual({ event: 'note_deleted', data: { id: made.id } });
      expect(await nextEvent(listener)).toEqual({ event: 'note_created', data: restored });
      expect(await nextEvent(listener)).toEqual({ event: 'note_deleted', data: { id: made.id } });
    }
    for (const app of [a, b, c]) while ((await app.search('changed')).length > 0) await nextTurn();
  });

  test('say whom they are connected with', async () => {
    const [a, b] = [await start('a@test'), await start('b@test')];
    const cluster = async (app: TestApp) => (await app.ask('GET', '/readyz')).body as { cluster: unknown };
    expect((await cluster(a)).cluster).toEqual({ node: 'a@test', peers: [] });
    await join(a, b);
    expect((await cluster(a)).cluster).toEqual({ node: 'a@test', peers: ['b@test'] });
  });

  test('can be looked into from each other, and not be acted on', async () => {
    const [a, b] = [await start('a@test'), await start('b@test')];
    await join(a, b);
    const there = inspectRemote(a.node, 'b@test');
    expect(await there.processes({ match: 'notes_cluster' })).toMatchObject([{ name: 'notes_cluster' }]);
    await expect(there.exit('notes_cluster', 'kill')).rejects.toMatchObject({ code: 'TROUPE_NOT_ALLOWED' });
  });

  test('go on while they cannot hear each other, and catch up when they can: index and clients of both', async () => {
    const [a, b] = [await start('a@test'), await start('b@test')];
    await join(a, b);
    const [onA, onB] = [await connect(a), await connect(b)];
    network.cut('a@test', 'b@test');
    // Each has noticed; clients are told to read, since the other may have stored something without telling it.
    for (const client of [onA, onB]) await nextEvent(client, 'resync');
    await a.make('west');
    await b.make('east');
    expect(await nextEvent(onA)).toMatchObject({ event: 'note_created', data: { title: 'west' } });
    // One sees that an event before its own is missing, and reads it; the other does not know of the later one yet.
    for (const title of ['west', 'east'])
      expect(await nextEvent(onB)).toMatchObject({ event: 'note_created', data: { title } });
    expect([await a.search('east'), await b.search('west')]).toEqual([['east'], ['west']]);
    network.heal();
    await a.node.connect('b@test');
    for (const client of [onA, onB]) await nextEvent(client, 'resync');
    expect([await a.search('east'), await b.search('west')]).toEqual([['east'], ['west']]);
    await a.make('again');
    expect(await nextEvent(onA)).toMatchObject({ event: 'note_created', data: { title: 'east' } });
    for (const client of [onA, onB]) {
      expect(await nextEvent(client)).toMatchObject({ event: 'note_created', data: { title: 'again' } });
      expect(client.pending).toEqual([]);
    }
  });

  test('look again when nobody knows whether a change was made, on all of them', async () => {
    const faulty = new FaultyDatabase(shared.database, 'postgres');
    const [a, b] = [await start('a@test', { database: faulty }), await start('b@test')];
    await join(a, b);
    const onB = await connect(b);
    faulty.fault = {
      after() {
        faulty.fault = undefined;
        throw away(true);
      },
    };
    const { status } = await a.ask('POST', '/api/notes', {
      json: { title: 'perhaps', body: 'b', author: 'a' },
    });
    expect(status).toBe(503);
    await nextEvent(onB, 'resync');
    expect(await b.search('perhaps')).toEqual(['perhaps']);
    await untilFound(a, 'perhaps');
  });

  test('find each other again when the server that knows the others, or the scope of the channels, was killed', async () => {
    const [a, b] = [await start('a@test'), await start('b@test')];
    await join(a, b);
    for (const name of ['notes_cluster', 'nova_scope', 'note_indexer']) {
      const onB = await connect(b);
      a.node.exit(a.node.whereis(name)!, 'kill');
      await nextEvent(onB, 'resync');
      await ready(a);
      const made = await a.make(`after ${name}`);
      expect(await nextEvent(onB)).toEqual({ event: 'note_created', data: made });
    }
  });
});

describe('instances that keep notes of their own', () => {
  let other: OpenedDatabase;
  beforeAll(async () => {
    other = await openPgliteForTests();
  });
  afterAll(() => other.remove());

  test('say so, and take nothing for theirs that is not', async () => {
    const a = await start('a@test', { database: new FaultyDatabase(shared.database) });
    const b = await start('b@test', { database: new FaultyDatabase(other.database) });
    await join(a, b);
    const onB = await connect(b);
    expect(await b.logged(/^a@test keeps other notes than this instance/)).toMatchObject({
      level: 50,
      theirs: 'the notes of a@test',
      own: 'the notes of b@test',
    });
    const made = await a.make('of a');
    notes.broadcast(a.node, 'note_created', made);
    expect(await b.logged(/left out: the node keeps notes of its own$/)).toMatchObject({ peer: 'a@test' });
    await b.make('of b');
    expect(await nextEvent(onB)).toMatchObject({ event: 'note_created', data: { title: 'of b' } });
    expect([await b.search('of'), await a.search('of')]).toEqual([['of b'], ['of a']]);
    await b.clear();
  });
});

describe('an instance that uses the notes of another', () => {
  const follower = {
    database: 'none',
    env: { DATABASE_URL: 'troupe://a@test', DATABASE_RETRY_MAX_MS: '100' },
  } as const;

  test('serves them as its own', async () => {
    const a = await start('a@test', { database: new FaultyDatabase(shared.database) });
    const b = await start('b@test', follower);
    const [onA, onB] = [await connect(a), await connect(b)];
    const made = await b.make('far', 'text', 'Ada');
    for (const client of [onA, onB])
      expect(await nextEvent(client)).toEqual({ event: 'note_created', data: made });
    expect((await a.ask('GET', `/api/notes/${made.id}`)).body).toEqual(made);
    expect((await b.ask('GET', `/api/notes/${made.id}`)).body).toEqual(made);
    const change = { title: 'changed', body: 'text' };
    expect((await b.ask('PUT', `/api/notes/${made.id}`, { json: change })).body).toMatchObject(change);
    for (const app of [a, b]) await untilFound(app, 'changed');
    for (let n = 0; n < 120; n++) await a.make(`many ${n}`);
    const list = async (app: TestApp, query: string) =>
      (await app.ask('GET', `/api/notes${query}`)).body as { notes: Note[]; next: string | null };
    for (const query of ['?limit=500', '?limit=50', ''])
      expect(await list(b, query)).toEqual(await list(a, query));
    expect(await list(b, '?limit=500')).toMatchObject({ notes: { length: 121 }, next: null });
    const { next } = await list(b, '?limit=120');
    expect((await list(b, `?cursor=${next}`)).notes).toMatchObject([{ id: made.id }]);
    expect((await b.ask('GET', `/api/notes?cursor=${next}!`)).status).toBe(400);
    expect(await b.search('many')).toEqual(await a.search('many'));
    expect((await b.ask('PUT', '/api/notes/2147483647', { json: change })).status).toBe(404);
    expect((await b.ask('DELETE', `/api/notes/${made.id}`)).status).toBe(204);
    expect((await b.ask('DELETE', `/api/notes/${made.id}`)).status).toBe(404);
    expect(await a.search('changed')).toEqual([]);
    const back = await b.ask('POST', `/api/notes/${made.id}/restore`, { json: { updatedBy: 'Joe' } });
    expect(back).toMatchObject({ status: 200, body: { ...change, updatedBy: 'Joe' } });
    expect((await b.ask('POST', `/api/notes/${made.id}/restore`)).body).toEqual(back.body);
    expect((await b.ask('POST', '/api/notes/2147483647/restore')).status).toBe(404);
    expect((await a.ask('GET', `/api/notes/${made.id}`)).body).toEqual(back.body);
    expect((await b.ask('GET', `/api/notes/${made.id}/changes`)).body).toMatchObject({
      changes: [{ by: 'Joe', what: ['restored'] }, { what: ['title'] }, { by: 'Ada', what: ['created'] }],
    });
    expect((await b.ask('GET', '/api/notes/2147483647/changes')).status).toBe(404);
  });

  test('has pages as large as PAGE_BYTES of both says', async () => {
    const env = { PAGE_BYTES: '4194304' };
    const a = await start('a@test', { database: new FaultyDatabase(shared.database), env });
    const b = await start('b@test', { ...follower, env: { ...follower.env, ...env } });
    for (let n = 0; n < 5; n++) await a.make(`large ${n}`, '語'.repeat(100_000)); // 300 kB each
    const { body } = await b.ask('GET', '/api/notes');
    expect(body).toMatchObject({ notes: { length: 5 }, next: null });
  });

  test('answers 503 while the other is away, and comes back by itself', async () => {
    const a = await start('a@test', { database: new FaultyDatabase(shared.database) });
    const b = await start('b@test', follower);
    network.cut('a@test', 'b@test');
    await b.logged(/^the database is away: the notes of a@test cannot be reached: /);
    const { status, headers } = await b.ask('POST', '/api/notes', {
      json: { title: 't', body: 'b', author: 'a' },
    });
    expect([status, headers.get('retry-after')]).toEqual([503, '1']);
    expect((await b.ask('GET', '/readyz')).body).toMatchObject({ database: 'unavailable' });
    await a.make('meanwhile');
    network.heal();
    await ready(b);
    await untilFound(b, 'meanwhile');
  });

  test('says what is wrong when the other has no notes that others can use', async () => {
    await start('a@test');
    const b = await startTestApp({
      env: { TROUPE_NODE: 'b@test', TROUPE_COOKIE: 'secret', ...follower.env },
      carrier: network.carrier('b@test'),
    });
    apps.push(b);
    const line = await b.logged(/^the database is away: /);
    expect(line.msg).toContain(
      ': a@test has no notes of its own that others can use, or has not started yet',
    );
  });
});

describe('limits', () => {
  test('calls that wait for the notes of an instance: a thousand, and more are refused', async () => {
    const faulty = new FaultyDatabase(shared.database);
    await start('a@test', { database: faulty });
    const stranger = createNode({ name: 'erl@test', carrier: network.carrier('erl@test') });
    const gate = barrier();
    faulty.fault = { before: gate.wait };
    const ask = () =>
      call(stranger, { name: 'note_store', node: 'a@test' }, 'get', 1, { timeoutMs: Infinity }).then(
        () => 'answered',
        (error: TroupeError) => error.code,
      );
    const first = ask();
    await gate.reached;
    const answers = Array.from({ length: CALLS_MAX + 3 }, ask);
    expect(await Promise.race(answers)).toBe('TROUPE_MAILBOX_FULL');
    faulty.fault = undefined;
    gate.release();
    const all = await Promise.all(answers);
    expect([await first, all.filter((answer) => answer === 'answered').length]).toEqual([
      'answered',
      CALLS_MAX,
    ]);
    await stranger.stop();
  });

  test('messages that nobody expects, to the process that waits for the notes of another: a hundred', async () => {
    const env = { TROUPE_NODE: 'b@test', TROUPE_COOKIE: 'secret', DATABASE_URL: 'troupe://a@test' };
    const b = await startTestApp({ env, carrier: network.carrier('b@test') });
    apps.push(b);
    const watcher = await b.running('the notes of a@test');
    for (let n = 0; n < 300; n++) b.node.send(watcher, n);
    expect(b.node.processInfo(watcher)?.messageQueueLength).toBe(100);
    apps.pop();
    await b.stop();
  });
});

describe('what a node that is no instance broadcasts', () => {
  let stranger: Node;
  afterEach(() => stranger.stop());

  const good = {
    id: 7,
    title: 'from afar',
    body: 'text',
    author: 'Joe',
    createdAt: '2026-01-01T00:00:00.000Z',
    updatedAt: '2026-01-01T00:00:00.000Z',
  };

  test('reaches clients and index when it is a note, without what does not belong to one', async () => {
    const a = await start('a@test');
    const onA = await connect(a);
    stranger = createNode({ name: 'erl@test', carrier: network.carrier('erl@test') });
    pubsub.start(stranger);
    await stranger.connect('a@test');
    while (pubsub.getMembers(stranger, 'notes').length < 2) await nextTurn();
    const bad: Array<readonly [topic: string, payload: unknown]> = [
      ['note_created', undefined],
      ['note_created', 'a note'],
      ['note_created', [good]],
      ...Object.keys(good).map((key) => ['note_created', { ...good, [key]: undefined }] as const),
      ['note_created', { ...good, id: 0 }],
      ['note_created', { ...good, id: 1.5 }],
      ['note_created', { ...good, title: 'x'.repeat(201) }],
      ['note_created', { ...good, title: [102, 114, 111, 109] }],
      ['note_updated', { ...good, updatedAt: '9999' }],
      ['note_deleted', {}],
      ['note_deleted', { id: '7' }],
      ['resync', {}],
      ['constructor', good],
    ];
    const indexer = a.node.whereis('note_indexer')!;
    for (const [topic, payload] of bad) pubsub.broadcast(stranger, 'notes', topic, payload);
    pubsub.broadcast(stranger, 'notes', 'note_created', { ...good, extra: 'left out' });
    expect(await nextEvent(onA)).toEqual({ event: 'note_created', data: good });
    expect(onA.pending).toEqual([]);
    const indexed =
      (await a.node.connect('erl@test')) && a.lines.filter(({ msg }) => msg.includes('was left out'));
    expect(indexed).toMatchObject([{ peer: 'erl@test', topic: 'note_created', count: 1 }]);
    expect(a.node.whereis('note_indexer')).toEqual(indexer);
  });

  test('cannot end the servers that it calls', async () => {
    const a = await start('a@test', { database: new FaultyDatabase(shared.database) });
    stranger = createNode({ name: 'erl@test', carrier: network.carrier('erl@test') });
    await stranger.connect('a@test');
    const pids = ['notes_cluster', 'note_store', 'note_indexer'].map((name) => a.node.whereis(name));
    for (const name of ['notes_cluster', 'note_store', 'note_indexer']) {
      const to = { name, node: 'a@test' };
      for (const message of [undefined, 1, 'text', [], {}]) {
        stranger.send(to, message);
        cast(stranger, to, 'hello', message);
        cast(stranger, to, 'welcome', message);
        cast(stranger, to, 'unsure', message);
      }
      for (const request of [
        'list',
        'listAfter',
        'get',
        'getMany',
        'create',
        'update',
        'delete',
        'search',
        'restore',
        'changes',
        'events',
        'none',
      ])
        for (const argument of [undefined, -1, 'x', [1.5], { limit: 1e9 }, { id: 1, change: 2 }])
          await call(stranger, to, request, argument).catch(() => 'refused');
    }
    const note = { title: 't', body: 'b', author: 'a' };
    expect(await call(stranger, { name: 'note_store', node: 'a@test' }, 'create', note)).toMatchObject({
      ok: { value: note, event: { channel: 'notes', topic: 'note_created' } },
    });
    expect(['notes_cluster', 'note_store', 'note_indexer'].map((name) => a.node.whereis(name))).toEqual(pids);
  });
});
