// The service beside an application of Nova, written as Nova's article on publish and subscribe writes it: a controller, a WebSocket
// handler and an indexer. The notes of each side reach the clients and the index of the other.
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ErlNode, freePort, startErl } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import { startPostgres } from '../support/postgres.ts';
import { type Instance, nextEvent, settingsOf, SOON, startInstance } from './support/instances.ts';
import { buildProgram, type DataFolders, makeNote, prepareDataFolders, titlesAt } from './support/program.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const COOKIE = 'cookie-of-the-test';
const BOTH = `['nova@127.0.0.1','one@127.0.0.1']`;

describe.skipIf(requirePart('erl').missing)('an application of Nova', () => {
  let folders: DataFolders;
  beforeAll(async () => {
    await buildProgram();
    folders = await prepareDataFolders();
  });
  afterAll(() => folders.remove());

  /** Starting an instance takes long, so there is one test. */
  test('hears of our notes, and our clients hear of its notes', async () => {
    const epmdPort = await freePort();
    const here = await startInstance(settingsOf('one', epmdPort, { DATA_DIR: folders.make() }));
    const nova = await startNova(epmdPort);
    await expect.poll(() => nodesOf(nova), SOON).toBe(BOTH);
    await hearsOfOurs(here, nova);
    await tellsWithItsTimes(here, nova);
    await tellsOfStored(here, nova);
    await hearsOfItsOwn(nova);
  });

  test.skipIf(requirePart('postgres').missing)(
    'its notes reach our index, in a database that both use',
    async () => {
      const server = await startPostgres();
      onTestFinished(() => server.remove());
      const { url } = await server.createDatabase();
      const epmdPort = await freePort();
      const here = await startInstance(settingsOf('one', epmdPort, { DATABASE_URL: url }));
      const nova = await startNova(epmdPort);
      await expect.poll(() => nodesOf(nova), SOON).toBe(BOTH);
      const database = postgres(url, { max: 1 });
      onTestFinished(() => database.end());
      // The controller stores a note, and then tells of it.
      const told = { title: 'aardvark', body: 'text', author: 'Nova' };
      const [row] = await database`insert into notes ${database(told)} returning id, unindexed`;
      expect(row).toMatchObject({ unindexed: expect.anything() as unknown });
      const client = await here.connect();
      await nova.eval(`nova_notes:create(${row?.['id']}, #{title => <<"aardvark">>})`);
      expect(await nextEvent(client)).toMatchObject({ event: 'note_created', data: told });
      // Sooner than our indexer looks of its own accord.
      await vi.waitFor(
        async () => expect(await database`select id from notes where unindexed is not null`).toEqual([]),
        { timeout: 20_000, interval: 50 },
      );
      expect(await titlesAt(here.port, 'aardvark')).toEqual(['aardvark']);
    },
  );
});

/** Starts the application of Nova, with a client and the indexer, and connects it. */
async function startNova(epmdPort: number): Promise<ErlNode> {
  const nova = await startErl({ name: 'nova@127.0.0.1', epmdPort, cookie: COOKIE });
  onTestFinished(() => nova.stop());
  for (const module of ['nova_pubsub', 'nova_notes']) await nova.load(`${module}.erl`);
  await nova.eval('nova_pubsub:start(), {ok, _} = nova_notes:start_indexer(), nova_notes:connect(client)');
  expect(await nova.eval(`net_kernel:connect_node('one@127.0.0.1')`)).toBe('true');
  return nova;
}

/** The nodes that have members of the channel, as it knows them. */
function nodesOf(nova: ErlNode): Promise<string> {
  return nova.eval('lists:usort([node(Pid) || Pid <- nova_pubsub:get_members(notes)])');
}

/** The frames that the client of its WebSocket handler has got. */
async function framesOf(nova: ErlNode): Promise<Array<{ event: string; data: unknown }>> {
  const bytes = await nova.evalBytes('iolist_to_binary(lists:join(10, nova_notes:frames(client)))');
  const lines = bytes.subarray(6).toString().split('\n');
  return lines.map((text) => JSON.parse(text) as { event: string; data: unknown });
}

/** Its WebSocket handler and its indexer hear of notes that are made, changed and deleted here. */
async function hearsOfOurs(here: Instance, nova: ErlNode): Promise<void> {
  const note = await makeNote(here.port, 'Plan');
  const path = `http://127.0.0.1:${here.port}/api/notes/${note.id}`;
  await vi.waitFor(
    async () => expect(await nova.eval('nova_notes:indexed()')).toBe(`#{${note.id} => <<"Plan">>}`),
    SOON,
  );
  const changed = await fetch(path, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title: 'Other plan', body: 'text' }),
  });
  expect(changed.status).toBe(200);
  const updated: unknown = await changed.json();
  expect((await fetch(path, { method: 'DELETE' })).status).toBe(204);
  await vi.waitFor(async () => expect(await nova.eval('nova_notes:indexed()')).toBe('#{}'), SOON);
  expect(await framesOf(nova)).toEqual([
    { event: 'note_created', data: note },
    { event: 'note_updated', data: updated },
    { event: 'note_deleted', data: { id: note.id } },
  ]);
}

/** Its WebSocket handler and its indexer hear of what its own controller told, too, as each member of the channel does. */
async function hearsOfItsOwn(nova: ErlNode): Promise<void> {
  const indexed = 'lists:sort(maps:keys(maps:with([4001, 4002, 4003, 4004], nova_notes:indexed())))';
  expect(await nova.eval(indexed)).toBe('[4001,4002,4003]');
  const own = (await framesOf(nova)).filter(({ data }) => (data as { id: number }).id === 4_004);
  expect(own.map(({ event }) => event)).toEqual(['note_created', 'note_deleted']);
}

/** Our clients hear of its notes, with the times that it has or with none. */
async function tellsWithItsTimes(here: Instance, nova: ErlNode): Promise<void> {
  const client = await here.connect();
  const told = { title: 'made in Nova', body: 'text', author: 'Nova' };
  const time = '2026-01-02T03:04:05.000Z';
  for (const [id, times] of [
    [4_001, 'inserted_at => {{2026,1,2},{3,4,5}}'],
    [4_002, 'inserted_at => <<"2026-01-02T03:04:05Z">>'],
    [4_003, 'inserted_at => 1767323045'],
  ] as const) {
    await nova.eval(`nova_notes:create(${id}, #{${times}})`);
    expect(await nextEvent(client)).toEqual({
      event: 'note_created',
      data: { id, ...told, createdAt: time, updatedAt: time },
    });
  }
  const before = new Date().toISOString();
  await nova.eval('nova_notes:create(4004, #{})');
  const { data } = await nextEvent(client);
  expect(data).toMatchObject({ id: 4_004, ...told });
  expect((data as { createdAt: string }).createdAt >= before).toBe(true);
  await nova.eval('nova_notes:delete(4004)');
  expect(await nextEvent(client)).toEqual({ event: 'note_deleted', data: { id: 4_004 } });
  // What is no note makes clients read again.
  await nova.eval('nova_notes:create(0, #{})');
  await nextEvent(client, 'resync');
}

/** It tells of a note that is stored here: clients get it as it is stored. */
async function tellsOfStored(here: Instance, nova: ErlNode): Promise<void> {
  const note = await makeNote(here.port, 'Plan');
  const client = await here.connect();
  await nova.eval(`nova_notes:update(${note.id}, #{})`);
  expect(await nextEvent(client)).toEqual({ event: 'note_updated', data: note });
}
