// Instances as they are run, each a program of its own, on real connections: they are one service, and stay one through
// kills and freezes. What needs no real connections is in cluster/instances.test.ts.
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Authority, hasOpenssl } from '../runtime/distribution/erlang/certificates.ts';
import { freePort, startErl } from '../support/erl.ts';
import { freeze, thaw } from '../support/freeze.ts';
import { requirePart } from '../support/parts.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { connected, type Instance, nextEvent, settingsOf, SOON, startInstance } from './support/instances.ts';
import {
  buildProgram,
  type DataFolders,
  makeNote,
  prepareDataFolders,
  startProgram,
  temporaryFolder,
  titlesAt,
} from './support/program.ts';

// Each test starts several processes, and the machine may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 300_000 });

const SEED = 'one@127.0.0.1';
let epmdPort: number;

beforeAll(() => buildProgram());
beforeEach(async () => {
  epmdPort = await freePort();
});

const found = (instance: Instance, title: string): Promise<void> =>
  vi.waitFor(async () => expect(await titlesAt(instance.port, title)).toContain(title), SOON);

const postgres = requirePart('postgres');

describe.skipIf(postgres.missing)('instances on one PostgreSQL server', () => {
  let server: TestPostgres;
  let url: string;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    ({ url } = await server.createDatabase());
  });

  const start = (name: string, more: Record<string, string> = {}): Promise<Instance> =>
    startInstance(settingsOf(name, epmdPort, { DATABASE_URL: url, TROUPE_SEEDS: SEED, ...more }));

  test('are one service: what one is told, clients and searches of all know', async () => {
    const instances = await Promise.all(['one', 'two', 'three'].map((name) => start(name)));
    await connected(...instances);
    const clients = await Promise.all(instances.map((instance) => instance.connect()));
    for (const [index, instance] of instances.entries()) {
      const note = await makeNote(instance.port, `note${index}`);
      for (const client of clients)
        expect(await nextEvent(client)).toEqual({ event: 'note_created', data: note });
      for (const other of instances) await found(other, `note${index}`);
    }
    instances[0]?.program.signal('SIGTERM');
    expect(await instances[0]?.program.ended).toMatchObject({ code: 0 });
    for (const instance of instances.slice(1))
      await vi.waitFor(async () => expect((await instance.ready()).cluster.peers).not.toContain(SEED), SOON);
  });

  test('outlive the end of one, even of the one that was their epmd, and take it back', async () => {
    const one = await start('one');
    const [two, three] = [await start('two'), await start('three')];
    await connected(one, two, three);
    const client = await two.connect();
    one.program.signal('SIGKILL');
    await nextEvent(client, 'resync');
    const note = await makeNote(three.port, 'meanwhile');
    expect(await nextEvent(client)).toEqual({ event: 'note_created', data: note });
    const again = await start('one');
    await connected(again, two, three);
    await found(again, 'meanwhile');
    const later = await makeNote(again.port, 'back');
    expect(await nextEvent(client)).toEqual({ event: 'note_created', data: later });
    await found(three, 'back');
  });

  test('catch up after one was frozen for longer than the tick time: its index, and its clients', async () => {
    const ticks = { TROUPE_NET_TICKTIME_MS: '2000' };
    const [one, two] = [await start('one', ticks), await start('two', ticks)];
    await connected(one, two);
    const [onOne, onTwo] = [await one.connect(), await two.connect()];
    freeze(two.program.pid);
    await one.program.printed(/"peer":"two@127\.0\.0\.1".*"msg":"a node is gone"/);
    const missed = await makeNote(one.port, 'missed');
    expect(await nextEvent(onOne)).toEqual({ event: 'note_created', data: missed });
    thaw(two.program.pid);
    await nextEvent(onTwo, 'resync');
    await found(two, 'missed');
    await connected(one, two);
    // What was under way may have come after all: a client may hear of the note it missed, and never twice.
    await nextEvent(onOne, 'resync');
    const later = await makeNote(two.port, 'later');
    expect(await nextEvent(onOne)).toEqual({ event: 'note_created', data: later });
    const events = [await nextEvent(onTwo)];
    if (JSON.stringify(events[0]?.data) === JSON.stringify(missed)) events.push(await nextEvent(onTwo));
    expect(events.at(-1)).toEqual({ event: 'note_created', data: later });
  });

  test('with another cookie they are not connected, say so, and tell no cookie', async () => {
    const one = await start('one');
    const other = await start('two', { TROUPE_COOKIE: 'another-cookie' });
    await one.program.printed(/"peer":"two@127\.0\.0\.1","address":"127\.0\.0\.1:\d+","reason":"[^"]*cookie/);
    await other.program.printed(
      /"peer":"one@127\.0\.0\.1","address":"127\.0\.0\.1:\d+","reason":"[^"]*cookie/,
    );
    expect([(await one.ready()).cluster.peers, (await other.ready()).cluster.peers]).toEqual([[], []]);
    for (const { program } of [one, other]) {
      program.signal('SIGTERM');
      const { stdout, stderr } = await program.ended;
      expect(stdout + stderr).not.toMatch(/cookie-of-the-test|another-cookie/);
    }
  });
});

