// The supervision tree of the application: what is started again, what comes back with it, and when it gives up.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/app/database/internal.ts';
import { indexerName } from '../../../src/app/indexer/internal.ts';
import { notesTable as notes, purgeName } from '../../../src/app/notes/internal.ts';
import { rootName } from '../../../src/app/internal.ts';
import { type Pid, supervisionTrees, type TreeNode } from 'troupe';
import { awaitExit } from 'troupe/testing';
import { away, barrier, FaultyDatabase } from '../support/faulty-database.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

export function describeTree(inner: () => Database): void {
  let database: FaultyDatabase;
  let app: TestApp;

  beforeEach(async () => {
    await inner().run((db) => db.delete(notes));
    database = new FaultyDatabase(inner());
  });
  afterEach(() => app.stop());

  const start = async (): Promise<void> => {
    app = await startTestApp({ database });
  };

  /** Puts notes into the database that no application is told of. */
  const store = (values: { title: string; body: string; author: string }[]) =>
    inner().run((db) => db.insert(notes).values(values));

  const pidOf = (name: string): Pid => {
    const pid = app.node.whereis(name);
    if (pid === undefined) throw new Error(`${name} does not run`);
    return pid;
  };

  /** Kills a registered process; answers when another has its name. */
  async function replaced(name: string): Promise<Pid> {
    const before = pidOf(name);
    app.node.exit(before, 'kill');
    await awaitExit(app.node, before);
    while (app.node.whereis(name) === undefined) await nextTurn();
    return pidOf(name);
  }

  describe('the tree', () => {
    beforeEach(start);

    test('has the children that docs/ARCHITECTURE.md draws, in that order', () => {
      const [root, ...others] = supervisionTrees(app.node);
      expect(others).toEqual([]);
      expect(root).toMatchObject({ name: rootName, type: 'supervisor', strategy: 'rest_for_one' });
      const shown = root?.children.map(({ id, name, type }: TreeNode) => [id, name, type]);
      expect(shown).toEqual([
        ['database', 'database', 'worker'],
        ['repl', 'repl_server', 'worker'],
        ['log', 'notes_log', 'worker'],
        ['indexer', indexerName, 'worker'],
        ['deleted', purgeName, 'worker'],
      ]);
      const started = app.lines.find(({ msg, id }) => msg === 'started' && id === 'indexer');
      expect(started).toMatchObject({ process: pidOf(indexerName).toString(), pid: process.pid });
    });

    test('starts again what is killed, with what depends on it, while requests are served', async () => {
      await app.make('kept');
      const client = await app.connect();
      for (const name of [indexerName, 'repl_server', 'database', 'nova_scope']) {
        const [repl, indexer] = [pidOf('repl_server'), pidOf(indexerName)];
        await replaced(name);
        while (app.node.whereis(indexerName) === undefined) await nextTurn();
        expect(pidOf('repl_server').equals(repl)).toBe(name === indexerName || name === 'nova_scope');
        expect(pidOf(indexerName).equals(indexer)).toBe(name === 'nova_scope');
        await app.make(`after ${name}`);
        expect(JSON.parse(await client.next())).toMatchObject({ data: { title: `after ${name}` } });
        expect(await app.search('kept')).toEqual(['kept']);
        expect(await app.search(`after ${name}`)).toEqual([`after ${name}`]);
        expect((await app.ask('GET', '/readyz')).status).toBe(200);
      }
      expect(app.lines.filter(({ msg }) => msg === 'restarted').map(({ id }) => id)).toEqual([
        'indexer',
        'deleted',
        'repl',
        'log',
        'indexer',
        'deleted',
        'database',
        'repl',
        'log',
        'indexer',
        'deleted',
      ]);
    });

    test('gives up when a child is killed again and again, and says so', async () => {
      const client = await app.connect();
      let killed = 0;
      for (; app.node.whereis(rootName) !== undefined; killed++) {
        const pid = app.node.whereis(indexerName);
        if (pid !== undefined) app.node.exit(pid, 'kill');
        await nextTurn();
      }
      expect(killed).toBeGreaterThan(5);
      expect(await app.failed).toBe('shutdown');
      expect(app.lines.map(({ msg }) => msg)).toContain(
        'a supervisor gives up: its children restarted too often',
      );
      expect(await app.ask('GET', '/readyz')).toMatchObject({
        status: 503,
        body: { indexer: 'not running' },
      });
      await app.stop();
      expect(await client.closed).toMatchObject({ code: 1001 });
    });

    test('that is killed has failed too', async () => {
      app.node.exit(pidOf(rootName), 'kill');
      expect(await app.failed).toBe('killed');
    });
  });

  describe('the indexer', () => {
    test('runs while the database is away, and finds everything then', async () => {
      await store([{ title: 'stored before', body: 'b', author: 'a' }]);
      database.fault = {
        before() {
          throw away();
        },
      };
      await start();
      const answer = await app.ask('GET', '/api/notes?q=stored');
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
      expect(await app.ask('GET', '/readyz')).toMatchObject({ status: 200, body: { indexer: 'ready' } });
      database.fault = undefined;
      await app.make('stored after');
      expect((await app.search('stored')).toSorted()).toEqual(['stored after', 'stored before']);
    });

    test('that is killed while it reads the database leaves nothing undone', async () => {
      await store(Array.from({ length: 120 }, (_, n) => ({ title: `note ${n}`, body: 'b', author: 'a' })));
      const held = barrier();
      database.fault = { before: held.wait };
      await start();
      await held.reached;
      await replaced(indexerName);
      database.fault = undefined;
      held.release();
      while ((await app.search('note 0')).length === 0) await nextTurn();
      expect(await app.search('note')).toHaveLength(100);
    });

    test('has the newest version, whatever order it hears of them', async () => {
      await start();
      const held = barrier();
      const made = await app.make('first');
      database.fault = { after: held.wait };
      const late = app.ask('PUT', `/api/notes/${made.id}`, { json: { title: 'second', body: 'b' } });
      await held.reached;
      database.fault = undefined;
      await app.ask('PUT', `/api/notes/${made.id}`, { json: { title: 'third', body: 'b' } });
      held.release();
      await late;
      expect([await app.search('first'), await app.search('second'), await app.search('third')]).toEqual([
        [],
        [],
        ['third'],
      ]);
    });
  });
}
