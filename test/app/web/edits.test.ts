// Editing while others change and delete the same notes: what is typed is never replaced and never lost.
import { describe, expect, test } from 'vitest';
import type { Edit, Note } from '../../../src/app/web/internal.ts';
import { PageBench } from './page-bench.ts';

class EditBench extends PageBench {
  note!: Note;

  /** A page with two notes, whose older one is being edited. */
  async begin(): Promise<this> {
    this.note = this.server.add({ title: 'bread', body: 'flour', author: 'Ada' });
    this.server.add({ title: 'newer', body: 'above it', author: 'Ada' });
    await this.start();
    this.send({ type: 'edit_started', note: this.note });
    return this;
  }

  get id(): number {
    return this.note.id;
  }

  get edit(): Edit | undefined {
    return this.state.edits.get(this.id);
  }

  type(body: string): void {
    this.send({ type: 'edit_changed', id: this.id, field: 'body', value: body });
  }

  submit(): void {
    this.send({ type: 'edit_submitted', id: this.id });
  }

  /** Somebody else's change, and its event. */
  otherChanges(body: string): void {
    this.server.change(this.id, { title: 'bread', body });
    this.deliverFrames();
  }

  otherDeletes(): void {
    this.server.drop(this.id);
    this.deliverFrames();
  }
}

const begin = (): Promise<EditBench> => new EditBench().begin();

describe('saving', () => {
  test('closes the form, shows the answer, and takes the event for its own', async () => {
    const bench = await begin();
    bench.type('flour and water');
    bench.submit();
    await bench.answer('update');
    expect(bench.edit).toBeUndefined();
    expect(bench.said).toBe('Saved “bread”.');
    expect(bench.state.focus.target).toBe(`edit-${bench.id}`);
    const { arrivals } = bench.state;
    bench.deliverFrames();
    expect(bench.said).toBe('Saved “bread”.');
    expect(bench.state.arrivals).toBe(arrivals);
    expect(bench.state.replica.notes.get(bench.id)?.body).toBe('flour and water');
  });

  test('takes its own event for its own when that comes before the answer', async () => {
    const bench = await begin();
    bench.type('flour and water');
    bench.submit();
    bench.server.requests[0]?.carryOut();
    bench.deliverFrames();
    expect(bench.edit).toMatchObject({ theirs: null, sending: { body: 'flour and water' } });
    expect(bench.said).toBe('');
    await bench.answer('update');
    expect(bench.edit).toBeUndefined();
  });

  test('sends once, however often it is asked for', async () => {
    const bench = await begin();
    bench.type('flour and water');
    bench.submit();
    bench.submit();
    expect(bench.server.requests).toHaveLength(1);
  });

  test('sends nothing when nothing was changed', async () => {
    const bench = await begin();
    bench.submit();
    expect(bench.server.requests).toEqual([]);
    expect(bench.edit).toBeUndefined();
  });

  test('keeps the text when the server refuses, and says why', async () => {
    const bench = await begin();
    bench.type('flour and water');
    bench.submit();
    await bench.answer('update', { kind: 'unavailable', reason: 'database is away', retryAfterSeconds: 2 });
    expect(bench.edit).toMatchObject({
      body: 'flour and water',
      sending: null,
      failure: { kind: 'unavailable' },
    });
    expect(bench.said).toBe(
      'The server cannot do this now: database is away. Your text is kept. Try again in 2 seconds.',
    );
    bench.submit();
    await bench.answer('update');
    expect(bench.edit).toBeUndefined();
  });

  test('sends nothing that the server would refuse, and points at it', async () => {
    const bench = await begin();
    bench.type('  ');
    bench.submit();
    expect(bench.server.requests).toEqual([]);
    expect(bench.edit).toMatchObject({ checked: true });
    expect(bench.state.focus.target).toBe(`edit-body-${bench.id}`);
    expect(bench.said).toBe('The text is missing.');
  });

  test('keeps open what was typed after it was sent', async () => {
    const bench = await begin();
    bench.type('one');
    bench.submit();
    bench.type('one and two');
    await bench.answer('update');
    expect(bench.edit).toMatchObject({ body: 'one and two', base: { body: 'one' }, sending: null });
  });
});

