// Lists and results that are read page by page, and when the page may say that it is live.
import { describe, expect, test } from 'vitest';
import {
  FOUND_MAX,
  INDEXING_PAUSE_MS,
  LISTED_MAX,
  RELOAD_CAP_MS,
  REQUERY_PAUSE_MS,
  RESYNC_SPREAD_MS,
  standingOf,
  TYPING_PAUSE_MS,
} from '../../../src/app/web/internal.ts';
import { PageBench, settled } from './page-bench.ts';

const away = { kind: 'unavailable', reason: 'database is away', retryAfterSeconds: 3 } as const;

/** A page on a server with notes n1 to nCOUNT and two on a page; the first page is read. */
async function bench(count: number): Promise<PageBench> {
  const made = new PageBench();
  made.server.pageNotes = 2;
  for (let id = 1; id <= count; id += 1) made.server.add({ title: `n${id}`, body: 'text', author: 'Ada' });
  return made.start();
}

async function more(page: PageBench, byHand = false): Promise<void> {
  page.send({ type: 'more_wanted', byHand });
  await page.answer('list');
}

const asked = (page: PageBench): string[] => page.server.requests.map(({ name }) => name);

describe('the list', () => {
  test('is read page by page down to its end', async () => {
    const page = await bench(5);
    expect(page.titles).toEqual(['n5', 'n4']);
    await more(page);
    expect(page.titles).toEqual(['n5', 'n4', 'n3', 'n2']);
    await more(page);
    expect(page.titles).toEqual(['n5', 'n4', 'n3', 'n2', 'n1']);
    expect(page.state.replica).toMatchObject({ floor: 0, next: null });
    page.send({ type: 'more_wanted', byHand: false });
    expect(page.server.requests).toEqual([]);
  });

  test('asks for one page at a time, however often the end comes near', async () => {
    const page = await bench(5);
    for (let time = 0; time < 3; time += 1) page.send({ type: 'more_wanted', byHand: false });
    expect(page.server.requests).toHaveLength(1);
  });

  test('takes what happens between two pages: on top, in place, out', async () => {
    const page = await bench(6);
    page.send({ type: 'more_wanted', byHand: false });
    page.server.requests[0]?.carryOut();
    page.server.add({ title: 'new', body: 'text', author: 'Joe' });
    page.server.change(4, { title: 'n4 changed', body: 'text' });
    page.server.drop(3);
    page.deliverFrames();
    await page.answer('list');
    expect(page.titles).toEqual(['new', 'n6', 'n5', 'n4 changed']);
    await more(page);
    expect(page.titles).toEqual(['new', 'n6', 'n5', 'n4 changed', 'n2', 'n1']);
  });

  test('that is asked for by hand gives the focus to the first of the notes that come, and says how many', async () => {
    const page = await bench(5);
    const before = page.state.focus.turn;
    await more(page);
    expect(page.state.focus.turn).toBe(before);
    await more(page, true);
    expect(page.state.focus.target).toBe('note-1');
    expect(page.said).toBe('1 note more.');
  });

  test('says why no more was to be had, and asks again by hand only', async () => {
    const page = await bench(5);
    page.send({ type: 'more_wanted', byHand: true });
    await page.answer('list', away);
    expect(page.state.list).toMatchObject({ reading: null, failure: null, moreFailure: away });
    expect(page.said).toBe(
      'The server cannot do this now: database is away. No more notes could be read. Try again in 3 seconds.',
    );
    expect(standingOf(page.state)).toBe('live');
    page.time.pass(RELOAD_CAP_MS);
    expect(page.server.requests).toEqual([]);
    await more(page, true);
    expect(page.titles).toEqual(['n5', 'n4', 'n3', 'n2']);
    expect(page.state.list.moreFailure).toBeNull();
  });

  test('begins at the top again when the server does not know the cursor any more', async () => {
    const page = await bench(5);
    page.send({ type: 'more_wanted', byHand: false });
    await page.answer('list', { kind: 'refused', reason: 'unknown cursor' });
    await page.answer('list');
    await page.answer('list');
    expect(page.titles).toEqual(['n5', 'n4', 'n3', 'n2']);
    expect(page.state.list).toMatchObject({ failure: null, moreFailure: null });
  });

  test('is read again as far as it is shown after the connection was away, and no row goes meanwhile', async () => {
    const page = await bench(7);
    await more(page);
    page.drop();
    page.server.forget();
    page.server.drop(6);
    page.server.change(4, { title: 'n4 changed', body: 'text' });
    page.server.add({ title: 'new', body: 'text', author: 'Joe' });
    page.connect();
    await page.answer('list');
    expect(page.titles).toEqual(['new', 'n7', 'n6', 'n5', 'n4']);
    expect(standingOf(page.state)).toBe('updating');
    await page.answer('list');
    expect(page.titles).toEqual(['new', 'n7', 'n5', 'n4 changed']);
    expect(standingOf(page.state)).toBe('live');
    expect(page.server.requests).toEqual([]);
    expect(new Set(page.state.arrivals.keys())).toEqual(new Set([8, 4]));
  });

  test('goes on to what is asked for while it is read again', async () => {
    const page = await bench(6);
    page.drop();
    page.server.forget();
    page.connect();
    page.send({ type: 'more_wanted', byHand: true });
    expect(asked(page)).toEqual(['list']);
    await page.answer('list');
    await page.answer('list');
    expect(page.titles).toEqual(['n6', 'n5', 'n4', 'n3']);
    expect(page.state.focus.target).toBe('note-4');
  });

  test('does not go on for ever with a server whose pages do not', async () => {
    const page = await bench(6);
    page.server.list = () =>
      Promise.resolve({
        ok: true,
        value: { notes: page.server.listed().slice(0, 2), next: 'x', indexing: false },
      });
    page.send({ type: 'more_wanted', byHand: false });
    await settled();
    expect(page.state.list).toMatchObject({ reading: null, moreFailure: { kind: 'broken' } });
  });

  test(`holds ${LISTED_MAX.notes} notes, and leaves older ones to the search`, async () => {
    const page = new PageBench();
    page.server.pageNotes = 1_000;
    for (let id = 1; id <= LISTED_MAX.notes + 1_500; id += 1) {
      page.server.add({ title: `n${id}`, body: 'text', author: 'Ada' });
    }
    await page.start();
    for (let count = 2; count * 1_000 <= LISTED_MAX.notes; count += 1) await more(page);
    expect(page.titles).toHaveLength(LISTED_MAX.notes);
    page.drop();
    page.connect();
    await page.quiesce();
    expect(page.titles).toHaveLength(LISTED_MAX.notes);
    expect(page.server.requests).toEqual([]);
  });
});

