// What a repository of notes does about who changed what, and about deleted notes, on whichever database.
import { beforeAll, describe, expect, test } from 'vitest';
import { sql } from 'drizzle-orm';
import type { Database } from '../../../src/app/database/internal.ts';
import {
  changesMax,
  createNoteRepository,
  deletedNotes,
  type Note,
  type NoteRepository,
  notesTable as notes,
  removedMax,
} from '../../../src/app/notes/internal.ts';
import { firstPage } from '../support/first-page.ts';

/** Ids that no note can have. */
export const IMPOSSIBLE_IDS = [
  0,
  -1,
  1.5,
  NaN,
  Infinity,
  -Infinity,
  2_147_483_648,
  Number.MAX_SAFE_INTEGER + 1,
  1e300,
];
const HOUR = 3_600_000;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Describes that part of the contract. @param opened the database, which is empty before each test */
export function describeChanges(opened: () => Database): void {
  let database: Database;
  let repository: NoteRepository;

  beforeAll(() => {
    database = opened();
    repository = createNoteRepository(database);
  });

  const make = (title: string) => repository.create({ title, body: `body of ${title}`, author: 'someone' });
  const makeMany = async (count: number): Promise<Note[]> => {
    const made: Note[] = [];
    for (let n = 1; n <= count; n++) made.push(await make(`note ${n}`));
    return made;
  };
  /** Puts the deletion of a note into the past. */
  const age = (id: number, ms: number) =>
    database.run((db) =>
      db.execute(
        sql`update ${deletedNotes} set deleted_at = deleted_at - make_interval(secs => ${ms / 1_000}::float8) where id = ${id}`,
      ),
    );

  describe('who changed what', () => {
    test('is told with the note, unless nobody said', async () => {
      const { id } = await make('a');
      expect(await repository.get(id)).not.toHaveProperty('updatedBy');
      const changed = await repository.update(id, { title: 'b', body: 'c', updatedBy: 'Ada' });
      expect(changed).toMatchObject({ author: 'someone', updatedBy: 'Ada' });
      expect(await repository.get(id)).toEqual(changed);
      expect(await firstPage(repository)).toEqual([changed]);
      expect(await repository.update(id, { title: 'c', body: 'c' })).not.toHaveProperty('updatedBy');
    });

    test('is a list of changes, the newest first', async () => {
      const made = await make('a');
      const { id } = made;
      const first = await repository.update(id, { title: 'b', body: made.body, updatedBy: 'Ada' });
      const second = await repository.update(id, {
        title: 'b',
        body: `it's "new" \\ {}`,
        updatedBy: "O'Hara",
      });
      const third = await repository.update(id, { title: 'c', body: 'd' });
      await repository.update(id, { title: 'c', body: 'd' });
      await repository.delete(id);
      const back = await repository.restore(id, HOUR, 'Joe');
      expect(await repository.changes(id)).toEqual([
        { at: back?.updatedAt, by: 'Joe', what: ['restored'] },
        { at: expect.stringMatching(TIMESTAMP), what: [] },
        { at: third?.updatedAt, what: ['title', 'body'] },
        { at: second?.updatedAt, by: "O'Hara", what: ['body'] },
        { at: first?.updatedAt, by: 'Ada', what: ['title'] },
        { at: made.createdAt, by: 'someone', what: ['created'] },
      ]);
      expect(await repository.changes(id + 1)).toBe(undefined);
      for (const impossible of IMPOSSIBLE_IDS) expect(await repository.changes(impossible)).toBe(undefined);
    });

    test(`is kept of the last ${changesMax} changes`, async () => {
      const { id } = await make('a');
      for (let n = 1; n <= changesMax + 2; n++)
        await repository.update(id, { title: `t${n}`, body: 'b', updatedBy: `changer ${n}` });
      const changes = (await repository.changes(id)) ?? [];
      expect(changes).toHaveLength(changesMax);
      expect(changes[0]?.by).toBe(`changer ${changesMax + 2}`);
      expect(changes.at(-1)?.by).toBe('changer 3');
    });
  });

  describe('restore', () => {
    test('brings a note back under its id, with its texts, as a later version', async () => {
      const [a, b] = await makeMany(2);
      const changed = await repository.update(a!.id, { title: 't', body: 'x', updatedBy: 'Ada' });
      await repository.delete(a!.id);
      expect(await repository.update(a!.id, { title: 'no', body: 'no' })).toBe(undefined);
      const back = await repository.restore(a!.id, HOUR);
      expect(back).toEqual({
        ...a,
        title: 't',
        body: 'x',
        updatedAt: expect.stringMatching(TIMESTAMP),
      });
      expect(Date.parse(back!.updatedAt)).toBeGreaterThan(Date.parse(changed!.updatedAt));
      expect(await firstPage(repository)).toEqual([b, back]);
      expect(await database.run((db) => db.select().from(deletedNotes))).toEqual([]);
    });

    test('brings back nothing that is there, never was, or was deleted too long ago', async () => {
      const [a, b] = await makeMany(2);
      expect(await repository.restore(a!.id, HOUR)).toBe(undefined);
      expect(await repository.restore(b!.id + 1, HOUR)).toBe(undefined);
      for (const impossible of IMPOSSIBLE_IDS)
        expect(await repository.restore(impossible, HOUR)).toBe(undefined);
      await repository.delete(a!.id);
      await age(a!.id, HOUR + 1_000);
      expect(await repository.restore(a!.id, HOUR)).toBe(undefined);
      expect(await firstPage(repository)).toEqual([b]);
    });

    test('of many at the same time brings one back once', async () => {
      const { id } = await make('a');
      await repository.delete(id);
      const back = await Promise.all(Array.from({ length: 10 }, () => repository.restore(id, HOUR)));
      expect(back.filter((note) => note !== undefined)).toHaveLength(1);
      expect(await firstPage(repository)).toHaveLength(1);
    });

    test('leaves a note alone that another program made with the same id', async () => {
      const { id } = await make('a');
      await repository.delete(id);
      await database.run((db) =>
        db.insert(notes).overridingSystemValue().values({ id, title: 'other', body: 'b', author: 'c' }),
      );
      expect(await repository.restore(id, HOUR)).toBe(undefined);
      expect(await repository.get(id)).toMatchObject({ title: 'other' });
      expect(await repository.delete(id)).toBe(true);
      expect(await repository.restore(id, HOUR)).toMatchObject({ title: 'other' });
    });

    test('is undone with its transaction', async () => {
      const { id } = await make('a');
      await repository.delete(id);
      const failure = new Error('no');
      const work = database.transaction(async (transaction) => {
        expect(await createNoteRepository(transaction).restore(id, HOUR)).toMatchObject({ title: 'a' });
        throw failure;
      });
      await expect(work).rejects.toBe(failure);
      expect(await repository.get(id)).toBe(undefined);
      expect(await repository.restore(id, HOUR)).toMatchObject({ title: 'a' });
    });
  });

  describe('purge', () => {
    const kept = async (): Promise<string[]> =>
      (await database.run((db) => db.select({ title: deletedNotes.title }).from(deletedNotes)))
        .map(({ title }) => title)
        .toSorted();

    test('removes what was deleted too long ago', async () => {
      const made = await makeMany(3);
      for (const { id } of made) await repository.delete(id);
      await age(made[0]!.id, HOUR + 1);
      await age(made[1]!.id, HOUR - 30_000);
      expect(await repository.purge({ maxAgeMs: HOUR, keep: 10 })).toBe(false);
      expect(await kept()).toEqual(['note 2', 'note 3']);
    });

    test('removes the oldest beyond those that are kept', async () => {
      const made = await makeMany(4);
      for (const [n, { id }] of made.entries()) {
        await repository.delete(id);
        await age(id, 10_000 - n);
      }
      await repository.purge({ maxAgeMs: HOUR, keep: 2 });
      expect(await kept()).toEqual(['note 3', 'note 4']);
      await repository.purge({ maxAgeMs: HOUR, keep: 0 });
      expect(await kept()).toEqual([]);
    });

    test('goes on in steps', async () => {
      const values = Array.from({ length: removedMax + 1 }, () => ({ title: 'a', body: 'b', author: 'c' }));
      await database.run((db) => db.insert(notes).values(values));
      for (const { id } of await firstPage(repository)) await repository.delete(id);
      const limit = { maxAgeMs: HOUR, keep: 0 };
      expect(await repository.purge(limit)).toBe(true);
      expect(await repository.purge(limit)).toBe(false);
      expect(await kept()).toEqual([]);
    });
  });
}