describe('a change elsewhere', () => {
  test('leaves the typed text alone and asks', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.otherChanges('theirs');
    expect(bench.edit).toMatchObject({ body: 'mine', theirs: { body: 'theirs' } });
  });

  test('asks even where nothing has been typed yet', async () => {
    const bench = await begin();
    bench.otherChanges('theirs');
    expect(bench.edit).toMatchObject({ body: 'flour', theirs: { body: 'theirs' } });
  });

  test('is decided before anything is saved', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.otherChanges('theirs');
    bench.submit();
    expect(bench.server.requests).toEqual([]);
    expect(bench.state.focus.target).toBe(`conflict-${bench.id}`);
  });

  test('keeping mine goes on, and then saves over theirs', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.otherChanges('theirs');
    bench.send({ type: 'edit_kept_mine', id: bench.id });
    bench.submit();
    await bench.answer('update');
    expect(bench.server.notes.get(bench.id)?.body).toBe('mine');
  });

  test('taking theirs sets mine aside, from where it can be brought back and forth', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.otherChanges('theirs');
    bench.send({ type: 'edit_took_theirs', id: bench.id });
    expect(bench.edit).toMatchObject({ body: 'theirs', mine: { body: 'mine' }, theirs: null });
    bench.type('theirs, amended');
    bench.send({ type: 'edit_swapped', id: bench.id });
    expect(bench.edit).toMatchObject({ body: 'mine', mine: { body: 'theirs, amended' } });
    bench.send({ type: 'edit_swapped', id: bench.id });
    expect(bench.edit).toMatchObject({ body: 'theirs, amended', mine: { body: 'mine' } });
  });

  test('to what is typed already, or back to what it was, is none', async () => {
    const bench = await begin();
    bench.type('same');
    bench.otherChanges('same');
    expect(bench.edit).toMatchObject({ theirs: null, base: { body: 'same' } });
    bench.type('mine');
    bench.otherChanges('theirs');
    bench.otherChanges('same');
    expect(bench.edit).toMatchObject({ theirs: null, body: 'mine' });
  });

  test('takes its own event for its own even if more was typed since', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.submit();
    bench.server.requests[0]?.carryOut();
    bench.type('mine and more');
    bench.deliverFrames();
    expect(bench.edit).toMatchObject({ theirs: null, body: 'mine and more' });
  });

  test('that is older than the one being asked about is passed over', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.server.change(bench.id, { title: 'bread', body: 'first' });
    bench.server.change(bench.id, { title: 'bread', body: 'second' });
    bench.frames.reverse();
    bench.deliverFrames();
    expect(bench.edit).toMatchObject({ theirs: { body: 'second' } });
  });

  test('that was missed while the connection was away is found by the next list', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.drop();
    bench.server.forget();
    bench.otherChanges('theirs');
    bench.connect();
    await bench.answer('list');
    expect(bench.edit).toMatchObject({ body: 'mine', theirs: { body: 'theirs' } });
    expect(bench.said).toBe('Connected again. The list is up to date.');
  });
});

