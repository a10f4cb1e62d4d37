// Time, the connection and the browser's storage.
import type { Handlers, State } from '../state.ts';
import { sentences } from '../wording.ts';
import { say } from './common.ts';

export const pageHandlers: Handlers<'ticked' | 'connection_changed' | 'doubted' | 'storage_refused'> = {
  ticked: (state, { now }) => ({ ...state, now }),

  connection_changed(state, { status }) {
    const next = { ...doubt(state), connection: status };
    if (status.phase !== 'waiting' || state.lagging) return next;
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
