// Which notes the page shows, in which order. A note that is being edited stays in sight and, as far as can be, in its
// place, whatever happens around it.
import type { Note } from './model.ts';
import { isNewer } from './model.ts';
import { newestFirst } from './replica.ts';
import type { Replica } from './replica.ts';
import type { Edit, State } from './state.ts';

export type Row = Readonly<{ id: number; note: Note; edit: Edit | null }>;

/** Every row, before it is cut to `rowsMax`. */
export function rowsOf(state: State): readonly Row[] {
  return state.search.order === null ? allRows(state) : foundRows(state, state.search.order);
}

/** The rows that are drawn: as many as asked for, and beyond them those that are being edited. */
export function drawnRows(rows: readonly Row[], rowsMax: number): readonly Row[] {
  if (rows.length <= rowsMax) return rows;
  return rows.filter(({ edit }, index) => index < rowsMax || isEdited(edit));
}

/** Whether a row of the page is the form of an edit. */
export function isEdited(edit: Edit | null | undefined): boolean {
  return edit?.open ?? false;
}

/**
 * The ids of a new result, with those that are being edited kept where they stood in the one before, even if they are
 * no longer found.
 */
export function placeKept(
  before: readonly number[],
  found: readonly number[],
  edits: ReadonlyMap<number, Edit>,
): readonly number[] {
  const kept = before.filter((id) => isEdited(edits.get(id)));
  const order = found.filter((id) => !kept.includes(id));
  for (const id of kept) order.splice(before.indexOf(id), 0, id); // ascending, so each lands where it was
  return order;
}

function allRows({ replica, edits }: State): readonly Row[] {
  const list = listed(replica);
  const strays = [...edits.values()].filter((edit) => isEdited(edit) && !isListed(replica, edit.id));
  const notes =
    strays.length === 0 ? list : newestFirst([...list, ...strays.map((edit) => noteOf(replica, edit))]);
  return notes.map((note) => ({ id: note.id, note, edit: edits.get(note.id) ?? null }));
}

function isListed({ notes, floor }: Replica, id: number): boolean {
  return id >= floor && notes.has(id);
}

/** The note of an edit that the list does not hold: it is gone, or older than the list goes back. */
function noteOf({ notes }: Replica, { id, base }: Edit): Note {
  return notes.get(id) ?? base;
}

function foundRows({ replica, search, edits }: State, order: readonly number[]): readonly Row[] {
  const rows: Row[] = [];
  const shown = new Set(order);
  const strays = [...edits.values()]
    .filter((edit) => isEdited(edit) && !shown.has(edit.id))
    .map(({ id }) => id);
  for (const id of [...strays, ...order]) {
    const edit = edits.get(id) ?? null;
    if (replica.deleted.has(id) && edit === null) continue;
    const note = newest(replica.notes.get(id), search.results.get(id)) ?? edit?.base;
    if (note !== undefined) rows.push({ id, note, edit });
  }
  return rows;
}

function newest(a: Note | undefined, b: Note | undefined): Note | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return isNewer(b, a) ? b : a;
}

// The list is sorted once for each change of it, not for each drawing.
const sortedLists = new WeakMap<Replica['notes'], readonly Note[]>();
/** The notes of the list, newest first. */
export function listed({ notes, floor }: Replica): readonly Note[] {
  let list = sortedLists.get(notes);
  if (list === undefined) {
    list = newestFirst(notes.values()).filter(({ id }) => id >= floor);
    sortedLists.set(notes, list); // the floor changes with the notes only
  }
  return list;
}
