// What the indexer and the search do on a database: what is changed is found, whoever changes it, however the work is broken
// off; answers come in pages; work is bounded.
import { sql } from 'drizzle-orm';
import { array, assert, asyncProperty, constant, constantFrom, nat, oneof, record } from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database } from '../../../src/app/database/internal.ts';
import { DatabaseBacklog, DatabaseSearch, readMax, Vocabulary } from '../../../src/app/indexer/internal.ts';
import {
  BadCursorError,
  createNoteRepository,
  type NoteRepository,
  notesTable as notes,
  noteWords,
} from '../../../src/app/notes/internal.ts';
import { barrier, FaultyDatabase } from '../support/faulty-database.ts';

const ALL = { limit: 1_000, maxBytes: 1_000_000_000 };

export function describeIndexing(open: () => Promise<Database>): void {
  let inner: Database;
  let database: FaultyDatabase;
  let repository: NoteRepository;
  let vocabulary: Vocabulary;
  let backlog: DatabaseBacklog;
  let search: DatabaseSearch;

  beforeAll(async () => {
    inner = await open();
  }, 60_000);
  afterAll(() => inner.close());
  beforeEach(async () => {
    await inner.run((db) => db.delete(notes));
    await inner.run((db) => db.delete(noteWords));
    repository = createNoteRepository(inner);
    database = new FaultyDatabase(inner);
    ({ vocabulary, backlog, search } = instance(database));
  });

  /** What one instance of the service searches with. */
  function instance(on: Database) {
    const words = new Vocabulary(on);
    const work = new DatabaseBacklog(on, words, ({ problem }) => {
      throw new Error(problem);
    });
    return { vocabulary: words, backlog: work, search: new DatabaseSearch(on, work, words) };
  }

  const make = (title: string, body = 'b', author = 'a') => repository.create({ title, body, author });
  const titles = async (query: string, by = search): Promise<string[]> =>
    (await by.search(query, ALL)).notes.map(({ title }) => title);
  const unindexed = async (): Promise<number> => {
    const [row] = await inner.run((db) =>
      db
        .select({ count: sql<string>`count(*)` })
        .from(notes)
        .where(sql`${notes.unindexed} is not null`),
    );
    return Number(row?.count);
  };

  test.each([
    ['a tab', 'milk\teggs', 'eggs'],
    [
      'signs',
      '`npm` colour=green red|blue salt+pepper <b>important</b> ~~gone~~ here→there $PATH',
      'path pepper blue there',
    ],
    ['Chinese', '我们明天开会', '明天'],
    ['a part that no dictionary has', '我们明天开会', '天开'],
    ['one character', '我们明天开会', '会'],
    ['Latin in Chinese', '使用SQL语句', 'sql'],
    ['Japanese', '新しい検索機能', '機能'],
    ['Thai', 'ประชุมพรุ่งนี้', 'พรุ่งนี้'],
    ['Arabic', 'كِتَاب', 'كتاب'],
    ['Hebrew', 'שָׁלוֹם', 'שלום'],
    ['German', 'Straße', 'STRASSE'],
    ['Polish', 'Łódź', 'lodz'],
    ['Icelandic and French', 'Æsir œuvre', 'aesir oeuvre'],
    ['a language of programmers', 'in C++ it is', 'c++'],
    ['an emoji', 'well done 👍🏽', '👍'],
    ['quotes', "o'neil \\ 'x' & y:z", "o'neil y:z"],
  ])('finds %s', async (_what, body, query) => {
    await make('other', 'nothing of it');
    await make('this', body);
    expect(await titles(query)).toEqual(['this']);
  });

  test('forgives slips in words of five letters and more, and puts what is meant first', async () => {
    await make('soup', 'broad beans');
    await make('cake', 'sourdough bread');
    expect(await titles('bread')).toEqual(['cake', 'soup']);
    for (const query of ['braed', 'brea', 'brread', 'sourdugh', 'sourdouhg'])
      expect(await titles(query)).toContain('cake');
    expect(await titles('cak e')).toEqual([]);
    expect(await titles('ckae')).toEqual([]);
  });

  test('does not forgive a slip in a word that is like too many others, and all others as ever', async () => {
    await make('cake', 'sourdough');
    await make('crowd', 'aaaaaaaaxyz');
    await backlog.step();
    const crowd = sql`select 'aaaaaaaa' || translate(n::text, '0123456789', 'bcdefghijk') from generate_series(1, 60000) as n`;
    await inner.run((db) => db.insert(noteWords).select(crowd));
    expect(await titles('aaaaaaaaxzy')).toEqual([]);
    expect(await titles('sourdugh')).toEqual(['cake']);
    await inner.run((db) => db.delete(noteWords).where(sql`${noteWords.word} ~ '^a{8}[b-k]'`));
  });

  test('finds what is in a title before what is in a text, and of the same the newest first', async () => {
    await make('one', 'bread');
    await make('bread');
    await make('two', 'bread');
    expect(await titles('bread')).toEqual(['bread', 'two', 'one']);
  });

  test('reads a change again that was made while its note was being indexed, and takes no other note for it', async () => {
    const { id } = await make('first');
    const held = barrier();
    let calls = 0;
    // The second call of a step is what writes.
    database.fault = { before: () => (++calls === 2 ? held.wait() : undefined) };
    const step = backlog.step();
    await held.reached;
    await repository.update(id, { title: 'second', body: 'b' });
    held.release();
    expect(await step).toBe(true);
    expect([await titles('first'), await titles('second')]).toEqual([[], ['second']]);
  });

  test('goes on where a step was broken off between reading and writing', async () => {
    await make('kept');
    let calls = 0;
    database.fault = {
      before() {
        if (++calls === 2) throw new Error('killed');
      },
    };
    await expect(backlog.step()).rejects.toThrow('killed');
    database.fault = undefined;
    expect([await unindexed(), await titles('kept'), await unindexed()]).toEqual([1, ['kept'], 0]);
  });

  test('finds a change at once that was made while a step had read already', async () => {
    await make('early');
    const held = barrier();
    let calls = 0;
    database.fault = { before: () => (++calls === 2 ? held.wait() : undefined) };
    const step = backlog.step();
    await held.reached;
    await make('late');
    const found = titles('late');
    held.release();
    await step;
    expect(await found).toEqual(['late']);
  });

  test('sees what another program changes, which tells nobody and does not touch the times', async () => {
    const { id } = await make('told');
    expect(await titles('told')).toEqual(['told']);
    await inner.run((db) =>
      db
        .update(notes)
        .set({ title: 'untold' })
        .where(sql`${notes.id} = ${id}`),
    );
    expect([await titles('told'), await titles('untold')]).toEqual([[], ['untold']]);
    const [row] = await inner.run((db) => db.select().from(notes));
    expect([row?.unindexed, row?.updatedAt]).toEqual([null, row?.createdAt]);
  });

  test('does not let a time that lies in the future, nor a deletion, stand before later changes', async () => {
    const { id } = await make('wrong');
    await inner.run((db) =>
      db
        .update(notes)
        .set({ title: 'future', updatedAt: new Date('9999-12-31T00:00:00Z') })
        .where(sql`${notes.id} = ${id}`),
    );
    expect(await titles('future')).toEqual(['future']);
    await inner.run((db) =>
      db
        .update(notes)
        .set({ title: 'right', updatedAt: new Date('2020-01-01T00:00:00Z') })
        .where(sql`${notes.id} = ${id}`),
    );
    expect([await titles('future'), await titles('right')]).toEqual([[], ['right']]);
    await repository.delete(id);
    expect(await titles('right')).toEqual([]);
    await make('right');
    expect(await titles('right')).toEqual(['right']);
  });

  test('indexes the newest change first, and says so while there is more than a search does', async () => {
    const many = readMax.notes * 6;
    const values = Array.from({ length: many }, (_, n) => ({ title: `note${n}x`, body: 'b', author: 'a' }));
    await inner.run((db) => db.insert(notes).values(values));
    await make('newest');
    const { notes: found, indexing } = await search.search('newest', ALL);
    expect([found.map(({ title }) => title), indexing, (await unindexed()) > 0]).toEqual([
      ['newest'],
      true,
      true,
    ]);
    while (await backlog.step());
    expect(await unindexed()).toBe(0);
    expect(await search.search('note0x', ALL)).toMatchObject({
      notes: [{ title: 'note0x' }],
      indexing: false,
    });
  });

  test('indexes a small note before the large ones that came after it', async () => {
    await make('small');
    const body = 'слово '.repeat(16_000);
    const values = Array.from({ length: 20 }, (_, n) => ({ title: `large ${n}`, body, author: 'a' }));
    await inner.run((db) => db.insert(notes).values(values));
    expect(await search.search('small', ALL)).toMatchObject({ notes: [{ title: 'small' }], indexing: true });
    while (await backlog.step());
    expect(await unindexed()).toBe(0);
  });

  test('ranks the newest of many, wherever they are', async () => {
    const store = async (count: number, title: string) => {
      const values = Array.from({ length: count }, () => ({ title, body: 'b', author: 'a' }));
      await inner.run((db) => db.insert(notes).values(values));
    };
    for (let n = 0; n < 6; n++) await store(1_000, 'old');
    const last = (await make('old')).id;
    for (let n = 0; n < 2; n++) await store(1_000, 'new');
    await inner.run((db) =>
      db.update(notes).set({ words: sql`(title || ':1A')::tsvector`, unindexed: null }),
    );
    const { notes: found } = await search.search('old', ALL);
    expect(found.map(({ id }) => id)).toEqual(Array.from({ length: 1_000 }, (_, n) => last - n));
    expect((await search.search('new', ALL)).notes[0]?.id).toBe(last + 2_000);
  }, 60_000);

  test('reads little at a time of notes that are large', async () => {
    for (let n = 0; n < 8; n++) await make(`large${n}`, 'x '.repeat(50_000));
    expect([await backlog.step(), await unindexed()]).toEqual([true, 7]);
    while (await backlog.step());
    expect(await titles('large')).toHaveLength(8);
  });

  test('takes notes at the limits of what a tsvector holds', async () => {
    const han = Array.from({ length: 100_000 }, (_, n) =>
      String.fromCodePoint(0x20000 + ((n * 7919) % 42_000)),
    ).join('');
    const letters = Array.from({ length: 37_628 }, (_, n) =>
      String.fromCodePoint(0xac00 + (n % 11_172), 0x430 + (n % 32)),
    ).join(' ');
    const begin = Array.from({ length: 440 }, (_, n) => 'a'.repeat(n + 1)).join(' ');
    for (const [title, body] of [
      ['han', han],
      ['letters', letters.slice(0, 100_000)],
      ['begin', begin],
      ['word', 'w'.repeat(100_000)],
      ['marks', `m${'\u0301\u0323'.repeat(49_999)}`],
      ['quotes', `${"'".repeat(50_000)}${'\\'.repeat(50_000)}`],
    ] as const)
      await make(title, body);
    while (await backlog.step());
    expect(await unindexed()).toBe(0);
    for (const title of ['han', 'letters', 'begin', 'word', 'marks', 'quotes'])
      expect(await titles(title)).toContain(title);
    expect(await titles(`${'w'.repeat(80)} word`)).toEqual(['word']);
  }, 60_000);

  test('two that work at once do not disturb each other', async () => {
    const other = instance(inner);
    await Promise.all(
      Array.from({ length: 30 }, async (_, n) => {
        const { id } = await make(`first${n}x`);
        const by = n % 2 === 0 ? search : other.search;
        expect(await titles(`first${n}x`, by)).toEqual([`first${n}x`]);
        await repository.update(id, { title: `second${n}x`, body: 'b' });
        expect([await titles(`first${n}x`, by), await titles(`second${n}x`, by)]).toEqual([
          [],
          [`second${n}x`],
        ]);
      }),
    );
  }, 60_000);

  test('after any history finds exactly the notes that have a word', async () => {
    const word = constantFrom('ab', 'cd', 'ef', '明天', 'gh');
    const text = array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join(' '));
    const change = oneof(
      record({ kind: constant('create' as const), at: constant(0), text }),
      record({
        kind: constantFrom('update' as const, 'direct' as const, 'delete' as const),
        at: nat(5),
        text,
      }),
      record({
        kind: constantFrom('step' as const, 'crash' as const, 'tidy' as const),
        at: constant(0),
        text: constant(''),
      }),
    );
    await assert(
      asyncProperty(array(change, { minLength: 1, maxLength: 15 }), async (history) => {
        await inner.run((db) => db.delete(notes));
        const model = new Map<number, string>();
        const idAt = (at: number) => [...model.keys()][at % Math.max(model.size, 1)];
        const running: Promise<unknown>[] = [];
        for (const { kind, at, text: body } of history) {
          const id = idAt(at);
          if (kind === 'create') model.set((await make('t', body)).id, body);
          else if (kind === 'step') running.push(backlog.step());
          else if (kind === 'tidy') running.push(backlog.tidy());
          else if (kind === 'crash') {
            let calls = 0;
            const dying = new FaultyDatabase(inner);
            dying.fault = { before: () => (++calls === 2 ? Promise.reject(new Error('killed')) : undefined) };
            running.push(
              instance(dying)
                .backlog.step()
                .catch(() => undefined),
            );
          } else if (id !== undefined && kind === 'delete') {
            await repository.delete(id);
            model.delete(id);
          } else if (id !== undefined) {
            if (kind === 'update') await repository.update(id, { title: 't', body });
            else
              await inner.run((db) =>
                db
                  .update(notes)
                  .set({ body })
                  .where(sql`${notes.id} = ${id}`),
              );
            model.set(id, body);
          }
        }
        for (const each of ['ab', 'cd', 'ef', '明天', 'gh']) {
          const ids = [...model].filter(([, body]) => body.includes(each)).map(([id]) => id);
          const found = (await search.search(each, ALL)).notes.map(({ id }) => id);
          expect(found.toSorted((a, b) => a - b)).toEqual(ids.toSorted((a, b) => a - b));
        }
        await Promise.all(running);
      }),
      { numRuns: 25 },
    );
  }, 120_000);

  describe('pages', () => {
    test('hold each note once, however many are asked for at a time', async () => {
      for (let n = 0; n < 25; n++) await make(n % 3 === 0 ? `page ${n}` : `other ${n}`, 'page');
      const whole = await titles('page');
      expect(whole).toHaveLength(25);
      for (const limit of [1, 7, 25, 100]) {
        const read: string[] = [];
        let after: string | undefined;
        do {
          const page = await search.search('page', {
            limit,
            maxBytes: 1_000_000,
            ...(after !== undefined && { after }),
          });
          expect(page.notes.length).toBeLessThanOrEqual(limit);
          read.push(...page.notes.map(({ title }) => title));
          after = page.next;
        } while (after !== undefined);
        expect(read).toEqual(whole);
      }
    });

    test('end with the note that fills them', async () => {
      for (let n = 0; n < 5; n++) await make(`n${n}`, `page ${'ä'.repeat(500)}`);
      const { notes: found, next } = await search.search('page', { limit: 100, maxBytes: 1_500 });
      expect([found.map(({ title }) => title), next === undefined]).toEqual([['n4', 'n3'], false]);
      const rest = await search.search('page', { limit: 100, maxBytes: 1, after: next! });
      expect(rest.notes.map(({ title }) => title)).toEqual(['n2']);
    });

    test('begin only behind what an answer has said', async () => {
      for (const after of ['', 'x', '1', '1_0', '1_2147483648', '_1', '1_1_1', '1e999_1x', "1';--_1"])
        await expect(search.search('page', { ...ALL, after })).rejects.toThrow(BadCursorError);
    });
  });

  test('words that are in no note any more are removed, and those that are in use are kept', async () => {
    const all = async () =>
      (await inner.run((db) => db.select().from(noteWords))).map(({ word }) => word).toSorted();
    const kept = await make('keeping', 'shared');
    const gone = await make('vanishing', 'shared');
    await backlog.step();
    expect(await all()).toEqual(['keeping', 'shared', 'vanishing']);
    await repository.delete(gone.id);
    await repository.update(kept.id, { title: 'staying', body: 'shared' });
    await backlog.step();
    while (vocabulary.isCleaningDue) await backlog.tidy();
    expect(await all()).toEqual(['shared', 'staying']);
  });
}
