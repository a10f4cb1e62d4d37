// The page's copy of the server's notes, kept right by two sources that race: events from the socket, and pages of the
// list read over HTTP. The rules:
//   - a note once deleted stays away, whoever still speaks of it, until it is restored: that is told by a stored event of a later version,
//     since those come in order, or by an answer that was asked for after the page had heard of the deletion;
//   - of two versions of a note the one with the later `updatedAt` stands; events may overtake one another;
//   - a page that is read answers for every note from its last one up to where the page before ended, but for those that
//     changed here after the reading began. Those are newer than the page may be, so there versions are compared, and a
//     note that the page does not have yet is kept;
//   - hence what was missed for good is put right by the next reading, whatever the clocks say;
//   - the copy knows all notes from `floor` on, as far as pages have been read; of older ones it keeps what it hears, for
//     whoever found them by searching, but does not list them;
//   - it is bounded by KEPT_MAX: notes that are not listed give way first, then the oldest.
// For this to hold, no event may fall between the list and what comes: the page asks for the list once the connection is live, and
// gets each event from then on, those of a time without a connection when it is back.
import { KEPT_MAX, LISTED_MAX, TOMBSTONES_MAX } from './limits.ts';
import { isNewer, sizeOf, type Note, type NotePage } from './model.ts';

export type Replica = Readonly<{
  notes: ReadonlyMap<number, Note>;
  /** How much text they hold. */
  characters: number;
  /** Deleted notes, those deleted first first. */
  deleted: ReadonlyMap<number, Deleted>;
  /** Counts the deletions that the page has heard of. */
  deletions: number;
  /** How many they were when the reading began that is on its way. */
  deletionsAsked: number;
  /** Ids that arrived since the reading began that is on its way; null while there is none. */
  sinceAsked: ReadonlySet<number> | null;
  /** The lowest id that is listed: 0 when every note is, infinity before anything was read. */
  floor: number;
  /** Asks for the page below the floor; null when there is none, or none to be had. */
  next: string | null;
}>;

/**
 * What is known of a deleted note: which deletion it was, counted from 1; and, when an answer told of it, the `updatedAt` that the note had, for
 * events of earlier versions may still be on their way.
 */
export type Deleted = Readonly<{ at: number; version: string | undefined }>;

export const emptyReplica: Replica = {
  notes: new Map(),
  characters: 0,
  deleted: new Map(),
  deletions: 0,
  deletionsAsked: 0,
  sinceAsked: null,
  floor: Number.POSITIVE_INFINITY,
  next: null,
};

/** Takes a note from an event that was stored; it may be that of its return. */
export function putStored(replica: Replica, note: Note): Replica {
  const version = replica.deleted.get(note.id)?.version;
  const isLater = version === undefined || Date.parse(note.updatedAt) > Date.parse(version);
  return put(isLater ? recall(replica, note.id) : replica, note);
}

/** Takes a note from an answer. @param asked the `deletions` when it was asked for */
export function putAnswer(replica: Replica, note: Note, asked: number): Replica {
  return put(believe(replica, note.id, asked), note);
}

/** Forgets the deletion of a note that an answer brings, if it was asked for later. */
export function believe(replica: Replica, id: number, asked: number): Replica {
  return (replica.deleted.get(id)?.at ?? Number.POSITIVE_INFINITY) <= asked ? recall(replica, id) : replica;
}

function recall(replica: Replica, id: number): Replica {
  if (!replica.deleted.has(id)) return replica;
  const deleted = new Map(replica.deleted);
  deleted.delete(id);
  return { ...replica, deleted };
}

/** Takes a note from an event or an answer. `notes` stays the same object when nothing to be seen changed. */
export function put(replica: Replica, note: Note): Replica {
  if (replica.deleted.has(note.id)) return replica;
  const sinceAsked = replica.sinceAsked && new Set(replica.sinceAsked).add(note.id);
  const known = replica.notes.get(note.id);
  if (known !== undefined && (isNewer(known, note) || isSame(known, note))) return { ...replica, sinceAsked };
  const characters = replica.characters + sizeOf(note) - (known === undefined ? 0 : sizeOf(known));
  return bounded({ ...replica, sinceAsked, characters, notes: new Map(replica.notes).set(note.id, note) });
}

/** Takes a deletion from an event. It may be another one than the page knows of: answers that were asked for before are older. */
export function remove(replica: Replica, id: number): Replica {
  return removeAs(replica, id, replica.deleted.get(id)?.version);
}