describe('a result', () => {
  async function searching(count: number): Promise<PageBench> {
    const page = await bench(count);
    page.send({ type: 'query_changed', query: 'n' });
    page.time.pass(TYPING_PAUSE_MS);
    await page.answer('search');
    return page;
  }

  async function moreFound(page: PageBench): Promise<void> {
    page.send({ type: 'more_wanted', byHand: false });
    await page.answer('search');
  }

  test('is read page by page down to its end', async () => {
    const page = await searching(5);
    expect(page.said).toBe('2 notes found, and there are more.');
    expect(page.titles).toEqual(['n5', 'n4']);
    await moreFound(page);
    await moreFound(page);
    expect(page.titles).toEqual(['n5', 'n4', 'n3', 'n2', 'n1']);
    expect(page.state.search).toMatchObject({ next: null, cut: false });
  });

  test('shows no note twice when another has come in between two pages, and is put right after that', async () => {
    const page = await searching(5);
    page.send({ type: 'more_wanted', byHand: false });
    page.server.add({ title: 'new n', body: 'text', author: 'Joe' });
    await page.answer('search');
    expect(page.titles).toEqual(['n5', 'n4', 'n3']);
    page.deliverFrames();
    page.time.pass(REQUERY_PAUSE_MS);
    await page.answer('search');
    await page.answer('search');
    expect(page.titles).toEqual(['new n', 'n5', 'n4', 'n3']);
  });

  test('is asked for again as far as it is shown, and replaced as a whole', async () => {
    const page = await searching(6);
    await moreFound(page);
    page.server.drop(5);
    page.server.add({ title: 'new n', body: 'text', author: 'Joe' });
    page.deliverFrames();
    page.time.pass(REQUERY_PAUSE_MS);
    await page.answer('search');
    expect(page.titles).toEqual(['n6', 'n4', 'n3']);
    await page.answer('search');
    expect(page.titles).toEqual(['new n', 'n6', 'n4', 'n3']);
    page.server.add({ title: 'n again', body: 'text', author: 'Joe' });
    page.deliverFrames();
    page.time.pass(REQUERY_PAUSE_MS * 2 - 1); // two pages take twice the pause
    expect(asked(page)).toEqual([]);
    page.time.pass(1);
    expect(asked(page)).toEqual(['search']);
  });

  test('goes on to what is asked for while it is asked for again', async () => {
    const page = await searching(6);
    page.server.drop(6);
    page.deliverFrames();
    page.send({ type: 'more_wanted', byHand: true });
    page.time.pass(REQUERY_PAUSE_MS);
    expect(asked(page)).toEqual(['search']);
    await page.answer('search');
    await page.answer('search');
    expect(page.titles).toEqual(['n5', 'n4', 'n3', 'n2']);
    expect(page.state.focus.target).toBe('note-4');
  });

  test('says why no more was to be had, and begins anew with a cursor that is not known any more', async () => {
    const page = await searching(5);
    page.send({ type: 'more_wanted', byHand: true });
    await page.answer('search', { kind: 'unreachable' });
    expect(page.state.search).toMatchObject({ moreFailure: { kind: 'unreachable' }, more: false });
    expect(page.titles).toEqual(['n5', 'n4']);
    page.send({ type: 'more_wanted', byHand: true });
    await page.answer('search', { kind: 'refused', reason: 'unknown cursor' });
    await page.answer('search');
    expect(page.titles).toEqual(['n5', 'n4']);
    await moreFound(page);
    expect(page.titles).toEqual(['n5', 'n4', 'n3', 'n2']);
  });

  test(`ends with ${FOUND_MAX.notes} notes, and says so`, async () => {
    const page = new PageBench();
    page.server.pageNotes = FOUND_MAX.notes;
    for (let id = 0; id <= FOUND_MAX.notes; id += 1)
      page.server.add({ title: 'n', body: 'text', author: 'Ada' });
    await page.start();
    page.send({ type: 'query_changed', query: 'n' });
    page.time.pass(TYPING_PAUSE_MS);
    await page.answer('search');
    expect(page.titles).toHaveLength(FOUND_MAX.notes);
    expect(page.state.search).toMatchObject({ next: null, cut: true });
  });

  test('that may lack notes is asked for again a while later, until it lacks none', async () => {
    const page = await bench(2);
    page.server.indexing = true;
    page.send({ type: 'query_changed', query: 'n' });
    page.time.pass(TYPING_PAUSE_MS);
    await page.answer('search');
    expect(page.state.search.indexing).toBe(true);
    page.server.indexing = false;
    page.time.pass(INDEXING_PAUSE_MS + REQUERY_PAUSE_MS - 1);
    expect(asked(page)).toEqual([]);
    page.time.pass(1);
    await page.answer('search');
    expect(page.state.search.indexing).toBe(false);
    page.time.pass(INDEXING_PAUSE_MS * 2);
    expect(asked(page)).toEqual([]);
  });
});

