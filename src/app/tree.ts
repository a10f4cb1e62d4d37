// The supervision tree of the application; docs/ARCHITECTURE.md draws it.
//
// `rest_for_one`: the indexer reads the database, so it starts after the database and restarts with it. The REPL comes
// before the indexer, so that it stays attached when the indexer is killed or crashes. Children stop in reverse order.
// In a cluster there are also the servers that other nodes call; they start last, when they can answer.
import {
  channelLog,
  type ChannelLogOptions,
  child,
  type ChildSpec,
  defineServer,
  defineSupervisor,
  type EventSource,
} from 'troupe';
import { clusterMember, memberName, type MemberOptions } from './cluster/member.ts';
import type { DatabaseStatus } from './database/database.ts';
import { type IndexerOptions, indexerName, noteIndexer } from './indexer/indexer.ts';
import type { NoteReader } from './notes/repository.ts';
import type { NoteSearch } from './notes/page.ts';
import type { NoteChanges } from './notes/changes.ts';
import { notes } from './notes/channel.ts';
import { deletedNotesServer, purgeName, type PurgeOptions } from './notes/purge.ts';
import { CALLS_MAX, noteStore, storeName, type StoreParts } from './notes/store.ts';
import { inspectServer } from 'troupe/inspect';
import { type ReplOptions, replServer } from 'troupe/repl';

/** What the tree is built from. */
export interface TreeParts {
  readonly database: DatabaseStatus;
  readonly repository: NoteReader;
  readonly changes: NoteChanges;
  readonly events: EventSource;
  readonly history: ChannelLogOptions;
  readonly search: NoteSearch;
  readonly indexer: IndexerOptions;
  /** Undefined where another instance removes them. */
  readonly deleted: PurgeOptions | undefined;
  readonly repl: ReplOptions;
  /** The size at which a page ends; see PAGE_BYTES. */
  readonly pageBytes: number;
  /** Undefined for an instance that is alone. */
  readonly cluster: MemberOptions | undefined;
}

/** The name of the root supervisor. */
export const rootName = 'notes_sup';
/** The name of the log of the channel `notes`. */
export const logName = 'notes_log';

/** How long the database may take to let running statements end, in milliseconds. */
const DATABASE_SHUTDOWN_MS = 8_000;

/** Holds the database open as long as the tree runs: the first to start, the last to stop. */
const databaseKeeper = defineServer({
  name: 'database',
  async init(_self, database: DatabaseStatus) {
    await database.opened();
    if (database.state === 'closed')
      throw new Error('the database was closed: only a new start opens it again');
    return database;
  },
  call: { state: (database) => database.state },
  // Only the shutdown of the tree closes it: a keeper that was killed and restarts finds it as it was.
  terminate: (database, reason) => (reason === 'shutdown' ? database.close() : undefined),
});

/** The root supervisor. */
export const notesTree = defineSupervisor({
  name: rootName,
  strategy: 'rest_for_one',
  intensity: 5,
  periodMs: 10_000,
  children: ({ database, indexer, deleted, repl, cluster, events, history, ...stored }: TreeParts) => [
    child(databaseKeeper, [database], {
      id: 'database',
      name: 'database',
      trapExit: true,
      shutdown: DATABASE_SHUTDOWN_MS,
    }),
    child(replServer, [repl], { id: 'repl', name: 'repl_server' }),
    child(channelLog, [notes.name, events, history], { id: 'log', name: logName }),
    child(noteIndexer, [indexer], { id: 'indexer', name: indexerName }),
    ...(deleted === undefined
      ? []
      : [child(deletedNotesServer, [deleted], { id: 'deleted', name: purgeName })]),
    ...(cluster === undefined ? [] : clusterChildren(database, { ...stored, events }, cluster)),
  ],
});

function clusterChildren(database: DatabaseStatus, parts: StoreParts, cluster: MemberOptions): ChildSpec[] {
  const member = child(clusterMember, [cluster], { id: 'cluster', name: memberName });
  // Lets the observer of another instance look into this one, and do nothing here.
  const inspect = child(inspectServer, [], { id: 'inspect', name: 'troupe_inspect' });
  // Other instances reach notes on a PostgreSQL server there, and those of another instance at that instance.
  if (database.kind !== 'pglite') return [member, inspect];
  const mailbox = { limit: CALLS_MAX, policy: 'reject' } as const;
  return [child(noteStore, [parts], { id: 'store', name: storeName, mailbox }), member, inspect];
}
