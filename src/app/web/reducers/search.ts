// The search. Results never enter the page's copy of the list: they may be older than it, and are asked for again
// whenever it changes.
import { placesOf } from '../rows.ts';
import type { Handlers, SearchState } from '../state.ts';
import { sentences } from '../wording.ts';
import { say } from './common.ts';

/** Nothing is sought. */
export const noSearch: SearchState = {
  query: '',
  turn: 0,
  pending: false,
  order: null,
  places: new Map(),
  results: new Map(),
  failure: null,
};

export const searchHandlers: Handlers<
  'query_changed' | 'search_started' | 'search_finished' | 'search_failed'
> = {
  query_changed(state, { query }) {
    const turn = state.search.turn + 1; // answers on their way belong to the query before
    if (query.trim() === '') {
      return {
        ...state,
        search: { ...noSearch, query, turn },
      };
    }
    return { ...state, search: { ...state.search, query, turn, pending: true } };
  },

  search_started: (state) => ({
    ...state,
    search: { ...state.search, turn: state.search.turn + 1, pending: true },
  }),

  search_finished(state, { turn, notes }) {
    const { search } = state;
    if (turn !== search.turn) return state;
    const order = notes.map(({ id }) => id);
    const results = new Map(notes.map((note) => [note.id, note]));
    const places = placesOf(state);
    const next = { ...state, search: { ...search, pending: false, failure: null, order, places, results } };
    return sameIds(search.order, order) ? next : say(next, sentences.found(notes.length));
  },

  search_failed(state, { turn, failure }) {
    if (turn !== state.search.turn) return state;
    const next = { ...state, search: { ...state.search, pending: false, failure } };
    return state.search.failure === null ? say(next, sentences.failed('search', failure)) : next;
  },
};

function sameIds(a: readonly number[] | null, b: readonly number[]): boolean {
  return a !== null && a.length === b.length && a.every((id, index) => id === b[index]);
}
