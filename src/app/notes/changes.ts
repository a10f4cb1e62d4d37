// Changes of notes, each stored with its event in one transaction, so that neither exists without the other.
//
// The maker of a change publishes its event afterwards (`notes.publish`). Failing that, the log of each instance finds the event in
// the store.
import type { StoredEvent } from 'troupe';
import type { Database } from '../database/database.ts';
import type { DatabaseEvents } from '../events/store.ts';
import { notes } from './channel.ts';
import type { NewNote, Note, NoteChange } from './note.ts';
import { createNoteRepository } from './repository.ts';

/** A change that was stored, and its event. */
export interface Changed<Value> {
  readonly value: Value;
  readonly event: StoredEvent;
}

/** A note that is there after `restore`, and the event of its return; without one when it was there already. */
export interface Restored {
  readonly value: Note;
  readonly event: StoredEvent | undefined;
}

/** Changes notes. Errors are those of `SqlRunner.run`. */
export interface NoteChanges {
  create(note: NewNote): Promise<Changed<Note>>;
  /** Undefined when there is no such note. */
  update(id: number, change: NoteChange): Promise<Changed<Note> | undefined>;
  delete(id: number): Promise<Changed<true> | undefined>;
  /** Undoes a deletion. Undefined when there is no such note, or its time is over. */
  restore(id: number, by?: string): Promise<Restored | undefined>;
}

/** The changes of the notes in a database. @param restorableMs how long a deletion can be undone */
export function changesIn(database: Database, events: DatabaseEvents, restorableMs: number): NoteChanges {
  return {
    create: (note) =>
      database.transaction(async (transaction) => {
        const value = await createNoteRepository(transaction).create(note);
        return { value, event: await events.append(transaction, notes.event('note_created', value)) };
      }),
    update: (id, change) =>
      database.transaction(async (transaction) => {
        const value = await createNoteRepository(transaction).update(id, change);
        if (value === undefined) return undefined;
        return { value, event: await events.append(transaction, notes.event('note_updated', value)) };
      }),
    delete: (id) =>
      database.transaction(async (transaction) => {
        if (!(await createNoteRepository(transaction).delete(id))) return undefined;
        return { value: true, event: await events.append(transaction, notes.event('note_deleted', { id })) };
      }),
    restore: (id, by) =>
      database.transaction(async (transaction) => {
        const repository = createNoteRepository(transaction);
        const value = await repository.restore(id, restorableMs, by);
        if (value !== undefined)
          return { value, event: await events.append(transaction, notes.event('note_created', value)) };
        const present = await repository.get(id);
        return present && { value: present, event: undefined };
      }),
  };
}
