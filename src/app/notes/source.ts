// Where the notes of an instance are: in a database of its own, on a PostgreSQL server, or with another instance of its
// cluster. Readers and writers of notes do not know which.
import type { EventSource, Node } from 'troupe';
import {
  type Database,
  type DatabaseSettings,
  type DatabaseStatus,
  openDatabase,
} from '../database/database.ts';
import { type Backlog, DatabaseBacklog, type NotIndexed } from '../indexer/backlog.ts';
import { DatabaseEvents } from '../events/store.ts';
import { DatabaseSearch } from '../indexer/search.ts';
import { Vocabulary } from '../indexer/vocabulary.ts';
import { changesIn, type NoteChanges } from './changes.ts';
import type { NoteSearch } from './page.ts';
import { type InstanceSettings, openNotesOf } from './remote.ts';
import { type NoteReader, type NoteRepository, createNoteRepository } from './repository.ts';

export type NotesSettings = DatabaseSettings | InstanceSettings;

/** Notes, and whether they can be reached. */
export interface NotesSource {
  readonly database: DatabaseStatus;
  readonly repository: NoteReader;
  readonly changes: NoteChanges;
  /** What removes deleted notes for good; undefined where another instance does. */
  readonly deleted: Pick<NoteRepository, 'purge'> | undefined;
  /** The events of the changes. */
  readonly events: EventSource;
  readonly search: NoteSearch;
  readonly backlog: Backlog;
  /** The group of the indexers of these notes; undefined where another instance indexes them. */
  readonly indexers: string | undefined;
  /**
   * Which notes these are. Instances with the same text show the same notes: all with a PostgreSQL server, which they are
   * expected to share, or the instance that has them in its data folder and those that use it.
   */
  readonly identity: string;
}

/** Begins to open the database that the settings name; undefined when another instance has the notes. */
export function openOwnDatabase(settings: NotesSettings): Database | undefined {
  return settings.kind === 'instance' ? undefined : openDatabase(settings);
}

/**
 * The notes of an instance, in its own database or at another instance; returns at once.
 * @param own the result of `openOwnDatabase`, or a database in its place
 * @param restorableMs how long a deletion can be undone, where the notes are in the own database
 * @param onNotIndexed called for notes that cannot be found by their words
 */
export function openNotes(
  settings: NotesSettings,
  node: Node,
  own: Database | undefined,
  restorableMs: number,
  onNotIndexed: (what: NotIndexed) => void,
): NotesSource {
  if (own !== undefined) {
    const identity = own.kind === 'postgres' ? 'PostgreSQL' : `the notes of ${node.name}`;
    const vocabulary = new Vocabulary(own);
    const backlog = new DatabaseBacklog(own, vocabulary, onNotIndexed);
    const search = new DatabaseSearch(own, backlog, vocabulary);
    const indexers = `note_indexers of ${identity}`;
    const events = new DatabaseEvents(own);
    const repository = createNoteRepository(own);
    const changes = changesIn(own, events, restorableMs);
    const deleted = repository;
    return { database: own, repository, changes, deleted, events, search, backlog, indexers, identity };
  }
  if (settings.kind !== 'instance') throw new Error('the notes are in a database, and none was opened');
  const identity = `the notes of ${settings.node}`;
  return { ...openNotesOf(settings, node), deleted: undefined, indexers: undefined, identity };
}
