// The indexer: a server that has all notes in a full-text index and follows the channel.
//
// No gap: it joins the channel first and reads the database then. What is changed while it reads is in its mailbox
// and is handled after; what it has seen already it knows by the time of the change. While the database is away it tries
// again; killed, it starts from the database anew, so it keeps nothing of its own.
//
// A change may not have been told: the database broke off and nobody knows whether it was stored, or the node that made it
// could not be heard. Whoever finds out casts `reread` or `resync`, and every note is read again, batch by batch, each
// taken for what is true when it is read; searches are answered in between.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { defineServer, type Process, started, UNHANDLED } from '../../runtime/index.ts';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { notes } from '../notes/channel.ts';
import type { IncomingEvents, NoteEvent } from '../notes/incoming.ts';
import type { Note } from '../notes/note.ts';
import type { NoteRepository } from '../notes/repository.ts';
import { SearchIndex } from './search-index.ts';

/** The name that the indexer is registered under. */
export const indexerName = 'note_indexer';
/** Characters in a query, at most. */
export const queryMax = 200;

/** Notes are read again so long after the first wish for it; what is wished meanwhile is served by the same reading. */
const REREAD_MS = 1_000;
/** How much longer it may be by chance, so that not all instances read at the same moment. */
const REREAD_SPREAD_MS = 500;
/** How long notes are put into the index before others have their turn on this thread. */
const TURN_MS = 5;

const BUILD = Symbol('build');
const REREAD = Symbol('reread');
const STEP = Symbol('step');

/** A reading of every note into an index that is in use. */
interface Reading {
  readonly batches: AsyncGenerator<Note[], void, undefined>;
  /** Ids that were in the index when it began, and have not been read: in the end, those of deleted notes. */
  readonly unseen: Set<number>;
  /** Whether clients are to be told when it has ended. */
  readonly tells: boolean;
}

interface Indexer {
  readonly repository: NoteRepository;
  readonly incoming: IncomingEvents;
  /** Undefined until it has been built. */
  index: SearchIndex | undefined;
  /** Whether it is going to be built, or every note read again. */
  isDue: boolean;
  reading: Reading | undefined;
  /** Whether the reading that is due begins when the one under way has ended. */
  isWaiting: boolean;
  /** Whether clients are to be told when the reading that is due has ended. */
  tells: boolean;
}

/** Answers searches with ids, the best first, or with `building` until the index is complete. */
export const noteIndexer = defineServer({
  name: 'note_indexer',

  init(self, repository: NoteRepository, incoming: IncomingEvents) {
    notes.join(self);
    const indexer: Indexer = {
      repository,
      incoming,
      index: undefined,
      isDue: true,
      reading: undefined,
      isWaiting: false,
      tells: false,
    };
    return started(indexer, { continue: BUILD });
  },

  call: {
    // What another node asks for may be anything.
    search: ({ index }, query: unknown): number[] | 'building' => {
      if (index === undefined) return 'building';
      return typeof query === 'string' ? index.search(query.slice(0, queryMax)) : [];
    },
    status: ({ index }) => ({ ready: index !== undefined, notes: index?.size ?? 0 }),
  },

  cast: {
    /** There may be a change in the database that was not broadcast. */
    reread: (indexer, _nothing: undefined, self) => rereadSoon(indexer, self),
    /** As `reread`; then the clients of this instance are told to read, too. */
    resync(indexer, _nothing: undefined, self) {
      indexer.tells = true;
      rereadSoon(indexer, self);
    },
  },

  info(indexer: Indexer, message, self) {
    if (message === STEP) return step(indexer, self);
    if (message === BUILD) return build(indexer, self);
    if (message === REREAD) return reread(indexer, self);
    if (!notes.matches(message)) return UNHANDLED;
    const event = indexer.incoming.read(message);
    // Until there is an index there is nothing to follow: the build that is to come reads what these have changed.
    if (event !== undefined && indexer.index !== undefined) follow(indexer.index, event);
    return undefined;
  },

  continue: (indexer, _build: typeof BUILD, self) => build(indexer, self),
});

