// The newest notes of a repository, for tests that have few.
import type { Note } from '../../../src/app/notes/note.ts';
import { pageNotesMax } from '../../../src/app/notes/page.ts';
import type { NoteRepository } from '../../../src/app/notes/repository.ts';

/** Notes on a page that is as long as it may be, newest first. */
export async function firstPage(repository: Pick<NoteRepository, 'list'>): Promise<Note[]> {
  const { notes } = await repository.list({ limit: pageNotesMax, maxBytes: 1_048_576 });
  return [...notes];
}
