// The page's own requests: reading the list, and searching, with what goes wrong and what overtakes them.
import { describe, expect, test } from 'vitest';
import {
  type Note,
  RELOAD_BASE_MS,
  RELOAD_CAP_MS,
  REQUERY_PAUSE_MS,
  RESYNC_SPREAD_MS,
  standingOf,
  TYPING_PAUSE_MS,
} from '../../../src/app/web/internal.ts';
import { PageBench } from './page-bench.ts';

const away = { kind: 'unavailable', reason: 'database is away', retryAfterSeconds: 3 } as const;

describe('reading the list', () => {
  test('waits for the connection, so that no change falls between the two', async () => {
    const bench = new PageBench();
    bench.socket.open();
    expect(bench.server.requests).toEqual([]);
    bench.connect();
    expect(bench.server.requests.map(({ name }) => name)).toEqual(['list']);
  });

  test('does without a connection when there is none to be had', async () => {
    const bench = new PageBench();
    bench.server.add({ title: 'a', body: 'text', author: 'Ada' });
    bench.drop();
    await bench.answer('list');
    expect(bench.titles).toEqual(['a']);
    expect(bench.state.lagging).toBe(true);
  });

  test('repeats itself after a failure, no sooner than the server asks for', async () => {
    const bench = new PageBench();
    bench.connect();
    await bench.answer('list', away);
    expect(bench.state.list).toMatchObject({ phase: 'unread', failure: away });
    bench.time.pass(3_000 - 1);
    expect(bench.server.requests).toEqual([]);
    bench.time.pass(1);
    await bench.answer('list');
    expect(bench.state.list).toMatchObject({ phase: 'ready', failure: null });
  });

  test(`never waits longer than ${RELOAD_CAP_MS} ms, and never less than ${RELOAD_BASE_MS} ms`, async () => {
    const bench = new PageBench();
    bench.connect();
    for (let failures = 0; failures < 12; failures += 1) {
      await bench.answer('list', {
        kind: 'unavailable',
        reason: 'busy',
        retryAfterSeconds: failures * 1_000,
      });
      bench.time.pass(RELOAD_BASE_MS - 1);
      expect(bench.server.requests).toEqual([]);
      bench.time.pass(RELOAD_CAP_MS - RELOAD_BASE_MS + 1);
      expect(bench.server.requests).toHaveLength(1);
    }
  });

  test('happens again when the server may have missed changes, a while later, once for all such advice', async () => {
    const bench = await new PageBench().start();
    const resync = JSON.stringify({ event: 'resync', data: {} });
    const { onEvent } = bench.server;
    bench.server.onEvent = () => {}; // the server hears nothing of this one
    bench.server.add({ title: 'missed', body: 'text', author: 'Ada' });
    bench.server.onEvent = onEvent;
    bench.socket.receive(resync);
    bench.socket.receive(resync);
    bench.time.pass(RESYNC_SPREAD_MS / 2 - 1); // of a random part, the half
    expect(bench.server.requests).toEqual([]);
    bench.time.pass(1);
    bench.socket.receive(resync);
    expect(bench.server.requests.map(({ name }) => name)).toEqual(['list']);
    await bench.answer('list');
    expect(bench.titles).toEqual(['missed']);
    bench.time.pass(RESYNC_SPREAD_MS);
    expect(bench.server.requests.map(({ name }) => name)).toEqual(['list']);
  });

  test('does not happen again when the page has reconnected meanwhile, and read', async () => {
    const bench = await new PageBench().start();
    bench.socket.receive(JSON.stringify({ event: 'resync', data: {} }));
    bench.drop();
    await bench.start();
    bench.time.pass(RESYNC_SPREAD_MS);
    expect(bench.server.requests).toEqual([]);
  });

  test('throws away an answer that a later reading has overtaken', async () => {
    const bench = await new PageBench().start();
    bench.drop();
    bench.server.forget();
    bench.connect();
    bench.server.requests[0]?.carryOut();
    bench.drop();
    bench.server.forget();
    bench.server.add({ title: 'missed', body: 'text', author: 'Joe' });
    bench.connect();
    const [early, late] = bench.server.requests;
    late?.deliver();
    await bench.quiesce();
    early?.deliver();
    await bench.quiesce();
    expect(bench.titles).toEqual(['missed']);
  });

  test('once given up does not come back by itself', async () => {
    const bench = await new PageBench().start();
    bench.drop();
    bench.server.forget();
    bench.connect();
    bench.drop();
    bench.server.forget();
    bench.connect();
    await bench.answer('list', { kind: 'unreachable' }); // the first of the two
    await bench.answer('list');
    expect(bench.state.list).toMatchObject({ reading: null, failure: null });
    bench.time.pass(RELOAD_CAP_MS);
    expect(bench.server.requests).toEqual([]);
  });

  test('losing the connection is said once, however often it is tried', async () => {
    const bench = await new PageBench().start();
    bench.drop();
    const { turn, text } = bench.state.announcement;
    expect(text).toBe('Connection lost. Trying again.');
    for (let loss = 0; loss < 3; loss += 1) {
      bench.app.tryNow();
      bench.socket.drop();
    }
    expect(bench.state.announcement.turn).toBe(turn);
  });

  test('is not needed after a loss: what was missed comes by itself', async () => {
    const bench = await new PageBench().start();
    bench.drop();
    bench.server.add({ title: 'missed', body: 'text', author: 'Joe' });
    expect(bench.state.lagging).toBe(true);
    bench.open();
    bench.deliverFrame();
    expect(bench.titles).toEqual(['missed']);
    expect(standingOf(bench.state)).toBe('connecting');
    bench.deliverFrame();
    expect(standingOf(bench.state)).toBe('live');
    expect(bench.said).toBe('Connected again. The list is up to date.');
    expect(bench.state.lagging).toBe(false);
    expect(bench.server.requests).toEqual([]);
  });

  test('is needed after a loss when the first one had not come to its end', async () => {
    const bench = new PageBench();
    bench.connect();
    bench.drop();
    bench.server.add({ title: 'missed', body: 'text', author: 'Joe' });
    await bench.answer('list', { kind: 'unreachable' });
    bench.connect();
    await bench.answer('list');
    expect(bench.titles).toEqual(['missed']);
    expect(standingOf(bench.state)).toBe('live');
  });

  test('follows an event that makes no sense', async () => {
    const bench = await new PageBench().start();
    bench.socket.receive('{"event":"note_created","data":{},"id":"e1:1"}');
    expect(bench.state.connection.phase).toBe('online');
    bench.time.pass(RESYNC_SPREAD_MS);
    expect(bench.server.requests.map(({ name }) => name)).toEqual(['list']);
  });

  test('gives up a connection that talks nonsense, and goes on from there', async () => {
    const bench = await new PageBench().start();
    bench.socket.receive('nonsense');
    expect(bench.state.connection.phase).toBe('waiting');
    bench.connect();
    expect(bench.server.requests).toEqual([]);
    expect(bench.state.connection.phase).toBe('online');
    bench.socket.receive('{"event":"something_new","data":{}}');
    expect(bench.state.connection.phase).toBe('online');
  });
});