function follow(index: SearchIndex, { topic, payload }: NoteEvent): void {
  if (topic === 'note_deleted') index.remove(payload.id);
  else if (topic !== 'resync') index.put(payload);
}

function rereadSoon(indexer: Indexer, self: Process): void {
  after(
    indexer,
    REREAD_MS + Math.random() * REREAD_SPREAD_MS,
    indexer.index === undefined ? BUILD : REREAD,
    self,
  );
}

function after(indexer: Indexer, delayMs: number, what: symbol, self: Process): void {
  if (indexer.isDue) return;
  indexer.isDue = true;
  self.sendAfter(delayMs, self.pid, what);
}

async function build(indexer: Indexer, self: Process): Promise<void> {
  const tells = begin(indexer);
  try {
    indexer.index = await readAll(indexer.repository, self.signal);
  } catch (error) {
    retry(indexer, error, tells, BUILD, self);
    return;
  }
  if (tells) tell(self);
}

/** Reads every note into a new index; gives up when the process has ended meanwhile. */
async function readAll(repository: NoteRepository, signal: AbortSignal): Promise<SearchIndex> {
  const index = new SearchIndex();
  for await (const batch of repository.all()) await putAll(batch, (note) => index.put(note), signal);
  return index;
}

/** Begins to read every note again, after the reading that is under way. */
function reread(indexer: Indexer, self: Process): void {
  indexer.isWaiting = indexer.reading !== undefined;
  if (indexer.isWaiting) return;
  const tells = begin(indexer);
  const unseen = new Set(indexer.index?.ids);
  indexer.reading = { batches: indexer.repository.all(), unseen, tells };
  self.send(self.pid, STEP);
}

/** Reads one batch. What waits in the mailbox has its turn before the next. */
async function step(indexer: Indexer, self: Process): Promise<void> {
  const { reading, index } = indexer;
  if (reading === undefined || index === undefined) return;
  let batch: IteratorResult<Note[], void>;
  try {
    batch = await reading.batches.next();
  } catch (error) {
    indexer.reading = undefined;
    if (indexer.isWaiting) indexer.isDue = false; // the retry is as good
    retry(indexer, error, reading.tells, REREAD, self);
    return;
  }
  if (batch.done !== true) {
    const take = (note: Note): void => {
      reading.unseen.delete(note.id);
      index.set(note);
    };
    await putAll(batch.value, take, self.signal);
    self.send(self.pid, STEP);
    return;
  }
  for (const id of reading.unseen) index.remove(id);
  indexer.reading = undefined;
  if (reading.tells) tell(self);
  if (indexer.isWaiting) reread(indexer, self);
}

/** From now on, what asks for a reading asks for another one. @returns whether clients are to be told when it has ended */
function begin(indexer: Indexer): boolean {
  const { tells } = indexer;
  indexer.isDue = false;
  indexer.tells = false;
  return tells;
}

/** @throws the error, unless the database is away */
function retry(indexer: Indexer, error: unknown, tells: boolean, what: symbol, self: Process): void {
  if (!(error instanceof DatabaseUnavailableError)) throw error;
  indexer.tells ||= tells;
  after(indexer, error.retryAfterMs, what, self);
}

function tell(self: Process): void {
  notes.localBroadcast(self, 'resync', {});
}

/** Puts notes into an index, and lets others have their turn meanwhile. @throws when the process has ended */
async function putAll(batch: readonly Note[], put: (note: Note) => void, signal: AbortSignal): Promise<void> {
  let turnEnd = performance.now() + TURN_MS;
  for (const note of batch) {
    put(note);
    if (performance.now() < turnEnd) continue;
    await nextTurn();
    signal.throwIfAborted();
    turnEnd = performance.now() + TURN_MS;
  }
  signal.throwIfAborted();
}
