// Undoing the last deletion that was made here. The offer stays until it is taken, dismissed, replaced by that of the next deletion, or old;
// and until the note is there again, whoever brought it back.
import { putAnswer } from '../replica.ts';
import type { Handlers, State } from '../state.ts';
import { sentences } from '../wording.ts';
import { focusOn, light, say } from './common.ts';

export const undoHandlers: Handlers<'undo_submitted' | 'undo_dismissed' | 'undo_done' | 'undo_failed'> = {
  undo_submitted(state) {
    const { undo } = state;
    return undo === null || undo.sending
      ? state
      : { ...state, undo: { ...undo, sending: true, failure: null } };
  },

  undo_dismissed: (state) =>
    state.undo === null || state.undo.sending ? state : focusOn({ ...state, undo: null }, 'list-heading'),

  undo_done(state, { note, asked }) {
    const replica = putAnswer(state.replica, note, asked);
    const changed = replica.notes !== state.replica.notes; // else its event was here first
    let next: State = changed ? light({ ...state, replica }, [note.id]) : { ...state, replica };
    const { undo } = state;
    if (undo?.note.id !== note.id) return next;
    if (undo.edit !== null && !state.edits.has(note.id)) {
      const edits = new Map(state.edits).set(note.id, { ...undo.edit, open: false, gone: false });
      next = { ...next, edits };
    }
    return say(focusOn({ ...next, undo: null }, `note-${note.id}`), sentences.restored(note));
  },

  undo_failed(state, { id, failure }) {
    const { undo } = state;
    if (undo?.note.id !== id) return state;
    return say({ ...state, undo: { ...undo, sending: false, failure } }, sentences.undoFailed(failure));
  },
};