describe('without a PostgreSQL server', () => {
  let folders: DataFolders;
  beforeAll(async () => {
    folders = await prepareDataFolders();
  });
  afterAll(() => folders.remove());

  const start = (name: string, more: Record<string, string> = {}): Promise<Instance> =>
    startInstance(settingsOf(name, epmdPort, { DATA_DIR: folders.make(), ...more }));
  const follower = { DATABASE_URL: `troupe://${SEED}`, TROUPE_SEEDS: SEED, DATABASE_RETRY_MAX_MS: '500' };

  test('one instance can have the notes, and others use them', async () => {
    const one = await start('one');
    const two = await start('two', follower);
    await connected(one, two);
    const clients = [await one.connect(), await two.connect()];
    const note = await makeNote(two.port, 'far');
    for (const client of clients)
      expect(await nextEvent(client)).toEqual({ event: 'note_created', data: note });
    for (const instance of [one, two]) await found(instance, 'far');
    one.program.signal('SIGKILL');
    await vi.waitFor(async () => expect((await two.ready()).database).toBe('unavailable'), SOON);
  });

  test.skipIf(!hasOpenssl())('connections can be encrypted, and no others are made then', async () => {
    const [ours, others] = [new Authority('ours'), new Authority('others')];
    onTestFinished(() => {
      ours.remove();
      others.remove();
    });
    const files = (authority: Authority): Record<string, string> => {
      authority.issue('node', 'DNS:localhost,IP:127.0.0.1');
      const path = (name: string): string => join(authority.folder, name);
      return {
        TROUPE_TLS_KEY: path('node.key'),
        TROUPE_TLS_CERT: path('node.pem'),
        TROUPE_TLS_CA: path('ca.pem'),
      };
    };
    const one = await start('one', files(ours));
    const two = await start('two', { ...follower, ...files(ours) });
    await connected(one, two);
    const client = await one.connect();
    const note = await makeNote(two.port, 'secret');
    expect(await nextEvent(client)).toEqual({ event: 'note_created', data: note });
    const more = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/x', TROUPE_SEEDS: SEED };
    for (const [name, tls] of [['plain', {}] as const, ['foreign', files(others)] as const]) {
      const program = startProgram({ env: settingsOf(name, epmdPort, { ...more, ...tls }) });
      await program.printed(/"peer":"one@127\.0\.0\.1".*"msg":"a connection with a node could not be made"/);
    }
    expect((await one.ready()).cluster.peers).toEqual([two.name]);
  });

  const erl = requirePart('erl');

  test.skipIf(erl.missing)(
    'an Erlang node is one of them: it hears of notes, and tells of its own',
    async () => {
      const one = await start('one');
      const two = await start('two', follower);
      await connected(one, two);
      const node = await startErl({ name: 'erl@127.0.0.1', epmdPort, cookie: 'cookie-of-the-test' });
      try {
        await node.load('note_titles.erl');
        await node.eval('{ok, _} = pg:start(nova_scope), {ok, Pid} = note_titles:start_link(), unlink(Pid)');
        // A process of its own evaluates, so the indexer must not be linked to it.
        expect(await node.eval(`net_adm:ping('${one.name}')`)).toBe('pong');
        await vi.waitFor(
          async () => expect(await node.eval('length(pg:get_members(nova_scope, notes))')).toBe('3'),
          SOON,
        );
        const titles = (): Promise<string> => node.eval('note_titles:titles()');
        const note = await makeNote(two.port, 'für Erlang');
        await vi.waitFor(
          async () => expect(await titles()).toBe(`#{${note.id} => <<"für Erlang"/utf8>>}`),
          SOON,
        );
        const clients = [await one.connect(), await two.connect()];
        await node.eval(`
        Note = #{id => 4711, title => <<"from Erlang">>, body => <<"text">>, author => <<"Joe">>,
                 createdAt => <<"2026-01-01T00:00:00.000Z">>, updatedAt => <<"2026-01-01T00:00:00.000Z">>},
        [Pid ! {nova_pubsub, notes, self(), "note_created", Note} || Pid <- pg:get_members(nova_scope, notes)]`);
        for (const client of clients) {
          expect(await nextEvent(client)).toMatchObject({
            event: 'note_created',
            data: { id: 4711, title: 'from Erlang', author: 'Joe' },
          });
        }
        expect(await titles()).toContain('4711 => <<"from Erlang">>');
        const { status } = await fetch(`http://127.0.0.1:${two.port}/api/notes/${note.id}`, {
          method: 'DELETE',
        });
        expect(status).toBe(204);
        await vi.waitFor(async () => expect(await titles()).not.toContain('für'), SOON);
        const restored = await fetch(`http://127.0.0.1:${two.port}/api/notes/${note.id}/restore`, {
          method: 'POST',
        });
        expect(restored.status).toBe(200);
        await vi.waitFor(async () => expect(await titles()).toContain('für'), SOON);
        await node.eval(`gen_server:cast({notes_cluster, '${two.name}'}, resync)`);
        await nextEvent(clients[1]!, 'resync');
      } finally {
        await node.stop();
      }
    },
  );
});

