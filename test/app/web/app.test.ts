// The page without a screen: new notes, deletion, memory, long lists. Reading and searching are in requests.test.ts.
import { describe, expect, test } from 'vitest';
import { FIELD_MAX, type Note, TYPING_PAUSE_MS } from '../../../src/app/web/internal.ts';
import { FakeStore, PageBench } from './page-bench.ts';

const away = { kind: 'unavailable', reason: 'database is away', retryAfterSeconds: 3 } as const;

function fill(bench: PageBench, title: string, body = 'text', author = 'Ada'): void {
  for (const [field, value] of Object.entries({ title, body, author })) {
    bench.send({ type: 'draft_changed', field: field as 'title', value });
  }
}

describe('a new note', () => {
  test('appears once, from its answer and its event in either order', async () => {
    const bench = await new PageBench().start();
    fill(bench, 'first');
    bench.send({ type: 'draft_submitted' });
    await bench.answer('create');
    bench.deliverFrames();
    fill(bench, 'second');
    bench.send({ type: 'draft_submitted' });
    bench.server.requests[0]?.carryOut();
    bench.deliverFrames();
    await bench.answer('create');
    expect(bench.titles).toEqual(['second', 'first']);
    expect([...bench.state.arrivals.values()]).toEqual([1, 1]);
  });

  test('empties the form but for the name, says so, and gives the focus back to the title', async () => {
    const bench = await new PageBench().start();
    fill(bench, 'first');
    bench.send({ type: 'draft_submitted' });
    bench.send({ type: 'draft_submitted' });
    expect(bench.server.requests).toHaveLength(1);
    await bench.answer('create');
    expect(bench.state.draft).toMatchObject({ title: '', body: '', author: 'Ada', sending: null });
    expect(bench.said).toBe('Added “first”.');
    expect(bench.state.focus.target).toBe('new-title');
  });

  test('that the server did not take stays in the form', async () => {
    const bench = await new PageBench().start();
    fill(bench, 'first');
    bench.send({ type: 'draft_submitted' });
    await bench.answer('create', away);
    expect(bench.state.draft).toMatchObject({ title: 'first', body: 'text', sending: null, failure: away });
  });

  test('is not sent with a field empty or too long; nothing is cut off', async () => {
    const bench = await new PageBench().start();
    bench.send({ type: 'draft_submitted' });
    expect(bench.state).toMatchObject({ draft: { checked: true }, focus: { target: 'new-title' } });
    const long = 'x'.repeat(FIELD_MAX.body + 1);
    fill(bench, 'first', long);
    bench.send({ type: 'draft_submitted' });
    expect(bench.server.requests).toEqual([]);
    expect(bench.state.draft.body).toBe(long);
    expect(bench.said).toBe(
      `The text has ${FIELD_MAX.body + 1} characters. Only ${FIELD_MAX.body} fit: shorten it by 1.`,
    );
    bench.send({ type: 'draft_changed', field: 'body', value: long.slice(1) });
    bench.send({ type: 'draft_submitted' });
    expect(bench.server.requests).toHaveLength(1);
  });

  test('typed while another is on its way is kept', async () => {
    const bench = await new PageBench().start();
    fill(bench, 'first', 'text');
    bench.send({ type: 'draft_submitted' });
    bench.send({ type: 'draft_changed', field: 'body', value: 'text of the next' });
    await bench.answer('create');
    expect(bench.state.draft).toMatchObject({ title: '', body: 'text of the next', sending: null });
  });

  test('from elsewhere is announced and lights up; those of the first list do not', async () => {
    const bench = new PageBench();
    bench.server.add({ title: 'old', body: 'text', author: 'Ada' });
    await bench.start();
    expect(bench.state.arrivals.size).toBe(0);
    const note = bench.server.add({ title: 'new', body: 'text', author: 'Joe' });
    bench.deliverFrames();
    expect(bench.said).toBe('Joe added “new”.');
    expect([...bench.state.arrivals.keys()]).toEqual([note.id]);
  });
});

