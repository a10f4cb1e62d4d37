// The page's copy of the server's notes, kept right by two sources that race: events from the socket, and whole lists
// read over HTTP. The rules:
//   - an id is never used twice, so a deletion is final: a note once deleted stays away, whoever still speaks of it;
//   - of two versions of a note the one with the later `updatedAt` stands; events may overtake one another;
//   - a list that is read answers for every note but those that changed here after it was asked for. Those are newer
//     than the list may be, so there versions are compared, and a note that the list does not have yet is kept;
//   - hence what was missed while the connection was away is put right by the next list, whatever the clocks say;
//   - a list that is full holds the newest notes only. The page then knows all notes from its last one (`floor`) on; of
//     older ones it keeps what it hears, for whoever found them by searching, but does not list them.
// For this to hold, events must flow before the list is asked for: the page asks after the socket has answered.
import { TOMBSTONES_MAX } from './limits.ts';
import { isNewer } from './model.ts';
import type { Note, NoteList } from './model.ts';

export type Replica = Readonly<{
  notes: ReadonlyMap<number, Note>;
  /** Ids of deleted notes, oldest first, at most TOMBSTONES_MAX. */
  deleted: ReadonlySet<number>;
  /** Ids that arrived since the latest list was asked for. */
  sinceAsked: ReadonlySet<number>;
  /** The lowest id that the list answers for; 0 when it holds every note. */
  floor: number;
}>;

export const emptyReplica: Replica = {
  notes: new Map(),
  deleted: new Set(),
  sinceAsked: new Set(),
  floor: 0,
};

/** Takes a note from an event or an answer. `notes` stays the same object when nothing to be seen changed. */
export function put(replica: Replica, note: Note): Replica {
  if (replica.deleted.has(note.id)) return replica;
  const sinceAsked = new Set(replica.sinceAsked).add(note.id);
  const known = replica.notes.get(note.id);
  if (known !== undefined && (isNewer(known, note) || isSame(known, note))) return { ...replica, sinceAsked };
  return { ...replica, sinceAsked, notes: new Map(replica.notes).set(note.id, note) };
}

/** Takes a deletion. */
export function remove(replica: Replica, id: number): Replica {
  if (replica.deleted.has(id)) return replica;
  const deleted = new Set(replica.deleted).add(id);
  if (deleted.size > TOMBSTONES_MAX) deleted.delete(deleted.values().next().value as number);
  if (!replica.notes.has(id)) return { ...replica, deleted };
  const notes = new Map(replica.notes);
  notes.delete(id);
  return { ...replica, notes, deleted };
}

/** Marks the moment at which a list is asked for; an earlier list that has not arrived must then be thrown away. */
export function askList(replica: Replica): Replica {
  return { ...replica, sinceAsked: new Set() };
}

/** Takes the list that was asked for last. */
export function takeList(replica: Replica, list: NoteList): Replica {
  const notes = new Map<number, Note>();
  for (const note of list.notes) {
    if (replica.deleted.has(note.id)) continue;
    const known = replica.notes.get(note.id);
    const overtaken = known !== undefined && replica.sinceAsked.has(note.id) && !isNewer(note, known);
    notes.set(note.id, overtaken ? known : note);
  }
  for (const id of replica.sinceAsked) {
    const known = replica.notes.get(id);
    if (known !== undefined && !notes.has(id)) notes.set(id, known);
  }
  const floor = list.all ? 0 : Math.min(...list.notes.map(({ id }) => id));
  return { ...replica, notes, floor };
}

/** Notes, newest first: by id, as in the server's list, for ids ascend and are never given again. */
export function newestFirst(notes: Iterable<Note>): readonly Note[] {
  return [...notes].toSorted((a, b) => b.id - a.id);
}

function isSame(a: Note, b: Note): boolean {
  return (
    a.title === b.title &&
    a.body === b.body &&
    a.author === b.author &&
    a.updatedAt === b.updatedAt &&
    a.createdAt === b.createdAt
  );
}
