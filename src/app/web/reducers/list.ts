// The list of notes: its pages over HTTP, single changes from the socket. How the two are merged stands in replica.ts;
// here is what follows from it for edits, lights and announcements.
import { type Note, sameText } from '../model.ts';
import {
  beginReading,
  endOf,
  endReading,
  isFull,
  put,
  putAnswer,
  putStored,
  raiseFloor,
  remove,
  removeAnswered,
  takePage,
} from '../replica.ts';
import type { Handlers, ListState, State } from '../state.ts';
import { sentences } from '../wording.ts';
import { rowsOf } from '../rows.ts';
import { arrived, caughtUp, expected, focusOn, light, say, showMore, withoutOfferOf } from './common.ts';
import { meetGone, meetNote } from './edits.ts';
import { withOpened } from './opened.ts';

export const listHandlers: Handlers<
  | 'reading_started'
  | 'page_read'
  | 'reading_failed'
  | 'note_created'
  | 'note_updated'
  | 'note_deleted'
  | 'note_looked_up'
  | 'fold_toggled'
  | 'more_wanted'
> = {
  reading_started(state, { part }) {
    const { list, replica } = state;
    const goesOn = part === 'more' || list.goal < replica.floor; // more was wanted before, and has not come
    const reading: ListState = {
      ...list,
      reading: part,
      turn: list.turn + 1,
      frontier: part === 'all' ? Number.POSITIVE_INFINITY : replica.floor,
      goal: goesOn ? replica.floor - 1 : replica.floor,
      freshness: part === 'all' ? expected(state, list.freshness) : list.freshness,
      moreFailure: null,
    };
    return { ...state, replica: beginReading(replica), list: reading };
  },

  page_read(state, { turn, page }) {
    const { list } = state;
    if (turn !== list.turn || list.reading === null) return state;
    const above = list.frontier;
    const frontier = endOf(page, above);
    let replica = takePage(state.replica, page, above);
    const full = isFull(replica, frontier);
    const done = page.next === null || frontier <= list.goal || full;
    if (full && frontier > replica.floor) replica = raiseFloor(replica, frontier, page.next);
    let next = meetPage({ ...state, replica }, frontier, above);
    if (list.phase === 'ready') {
      const shown = state.replica.floor; // what comes below it is not new, only read now
      const changed = changedIds(state.replica.notes, replica.notes).filter((id) => id >= shown);
      if (changed.length > 0) next = light(next, changed);
    }
    next = { ...next, list: { ...list, phase: 'ready', frontier } };
    return done ? finished(next) : next;
  },

  reading_failed(state, { turn, failure }) {
    const { list } = state;
    if (turn !== list.turn) return state;
    const replica = endReading(state.replica);
    if (list.reading === 'more') {
      const next = {
        ...state,
        replica,
        moreAfter: null,
        list: { ...list, reading: null, moreFailure: failure },
      };
      return say(next, sentences.failed('more', failure));
    }
    const failed: ListState = { ...list, reading: null, failure, freshness: 'stale' };
    const next = { ...state, replica, moreAfter: null, list: failed };
    return list.failure === null ? say(next, sentences.listFailed(failure, list.phase)) : next;
  },

  note_created: (state, { note, stored }) =>
    arrive(
      state,
      note,
      stored,
      state.replica.deleted.has(note.id)
        ? sentences.restoredElsewhere(note)
        : sentences.createdElsewhere(note),
    ),

  note_updated: (state, { note, stored }) => arrive(state, note, stored, sentences.updatedElsewhere(note)),

  note_looked_up(state, { id, note, asked, version }) {
    if (note !== null)
      return withOpened(meetEdit({ ...state, replica: putAnswer(state.replica, note, asked) }, id));
    const replica = removeAnswered(state.replica, id, version);
    const missing = state.opened?.id === id && !replica.notes.has(id);
    const opened = missing && state.opened !== null ? { ...state.opened, note: null, missing } : state.opened;
    const edit = state.edits.get(id);
    const gone = edit !== undefined && replica.deleted.has(id);
    const edits = gone ? new Map(state.edits).set(id, meetGone(edit)) : state.edits;
    return { ...state, replica, edits, opened };
  },

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

  more_wanted(state, { byHand }) {
    const { list, search, replica } = state;
    const moreAfter = byHand ? (rowsOf(state).at(-1)?.id ?? null) : state.moreAfter;
    if (search.order !== null) {
      return { ...state, moreAfter, search: { ...search, goal: search.order.length + 1, moreFailure: null } };
    }
    return { ...state, moreAfter, list: { ...list, goal: replica.floor - 1, moreFailure: null } };
  },
};

/** A reading has come as far as it was to. */
function finished(state: State): State {
  const { list, lagging } = state;
  const replica = endReading(state.replica);
  if (list.reading === 'more') return showMore({ ...state, replica, list: { ...list, reading: null } });
  const online = state.connection.phase === 'online';
  const next = showMore({
    ...state,
    replica,
    list: { ...list, reading: null, freshness: arrived(list.freshness), failure: null },
  });
  return lagging && online ? caughtUp(next) : next;
}

/** Takes a note that an event brought; says so unless it is what this page has just sent itself. */
function arrive(state: State, note: Note, stored: boolean, sentence: string): State {
  const replica = stored ? putStored(state.replica, note) : put(state.replica, note);
  if (replica === state.replica) return state;
  const next = withOpened(withoutOfferOf(meetEdit({ ...state, replica }, note.id), note.id));
  if (replica.notes === state.replica.notes) return next;
  const lit = light(next, [note.id]);
  return isOwn(state, note) ? lit : say(lit, sentence);
}

function isOwn({ draft, edits, undo }: State, note: Note): boolean {
  if (undo !== null && undo.sending && undo.note.id === note.id) return true;
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

/** Confronts the edits of notes that a page answers for with what it says: those from `end` on and below `above`. */
function meetPage(state: State, end: number, above: number): State {
  if (state.edits.size === 0) return state;
  const edits = new Map(state.edits);
  for (const [id, edit] of edits) {
    if (id < end || id >= above) continue;
    const note = state.replica.notes.get(id);
    edits.set(id, note === undefined ? meetGone(edit) : meetNote(edit, note));
  }
  return { ...state, edits };
}

function changedIds(before: ReadonlyMap<number, Note>, after: ReadonlyMap<number, Note>): number[] {
  return [...after.values()]
    .filter((note) => before.get(note.id)?.updatedAt !== note.updatedAt)
    .map(({ id }) => id);
}
