// The channel on which changes of notes are told: one declaration types who broadcasts and who listens, on this node and
// on others, those of Erlang included.
import { defineChannel } from 'troupe';
import type { Note } from './note.ts';

/** What is told on the channel, by topic. */
export interface NoteEvents {
  note_created: Note;
  note_updated: Note;
  note_deleted: { readonly id: number };
  /** Only within an instance: changes may have been missed, so whoever shows notes reads them again. */
  resync: Readonly<Record<string, never>>;
}

/** The fields of a note: to Erlang keys that are atoms, as in `maps:get(title, Note)`. */
const atomKeys = ['id', 'title', 'body', 'author', 'createdAt', 'updatedAt'] as const satisfies ReadonlyArray<
  keyof Note
>;

/**
 * The channel `notes`. The event of a change is stored with it, and published when both have been committed. What arrives may be of another node, and is to be
 * read with `IncomingEvents`.
 */
export const notes = defineChannel<NoteEvents>('notes', { atomKeys, durable: true });
