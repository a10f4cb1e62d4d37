// The index after a crash: killed before or after any statement, between a statement and its answer, or between a commit and its answer,
// an indexer leaves nothing wrong, and the next one does what was left and nothing else (docs/adr/0038).
import { sql } from 'drizzle-orm';
import { createNode } from 'troupe';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import type { Database, Queryable, SqlRunner } from '../../../src/app/database/internal.ts';
import {
  DatabaseBacklog,
  DatabaseSearch,
  noteIndexer,
  NoteWords,
  Vocabulary,
  vocabularyOf,
} from '../../../src/app/indexer/internal.ts';
import {
  createNoteRepository,
  IncomingEvents,
  type NoteRepository,
  notesTable as notes,
  noteWords,
} from '../../../src/app/notes/internal.ts';
import { barrier, FaultyDatabase } from '../support/faulty-database.ts';
import { wronglyIndexed } from '../support/wrongly-indexed.ts';

/** The database of a program that is killed at a point: there is one before and one after each call, and one before each commit. */
class MortalDatabase extends FaultyDatabase {
  readonly #deathAt: number;
  #points = 0;

  constructor(inner: Database, deathAt: number) {
    super(inner);
    this.#deathAt = deathAt;
  }

  override async run<T>(work: (db: Queryable) => PromiseLike<T>): Promise<T> {
    return await this.#live(() => super.run(work));
  }

  override async transaction<T>(work: (transaction: SqlRunner) => PromiseLike<T>): Promise<T> {
    return await this.#live(() =>
      super.transaction(async (transaction) => {
        const result = await work({ run: (statements) => this.#live(() => transaction.run(statements)) });
        this.#point();
        return result;
      }),
    );
  }

  async #live<T>(call: () => Promise<T>): Promise<T> {
    this.#point();
    const result = await call();
    this.#point();
    return result;
  }

  /** Who is dead does nothing more. */
  #point(): void {
    if (this.#points++ >= this.#deathAt) throw new Error('killed');
  }
}

export function describeCrashes(open: () => Promise<Database>): void {
  let database: Database;
  let repository: NoteRepository;

  beforeAll(async () => {
    database = await open();
  }, 60_000);
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.run((db) => db.delete(notes));
    await database.run((db) => db.delete(noteWords));
    repository = createNoteRepository(database);
  });

  const backlogOn = (on: Database, vocabulary = new Vocabulary(on)): DatabaseBacklog =>
    new DatabaseBacklog(on, vocabulary, ({ problem }) => {
      throw new Error(problem);
    });
  const make = (title: string) => repository.create({ title, body: `body of ${title}`, author: 'a' });
  const marks = async () => (await wronglyIndexed(database)).marked;
  /** Which rows are as they were: each version of a row has the number of its transaction. */
  const versions = async () =>
    await database.run((db) =>
      db
        .select({ id: notes.id, version: sql<string>`xmin::text` })
        .from(notes)
        .where(sql`unindexed is null`)
        .orderBy(notes.id),
    );

  test('killed at any point, it leaves nothing wrong, and the next one does only what was left', async () => {
    let deathAt = 0;
    for (let hasDied = true; hasDied; deathAt++) {
      await database.run((db) => db.delete(notes));
      await make('kept');
      const changed = await make('changed');
      const direct = await make('told nobody');
      while (await backlogOn(database).step());
      await repository.update(changed.id, { title: 'replaced', body: 'other words' });
      await database.run((db) =>
        db
          .update(notes)
          .set({ body: 'from elsewhere' })
          .where(sql`id = ${direct.id}`),
      );
      await make('added');

      const dying = new MortalDatabase(database, deathAt);
      const backlog = backlogOn(dying);
      hasDied = await backlog.step().then(
        () => false,
        (error: unknown) => {
          expect(error).toEqual(new Error('killed'));
          return true;
        },
      );
      const { wrong, marked } = await wronglyIndexed(database);
      expect([deathAt, wrong]).toEqual([deathAt, []]);
      expect([0, 3]).toContain(marked); // a step is one transaction
      const done = await versions();

      const read = vi.spyOn(NoteWords.prototype, 'collect');
      const next = backlogOn(database);
      while (await next.step());
      expect(read).toHaveBeenCalledTimes(marked);
      read.mockRestore();
      expect(await wronglyIndexed(database)).toEqual({ wrong: [], marked: 0 });
      expect(await versions()).toEqual(expect.arrayContaining(done));
      // And what finds mistyped words knows those that are in use.
      const words = (await database.run((db) => db.select().from(noteWords))).map(({ word }) => word);
      const used = ['kept', 'replaced', 'other', 'words', 'elsewhere', 'added'];
      expect(words).toEqual(expect.arrayContaining([...vocabularyOf(used)]));
    }
    expect(deathAt).toBeGreaterThan(6); // read; begin, two calls and the commit of the write, before and after each
  }, 60_000);

  test('killed as a process between reading and writing, it is succeeded by one that needs no event', async () => {
    const node = createNode();
    onTestFinished(() => node.stop());
    const held = barrier();
    const holding = new FaultyDatabase(database);
    let calls = 0;
    holding.fault = { before: () => (++calls === 2 ? held.wait() : undefined) };
    const start = (on: Database) => {
      const vocabulary = new Vocabulary(on);
      const backlog = backlogOn(on, vocabulary);
      return node.start(noteIndexer, [
        {
          // The preparation is a call of its own, which is not what this is about.
          backlog: Object.assign(Object.create(backlog) as DatabaseBacklog, {
            step: () => backlog.step(),
            tidy: () => backlog.tidy(),
            prepare: () => Promise.resolve(undefined),
          }),
          search: new DatabaseSearch(on, backlog, vocabulary),
          incoming: new IncomingEvents({
            node: node.name,
            isStranger: () => false,
            onLeftOut: () => {},
            get: () => Promise.resolve(undefined),
            tell: () => {},
            onMissed: () => {},
          }),
          group: 'indexers of the crash',
          onMissing: () => {},
          onFailed: () => {},
        },
      ]);
    };
    const { id } = await make('first');
    const killed = await start(holding);
    await held.reached;
    await repository.update(id, { title: 'second', body: 'changed while it was read' });
    node.exit(killed.pid, 'kill');
    held.release(); // what it had begun is carried out after its death, and writes nothing over the change
    await start(database);
    await vi.waitUntil(async () => (await marks()) === 0, { timeout: 20_000 });
    expect(await wronglyIndexed(database)).toEqual({ wrong: [], marked: 0 });
  }, 60_000);
}
