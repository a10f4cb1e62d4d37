// Steps that several reducers share, and the reducers of what concerns the whole page.
import { ARRIVALS_MAX, UNDO_OFFERED_MS } from '../limits.ts';
import { rowsOf } from '../rows.ts';
import type { Freshness, Handlers, State } from '../state.ts';
import { sentences } from '../wording.ts';

/** Has a screen reader told `text`. */
export function say(state: State, text: string): State {
  return { ...state, announcement: { text, turn: state.announcement.turn + 1 } };
}

/** Has the element with the id `target` given the focus; the list's heading when there is no such element. */
export function focusOn(state: State, target: string): State {
  return { ...state, focus: { target, turn: state.focus.turn + 1 } };
}

/** Has notes light up. */
export function light(state: State, ids: Iterable<number>): State {
  const arrivals = new Map(state.arrivals);
  for (const id of ids) {
    const count = (arrivals.get(id) ?? 0) + 1;
    arrivals.delete(id);
    arrivals.set(id, count); // the last now
  }
  for (const oldest of arrivals.keys()) {
    if (arrivals.size <= ARRIVALS_MAX) break;
    arrivals.delete(oldest);
  }
  return { ...state, arrivals };
}

/** Has the first of the notes that were asked for by hand given the focus, and their number told. */
export function showMore(state: State): State {
  if (state.moreAfter === null) return state;
  const rows = rowsOf(state);
  const after = rows.findIndex(({ id }) => id === state.moreAfter);
  const first = after < 0 ? undefined : rows[after + 1];
  const next = { ...state, moreAfter: null };
  if (first === undefined) return next;
  return say(focusOn(next, `note-${first.id}`), sentences.more(rows.length - after - 1));
}

/** What a request for all that is shown makes of it while its answer is on its way. */
export function expected({ following }: State, freshness: Freshness): Freshness {
  return freshness === 'stale' && following ? 'coming' : freshness;
}

/** What that answer makes of it: nothing fresh when something has cast doubt on it meanwhile. */
export function arrived(freshness: Freshness): Freshness {
  return freshness === 'coming' ? 'fresh' : freshness;
}

/** What is shown is up to date again after the connection was away. */
export function caughtUp(state: State): State {
  return say({ ...state, lagging: false }, sentences.connectedAgain);
}

/** Withdraws the offer to undo the deletion of a note that is there again. */
export function withoutOfferOf(state: State, id: number): State {
  return state.undo?.note.id === id && !state.undo.sending ? { ...state, undo: null } : state;
}

/** Time, the connection and the browser's storage. */
export const pageHandlers: Handlers<'ticked' | 'connection_changed' | 'doubted' | 'storage_refused'> = {
  ticked: (state, { now }) => withoutOldOffer({ ...state, now }),

  connection_changed(state, { status }) {
    const { list, lagging } = state;
    if (status.phase === 'online') {
      const next = { ...state, connection: status, following: true };
      // Everything that was missed has come before this. A list that has to be read says so at its end.
      return lagging && list.freshness === 'fresh' ? caughtUp(next) : next;
    }
    const next = { ...state, connection: status };
    if (status.phase !== 'waiting' || lagging) return next;
    return say({ ...next, lagging: true }, sentences.connectionLost);
  },

  doubted: doubt,

  storage_refused: (state) => (state.keepsDrafts ? { ...state, keepsDrafts: false } : state),
};

/** What is shown may not be what the server has any more. */
function doubt(state: State): State {
  const { list, search } = state;
  return { ...state, list: { ...list, freshness: 'stale' }, search: { ...search, freshness: 'stale' } };
}

/** Withdraws an offer to undo a deletion that is old. */
function withoutOldOffer(state: State): State {
  const { undo, now } = state;
  const isOld = undo !== null && !undo.sending && now - undo.since >= UNDO_OFFERED_MS;
  return isOld ? { ...state, undo: null } : state;
}
