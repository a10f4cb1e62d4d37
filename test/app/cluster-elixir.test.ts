// An Elixir node beside instances of the service, as the guide shows it: it hears of notes, tells of its own, searches through
// an instance, and is called from Troupe. That Elixir runs on the BEAM is why little else needs a test of its own.
import { join } from 'node:path';
import { call, createNode } from 'troupe';
import { createErlangCarrier } from 'troupe/erlang';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type ErlNode, freePort, startErl } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import { connected, nextEvent, settingsOf, SOON, startInstance } from './support/instances.ts';
import { buildProgram, type DataFolders, makeNote, prepareDataFolders } from './support/program.ts';

// Starts several processes, and the machine may be busy.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 300_000 });

const COOKIE = 'cookie-of-the-test';
const SEED = 'one@127.0.0.1';
const INDEXER = join(import.meta.dirname, '../support/elixir/note_titles.ex');
const elixir = requirePart('elixir');

describe.skipIf(elixir.missing || requirePart('erl').missing)('an Elixir node', () => {
  let folders: DataFolders;
  beforeAll(async () => {
    await buildProgram();
    folders = await prepareDataFolders();
  });
  afterAll(() => folders.remove());

  test('hears of notes and tells of its own, searches, and is asked', async () => {
    const epmdPort = await freePort();
    const one = await startInstance(settingsOf('one', epmdPort, { DATA_DIR: folders.make() }));
    const follower = { DATABASE_URL: `troupe://${SEED}`, TROUPE_SEEDS: SEED };
    const two = await startInstance(settingsOf('two', epmdPort, follower));
    await connected(one, two);
    const { node, evaluate } = await startElixir(epmdPort);
    expect(await evaluate(`Node.connect(:"${SEED}")`)).toBe('true');
    await vi.waitFor(async () => {
      const members = 'Enum.sort(for pid <- :pg.get_members(:nova_scope, :notes), do: node(pid))';
      expect(await evaluate(members)).toBe('[:"ex@127.0.0.1", :"one@127.0.0.1", :"two@127.0.0.1"]');
    }, SOON);

    const note = await makeNote(two.port, 'José');
    const titles = `%{${note.id} => "José"}`;
    await vi.waitFor(async () => expect(await evaluate('NoteTitles.titles()')).toBe(titles), SOON);
    await vi.waitFor(async () => {
      const found = await evaluate('GenServer.call({:note_indexer, :"two@127.0.0.1"}, {:search, "josé"})');
      expect(found).toBe(`[${note.id}]`);
    }, SOON);
    const here = createNode({
      name: 'here@127.0.0.1',
      carrier: createErlangCarrier({ cookie: COOKIE, epmd: 'client', epmdPort }),
    });
    onTestFinished(() => here.stop());
    const server = { name: 'Elixir.NoteTitles', node: node.name };
    expect(String(await call(here, server, 'titles', undefined))).toBe(`#{${note.id} => <<"José"/utf8>>}`);

    const clients = [await one.connect(), await two.connect()];
    await evaluate(`
      note = %{id: 4711, title: "From Elixir", body: "text", author: "José",
               createdAt: "2026-01-01T00:00:00.000Z", updatedAt: "2026-01-01T00:00:00.000Z"}
      for pid <- :pg.get_members(:nova_scope, :notes), do: send(pid, {:nova_pubsub, :notes, self(), ~c"note_created", note})`);
    for (const client of clients) {
      expect(await nextEvent(client)).toMatchObject({
        event: 'note_created',
        data: { id: 4711, title: 'From Elixir', author: 'José' },
      });
    }
    expect(await evaluate('NoteTitles.titles()')).toContain('4711 => "From Elixir"');
    const path = `http://127.0.0.1:${two.port}/api/notes/${note.id}`;
    expect((await fetch(path, { method: 'DELETE' })).status).toBe(204);
    await vi.waitFor(async () => expect(await evaluate('NoteTitles.titles()')).not.toContain('José'), SOON);
  });
});

/** Starts a node with the indexer of the guide; `evaluate` answers what `inspect/1` says of the value of an expression. */
async function startElixir(
  epmdPort: number,
): Promise<{ node: ErlNode; evaluate: (code: string) => Promise<string> }> {
  const libraries = ['elixir', 'logger'].flatMap((name) => ['-pa', join(elixir.path, name, 'ebin')]);
  const node = await startErl({ name: 'ex@127.0.0.1', epmdPort, cookie: COOKIE, args: libraries });
  onTestFinished(() => node.stop());
  const evaluate = async (code: string): Promise<string> => {
    const evaluated = `{Value, _} = 'Elixir.Code':eval_string(Input), 'Elixir.Kernel':inspect(Value)`;
    // A binary as term_to_binary/1 writes it: version, tag, four bytes of length.
    return (await node.evalBytes(evaluated, Buffer.from(code))).subarray(6).toString();
  };
  await node.eval(`{ok, _} = application:ensure_all_started(elixir)`);
  await evaluate(`Code.compile_file(${JSON.stringify(INDEXER)})`);
  // A process of its own evaluates, so what lasts must not be linked to it.
  await evaluate(
    '{:ok, _} = :pg.start(:nova_scope); {:ok, pid} = NoteTitles.start_link(); Process.unlink(pid)',
  );
  return { node, evaluate };
}
