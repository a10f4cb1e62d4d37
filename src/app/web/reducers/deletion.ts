// The deletion of a note: asked about in a dialog, which stays until the server has answered.
import type { Note } from '../model.ts';
import { remove } from '../replica.ts';
import { rowsOf } from '../rows.ts';
import type { Deletion, Handlers, State } from '../state.ts';
import { sentences } from '../wording.ts';
import { focusOn, say } from './common.ts';

export const deletionHandlers: Handlers<
  'deletion_asked' | 'deletion_cancelled' | 'deletion_submitted' | 'deletion_done' | 'deletion_failed'
> = {
  deletion_asked: (state, { note }) => ({ ...state, deletion: ask(state, note) }),

  deletion_cancelled: (state) => (state.deletion === null ? state : { ...state, deletion: null }),

  deletion_submitted: (state) =>
    state.deletion === null
      ? state
      : { ...state, deletion: { ...state.deletion, sending: true, failure: null } },

  deletion_done: (state, { id }) => finish(state, id, sentences.deleted),

  deletion_failed(state, { id, failure }) {
    if (failure.kind === 'missing') return finish(state, id, sentences.deletedAlready);
    if (state.replica.deleted.has(id)) return finish(state, id, sentences.deleted); // its event came, its answer did not
    const note = state.deletion?.note.id === id ? state.deletion.note : state.replica.notes.get(id);
    if (note === undefined) return state;
    // A dialog that was closed while the server was asked comes back: the note is still there.
    return say({ ...state, deletion: { ...ask(state, note), failure } }, sentences.failed('delete', failure));
  },
};

/** The question, with the note that follows, or else precedes, as the place for the focus afterwards. */
function ask(state: State, note: Note): Deletion {
  const rows = rowsOf(state);
  const at = rows.findIndex(({ id }) => id === note.id);
  const neighbour = rows[at + 1] ?? rows[at - 1];
  const focusAfter = neighbour === undefined ? 'list-heading' : `note-${neighbour.id}`;
  return { note, sending: false, failure: null, focusAfter };
}

function finish(state: State, id: number, sentence: string): State {
  const edits = new Map(state.edits);
  edits.delete(id);
  const next = say({ ...state, replica: remove(state.replica, id), edits }, sentence);
  if (state.deletion?.note.id !== id) return next;
  return focusOn({ ...next, deletion: null }, state.deletion.focusAfter);
}