describe('search', () => {
  async function searching(query: string): Promise<PageBench> {
    const bench = new PageBench();
    for (const title of ['cat', 'bee', 'ant bee']) bench.server.add({ title, body: 'text', author: 'Ada' });
    await bench.start();
    bench.send({ type: 'query_changed', query });
    return bench;
  }

  test('waits for a rest in the typing', async () => {
    const bench = await searching('b');
    bench.time.pass(TYPING_PAUSE_MS - 1);
    bench.send({ type: 'query_changed', query: 'be' });
    bench.time.pass(TYPING_PAUSE_MS - 1);
    expect(bench.server.requests).toEqual([]);
    expect(bench.titles).toEqual(['ant bee', 'bee', 'cat']);
    bench.time.pass(1);
    await bench.answer('search');
    expect(bench.titles).toEqual(['ant bee', 'bee']);
    expect(bench.said).toBe('2 notes found.');
  });

  test('drops an answer that a later query has overtaken', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    bench.send({ type: 'query_changed', query: 'cat' });
    bench.time.pass(TYPING_PAUSE_MS);
    const [bee, cat] = bench.server.requests;
    cat?.deliver();
    await bench.quiesce();
    bee?.deliver();
    await bench.quiesce();
    expect(bench.titles).toEqual(['cat']);
  });

  test('drops an answer that comes after the field was emptied', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    bench.send({ type: 'query_changed', query: '' });
    await bench.answer('search');
    expect(bench.titles).toHaveLength(3);
    expect(bench.state.search).toMatchObject({ order: null, pending: false });
  });

  test('follows what happens to the notes, gathering changes', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search');
    bench.server.add({ title: 'bee too', body: 'text', author: 'Joe' });
    bench.server.add({ title: 'dog', body: 'text', author: 'Joe' });
    bench.deliverFrames();
    bench.time.pass(REQUERY_PAUSE_MS);
    expect(bench.server.requests.map(({ name }) => name)).toEqual(['search']);
    await bench.answer('search');
    expect(bench.titles).toEqual(['bee too', 'ant bee', 'bee']);
  });

  test('is asked for again after its answer when notes changed before that came', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    bench.server.requests[0]?.carryOut();
    bench.server.add({ title: 'bee too', body: 'text', author: 'Joe' });
    bench.deliverFrames();
    bench.time.pass(REQUERY_PAUSE_MS);
    expect(bench.server.requests).toHaveLength(1);
    await bench.answer('search');
    bench.time.pass(REQUERY_PAUSE_MS);
    await bench.answer('search');
    expect(bench.titles).toEqual(['bee too', 'ant bee', 'bee']);
  });

  test('shows a deletion at once', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search');
    bench.server.drop(2);
    bench.deliverFrames();
    expect(bench.titles).toEqual(['ant bee']);
  });

  test('keeps a note that is being edited in its place, found or not', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search');
    const note = bench.state.replica.notes.get(2) as Note;
    bench.send({ type: 'edit_started', note });
    bench.send({ type: 'query_changed', query: 'cat' });
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search');
    expect(bench.titles).toEqual(['cat', 'bee']);
    bench.send({ type: 'edit_cancelled', id: 2 });
    bench.send({ type: 'query_changed', query: 'cat' });
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search');
    expect(bench.titles).toEqual(['cat']);
  });

  test('that fails says so, keeps what was found, and can be tried again', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search', away);
    expect(bench.state.search).toMatchObject({ failure: away, pending: false });
    expect(bench.said).toBe(
      'The server cannot do this now: database is away. The notes below may not match; the page tries again by itself.',
    );
    bench.app.tryNow();
    await bench.answer('search');
    expect(bench.titles).toEqual(['ant bee', 'bee']);
    expect(bench.state.search.failure).toBeNull();
  });

  test('once overtaken does not end the one after it', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    bench.send({ type: 'query_changed', query: 'cat' });
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search'); // the first of the two
    expect(bench.state.search).toMatchObject({ pending: true, order: null });
    bench.server.add({ title: 'cat too', body: 'text', author: 'Joe' });
    bench.deliverFrames();
    bench.time.pass(REQUERY_PAUSE_MS);
    expect(bench.server.requests).toHaveLength(1); // the second is still waited for
    await bench.answer('search');
    expect(bench.titles).toEqual(['cat too', 'cat']);
  });

  test('that fails is repeated by itself, no sooner than the server asks for, and says so once', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search', away);
    const { turn } = bench.state.announcement;
    bench.time.pass(3_000 - 1);
    expect(bench.server.requests).toEqual([]);
    bench.time.pass(1);
    await bench.answer('search', away);
    expect(bench.state.announcement.turn).toBe(turn);
    bench.time.pass(RELOAD_CAP_MS);
    await bench.answer('search');
    expect(bench.titles).toEqual(['ant bee', 'bee']);
  });

  test('that is refused is not repeated', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search', { kind: 'refused', reason: 'too long' });
    bench.time.pass(RELOAD_CAP_MS);
    expect(bench.server.requests).toEqual([]);
    expect(bench.said).toContain('Change the search.');
  });

  test('is repeated after the connection was away', async () => {
    const bench = await searching('bee');
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search');
    bench.drop();
    bench.server.forget();
    bench.server.add({ title: 'bee too', body: 'text', author: 'Joe' });
    bench.connect();
    await bench.answer('search');
    await bench.answer('list');
    expect(bench.titles).toEqual(['bee too', 'ant bee', 'bee']);
  });
});
