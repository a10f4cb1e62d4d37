// Which notes the page shows, in which order. A note that is being edited stays in sight and, as far as can be, in its
// place, whatever happens around it.
import { type Note, isNewer } from './model.ts';
import { newestFirst, type Replica } from './replica.ts';
import type { Edit, SearchState, State } from './state.ts';

export type Row = Readonly<{ id: number; note: Note; edit: Edit | null }>;

/** Every row, in order. */
export function rowsOf(state: State): readonly Row[] {
  return state.opened === null ? listRows(state) : openedRows(state, state.opened.id);
}

/** The opened note; null when there is none, or it is not known. */
export function openedNote({ opened, replica }: State): Note | null {
  if (opened === null || replica.deleted.has(opened.id)) return null;
  if (isCovered(replica, opened.id)) return replica.notes.get(opened.id) ?? null;
  return newest(replica.notes.get(opened.id), opened.note ?? undefined) ?? null;
}

/** Whether the list says if there is a note with this id. */
export function isCovered({ floor }: Replica, id: number): boolean {
  return id >= floor;
}

function openedRows(state: State, id: number): readonly Row[] {
  const edit = state.edits.get(id) ?? null;
  const note = openedNote(state) ?? (isEdited(edit) ? edit?.base : undefined);
  return note === undefined ? [] : [{ id, note, edit }];
}

function listRows(state: State): readonly Row[] {
  return state.search.order === null ? allRows(state) : foundRows(state, state.search.order);
}

/** Whether a row of the page is the form of an edit. */
export function isEdited(edit: Edit | null | undefined): boolean {
  return edit?.open ?? false;
}

/** Where in the result that is shown the notes stand that are being edited; the next result leaves them there. */
export function placesOf(state: State): ReadonlyMap<number, number> {
  const places = new Map<number, number>();
  if (state.search.order === null) return places;
  for (const [index, { id, edit }] of listRows(state).entries()) if (isEdited(edit)) places.set(id, index);
  return places;
}

function allRows({ replica, edits }: State): readonly Row[] {
  const list = listed(replica);
  const strays = [...edits.values()].filter((edit) => isEdited(edit) && !isListed(replica, edit.id));
  const notes =
    strays.length === 0 ? list : newestFirst([...list, ...strays.map((edit) => noteOf(replica, edit))]);
  return notes.map((note) => ({ id: note.id, note, edit: edits.get(note.id) ?? null }));
}

function isListed({ notes, floor }: Replica, id: number): boolean {
  return id >= lowest(floor) && notes.has(id);
}

/** Before anything was read, what was heard is listed. */
function lowest(floor: number): number {
  return floor === Number.POSITIVE_INFINITY ? 0 : floor;
}

/** The note of an edit that the list does not hold: it is gone, or older than the list goes back. */
function noteOf({ notes }: Replica, { id, base }: Edit): Note {
  return notes.get(id) ?? base;
}

function foundRows({ replica, search, edits }: State, order: readonly number[]): readonly Row[] {
  const rows: Row[] = [];
  for (const id of arranged(order, search.places, edits)) {
    const edit = edits.get(id) ?? null;
    if (replica.deleted.has(id) && edit === null) continue;
    const note = newest(replica.notes.get(id), search.results.get(id)) ?? edit?.base;
    if (note !== undefined) rows.push({ id, note, edit });
  }
  return rows;
}

/**
 * The ids of a result, with those that are being edited where they stood in the result before, found or not; those that
 * stood in none and are not found come first. Where nothing is edited, the order is the server's.
 */
function arranged(
  order: readonly number[],
  places: SearchState['places'],
  edits: State['edits'],
): readonly number[] {
  const edited = [...edits.values()].filter(isEdited).map(({ id }) => id);
  if (edited.length === 0) return order;
  const found = new Set(order);
  const strays = edited.filter((id) => !places.has(id) && !found.has(id));
  const kept = [...places].filter(([id]) => isEdited(edits.get(id)));
  const keptIds = new Set(kept.map(([id]) => id));
  const ids = [...strays, ...order.filter((id) => !keptIds.has(id))];
  for (const [id, place] of kept) ids.splice(place, 0, id); // ascending, so each lands where it was
  return ids;
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
    list = newestFirst(notes.values()).filter(({ id }) => id >= lowest(floor));
    sortedLists.set(notes, list); // the floor changes with the notes only
  }
  return list;
}
