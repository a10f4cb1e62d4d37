// The search. Results never enter the page's copy of the list: they may be older than it, and are asked for again
// whenever it changes.
import { FOUND_MAX } from '../limits.ts';
import { believe, reaches } from '../replica.ts';
import { placesOf } from '../rows.ts';
import type { Handlers, SearchState } from '../state.ts';
import { sentences } from '../wording.ts';
import { arrived, expected, say, showMore } from './common.ts';

/** Nothing is sought. */
export const noSearch: SearchState = {
  query: '',
  turn: 0,
  pending: false,
  order: null,
  places: new Map(),
  results: new Map(),
  next: null,
  cut: false,
  goal: 0,
  more: false,
  indexing: false,
  freshness: 'stale',
  deletionsAsked: 0,
  failure: null,
  moreFailure: null,
};

export const searchHandlers: Handlers<
  'query_changed' | 'search_started' | 'search_finished' | 'search_failed'
> = {
  query_changed(state, { query }) {
    const turn = state.search.turn + 1; // answers on their way belong to the query before
    if (query.trim() === '') {
      return {
        ...state,
        opened: null,
        search: { ...noSearch, query, turn },
      };
    }
    // What is shown still is what was found before.
    const search: SearchState = { ...state.search, query, turn, pending: true, goal: 0, more: false };
    return { ...state, opened: null, moreAfter: null, search: { ...search, moreFailure: null } };
  },

  search_started(state, { part }) {
    const { search } = state;
    const turn = search.turn + 1;
    const freshness = part === 'all' ? expected(state, search.freshness) : search.freshness;
    const { deletions: deletionsAsked } = state.replica;
    const asked = { pending: part === 'all', more: part === 'more', moreFailure: null, deletionsAsked };
    return { ...state, search: { ...search, ...asked, turn, freshness } };
  },

  search_finished(state, { turn, found }) {
    const { search } = state;
    if (turn !== search.turn) return state;
    const before =
      search.more && search.order !== null ? search.order.map((id) => search.results.get(id)) : [];
    const results = new Map([...before, ...found.notes].flatMap((note) => (note ? [[note.id, note]] : [])));
    const order = [...results.keys()];
    const cut = found.next !== null && reaches([...results.values()], FOUND_MAX);
    const { deletionsAsked } = search;
    const next = {
      ...state,
      replica: found.notes.reduce((replica, { id }) => believe(replica, id, deletionsAsked), state.replica),
      search: {
        ...search,
        pending: false,
        more: false,
        failure: null,
        order,
        places: search.more ? search.places : placesOf(state),
        results,
        next: cut ? null : found.next,
        cut,
        indexing: found.indexing,
        goal: order.length,
        freshness: search.more ? search.freshness : arrived(search.freshness),
      },
    };
    if (search.more || state.moreAfter !== null) return showMore(next);
    return sameIds(search.order, order)
      ? next
      : say(next, sentences.found(order.length, found.next !== null));
  },

  search_failed(state, { turn, failure }) {
    const { search } = state;
    if (turn !== search.turn) return state;
    if (search.more) {
      const failed = { ...search, more: false, goal: search.order?.length ?? 0, moreFailure: failure };
      const next = { ...state, moreAfter: null, search: failed };
      return say(next, sentences.failed('more', failure));
    }
    const failed: SearchState = { ...search, pending: false, freshness: 'stale', failure };
    const next = { ...state, moreAfter: null, search: failed };
    return search.failure === null ? say(next, sentences.failed('search', failure)) : next;
  },
};

function sameIds(a: readonly number[] | null, b: readonly number[]): boolean {
  return a !== null && a.length === b.length && a.every((id, index) => id === b[index]);
}
