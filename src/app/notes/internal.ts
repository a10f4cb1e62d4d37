// What the tests use of this folder. Nothing in src/ imports it.
export { type NoteEvents, notes } from './channel.ts';
export { removedMax } from './deleted.ts';
export { changesMax } from './history.ts';
export { IncomingEvents, type LeftOut } from './incoming.ts';
export { checkNewNote, checkNoteChange, checkRestoration, type Note, noteLimits } from './note.ts';
export { BadCursorError, pageNotesMax, type PageRequest } from './page.ts';
export { deletedNotesServer, purgeName } from './purge.ts';
export { createNoteRepository, isNoteId, type NoteRepository } from './repository.ts';
export { deletedNotes, notes as notesTable, noteWords } from './schema.ts';
export { CALLS_MAX } from './store.ts';
