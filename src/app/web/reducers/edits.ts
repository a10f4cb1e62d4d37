// Edits of notes.
//
// - Several may be open at once. Only "Discard", or the server's confirmation, removes one.
// - When its note changes or is deleted meanwhile, the typed text is never replaced: either the change does not matter to it,
//   or the writer decides.
import { firstProblem } from '../checks.ts';
import { type Failure, type Note, isNewer, sameText, unixLines } from '../model.ts';
import { put, removeAnswered } from '../replica.ts';
import type { Edit, Handlers, State } from '../state.ts';
import { sentences } from '../wording.ts';
import { focusOn, light, say } from './common.ts';

export const editHandlers: Handlers<
  | 'edit_started'
  | 'edit_changed'
  | 'edit_cancelled'
  | 'edit_discarded'
  | 'edit_submitted'
  | 'edit_saved'
  | 'edit_failed'
  | 'edit_kept_mine'
  | 'edit_took_theirs'
  | 'edit_swapped'
> = {
  edit_started(state, { note }) {
    const known = state.edits.get(note.id);
    const edit = known === undefined ? newEdit(note) : meetNote({ ...known, open: true }, note);
    return focusOn(set(state, edit), `edit-title-${note.id}`);
  },

  edit_changed: (state, { id, field, value }) => alter(state, id, (edit) => ({ ...edit, [field]: value })),

  edit_cancelled(state, { id }) {
    const edit = state.edits.get(id);
    if (edit === undefined || edit.sending !== null || edit.gone) return state;
    if (!isDirty(edit)) return focusOn(drop(state, id), `edit-${id}`);
    const kept =
      sameText(edit, edit.base) && edit.mine !== null ? { ...edit, ...edit.mine, mine: null } : edit;
    const next = set(state, { ...kept, open: false, checked: false, failure: null, theirs: null });
    return say(focusOn(next, `edit-${id}`), sentences.setAside);
  },

  edit_discarded(state, { id }) {
    const gone = state.edits.get(id)?.gone ?? true;
    return say(focusOn(drop(state, id), gone ? 'list-heading' : `edit-${id}`), sentences.discarded);
  },

  edit_submitted(state, { id }) {
    const edit = state.edits.get(id);
    if (edit === undefined || edit.sending !== null) return state;
    if (edit.theirs !== null) return say(focusOn(state, `conflict-${id}`), sentences.decideFirst);
    const problem = firstProblem(edit);
    if (problem !== null) {
      const next = set(state, { ...edit, checked: true, failure: null });
      return say(focusOn(next, `edit-${problem.field}-${id}`), sentences.problem(problem));
    }
    if (!edit.gone && !isDirty(edit)) return focusOn(drop(state, id), `edit-${id}`);
    const sending = { title: edit.title, body: edit.body };
    return set(state, { ...edit, sending, checked: false, failure: null });
  },

  edit_saved(state, { id, note }) {
    const edit = state.edits.get(id);
    const replica = put(state.replica, note);
    const changed = replica.notes !== state.replica.notes; // else its event was here first
    const next = changed ? light({ ...state, replica }, [note.id]) : { ...state, replica };
    if (edit === undefined) return next;
    const settled: Edit = { ...edit, sending: null, failure: null };
    if (replica.deleted.has(note.id)) return set(next, meetGone(settled)); // saved, and deleted before we heard of it
    const typedSince = edit.sending !== null && !sameText(edit, edit.sending);
    const base = note.id === id ? note : edit.base; // it may have been saved as a new note
    if (typedSince) return say(set(next, { ...settled, base }), sentences.saved(note));
    const target = note.id === id ? `edit-${id}` : `note-${note.id}`;
    return say(focusOn(drop(next, id), target), sentences.saved(note));
  },

  edit_failed(state, { id, failure, version }) {
    if (failure.kind === 'missing') {
      const replica = removeAnswered(state.replica, id, version);
      // Restored since it was sent: it can be sent again.
      if (replica.notes.has(id))
        return alter(state, id, (edit) => ({ ...edit, sending: null, failure: missed }));
      const next = alter({ ...state, replica }, id, (edit) => meetGone({ ...edit, sending: null }));
      return say(focusOn(next, `gone-${id}`), sentences.editGone);
    }
    const next = alter(state, id, (edit) => ({ ...edit, sending: null, failure }));
    return say(next, sentences.failed('save', failure));
  },

  edit_kept_mine: (state, { id }) =>
    focusOn(
      alter(state, id, (edit) => ({ ...edit, base: edit.theirs ?? edit.base, theirs: null })),
      `edit-body-${id}`,
    ),

  edit_took_theirs: (state, { id }) => focusOn(alter(state, id, takeTheirs), `edit-body-${id}`),

  edit_swapped: (state, { id }) => focusOn(alter(state, id, swap), `edit-body-${id}`),
};

/** The note was deleted and restored while a change was on its way. */
const missed: Failure = { kind: 'refused', reason: 'the note was deleted and restored meanwhile' };

function newEdit(note: Note): Edit {
  return {
    id: note.id,
    base: note,
    title: unixLines(note.title),
    body: unixLines(note.body),
    open: true,
    sending: null,
    checked: false,
    failure: null,
    theirs: null,
    mine: null,
    gone: false,
  };
}

function takeTheirs(edit: Edit): Edit {
  const { theirs } = edit;
  if (theirs === null) return edit;
  const mine = sameText(edit, edit.base) ? edit.mine : { title: edit.title, body: edit.body };
  return {
    ...edit,
    base: theirs,
    title: unixLines(theirs.title),
    body: unixLines(theirs.body),
    theirs: null,
    mine,
  };
}

/** Brings back what was typed before theirs was taken; what was typed since is put in its place. */
function swap(edit: Edit): Edit {
  if (edit.mine === null) return edit;
  const mine = sameText(edit, edit.base) ? null : { title: edit.title, body: edit.body };
  return { ...edit, ...edit.mine, mine };
}

function set(state: State, edit: Edit): State {
  return { ...state, edits: new Map(state.edits).set(edit.id, edit) };
}

function drop(state: State, id: number): State {
  const edits = new Map(state.edits);
  edits.delete(id);
  return { ...state, edits };
}

function alter(state: State, id: number, change: (edit: Edit) => Edit): State {
  const edit = state.edits.get(id);
  return edit === undefined ? state : set(state, change(edit));
}

// ---- when the note changes, or is deleted, while its edit is typed ----

/** The edit after the page has learnt of this version of its note. */
export function meetNote(edit: Edit, note: Note): Edit {
  if (!isNewer(note, edit.base)) return edit;
  if (edit.gone) return meetNote({ ...edit, gone: false }, note); // it is there again
  const typed = sameText(note, edit);
  const sent = edit.sending !== null && sameText(note, edit.sending); // our own change, before its answer
  if (typed || sent || sameText(note, edit.base)) return { ...edit, base: note, theirs: null };
  return edit.open ? { ...edit, theirs: note } : edit; // one that was set aside is asked about when it is resumed
}

/** The edit after the page has learnt that its note is deleted; shown again if it was set aside. */
export function meetGone(edit: Edit): Edit {
  return edit.gone ? edit : { ...edit, gone: true, open: true, theirs: null };
}

/** Whether the edit holds anything that would be lost with it. */
export function isDirty(edit: Edit): boolean {
  return !sameText(edit, edit.base) || edit.mine !== null;
}
