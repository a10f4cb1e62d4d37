// The newest notes of a repository, for tests that have few.
import { type Note, type NoteRepository, pageNotesMax } from '../../../src/app/notes/internal.ts';

/** Notes on a page that is as long as it may be, newest first. */
export async function firstPage(repository: Pick<NoteRepository, 'list'>): Promise<Note[]> {
  const { notes } = await repository.list({ limit: pageNotesMax, maxBytes: 1_048_576 });
  return [...notes];
}
