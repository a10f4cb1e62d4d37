// Where the notes of an instance are: in a database of its own, on a PostgreSQL server, or with another instance of its
// cluster. Whoever reads and writes notes does not know which.
import type { Node } from '../../runtime/index.ts';
import type { Database, DatabaseStatus } from '../database/database.ts';
import { type DatabaseSettings, openDatabase } from '../database/open.ts';
import { openNotesOf, type InstanceSettings } from './remote.ts';
import { createNoteRepository, type NoteRepository } from './repository.ts';

export type NotesSettings = DatabaseSettings | InstanceSettings;

/** Notes, and whether they can be reached. */
export interface NotesSource {
  readonly database: DatabaseStatus;
  readonly repository: NoteRepository;
  /**
   * Which notes these are. Instances with the same text show the same notes: all that have a PostgreSQL server, which they
   * are expected to share, or the one that has them in its data folder and those that use it.
   */
  readonly identity: string;
}

/**
 * Begins to open the notes and returns at once, as `openDatabase` does.
 * @param node needed for those of another instance
 * @param given a database in place of the one that the settings name
 */
export function openNotes(settings: NotesSettings, node: Node, given?: Database): NotesSource {
  if (given === undefined && settings.kind === 'instance') {
    return { ...openNotesOf(settings, node), identity: `the notes of ${settings.node}` };
  }
  const database = given ?? openDatabase(settings as DatabaseSettings);
  const identity = database.kind === 'postgres' ? 'PostgreSQL' : `the notes of ${node.name}`;
  return { database, repository: createNoteRepository(database), identity };
}