describe('an instance that cannot be part of a cluster says why in a line each, and ends with 1:', () => {
  async function failure(more: Record<string, string>): Promise<string> {
    const env = settingsOf('one', epmdPort, { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/x', ...more });
    const { code, stderr } = await startProgram({ env }).ended;
    expect(code).toBe(1);
    return stderr;
  }

  test('the port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      expect(await failure({ TROUPE_DIST_PORT: String(port) })).toMatch(
        new RegExp(`^the node one@127\\.0\\.0\\.1 cannot be started: .*${port}.*TROUPE_DIST_PORT.*\n$`),
      );
    } finally {
      other.close();
    }
  });

  test('there is no epmd, and it may not be one', async () => {
    expect(await failure({ TROUPE_EPMD: 'client' })).toMatch(
      /^the node one@127\.0\.0\.1 cannot be started: .*epmd.*TROUPE_EPMD.*\n$/,
    );
  });

  test('files cannot be used', async () => {
    const file = join(temporaryFolder(), 'cookie');
    writeFileSync(file, 'cookie-in-a-file\n', { mode: 0o644 });
    const files = {
      TROUPE_COOKIE_FILE: file,
      TROUPE_TLS_KEY: file,
      TROUPE_TLS_CERT: file,
      TROUPE_TLS_CA: file,
    };
    const [first, ...faults] = (await failure({ TROUPE_COOKIE: '', ...files })).trimEnd().split('\n');
    expect(first).toBe('the settings in the environment cannot be used:');
    expect(faults.map((line) => line.trim().split(' ')[0])).toEqual(Object.keys(files));
    expect(faults[0]).toContain(`chmod 600 ${file}`);
    expect(faults.join()).not.toContain('cookie-in-a-file');
  });
});
