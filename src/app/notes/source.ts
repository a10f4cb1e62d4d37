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

/** Begins to open the database that settings name; undefined when the notes are with another instance. */
export function openOwnDatabase(settings: NotesSettings): Database | undefined {
  return settings.kind === 'instance' ? undefined : openDatabase(settings);
}

/**
 * The notes of an instance, on its own database or begun to be reached at another one; returns at once.
 * @param own what `openOwnDatabase` has answered, or a database in its place
 */
export function openNotes(settings: NotesSettings, node: Node, own: Database | undefined): NotesSource {
  if (own !== undefined) {
    const identity = own.kind === 'postgres' ? 'PostgreSQL' : `the notes of ${node.name}`;
    return { database: own, repository: createNoteRepository(own), identity };
  }
  if (settings.kind !== 'instance') throw new Error('the notes are in a database, and none was opened');
  return { ...openNotesOf(settings, node), identity: `the notes of ${settings.node}` };
}
