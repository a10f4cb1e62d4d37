// The indexer: a server that has all notes in a full-text index and follows the channel.
//
// No gap: it joins the channel first and reads the database then. What is changed while it reads is in its mailbox
// and is handled after; what it has seen already it knows by the time of the change. While the database is away it tries
// again; killed, it starts from the database anew, so it keeps nothing of its own.
import { defineServer, on, type Process, started, UNHANDLED } from '../../runtime/index.ts';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { notes } from '../notes/channel.ts';
import type { NoteRepository } from '../notes/repository.ts';
import { SearchIndex } from './search-index.ts';

/** The name that the indexer is registered under. */
export const indexerName = 'note_indexer';
/** Characters in a query, at most. */
export const queryMax = 200;

const BUILD = Symbol('build');

interface Indexer {
  readonly repository: NoteRepository;
  /** Undefined until it has been built. */
  index: SearchIndex | undefined;
}

/** Answers searches with ids, the best first, or with `building` until the index is complete. */
export const noteIndexer = defineServer({
  name: 'note_indexer',

  init(self, repository: NoteRepository) {
    notes.join(self);
    const indexer: Indexer = { repository, index: undefined };
    return started(indexer, { continue: BUILD });
  },

  call: {
    search: ({ index }, query: string): number[] | 'building' => index?.search(query) ?? 'building',
    status: ({ index }) => ({ ready: index !== undefined, notes: index?.size ?? 0 }),
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

async function build(indexer: Indexer, self: Process): Promise<void> {
  const index = new SearchIndex();
  try {
    for await (const batch of indexer.repository.all()) {
      for (const note of batch) index.put(note);
    }
  } catch (error) {
    if (!(error instanceof DatabaseUnavailableError)) throw error;
    self.sendAfter(error.retryAfterMs, self.pid, BUILD);
    return;
  }
  indexer.index = index;
}
