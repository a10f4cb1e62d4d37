// The indexer: a server that follows the channel and keeps the words of each note in the database's full-text search.
//
// - It has no state of its own, no position either: the database marks the work (`backlog.ts`, docs/adr/0038). An event on the channel, or
//   that events were missed, only says that there is some. A sweep finds changes without an event, because another program made them.
//   So a start costs nothing, however many notes there are, and a crash at any moment loses nothing.
// - Of the indexers of one database in a cluster one works, the first by the name of its node; when it is gone, the next. They
//   find each other as members of a group. When nodes do not see each other, two may work at once: they only do some work twice.
//   The others sweep, too, since a member may be cut off from the database.
// - A search does not need it: `search.ts` itself ensures that changes are indexed.
// - Clients of this instance may miss changes: the database failed and nobody knows whether one was stored, or the node that made
//   it was unreachable. What notices this casts `resync`; once the database answers, the clients are told to read again.
import {
  ChannelReset,
  defineServer,
  Down,
  GroupJoined,
  GroupLeft,
  pg,
  type Pid,
  type Process,
  pubsub,
  started,
  UNHANDLED,
} from 'troupe';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { notes } from '../notes/channel.ts';
import type { IncomingEvents } from '../notes/incoming.ts';
import type { NoteSearch } from '../notes/page.ts';
import type { Backlog } from './backlog.ts';

/** The name that the indexer is registered under. */
export const indexerName = 'note_indexer';
/** Ids in the answer to a call, at most, and the bytes of their notes after which no further one is added. */
const idsMax = { limit: 100, maxBytes: 1_000_000 } as const;

/** The time between two sweeps. */
const SWEEP_MS = 30_000;
/** The delay from the first `resync` until clients are told to read again; further ones meanwhile are covered by it. */
const RESYNC_MS = 1_000;
/** The random part added to either, so that not all instances ask the database at the same moment. */
const SPREAD = 0.5;
/** The scope of the channels. */
const SCOPE = 'nova_scope';

const PREPARE = Symbol('prepare');
const STEP = Symbol('step');
const SWEEP = Symbol('sweep');
const RESYNC = Symbol('resync');

/** The parts that the indexer works with. */
export interface IndexerOptions {
  readonly backlog: Backlog;
  readonly search: NoteSearch;
  readonly incoming: IncomingEvents;
  /** The group of the indexers of the same notes; undefined where another instance indexes them. */
  readonly group: string | undefined;
  /** Called with what the search cannot do, and what to do about it. */
  readonly onMissing: (what: string) => void;
  /** Called with why the work failed although the database is there. The next sweep tries again. */
  readonly onFailed: (error: unknown) => void;
}

interface Indexer extends IndexerOptions {
  isWorking: boolean;
  /** The messages that are already on their way: each is sent once. */
  readonly due: Set<symbol>;
}

/** Answers searches with ids, the best first. */
export const noteIndexer = defineServer({
  name: 'note_indexer',

  init(self, options: IndexerOptions) {
    notes.join(self);
    const indexer: Indexer = { ...options, isWorking: false, due: new Set() };
    enter(indexer, self);
    after(indexer, spread(SWEEP_MS), SWEEP, self);
    return started(indexer, { continue: PREPARE });
  },

  call: {
    // Another node may ask for anything.
    async search({ search }, query: unknown): Promise<number[] | 'unavailable'> {
      if (typeof query !== 'string') return [];
      try {
        return (await search.search(query, idsMax)).notes.map(({ id }) => id);
      } catch (error) {
        if (error instanceof DatabaseUnavailableError) return 'unavailable';
        throw error;
      }
    },
    /** Answers while the indexer runs: whether it is the one that works. */
    status: ({ isWorking }) => ({ working: isWorking }),
  },

  cast: {
    /** The database may have a change without an event: it is indexed, and the clients of this instance are told to read again. */
    resync: (indexer, _nothing: undefined, self) => after(indexer, spread(RESYNC_MS), RESYNC, self),
  },

  info(indexer: Indexer, message, self) {
    if (message === PREPARE) return prepare(indexer, self);
    if (message === STEP) return step(indexer, self);
    if (message === SWEEP) return sweep(indexer, self);
    if (message === RESYNC) return resync(indexer, self);
    if (message instanceof Down) enter(indexer, self);
    else if (message instanceof GroupJoined || message instanceof GroupLeft) elect(indexer, self);
    else if (message instanceof ChannelReset && message.channel === notes.name) after(indexer, 0, STEP, self); // what events would have told of is marked
    else if (!notes.matches(message)) return UNHANDLED;
    else if (isChange(indexer, message)) after(indexer, 0, STEP, self);
    return undefined;
  },

  continue: (indexer, _prepare: typeof PREPARE, self) => prepare(indexer, self),
});

