// The deletion of a note: asked about in a dialog, which stays until the server has answered.
import type { Note } from '../model.ts';
import { removeAnswered } from '../replica.ts';
import { rowsOf } from '../rows.ts';
import type { Deletion, Handlers, State } from '../state.ts';
import { sentences } from '../wording.ts';
import { focusOn, say } from './common.ts';
import { isDirty } from './edits.ts';

export const deletionHandlers: Handlers<
  'deletion_asked' | 'deletion_cancelled' | 'deletion_submitted' | 'deletion_done' | 'deletion_failed'
> = {
  deletion_asked: (state, { note }) => ({ ...state, deletion: ask(state, note) }),

  deletion_cancelled: (state) => (state.deletion === null ? state : { ...state, deletion: null }),

  deletion_submitted: (state) =>
    state.deletion === null
      ? state
      : { ...state, deletion: { ...state.deletion, sending: true, failure: null } },

  deletion_done: (state, { id, version }) => finish(offer(state, id), id, version, sentences.deleted),

  deletion_failed(state, { id, failure, version }) {
    if (failure.kind === 'missing') return finish(state, id, version, sentences.deletedAlready);
    // Its event came, its answer did not.
    if (state.replica.deleted.has(id)) return finish(offer(state, id), id, version, sentences.deleted);
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

/** Offers to undo the deletion. */
function offer(state: State, id: number): State {
  const note = state.deletion?.note.id === id ? state.deletion.note : state.replica.notes.get(id);
  if (note === undefined) return state;
  const edit = state.edits.get(id);
  const kept = edit !== undefined && isDirty(edit) ? edit : null;
  return { ...state, undo: { note, edit: kept, since: state.now, sending: false, failure: null } };
}

function finish(state: State, id: number, version: string | undefined, sentence: string): State {
  const edits = new Map(state.edits);
  edits.delete(id);
  const next = say({ ...state, replica: removeAnswered(state.replica, id, version), edits }, sentence);
  if (state.deletion?.note.id !== id) return next;
  return focusOn({ ...next, deletion: null }, state.deletion.focusAfter);
}