describe('a deletion elsewhere', () => {
  test('says so, keeps the text in its place, and saves it as a new note', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.otherDeletes();
    expect(bench.edit).toMatchObject({ gone: true, body: 'mine' });
    expect(bench.titles).toEqual(['newer', 'bread']);
    expect(bench.said).toBe('“bread” was deleted elsewhere. The text that you were editing is kept.');
    bench.submit();
    await bench.answer('create');
    bench.deliverFrames();
    expect(bench.edit).toBeUndefined();
    expect(bench.server.listed()[0]).toMatchObject({ title: 'bread', body: 'mine', author: 'Ada' });
    expect(bench.titles).toEqual(['bread', 'newer']);
  });

  test('is learnt from the answer to a save', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.drop();
    bench.server.drop(bench.id);
    bench.submit();
    await bench.answer('update');
    expect(bench.edit).toMatchObject({ gone: true, body: 'mine', sending: null });
    expect(bench.state.focus.target).toBe(`gone-${bench.id}`);
  });

  test('is learnt from the list', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.drop();
    bench.server.forget();
    bench.server.drop(bench.id);
    bench.connect();
    await bench.answer('list');
    expect(bench.edit).toMatchObject({ gone: true, body: 'mine' });
  });

  test('just after a save, before its answer, keeps the text too', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.submit();
    bench.server.requests[0]?.carryOut();
    bench.otherDeletes();
    await bench.answer('update');
    expect(bench.edit).toMatchObject({ gone: true, body: 'mine', sending: null });
  });

  test('is not escaped from by accident, only by discarding', async () => {
    const bench = await begin();
    bench.otherDeletes();
    bench.send({ type: 'edit_cancelled', id: bench.id });
    expect(bench.edit).toBeDefined();
    bench.send({ type: 'edit_discarded', id: bench.id });
    expect(bench.edit).toBeUndefined();
    expect(bench.titles).toEqual(['newer']);
  });
});

describe('cancelling', () => {
  test('closes an unchanged form', async () => {
    const bench = await begin();
    bench.send({ type: 'edit_cancelled', id: bench.id });
    expect(bench.edit).toBeUndefined();
  });

  test('sets typed text aside, to be gone on with', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.send({ type: 'edit_cancelled', id: bench.id });
    expect(bench.edit).toMatchObject({ open: false, body: 'mine' });
    bench.otherChanges('theirs');
    expect(bench.edit).toMatchObject({ open: false, theirs: null });
    const note = bench.state.replica.notes.get(bench.id) as Note;
    bench.send({ type: 'edit_started', note });
    expect(bench.edit).toMatchObject({ open: true, body: 'mine', theirs: { body: 'theirs' } });
  });

  test('after theirs was taken sets aside what had been typed before', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.otherChanges('theirs');
    bench.send({ type: 'edit_took_theirs', id: bench.id });
    bench.send({ type: 'edit_cancelled', id: bench.id });
    expect(bench.edit).toMatchObject({ open: false, body: 'mine', mine: null });
  });

  test('text that was set aside comes forward when its note is deleted elsewhere', async () => {
    const bench = await begin();
    bench.type('mine');
    bench.send({ type: 'edit_cancelled', id: bench.id });
    bench.otherDeletes();
    expect(bench.edit).toMatchObject({ open: true, gone: true, body: 'mine' });
  });
});

test('unsaved changes outlive a reload, and meet what happened meanwhile', async () => {
  const before = await begin();
  before.type('mine');
  before.app.close();
  before.server.change(before.id, { title: 'bread', body: 'theirs' });
  const { server, session, local } = before;
  const after = new PageBench({ server, session, local });
  await after.start();
  expect(after.state.edits.get(before.id)).toMatchObject({
    open: true,
    body: 'mine',
    theirs: { body: 'theirs' },
  });
});

test('a form that nothing was typed into does not outlive a reload', async () => {
  const { server, session, local } = await begin();
  const after = new PageBench({ server, session, local });
  await after.start();
  expect(after.state.edits.size).toBe(0);
});

test('line ends of another system are no change', async () => {
  const bench = new PageBench();
  const note = bench.server.add({ title: 'a', body: 'one\r\ntwo', author: 'Ada' });
  await bench.start();
  bench.send({ type: 'edit_started', note });
  expect(bench.state.edits.get(note.id)?.body).toBe('one\ntwo');
  bench.send({ type: 'edit_submitted', id: note.id });
  expect(bench.server.requests).toEqual([]);
});
