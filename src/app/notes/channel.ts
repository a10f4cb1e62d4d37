// The channel of the changes of notes: one declaration types both senders and receivers, on this node and on others, Erlang's
// included.
import { defineChannel } from 'troupe';
import type { Note } from './note.ts';

/** The payloads of the channel, by topic. A deletion that was undone is a `note_created` with the id that the note had. */
export interface NoteEvents {
  note_created: Note;
  note_updated: Note;
  note_deleted: { readonly id: number };
  /** Only within an instance: changes may have been missed, so clients must read the notes again. */
  resync: Readonly<Record<string, never>>;
}

/** The fields of a note: atoms as keys in Erlang, as in `maps:get(title, Note)`. */
const atomKeys = [
  'id',
  'title',
  'body',
  'author',
  'createdAt',
  'updatedAt',
  'updatedBy',
] as const satisfies ReadonlyArray<keyof Note>;

/**
 * The channel `notes`. The event of a change is stored with it, and published once both are committed. What arrives may come from
 * another node: read it with `IncomingEvents`.
 */
export const notes = defineChannel<NoteEvents>('notes', { atomKeys, durable: true });
