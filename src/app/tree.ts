// The supervision tree of the application; docs/ARCHITECTURE.md draws it.
//
// `rest_for_one`: the indexer reads the database, so it starts after it and starts again when it does. The REPL stands
// before the indexer: who looks at an indexer that is killed, or crashes, stays attached. Children stop in reverse order.
import { child, defineServer, defineSupervisor } from '../runtime/index.ts';
import type { Database } from './database/database.ts';
import { indexerName, noteIndexer } from './indexer/indexer.ts';
import type { NoteRepository } from './notes/repository.ts';
import { type ReplOptions, replServer } from './repl/server.ts';

/** What the tree is built from. */
export interface TreeParts {
  readonly database: Database;
  readonly repository: NoteRepository;
  readonly repl: ReplOptions;
}

/** The name of the root supervisor. */
export const rootName = 'notes_sup';

/** How long the database may take to let running statements end, in milliseconds. */
const DATABASE_SHUTDOWN_MS = 8_000;

/** Holds the database open as long as the tree runs: the first to start, the last to stop. */
const databaseKeeper = defineServer({
  name: 'database',
  async init(_self, database: Database) {
    await database.opened();
    if (database.state === 'closed')
      throw new Error('the database was closed: only a new start opens it again');
    return database;
  },
  call: { state: (database) => database.state },
  // Only the end of the tree closes it: a keeper that was killed and restarted finds it as it was.
  terminate: (database, reason) => (reason === 'shutdown' ? database.close() : undefined),
});

/** The root supervisor. */
export const notesTree = defineSupervisor({
  name: rootName,
  strategy: 'rest_for_one',
  intensity: 5,
  periodMs: 10_000,
  children: ({ database, repository, repl }: TreeParts) => [
    child(databaseKeeper, [database], {
      id: 'database',
      name: 'database',
      trapExit: true,
      shutdown: DATABASE_SHUTDOWN_MS,
    }),
    child(replServer, [repl], { id: 'repl', name: 'repl_server' }),
    child(noteIndexer, [repository], { id: 'indexer', name: indexerName }),
  ],
});
