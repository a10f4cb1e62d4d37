// Searching over HTTP, on either database: what is found, that a change is found at once, and that an indexer which is killed
// comes back complete.
import { beforeEach, describe, expect, test } from 'vitest';
import { indexerName } from '../../../src/app/indexer/internal.ts';
import { awaitExit } from 'troupe/testing';
import type { TestApp } from '../support/test-app.ts';

/** Notes in one answer. */
const RESULTS_MAX = 100;

export function describeSearch(app: () => TestApp): void {
  const search = (query: string) => app().search(query);

  beforeEach(() => app().clear());

  /** Kills the indexer. It is started again at once, and a search waits until it is complete. */
  async function kill(): Promise<void> {
    const { node } = app();
    const pid = node.whereis(indexerName);
    if (pid === undefined) throw new Error('the indexer does not run');
    node.exit(pid, 'kill');
    await awaitExit(node, pid);
    await restarted(app());
  }

  test('a search finds words and their beginnings, in title, body and author', async () => {
    await app().make('Sourdough bread', 'flour, water, salt', 'Ada Lovelace');
    await app().make('Soup', 'water and bread crumbs', 'Grace');
    expect(await search('bread')).toEqual(['Sourdough bread', 'Soup']);
    expect(await search('BREAD flour')).toEqual(['Sourdough bread']);
    expect(await search('sour')).toEqual(['Sourdough bread']);
    expect(await search('lovelace')).toEqual(['Sourdough bread']);
    expect(await search('soup flour')).toEqual([]);
    expect(await search('sourdugh')).toEqual(['Sourdough bread']);
    for (const nothing of ['xylophone', '!!!', '"', '%', '😀', '__proto__', 'constructor', 'id', '\u0000']) {
      expect(await search(nothing)).toEqual([]);
    }
  });

  test('a search answers whole notes, as they are now', async () => {
    const { id } = await app().make('before');
    const json = { title: 'after', body: 'changed' };
    const { body } = await app().ask('PUT', `/api/notes/${id}`, { json });
    expect(await app().ask('GET', '/api/notes?q=after')).toMatchObject({
      status: 200,
      body: { notes: [body] },
    });
  });

  test('a change is found by the next search', async () => {
    for (let n = 0; n < 20; n++) {
      const { id } = await app().make(`first${n}`);
      expect(await search(`first${n}`)).toEqual([`first${n}`]);
      await app().ask('PUT', `/api/notes/${id}`, { json: { title: `second${n}`, body: 'b' } });
      expect([await search(`first${n}`), await search(`second${n}`)]).toEqual([[], [`second${n}`]]);
      await app().ask('DELETE', `/api/notes/${id}`);
      expect(await search(`second${n}`)).toEqual([]);
    }
  });

  test('a search answers so many notes at most', async () => {
    await Promise.all(Array.from({ length: RESULTS_MAX + 5 }, (_, n) => app().make(`many ${n}`)));
    expect(await search('many')).toHaveLength(RESULTS_MAX);
  });

  describe('an indexer that is killed', () => {
    test('comes back with every note', async () => {
      const titles = Array.from({ length: 30 }, (_, n) => `kept${n}`);
      await Promise.all(titles.map((title) => app().make(title)));
      const { id } = await app().make('gone');
      await app().ask('DELETE', `/api/notes/${id}`);
      await kill();
      for (const title of titles) expect(await search(title)).toContain(title);
      expect(await search('gone')).toEqual([]);
      expect(await app().ask('GET', '/readyz')).toMatchObject({ status: 200 });
    });

    test('misses nothing of what is changed while it starts', async () => {
      const made = await Promise.all(Array.from({ length: 20 }, (_, n) => app().make(`old${n}`)));
      const { node } = app();
      const rounds = made.map(async ({ id }, n) => {
        if (n === 10) node.exit(node.whereis(indexerName)!, 'kill');
        await app().make(`fresh${n}`);
        await app().ask('PUT', `/api/notes/${id}`, { json: { title: `renamed${n}`, body: 'b' } });
        if (n % 2 === 0) await app().ask('DELETE', `/api/notes/${id}`);
      });
      await Promise.all(rounds);
      await restarted(app());
      for (const n of made.keys()) {
        expect(await search(`fresh${n}`)).toContain(`fresh${n}`);
        expect((await search(`renamed${n}`)).includes(`renamed${n}`)).toBe(n % 2 === 1);
        expect(await search(`old${n}`)).not.toContain(`old${n}`);
      }
    });
  });
}

/** Fulfilled when the indexer runs; it is away for a moment when it has been killed. */
async function restarted({ node }: TestApp): Promise<void> {
  while (node.whereis(indexerName) === undefined) await new Promise(setImmediate);
}