describe('deletion', () => {
  async function asked(): Promise<{ bench: PageBench; note: Note }> {
    const bench = new PageBench();
    bench.server.add({ title: 'c', body: 'text', author: 'Ada' });
    const note = bench.server.add({ title: 'b', body: 'text', author: 'Ada' });
    bench.server.add({ title: 'a', body: 'text', author: 'Ada' });
    await bench.start();
    bench.send({ type: 'deletion_asked', note });
    return { bench, note };
  }

  test('happens after it is confirmed, once, and leaves the focus on the next note', async () => {
    const { bench } = await asked();
    expect(bench.server.requests).toEqual([]);
    bench.send({ type: 'deletion_submitted' });
    bench.send({ type: 'deletion_submitted' });
    expect(bench.server.requests).toHaveLength(1);
    await bench.answer('remove');
    bench.deliverFrames();
    expect(bench.titles).toEqual(['a', 'c']);
    expect(bench.state).toMatchObject({ deletion: null, focus: { target: 'note-1' } });
    expect(bench.said).toBe('Note deleted. It can be undone.');
  });

  test('whose event comes first ends the same way', async () => {
    const { bench } = await asked();
    bench.send({ type: 'deletion_submitted' });
    bench.server.requests[0]?.carryOut();
    bench.deliverFrames();
    expect(bench.state.deletion).not.toBeNull();
    await bench.answer('remove');
    expect(bench.state).toMatchObject({ deletion: null, focus: { target: 'note-1' } });
    expect(bench.said).toBe('Note deleted. It can be undone.');
  });

  test('whose event came but whose answer was lost is done', async () => {
    const { bench } = await asked();
    bench.send({ type: 'deletion_submitted' });
    bench.server.requests[0]?.carryOut();
    bench.deliverFrames();
    await bench.answer('remove', { kind: 'unreachable' });
    expect(bench.state.deletion).toBeNull();
    expect(bench.titles).toEqual(['a', 'c']);
  });

  test('that fails says so in the dialog, which comes back if it was closed', async () => {
    const { bench, note } = await asked();
    bench.send({ type: 'deletion_submitted' });
    bench.send({ type: 'deletion_cancelled' });
    await bench.answer('remove', away);
    expect(bench.state.deletion).toMatchObject({ note: { id: note.id }, failure: away, sending: false });
    expect(bench.titles).toEqual(['a', 'b', 'c']);
  });

  test('of a note that is gone already is done', async () => {
    const { bench, note } = await asked();
    bench.drop();
    bench.server.drop(note.id);
    bench.send({ type: 'deletion_submitted' });
    await bench.answer('remove');
    expect(bench.titles).toEqual(['a', 'c']);
    expect(bench.said).toBe('That note had been deleted already.');
  });

  test('by somebody else closes the question', async () => {
    const { bench, note } = await asked();
    bench.server.drop(note.id);
    bench.deliverFrames();
    expect(bench.state).toMatchObject({ deletion: null, focus: { target: 'list-heading' } });
    expect(bench.said).toBe('“b” was deleted elsewhere.');
  });
});

