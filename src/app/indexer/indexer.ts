// The indexer: a server that has all notes in a full-text index and follows the channel.
//
// No gap: it joins the channel first and reads the database then. What is changed while it reads is in its mailbox
// and is handled after; what it has seen already it knows by the time of the change. While the database is away it tries
// again; killed, it starts from the database anew, so it keeps nothing of its own.
//
// A change whose outcome is not known, since the database broke off, is never broadcast: whoever made it casts `reread`, and
// the index is read anew.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { defineServer, on, type Process, started, UNHANDLED } from '../../runtime/index.ts';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { notes } from '../notes/channel.ts';
import type { NoteRepository } from '../notes/repository.ts';
import { SearchIndex } from './search-index.ts';

/** The name that the indexer is registered under. */
export const indexerName = 'note_indexer';
/** Characters in a query, at most. */
export const queryMax = 200;

/** The index is read anew so long after the first change that asks for it; what asks meanwhile is served by the same. */
const REREAD_MS = 1_000;
/** How long notes are put into the index before others have their turn on this thread. */
const TURN_MS = 5;

const BUILD = Symbol('build');

interface Indexer {
  readonly repository: NoteRepository;
  /** Undefined until it has been built. */
  index: SearchIndex | undefined;
  /** Whether it is going to be built, anew or at all. */
  isDue: boolean;
}

/** Answers searches with ids, the best first, or with `building` until the index is complete. */
export const noteIndexer = defineServer({
  name: 'note_indexer',

  init(self, repository: NoteRepository) {
    notes.join(self);
    const indexer: Indexer = { repository, index: undefined, isDue: true };
    return started(indexer, { continue: BUILD });
  },

  call: {
    search: ({ index }, query: string): number[] | 'building' => index?.search(query) ?? 'building',
    status: ({ index }) => ({ ready: index !== undefined, notes: index?.size ?? 0 }),
  },

  cast: {
    /** There may be a change in the database that was not broadcast. */
    reread: (indexer, _nothing: undefined, self) => buildAfter(indexer, REREAD_MS, self),
  },

  info: [
    // Until there is an index there is nothing to follow: the build that is to come reads what these have changed.
    on(notes, {
      note_created: ({ index }: Indexer, note) => index?.put(note),
      note_updated: ({ index }: Indexer, note) => index?.put(note),
      note_deleted: ({ index }: Indexer, { id }) => index?.remove(id),
    }),
    (indexer, message, self) => (message === BUILD ? build(indexer, self) : UNHANDLED),
  ],

  continue: (indexer, _build: typeof BUILD, self) => build(indexer, self),
});

function buildAfter(indexer: Indexer, delayMs: number, self: Process): void {
  if (indexer.isDue) return;
  indexer.isDue = true;
  self.sendAfter(delayMs, self.pid, BUILD);
}

async function build(indexer: Indexer, self: Process): Promise<void> {
  indexer.isDue = false;
  try {
    indexer.index = await readAll(indexer.repository, self.signal);
  } catch (error) {
    if (!(error instanceof DatabaseUnavailableError)) throw error;
    buildAfter(indexer, error.retryAfterMs, self);
  }
}

/** Reads every note into a new index; gives up when the process has ended meanwhile. */
async function readAll(repository: NoteRepository, signal: AbortSignal): Promise<SearchIndex> {
  const index = new SearchIndex();
  let turnEnd = performance.now() + TURN_MS;
  for await (const batch of repository.all()) {
    for (const note of batch) {
      index.put(note);
      if (performance.now() < turnEnd) continue;
      await nextTurn();
      signal.throwIfAborted();
      turnEnd = performance.now() + TURN_MS;
    }
    signal.throwIfAborted();
  }
  return index;
}
