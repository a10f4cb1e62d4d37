// The channel on which changes of notes are told: one declaration types who broadcasts and who listens.
import { defineChannel } from '../../runtime/index.ts';
import type { Note } from './note.ts';

/** What is told on the channel, by topic. */
export interface NoteEvents {
  note_created: Note;
  note_updated: Note;
  note_deleted: { readonly id: number };
}

/** The channel `notes`. A change is broadcast after it has been stored. */
export const notes = defineChannel<NoteEvents>('notes');