describe('memory', () => {
  test('brings back the new note, and the name even in another tab', async () => {
    const { session, local } = new PageBench();
    const before = new PageBench({ session, local });
    fill(before, 'half', 'a thought', 'Ada');
    expect(new PageBench({ session, local }).state.draft).toMatchObject({
      title: 'half',
      body: 'a thought',
      author: 'Ada',
    });
    expect(new PageBench({ local }).state.draft).toMatchObject({ title: '', body: '', author: 'Ada' });
  });

  test('forgets a note that was added, and changes that were saved', async () => {
    const bench = await new PageBench().start();
    fill(bench, 'first');
    bench.send({ type: 'draft_submitted' });
    await bench.answer('create');
    bench.send({ type: 'edit_started', note: bench.server.listed().at(0) as Note });
    bench.send({ type: 'edit_changed', id: 1, field: 'title', value: 'changed' });
    bench.send({ type: 'edit_submitted', id: 1 });
    await bench.answer('update');
    const { state } = new PageBench({ session: bench.session, local: bench.local });
    expect(state.draft).toMatchObject({ title: '', body: '', author: 'Ada' });
    expect(state.edits.size).toBe(0);
  });

  test('passes over what does not belong there', () => {
    for (const text of ['', 'nonsense', '[]', '[1, null, {"base": 1}]', '{"title": 1, "body": 2}', 'null']) {
      const session = new FakeStore();
      session.items.set('troupe.notes.draft', text);
      session.items.set('troupe.notes.edits', text);
      const { state } = new PageBench({ session });
      expect(state.draft).toMatchObject({ title: '', body: '' });
      expect(state.edits.size).toBe(0);
    }
  });

  test('that the browser refuses is reported, and the page goes on', async () => {
    const session = new FakeStore();
    session.refuses = true;
    const bench = await new PageBench({ session }).start();
    fill(bench, 'first');
    expect(bench.state).toMatchObject({ keepsDrafts: false, draft: { title: 'first' } });
    bench.send({ type: 'draft_submitted' });
    await bench.answer('create');
    expect(bench.titles).toEqual(['first']);
  });
});

describe('a note that is older than the list goes back', () => {
  async function old(): Promise<PageBench> {
    const bench = new PageBench();
    bench.server.pageNotes = 2;
    for (const title of ['oldest', 'older', 'newer', 'newest']) {
      bench.server.add({ title, body: 'text', author: 'Ada' });
    }
    await bench.start();
    bench.send({ type: 'query_changed', query: 'oldest' });
    bench.time.pass(TYPING_PAUSE_MS);
    await bench.answer('search');
    bench.send({ type: 'edit_started', note: bench.server.notes.get(1) as Note });
    bench.send({ type: 'edit_changed', id: 1, field: 'body', value: 'mine' });
    bench.send({ type: 'query_changed', query: '' });
    return bench;
  }

  test('is not listed, but stays in sight while it is edited, and meets what happens to it', async () => {
    const bench = await old();
    expect(bench.titles).toEqual(['newest', 'newer', 'oldest']);
    bench.server.change(1, { title: 'oldest', body: 'theirs' });
    bench.server.change(2, { title: 'older still', body: 'text' });
    bench.deliverFrames();
    expect(bench.titles).toEqual(['newest', 'newer', 'oldest']);
    expect(bench.state.edits.get(1)).toMatchObject({ body: 'mine', theirs: { body: 'theirs' } });
  });

  test('is asked for by itself after the connection was away', async () => {
    const bench = await old();
    bench.drop();
    bench.server.forget();
    bench.server.change(1, { title: 'oldest', body: 'theirs' });
    bench.connect();
    await bench.answer('list');
    expect(bench.state.edits.get(1)).toMatchObject({ gone: false, theirs: null });
    await bench.answer('get');
    expect(bench.state.edits.get(1)).toMatchObject({ body: 'mine', theirs: { body: 'theirs' } });
  });

  test('is found to be gone in the same way', async () => {
    const bench = await old();
    bench.drop();
    bench.server.forget();
    bench.server.drop(1);
    bench.connect();
    await bench.answer('list');
    await bench.answer('get');
    expect(bench.state.edits.get(1)).toMatchObject({ body: 'mine', gone: true });
  });

  test('comes into the list when that goes on to it', async () => {
    const bench = await old();
    bench.send({ type: 'more_wanted', byHand: false });
    await bench.answer('list');
    expect(bench.titles).toEqual(['newest', 'newer', 'older', 'oldest']);
    expect(bench.state.edits.get(1)).toMatchObject({ body: 'mine', theirs: null });
  });
});

test('shown times move on: quickly during a countdown, slowly else', async () => {
  const bench = await new PageBench().start();
  const shown = bench.state.now;
  bench.time.pass(14_999);
  expect(bench.state.now).toBe(shown);
  bench.time.pass(1);
  expect(bench.state.now).toBe(shown + 15_000);
});
