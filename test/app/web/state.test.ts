// The reducer by itself: it is pure, and counts only the answers that it waits for.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { initialState, type PageEvent, reduce, type State } from '../../../src/app/web/internal.ts';
import { noteOf } from './notes.ts';

const fresh = initialState(0, { draft: { title: '', body: '', author: '' }, edits: [], shortcuts: true });

function after(...events: PageEvent[]): State {
  return events.reduce((state, event) => reduce(state, event), fresh);
}

describe('an answer that is not waited for any more changes nothing', () => {
  test('of a reading', () => {
    const state = after({ type: 'reading_started', part: 'all' }, { type: 'reading_started', part: 'all' });
    const page = { notes: [noteOf(1)], next: null, indexing: false };
    expect(reduce(state, { type: 'page_read', turn: 1, page })).toBe(state);
    expect(reduce(state, { type: 'reading_failed', turn: 1, failure: { kind: 'unreachable' } })).toBe(state);
    expect(reduce(state, { type: 'page_read', turn: 2, page }).list.phase).toBe('ready');
  });

  test('of a search', () => {
    const state = after(
      { type: 'query_changed', query: 'a' },
      { type: 'search_started', part: 'all' },
      { type: 'query_changed', query: 'b' },
    );
    const { turn } = state.search;
    const found = { notes: [noteOf(1)], next: null, indexing: false };
    expect(reduce(state, { type: 'search_finished', turn: turn - 1, found })).toBe(state);
    expect(reduce(state, { type: 'search_failed', turn: turn - 1, failure: { kind: 'unreachable' } })).toBe(
      state,
    );
    expect(reduce(state, { type: 'search_finished', turn, found }).search.order).toEqual([1]);
  });
});

const id = fc.constantFrom(1, 2, 3);
const note = fc
  .tuple(id, fc.nat(3))
  .map(([which, version]) => noteOf(which, { version, body: `body ${version}` }));
const value = fc.constantFrom('', 'one', 'two\nlines');
const failure = fc.constantFrom({ kind: 'unreachable' } as const, { kind: 'missing' } as const);
const turn = fc.nat(5);
const known = fc.constantFrom(undefined, noteOf(1).updatedAt);
const page = fc.record({
  notes: fc.uniqueArray(note, { selector: (each) => each.id, minLength: 1 }),
  next: fc.constantFrom(null, 'next'),
  indexing: fc.boolean(),
});
const event: fc.Arbitrary<PageEvent> = fc.oneof(
  fc.record({ type: fc.constant('ticked'), now: fc.nat() }),
  fc.record({
    type: fc.constant('connection_changed'),
    status: fc.constantFrom(
      { phase: 'online' } as const,
      { phase: 'waiting', retryAt: 1, attempt: 1 } as const,
    ),
  }),
  fc.constantFrom<PageEvent>(
    { type: 'storage_refused' },
    { type: 'doubted' },
    { type: 'draft_submitted' },
    { type: 'deletion_cancelled' },
    { type: 'deletion_submitted' },
    { type: 'undo_submitted' },
    { type: 'undo_dismissed' },
  ),
  fc.record({
    type: fc.constantFrom('reading_started', 'search_started'),
    part: fc.constantFrom('all', 'more'),
  }),
  fc.record({ type: fc.constant('more_wanted'), byHand: fc.boolean() }),
  fc.record({ type: fc.constant('page_read'), turn, page }),
  fc.record({ type: fc.constantFrom('reading_failed', 'search_failed'), turn, failure }),
  fc.record({
    type: fc.constantFrom('edit_started', 'deletion_asked', 'draft_saved'),
    note,
  }),
  fc.record({ type: fc.constantFrom('note_created', 'note_updated'), note, stored: fc.boolean() }),
  fc.record({
    type: fc.constant('note_looked_up'),
    id,
    note: fc.constant(null),
    asked: turn,
    version: known,
  }),
  fc.record({ type: fc.constant('undo_done'), note, asked: turn }),
  fc.record({ type: fc.constant('undo_failed'), id, failure }),
  fc.record({ type: fc.constant('deletion_done'), id, version: known }),
  fc.record({
    type: fc.constantFrom(
      'note_deleted',
      'fold_toggled',
      'edit_cancelled',
      'edit_discarded',
      'edit_submitted',
      'edit_kept_mine',
      'edit_took_theirs',
      'edit_swapped',
    ),
    id,
  }),
  fc.record({ type: fc.constantFrom('edit_failed', 'deletion_failed'), id, failure, version: known }),
  fc.record({ type: fc.constant('edit_saved'), id, note }),
  fc.record({ type: fc.constant('edit_changed'), id, field: fc.constantFrom('title', 'body'), value }),
  fc.record({ type: fc.constant('draft_changed'), field: fc.constantFrom('title', 'body', 'author'), value }),
  fc.record({ type: fc.constant('draft_failed'), failure }),
  fc.record({ type: fc.constant('query_changed'), query: value }),
  fc.record({ type: fc.constant('search_finished'), turn, found: page }),
);

test('no event changes the state it is given, and the same events give the same state', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40, size: 'max' }), (events) => {
      let state = fresh;
      for (const each of events) {
        const before = structuredClone(state);
        const next = reduce(state, each);
        expect(state).toEqual(before);
        state = next;
      }
      expect(after(...events)).toEqual(state);
    }),
    { numRuns: 100 },
  );
});

test('what is typed stays until it is saved or discarded, whatever else happens', () => {
  const harmless = event.filter(
    ({ type }) =>
      ![
        'edit_changed',
        'edit_discarded',
        'edit_saved',
        'edit_started',
        'deletion_done',
        'draft_changed',
        'draft_saved',
        'deletion_failed',
      ].includes(type),
  );
  fc.assert(
    fc.property(fc.array(harmless, { maxLength: 40, size: 'max' }), (events) => {
      const typed = after(
        { type: 'draft_changed', field: 'body', value: 'a new note' },
        { type: 'edit_started', note: noteOf(1) },
        { type: 'edit_changed', id: 1, field: 'body', value: 'a change' },
      );
      const { draft, edits } = events.reduce((state, each) => reduce(state, each), typed);
      const edit = edits.get(1);
      expect(draft.body).toBe('a new note');
      expect([edit?.body, edit?.mine?.body]).toContain('a change');
    }),
    { numRuns: 300 },
  );
});