function isChange({ incoming, isWorking }: Indexer, message: Parameters<IncomingEvents['read']>[0]): boolean {
  if (!isWorking) return false;
  const event = incoming.read(message);
  return event !== undefined && event.topic !== 'note_deleted' && event.topic !== 'resync';
}

/** Joins the group and follows it; again after the scope has ended, since following ends with it. */
function enter(indexer: Indexer, self: Process): void {
  const { group } = indexer;
  if (group === undefined) return;
  pubsub.start(self);
  self.monitor(self.node.whereis(SCOPE) as Pid);
  pg.monitor(self, SCOPE, group);
  if (!pg.getLocalMembers(self, SCOPE, group).some((pid) => pid.equals(self.pid)))
    pg.join(self, SCOPE, group);
  elect(indexer, self);
}

/** The first by the name of its node works. */
function elect(indexer: Indexer, self: Process): void {
  const { group, isWorking } = indexer;
  if (group === undefined) return;
  const members = pg.getMembers(self, SCOPE, group);
  indexer.isWorking = members.every(({ node }) => node >= self.node.name);
  if (indexer.isWorking && !isWorking) after(indexer, 0, STEP, self);
}

async function prepare(indexer: Indexer, self: Process): Promise<void> {
  indexer.due.delete(PREPARE);
  await attempt(indexer, PREPARE, self, async () => {
    const missing = await indexer.backlog.prepare();
    if (missing !== undefined) indexer.onMissing(missing);
  });
}

/** Messages in the mailbox get their turn before the next step. */
async function step(indexer: Indexer, self: Process): Promise<void> {
  indexer.due.delete(STEP);
  if (!indexer.isWorking) return;
  await attempt(indexer, STEP, self, async () => {
    const { backlog } = indexer;
    if ((await backlog.step()) || (await backlog.tidy())) after(indexer, 0, STEP, self);
  });
}

async function sweep(indexer: Indexer, self: Process): Promise<void> {
  indexer.due.delete(SWEEP);
  after(indexer, spread(SWEEP_MS), SWEEP, self);
  if (indexer.group === undefined) return;
  if (indexer.isWorking) await step(indexer, self);
  else await attempt(indexer, SWEEP, self, () => indexer.backlog.step());
}

async function resync(indexer: Indexer, self: Process): Promise<void> {
  indexer.due.delete(RESYNC);
  await attempt(indexer, RESYNC, self, async () => {
    await indexer.backlog.step();
    notes.localBroadcast(self, 'resync', {});
  });
}

/**
 * Tries again when the database may be back, or at the next sweep after any other error: what makes a step fail, such as a
 * database that refuses the write, would fail a restarted indexer as well, and in the end the service.
 */
async function attempt(
  indexer: Indexer,
  what: symbol,
  self: Process,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (self.signal.aborted) return; // it was stopped meanwhile: the next one finds the work
    if (error instanceof DatabaseUnavailableError) {
      after(indexer, error.retryAfterMs, what, self);
      return;
    }
    indexer.onFailed(error);
    after(indexer, spread(SWEEP_MS), what, self);
  }
}

function after({ due }: Indexer, delayMs: number, what: symbol, self: Process): void {
  if (due.has(what)) return;
  due.add(what);
  if (delayMs === 0) self.send(self.pid, what);
  else self.sendAfter(delayMs, self.pid, what);
}

function spread(ms: number): number {
  return Math.round(ms * (1 + Math.random() * SPREAD));
}
