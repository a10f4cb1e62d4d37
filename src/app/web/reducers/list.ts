// The list of notes: whole lists over HTTP, single changes from the socket. How the two are merged stands in replica.ts;
// here is what follows from it for edits, lights and announcements.
import { ROWS_STEP } from '../limits.ts';
import { sameText } from '../model.ts';
import type { Note } from '../model.ts';
import { askList, put, remove, takeList } from '../replica.ts';
import type { Handlers, State } from '../state.ts';
import { sentences } from '../wording.ts';
import { focusOn, light, say } from './common.ts';
import { meetGone, meetNote } from './meeting.ts';

export const listHandlers: Handlers<
  | 'reading_started'
  | 'reading_finished'
  | 'reading_failed'
  | 'note_created'
  | 'note_updated'
  | 'note_deleted'
  | 'fold_toggled'
  | 'more_shown'
> = {
  reading_started: (state) => ({
    ...state,
    replica: askList(state.replica),
    list: { ...state.list, reading: true, turn: state.list.turn + 1 },
  }),

  reading_finished(state, { turn, list }) {
    if (turn !== state.list.turn) return state;
    const before = state.replica.notes;
    const online = state.connection.phase === 'online';
    const replica = takeList(state.replica, list);
    const next = meetList({
      ...state,
      replica,
      lagging: state.lagging && !online,
      list: { ...state.list, phase: 'ready', reading: false, failure: null },
    });
    if (state.list.phase === 'unread') return next;
    const lit = light(next, changedIds(before, replica.notes));
    return state.lagging && online ? say(lit, sentences.connectedAgain) : lit;
  },

  reading_failed(state, { turn, failure }) {
    if (turn !== state.list.turn) return state;
    const next = { ...state, list: { ...state.list, reading: false, failure } };
    return state.list.failure === null ? say(next, sentences.listFailed(failure, state.list.phase)) : next;
  },

  note_created: (state, { note }) => arrive(state, note, sentences.createdElsewhere(note)),

  note_updated: (state, { note }) => arrive(state, note, sentences.updatedElsewhere(note)),

  note_deleted(state, { id }) {
    const note = state.replica.notes.get(id);
    const edit = state.edits.get(id);
    let next: State = { ...state, replica: remove(state.replica, id) };
    if (edit !== undefined) next = { ...next, edits: new Map(state.edits).set(id, meetGone(edit)) };
    if (state.deletion?.note.id === id) {
      if (state.deletion.sending) return next; // our own: its answer says so
      next = focusOn({ ...next, deletion: null }, 'list-heading');
    }
    return note === undefined ? next : say(next, sentences.deletedElsewhere(note, edit !== undefined));
  },

  fold_toggled(state, { id }) {
    const unfolded = new Set(state.unfolded);
    if (!unfolded.delete(id)) unfolded.add(id);
    return { ...state, unfolded };
  },

  more_shown: (state) => ({ ...state, rowsMax: state.rowsMax + ROWS_STEP }),
};

/** Takes a note that an event brought; says so unless it is what this page has just sent itself. */
function arrive(state: State, note: Note, sentence: string): State {
  const replica = put(state.replica, note);
  if (replica === state.replica) return state;
  const next = meetEdit({ ...state, replica }, note.id);
  if (replica.notes === state.replica.notes) return next;
  const lit = light(next, [note.id]);
  return isOwn(state, note) ? lit : say(lit, sentence);
}

function isOwn({ draft, edits }: State, note: Note): boolean {
  if (draft.sending !== null && sameText(draft.sending, note)) return true;
  const sending = edits.get(note.id)?.sending;
  return sending != null && sameText(sending, note);
}

/** Confronts the edit of one note, if there is one, with the version that the page now has. */
function meetEdit(state: State, id: number): State {
  const edit = state.edits.get(id);
  const note = state.replica.notes.get(id);
  if (edit === undefined || note === undefined) return state;
  return { ...state, edits: new Map(state.edits).set(id, meetNote(edit, note)) };
}

/** Confronts every edit with a list that was just read. */
function meetList(state: State): State {
  const edits = new Map(state.edits);
  for (const [id, edit] of edits) {
    const note = state.replica.notes.get(id);
    if (note !== undefined) edits.set(id, meetNote(edit, note));
    else if (id >= state.replica.floor) edits.set(id, meetGone(edit)); // of older ones the list says nothing
  }
  return { ...state, edits };
}

function changedIds(before: ReadonlyMap<number, Note>, after: ReadonlyMap<number, Note>): number[] {
  return [...after.values()]
    .filter((note) => before.get(note.id)?.updatedAt !== note.updatedAt)
    .map(({ id }) => id);
}