describe('live is said', () => {
  test('after the list has been read over the connection that stands, not before', async () => {
    const page = new PageBench();
    expect(standingOf(page.state)).toBe('connecting');
    page.connect();
    expect(standingOf(page.state)).toBe('updating');
    await page.answer('list');
    expect(standingOf(page.state)).toBe('live');
    page.drop();
    page.server.forget();
    expect(standingOf(page.state)).toBe('waiting');
    page.connect();
    expect(standingOf(page.state)).toBe('updating');
    await page.answer('list', away);
    expect(standingOf(page.state)).toBe('updating');
    page.app.tryNow();
    await page.answer('list');
    expect(standingOf(page.state)).toBe('live');
  });

  test('not of a list that was read without a connection', async () => {
    const page = new PageBench();
    page.drop();
    page.server.requests[0]?.carryOut();
    page.connect();
    await page.answer('list'); // the first of the two
    expect(standingOf(page.state)).toBe('updating');
    await page.answer('list');
    expect(standingOf(page.state)).toBe('live');
  });

  test('not between the advice to read again and what was read after it', async () => {
    const page = await bench(2);
    page.socket.receive(JSON.stringify({ event: 'resync', data: {} }));
    expect(standingOf(page.state)).toBe('updating');
    page.time.pass(RESYNC_SPREAD_MS);
    page.socket.receive(JSON.stringify({ event: 'resync', data: {} }));
    await page.answer('list'); // asked for before the second advice
    expect(standingOf(page.state)).toBe('updating');
    page.time.pass(RESYNC_SPREAD_MS);
    await page.answer('list');
    expect(standingOf(page.state)).toBe('live');
  });

  test('of a result only when that was found over this connection, too', async () => {
    const page = await bench(2);
    page.send({ type: 'query_changed', query: 'n' });
    page.time.pass(TYPING_PAUSE_MS);
    await page.answer('search');
    expect(standingOf(page.state)).toBe('live');
    page.drop();
    page.server.forget();
    page.connect();
    await page.answer('list');
    expect(standingOf(page.state)).toBe('updating');
    await page.answer('search');
    expect(standingOf(page.state)).toBe('live');
  });
});
