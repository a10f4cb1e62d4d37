// Lists and searches in pages, on either database: how many notes and bytes a page has, how it leads to the next one, and what
// is refused.
import { beforeEach, describe, expect, test } from 'vitest';
import type { Note } from '../../../src/app/notes/internal.ts';
import type { Answer, TestApp } from '../support/test-app.ts';

interface Page {
  readonly notes: Note[];
  readonly next: string | null;
}

const MIB = 1_048_576;

export function describePages(app: () => TestApp): void {
  const ask: TestApp['ask'] = (...request) => app().ask(...request);
  const page = async (path: string): Promise<Answer & { body: Page }> => {
    const answer = await ask('GET', path);
    expect(answer.status).toBe(200);
    return answer as Answer & { body: Page };
  };
  /** All pages from one on, by their links. */
  const follow = async (path: string): Promise<string[][]> => {
    const pages: string[][] = [];
    for (let at: string | undefined = path; at !== undefined;) {
      const { body, headers } = await page(at);
      pages.push(body.notes.map(({ title }) => title));
      const link = headers.get('link');
      const target = link === null ? undefined : /^<([^>]*)>; rel="next"$/.exec(link)?.[1];
      expect(target === undefined).toBe(body.next === null);
      if (target !== undefined) expect(target).toMatch(/^\?/); // works wherever a proxy has put the service
      at = target && `/api/notes${target}`;
    }
    return pages;
  };
  const makeMany = async (count: number, text: (n: number) => string = () => 'body'): Promise<string[]> => {
    const titles: string[] = [];
    for (let n = 1; n <= count; n++) titles.push((await app().make(`note ${n}`, text(n))).title);
    return titles.toReversed();
  };

  beforeEach(() => app().clear());

  test('a list is answered in pages, and each leads to the next', async () => {
    const titles = await makeMany(5);
    const { body, headers } = await page('/api/notes?limit=2');
    expect(body.notes.map(({ title }) => title)).toEqual(titles.slice(0, 2));
    expect(headers.get('link')).toBe(`<?limit=2&cursor=${body.next}>; rel="next"`);
    const second = await page(`/api/notes?limit=2&cursor=${body.next}`);
    expect(second.body.notes.map(({ title }) => title)).toEqual(titles.slice(2, 4));
    expect(await follow('/api/notes?limit=2')).toEqual([
      titles.slice(0, 2),
      titles.slice(2, 4),
      titles.slice(4),
    ]);
    expect((await page('/api/notes')).body.next).toBe(null);
    expect((await page('/api/notes')).headers.get('link')).toBe(null);
  });

  test('a list without a limit has 100 notes, and none has more than 500', async () => {
    await makeMany(101);
    expect((await page('/api/notes')).body.notes).toHaveLength(100);
    expect((await page('/api/notes?limit=500')).body.notes).toHaveLength(101);
    const error = 'limit must be a whole number from 1 to 500';
    for (const limit of ['501', '0', '-1', '1.5', '1e2', '', '%20', 'x', '٣', '9'.repeat(20), '0x1', 'NaN'])
      expect(await ask('GET', `/api/notes?limit=${limit}`)).toMatchObject({ status: 400, body: { error } });
  });

  test('a page ends with the note that brings its texts to a megabyte', async () => {
    const titles = await makeMany(12, () => 'ж'.repeat(100_000));
    const { body } = await page('/api/notes');
    const bytes = body.notes.map((note) => Buffer.byteLength(note.title + note.body + note.author));
    const sum = bytes.reduce((all, each) => all + each, 0);
    expect(sum).toBeGreaterThanOrEqual(MIB);
    expect(sum - bytes.at(-1)!).toBeLessThan(MIB);
    // Whole notes, and all of them in the end.
    for (const note of body.notes) expect(note.body).toHaveLength(100_000);
    expect((await follow('/api/notes')).flat()).toEqual(titles);
  });

  test('a search is answered in pages, too', async () => {
    const titles = await makeMany(7, () => 'common');
    const pages = await follow('/api/notes?q=common&limit=3');
    expect(pages.map(({ length }) => length)).toEqual([3, 3, 1]);
    expect(pages.flat().toSorted()).toEqual(titles.toSorted());
    const { body, headers } = await page('/api/notes?q=common&limit=3&other=x');
    expect(headers.get('link')).toBe(`<?q=common&limit=3&cursor=${body.next}>; rel="next"`);
    await makeMany(16, () => 'ж'.repeat(99_000).concat(' large'));
    const large = await follow('/api/notes?q=large');
    expect(large.length).toBeGreaterThan(1);
    expect(large.flat()).toHaveLength(16);
  });

  test('HEAD tells of the next page as well', async () => {
    await makeMany(2);
    const get = await ask('GET', '/api/notes?limit=1');
    const head = await ask('HEAD', '/api/notes?limit=1');
    expect([head.status, head.body, head.headers.get('link')]).toEqual([200, '', get.headers.get('link')]);
  });

  describe('a cursor', () => {
    const error = 'cursor must be the `next` of an answer to the same request';

    test('that no answer had is answered 400', async () => {
      await makeMany(2);
      const { next } = (await page('/api/notes?limit=1')).body;
      const forged = ['', 'x', `${next}!`, `${next}=`, '1', '-1', '%00', encodeURIComponent(`' or 1=1 --`)];
      for (const cursor of forged) {
        const listed = await ask('GET', `/api/notes?limit=1&cursor=${cursor}`);
        expect({ cursor, ...listed }).toMatchObject({ cursor, status: 400, body: { error } });
        const found = await ask('GET', `/api/notes?q=note&cursor=${cursor}`);
        expect({ cursor, ...found }).toMatchObject({ cursor, status: 400, body: { error } });
      }
    });

    test('of a list is none of a search, and the other way round', async () => {
      await makeMany(2);
      const { next: ofList } = (await page('/api/notes?limit=1')).body;
      const { next: ofSearch } = (await page('/api/notes?limit=1&q=note')).body;
      expect(ofSearch).not.toBe(null);
      for (const path of [`?q=note&cursor=${ofList}`, `?cursor=${ofSearch}`])
        expect(await ask('GET', `/api/notes${path}`)).toMatchObject({ status: 400, body: { error } });
    });

    test('that is too long, or given twice, is answered 400', async () => {
      expect(await ask('GET', `/api/notes?cursor=${'x'.repeat(1_001)}`)).toMatchObject({
        status: 400,
        body: { error: 'cursor must have at most 1000 characters' },
      });
      expect(await ask('GET', '/api/notes?cursor=a&cursor=b')).toMatchObject({
        status: 400,
        body: { error: 'cursor must be given once, as text' },
      });
    });
  });
}