function removeAs(replica: Replica, id: number, version: string | undefined): Replica {
  const known = replica.notes.get(id);
  const deletions = replica.deletions + 1;
  const deleted = new Map(replica.deleted);
  deleted.delete(id);
  deleted.set(id, { at: deletions, version }); // the last now
  if (replica.sinceAsked === null) {
    for (const oldest of deleted.keys()) {
      if (deleted.size <= TOMBSTONES_MAX) break;
      deleted.delete(oldest);
    }
  }
  if (known === undefined) return { ...replica, deleted, deletions };
  const notes = new Map(replica.notes);
  notes.delete(id);
  return { ...replica, notes, deleted, deletions, characters: replica.characters - sizeOf(known) };
}

/**
 * Takes the answer that a note is gone. If the page has heard of another version since it asked, the note may have been restored meanwhile:
 * then the events tell.
 * @param version the `updatedAt` of the note here when it was asked; undefined when it was not here
 */
export function removeAnswered(replica: Replica, id: number, version: string | undefined): Replica {
  if (replica.deleted.has(id)) return replica;
  const known = replica.notes.get(id);
  return known === undefined || known.updatedAt === version ? removeAs(replica, id, version) : replica;
}

/** Marks the moment at which a reading begins; the answers to an earlier one must then be thrown away. */
export function beginReading(replica: Replica): Replica {
  return { ...replica, sinceAsked: new Set(), deletionsAsked: replica.deletions };
}

/** Marks the end of a reading, with its last answer or without. */
export function endReading(replica: Replica): Replica {
  return { ...replica, sinceAsked: null };
}

/** The lowest id that a page answers for; `above` is where the page before ended, infinity for the first. */
export function endOf({ notes, next }: NotePage, above: number): number {
  return next === null ? 0 : notes.reduce((lowest, { id }) => Math.min(lowest, id), above);
}

/** Takes a page of the reading that began last. The floor sinks with pages below it. */
export function takePage(before: Replica, page: NotePage, above: number): Replica {
  const replica = page.notes.reduce((all, { id }) => believe(all, id, before.deletionsAsked), before);
  const end = endOf(page, above);
  const asked = replica.sinceAsked ?? new Set();
  const notes = new Map<number, Note>();
  for (const note of page.notes) {
    if (replica.deleted.has(note.id)) continue;
    const known = replica.notes.get(note.id);
    const overtaken = known !== undefined && asked.has(note.id) && !isNewer(note, known);
    notes.set(note.id, overtaken ? known : note);
  }
  for (const [id, known] of replica.notes) {
    const answeredFor = id >= end && id < above && !asked.has(id);
    if (!answeredFor && !notes.has(id)) notes.set(id, known);
  }
  const taken = { ...replica, notes, characters: total(notes.values()) };
  const adjoins = end < replica.floor && above >= replica.floor;
  return adjoins ? { ...taken, floor: end, next: page.next } : taken;
}

/** Lists no notes below `floor` any more, where the page that `next` asks for begins. */
export function raiseFloor(replica: Replica, floor: number, next: string | null): Replica {
  const { sinceAsked } = replica;
  const notes = new Map([...replica.notes].filter(([id]) => id >= floor || sinceAsked?.has(id)));
  return { ...replica, notes, characters: total(notes.values()), floor, next };
}

/** Whether there are so many notes from this id on that no further page is to be read. */
export function isFull({ notes }: Replica, from: number): boolean {
  return reaches(
    [...notes.values()].filter(({ id }) => id >= from),
    LISTED_MAX,
  );
}

/** Whether these are as many notes, or as much text, as a limit allows. */
export function reaches(
  notes: readonly Note[],
  limit: Readonly<{ notes: number; characters: number }>,
): boolean {
  return notes.length >= limit.notes || total(notes) >= limit.characters;
}

/** Notes, newest first: by id, as in the server's list, for ids ascend and are never given again. */
export function newestFirst(notes: Iterable<Note>): readonly Note[] {
  return [...notes].toSorted((a, b) => b.id - a.id);
}

function bounded(replica: Replica): Replica {
  if (!exceeds(replica)) return replica;
  const listed = raiseFloor(replica, replica.floor, replica.next);
  if (!exceeds(listed)) return listed;
  let left: number = LISTED_MAX.characters;
  const kept = newestFirst(listed.notes.values())
    .slice(0, LISTED_MAX.notes)
    .filter((note) => (left -= sizeOf(note)) >= 0);
  return raiseFloor(listed, kept.at(-1)?.id ?? 0, null); // no page begins here; the next reading finds one
}

function exceeds({ notes, characters }: Replica): boolean {
  return notes.size > KEPT_MAX.notes || characters > KEPT_MAX.characters;
}

function total(notes: Iterable<Note>): number {
  let characters = 0;
  for (const note of notes) characters += sizeOf(note);
  return characters;
}

function isSame(a: Note, b: Note): boolean {
  return (
    a.title === b.title &&
    a.body === b.body &&
    a.author === b.author &&
    a.updatedAt === b.updatedAt &&
    a.updatedBy === b.updatedBy &&
    a.createdAt === b.createdAt
  );
}
