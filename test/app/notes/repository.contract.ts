// What a repository of notes does, on whichever database.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { sql } from 'drizzle-orm';
import { type Database, DatabaseQueryError } from '../../../src/app/database/internal.ts';
import {
  BadCursorError,
  checkNewNote,
  createNoteRepository,
  deletedNotes,
  isNoteId,
  type Note,
  noteLimits,
  type NoteRepository,
  notesTable as notes,
  pageNotesMax,
  type PageRequest,
} from '../../../src/app/notes/internal.ts';
import { firstPage } from '../support/first-page.ts';
import { describeChanges, IMPOSSIBLE_IDS } from './changes.contract.ts';

const MIB = 1_048_576;
const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/**
 * Describes the contract.
 * @param open makes an empty database that is ready
 * @param callsMax how many calls it carries out and lets wait, together; at least 60
 */
export function describeNoteRepository(open: () => Promise<Database>, callsMax: number): void {
  let database: Database;
  let repository: NoteRepository;

  beforeAll(async () => {
    database = await open();
    repository = createNoteRepository(database);
  });
  afterAll(() => database.close());
  beforeEach(async () => {
    await database.run((db) => db.delete(notes));
    await database.run((db) => db.delete(deletedNotes));
  });

  const make = (title: string) => repository.create({ title, body: `body of ${title}`, author: 'someone' });
  const makeMany = async (count: number): Promise<Note[]> => {
    const made: Note[] = [];
    for (let n = 1; n <= count; n++) made.push(await make(`note ${n}`));
    return made;
  };
  /** All pages, each gone on to from the one before. */
  const pagesOf = async (page: PageRequest): Promise<Note[][]> => {
    const pages: Note[][] = [];
    let after: string | undefined;
    do {
      const { notes: found, next } = await repository.list({
        ...page,
        ...(after !== undefined && { after }),
      });
      pages.push([...found]);
      after = next;
    } while (after !== undefined);
    return pages;
  };

  describe('create', () => {
    test('answers the note with an id and its times', async () => {
      const before = Date.now();
      const note = await repository.create({ title: 'A', body: 'B', author: 'C' });
      expect(note).toEqual({
        id: expect.any(Number),
        title: 'A',
        body: 'B',
        author: 'C',
        createdAt: expect.stringMatching(TIMESTAMP),
        updatedAt: note.createdAt,
      });
      expect(isNoteId(note.id)).toBe(true);
      const skewMs = Date.parse(note.createdAt) - before;
      expect(Math.abs(skewMs)).toBeLessThan(60_000);
      expect(await repository.get(note.id)).toEqual(note);
    });

    test('gives ascending ids, and none a second time', async () => {
      const [first, second] = await makeMany(2);
      await repository.delete(second!.id);
      const third = await make('third');
      expect(third.id).toBeGreaterThan(second!.id);
      expect(second!.id).toBeGreaterThan(first!.id);
    });

    test('keeps every text that is allowed as it is', async () => {
      const texts = [
        `'"\\;--$1 %s {} <b>&amp;</b>`,
        ' \t\r\n\u000b\u0001\u001f\u007f\u0085\u00a0 ',
        'ÄÖÜ ß é e\u0301 漢字 עברית ไทย',
        '😀👩‍👩‍👧‍👦\u{10ffff}\u{e000}\ufffd\ufffe\uffff\ufeff',
        '\u2028\u2029',
      ];
      for (const text of texts) {
        const note = { title: `x${text}`, body: `x${text}`, author: `x${text}` };
        expect(checkNewNote(note)).toEqual({ ok: true, value: note });
        const { id } = await repository.create(note);
        expect(await repository.get(id)).toMatchObject(note);
      }
    });

    test('keeps the longest note', async () => {
      const note = {
        title: '😀'.repeat(noteLimits.title),
        body: '😀'.repeat(noteLimits.body),
        author: '😀'.repeat(noteLimits.author),
      };
      const { id } = await repository.create(note);
      expect(await repository.get(id)).toMatchObject(note);
    });
  });

  describe('get', () => {
    test('of a note that is not there answers nothing', async () => {
      const { id } = await make('a');
      expect(await repository.get(id + 1)).toBe(undefined);
      for (const impossible of IMPOSSIBLE_IDS) expect(await repository.get(impossible)).toBe(undefined);
      expect(await repository.get(2_147_483_647)).toBe(undefined);
    });
  });

  describe('list', () => {
    test('answers the newest first', async () => {
      const made = await makeMany(3);
      await repository.update(made[0]!.id, { title: 'changed', body: 'changed' });
      const listed = await firstPage(repository);
      expect(listed.map(({ id }) => id)).toEqual(made.map(({ id }) => id).toReversed());
    });

    test('answers none when there is none', async () => {
      expect(await firstPage(repository)).toEqual([]);
    });

    test('answers pages of so many notes, each once', async () => {
      const made = await makeMany(5);
      const pages = await pagesOf({ limit: 2, maxBytes: MIB });
      expect(pages).toEqual([[made[4], made[3]], [made[2], made[1]], [made[0]]]);
      expect(await pagesOf({ limit: 5, maxBytes: MIB })).toEqual([made.toReversed()]);
    });

    test('ends a page with the note that brings it to its bytes', async () => {
      // 100 bytes each: of the body all but those of title and author, in UTF-8.
      const made: Note[] = [];
      for (let n = 0; n < 4; n++)
        made.push(await repository.create({ title: 'ä', body: 'ж'.repeat(48), author: 'é' }));
      const [a, b, c, d] = made;
      expect(await pagesOf({ limit: 10, maxBytes: 100 })).toEqual([[d], [c], [b], [a]]);
      expect(await pagesOf({ limit: 10, maxBytes: 101 })).toEqual([
        [d, c],
        [b, a],
      ]);
      expect(await pagesOf({ limit: 10, maxBytes: 300 })).toEqual([[d, c, b], [a]]);
      expect(await pagesOf({ limit: 10, maxBytes: 1 })).toEqual([[d], [c], [b], [a]]);
      expect(await pagesOf({ limit: 10, maxBytes: 400 })).toEqual([[d, c, b, a]]);
    });

    test('goes on where it was, whatever is made and deleted meanwhile', async () => {
      const made = await makeMany(5);
      const first = await repository.list({ limit: 2, maxBytes: MIB });
      await repository.delete(made[3]!.id); // the last of the page
      await repository.delete(made[2]!.id); // the first of the next one
      await make('newer');
      const second = await repository.list({ limit: 2, maxBytes: MIB, after: first.next! });
      expect(second).toEqual({ notes: [made[1], made[0]], next: undefined });
      for (const { id } of made) await repository.delete(id);
      const none = await repository.list({ limit: 2, maxBytes: MIB, after: first.next! });
      expect(none).toEqual({ notes: [], next: undefined });
    });

    test('takes no cursor that it has not written', async () => {
      await makeMany(2);
      const { next } = await repository.list({ limit: 1, maxBytes: MIB });
      const forged = [
        '',
        'x',
        `${next}=`,
        ` ${next}`,
        next!.slice(1),
        'note 1',
        '1',
        '\u0000',
        'x'.repeat(10_000),
      ];
      for (const text of [
        'note 0',
        'note 2147483648',
        'note -1',
        'note 1.5',
        'note 01',
        'found 1',
        'note 1 ',
      ])
        forged.push(Buffer.from(text).toString('base64url'));
      for (const after of forged)
        await expect(repository.list({ limit: 1, maxBytes: MIB, after })).rejects.toThrow(BadCursorError);
    });

    test(`answers ${pageNotesMax} at most`, async () => {
      const values = Array.from({ length: pageNotesMax + 1 }, () => ({ title: 'a', body: 'b', author: 'c' }));
      await database.run((db) => db.insert(notes).values(values));
      const pages = await pagesOf({ limit: pageNotesMax, maxBytes: MIB });
      expect(pages.map(({ length }) => length)).toEqual([pageNotesMax, 1]);
      for (const limit of [0, -1, 1.5, NaN, pageNotesMax + 1]) {
        await expect(repository.list({ limit, maxBytes: MIB })).rejects.toThrow(RangeError);
      }
      for (const maxBytes of [0, -1, 1.5, NaN, Infinity]) {
        await expect(repository.list({ limit: 1, maxBytes })).rejects.toThrow(RangeError);
      }
    });
  });

  describe('update', () => {
    test('changes title, body and the time of the change', async () => {
      const { id } = await make('a');
      await database.run((db) =>
        db
          .update(notes)
          .set({ createdAt: new Date('2020-01-02T03:04:05.678Z'), updatedAt: new Date('2020-01-02') }),
      );
      const changed = await repository.update(id, { title: 'b', body: 'c' });
      expect(changed).toEqual({
        id,
        title: 'b',
        body: 'c',
        author: 'someone',
        createdAt: '2020-01-02T03:04:05.678Z',
        updatedAt: expect.stringMatching(TIMESTAMP),
      });
      expect(Date.parse(changed!.updatedAt)).toBeGreaterThan(Date.parse('2020-01-03'));
      expect(await repository.get(id)).toEqual(changed);
    });

    test('changes one note', async () => {
      const [a, b] = await makeMany(2);
      await repository.update(a!.id, { title: 'b', body: 'c' });
      expect(await repository.get(b!.id)).toEqual(b);
    });

    test('of a note that is not there answers nothing', async () => {
      const { id } = await make('a');
      const change = { title: 'b', body: 'c' };
      expect(await repository.update(id + 1, change)).toBe(undefined);
      for (const impossible of IMPOSSIBLE_IDS)
        expect(await repository.update(impossible, change)).toBe(undefined);
      expect(await firstPage(repository)).toHaveLength(1);
    });
  });

  describe('delete', () => {
    test('removes one note, once', async () => {
      const [a, b] = await makeMany(2);
      expect(await repository.delete(a!.id)).toBe(true);
      expect(await repository.delete(a!.id)).toBe(false);
      for (const impossible of IMPOSSIBLE_IDS) expect(await repository.delete(impossible)).toBe(false);
      expect(await firstPage(repository)).toEqual([b]);
    });
  });

  describeChanges(() => database);

  describe('at the same time', () => {
    test('many calls are all carried out', async () => {
      const made = await Promise.all(Array.from({ length: 30 }, (_, n) => make(String(n))));
      expect(new Set(made.map(({ id }) => id)).size).toBe(30);
      const changed = await Promise.all(
        made.map(({ id }, n) => repository.update(id, { title: `t${n}`, body: 'b' })),
      );
      expect(changed.map((note) => note?.title)).toEqual(made.map((_, n) => `t${n}`));
      const deleted = await Promise.all([...made, ...made].map(({ id }) => repository.delete(id)));
      expect(deleted.filter(Boolean)).toHaveLength(30);
    });
  });

  describe('in a transaction', () => {
    test('what is written is kept when the work is fulfilled', async () => {
      const note = await database.transaction(async (transaction) => {
        const inside = createNoteRepository(transaction);
        const { id } = await inside.create({ title: 'a', body: 'b', author: 'c' });
        return await inside.update(id, { title: 'd', body: 'e' });
      });
      expect(await firstPage(repository)).toEqual([note]);
    });

    test('nothing is kept when the work is rejected', async () => {
      const before = await make('before');
      const failure = new Error('no');
      const work = database.transaction(async (transaction) => {
        const inside = createNoteRepository(transaction);
        await inside.create({ title: 'a', body: 'b', author: 'c' });
        await inside.delete(before.id);
        expect(await firstPage(inside)).toHaveLength(1);
        throw failure;
      });
      await expect(work).rejects.toBe(failure);
      expect(await firstPage(repository)).toEqual([before]);
    });

    test('nothing is kept when a statement fails, even if the work goes on', async () => {
      const work = database.transaction(async (transaction) => {
        await createNoteRepository(transaction).create({ title: 'a', body: 'b', author: 'c' });
        await transaction.run((db) => db.select({ n: sql`1 / 0` }).from(notes)).catch(() => {});
        return 'done';
      });
      await expect(work).rejects.toMatchObject({ name: 'DatabaseQueryError', sqlState: '25P02' });
      expect(await firstPage(repository)).toEqual([]);
    });

    test('nothing is run after its end', async () => {
      const runner = await database.transaction(async (transaction) => transaction);
      await expect(firstPage(createNoteRepository(runner))).rejects.toThrow('the transaction has ended');
      expect(await firstPage(repository)).toEqual([]);
    });

    test('work that never ends is late: nothing is kept, and others go on', async () => {
      const work = database.transaction(async (transaction) => {
        await createNoteRepository(transaction).create({ title: 'a', body: 'b', author: 'c' });
        return await new Promise(() => {});
      });
      await expect(work).rejects.toMatchObject({ name: 'DatabaseUnavailableError', reason: 'timeout' });
      expect(await firstPage(repository)).toEqual([]);
      expect(await make('b')).toMatchObject({ title: 'b' });
    });
  });

  describe('errors', () => {
    test('a statement that is refused is told with its code, without what was written', async () => {
      const secret = 'what the user wrote';
      const work = database.run((db) =>
        db.insert(notes).values({ title: sql`${secret}::integer::text`, body: secret, author: 'c' }),
      );
      const error: unknown = await work.catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(DatabaseQueryError);
      expect(error).toMatchObject({ sqlState: '22P02', code: 'DATABASE_QUERY' });
      expect(JSON.stringify(error)).not.toContain('author');
      expect(error).not.toHaveProperty('params');
      expect(error).not.toHaveProperty('cause');
      expect(await make('after')).toMatchObject({ title: 'after' });
    });

    test('an error of the work itself comes through as it is', async () => {
      const failure = new TypeError('not of the database');
      await expect(database.run(() => Promise.reject(failure))).rejects.toBe(failure);
      const failing = database.run(() => {
        throw failure;
      });
      await expect(failing).rejects.toBe(failure);
    });

    test('calls beyond those that may wait are refused at once', async () => {
      let release = (): void => {};
      const held = new Promise<void>((resolve) => {
        release = resolve;
      });
      const calls = Array.from({ length: callsMax }, () => database.run(() => held));
      await expect(database.run(() => held)).rejects.toMatchObject({
        name: 'DatabaseUnavailableError',
        reason: 'busy',
        retryAfterMs: 1_000,
      });
      release();
      await Promise.all(calls);
      expect(await make('after')).toMatchObject({ title: 'after' });
    });
  });
}
