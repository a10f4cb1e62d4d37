// Time, the connection and the browser's storage.
import type { Handlers } from '../state.ts';
import { sentences } from '../wording.ts';
import { say } from './common.ts';

export const pageHandlers: Handlers<'ticked' | 'connection_changed' | 'storage_refused'> = {
  ticked: (state, { now }) => ({ ...state, now }),

  connection_changed(state, { status }) {
    const next = { ...state, connection: status };
    if (status.phase !== 'waiting' || state.lagging) return next;
    return say({ ...next, lagging: true }, sentences.connectionLost);
  },

  storage_refused: (state) => (state.keepsDrafts ? { ...state, keepsDrafts: false } : state),
};
