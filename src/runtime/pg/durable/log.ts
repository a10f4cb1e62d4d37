/**
 * The log of a durable channel on one node: a server that hands the stored events to the members of this node, each once, in order.
 *
 * Three ways lead to it, and any of them may fail: the process that has stored an event hands it over (`publish`), here and to the logs of
 * other nodes; the store tells that there is something new; a sweep looks now and then. The log takes what comes next in the order,
 * reads what it lacks from the store, and leaves out what it has delivered. So a node that dies between commit and broadcast loses nothing.
 *
 * - Members get a `Broadcast` with `epoch` and `position`; its payload is what JSON keeps of what was stored, and its sender is who
 *   published it, or the log where nobody did.
 * - Nodes with members of the channel and no log, BEAM nodes among them, get the plain broadcast from the node that publishes.
 * - What arrives on the channel without a position, from a BEAM node for instance, does not pass through the log.
 * - When positions lose their meaning (another epoch), or what is next has been trimmed, the members get a `ChannelReset`.
 * - How far it has come outlives the process: a log that is started again on the node goes on from there.
 * - It takes what it is handed while it reads the store, so that nothing piles up in its mailbox however long the store takes.
 * - The first of the logs by the name of its node trims the history.
 */
import * as pg from '../pg.ts';
import * as pubsub from '../pubsub.ts';
import { TroupeError, checkOptionNames, badArgument, type OptionNames } from '../../errors.ts';
import { started } from '../../otp/actions.ts';
import { defineServer } from '../../otp/server.ts';
import type { Node } from '../../process/node.ts';
import type { Process } from '../../process/process.ts';
import { telemetry } from '../../telemetry.ts';
import { Tuple, atom, tuple } from '../../terms/index.ts';
import { Pid } from '../../terms/identifiers.ts';
import { Ahead, Published } from './ahead.ts';
import { NOVA_SCOPE } from '../channel-forms.ts';
import { Broadcast } from '../pubsub.ts';
import { History } from './history.ts';
import {
  type Cursor,
  type EventSource,
  type StoredEvent,
  type TrimLimit,
  formatCursor,
  isEpoch,
} from './store.ts';

/** Settings of a log. */
export interface ChannelLogOptions {
  /** How long the log waits at most between two looks at the store, in milliseconds; a random part more. Default 30,000. */
  readonly sweepMs?: number;
  /** How many of the newest events stay in the history. Default 10,000. */
  readonly keep?: number;
  /** How long events stay in the history, in milliseconds. Default three days. */
  readonly maxAgeMs?: number;
}

const LOG_OPTIONS: OptionNames<ChannelLogOptions> = { sweepMs: true, keep: true, maxAgeMs: true };

/** A place in the history of a channel, as a message. */
export class ChannelMark {
  readonly channel: string;
  readonly epoch: string;
  /** The position after which events come from now on. */
  readonly position: number;

  constructor(channel: string, { epoch, position }: Cursor) {
    this.channel = channel;
    this.epoch = epoch;
    this.position = position;
    Object.freeze(this);
  }

  /** The place as text: `since` for a client that goes on from here. */
  get id(): string {
    return formatCursor(this);
  }
}

/** What a member of a durable channel gets when it may have missed events that cannot be delivered any more. */
export class ChannelReset extends ChannelMark {}

/** The resets that logs have delivered, numbered on each node: positions do not tell which of two came later. */
const numbers = new WeakMap<ChannelReset, number>();

/** @internal Which reset of its node it is, from 1; undefined for one that no log has made. */
export function numberOf(reset: ChannelReset): number | undefined {
  return numbers.get(reset);
}

const SWEEP_MS = 30_000;
const KEEP = 10_000;
const MAX_AGE_MS = 259_200_000;
/** A random part of so much is added to each wait, so that nodes do not ask the store together. */
const SPREAD = 0.3;
/** How long a gap may stay before the store is read: what fills it is usually on its way. */
const GAP_MS = 20;
/** How long a start waits for the store. */
const FIRST_READ_MS = 1_000;
/** How long a store that has failed is left alone. */
const RETRY_MS = 1_000;
/** What is read at a time. */
const READ = { events: 200, bytes: 262_144 } as const;
const EVENT = atom('troupe_event');

const LOOK = Symbol('look');
const SWEEP = Symbol('sweep');
const CATCH_UP = Symbol('catch up');
const TRIM = Symbol('trim');

const failed = telemetry('troupe:channel:log_failed');

/** How far a channel has come on a node; it outlives the log. */
export interface Progress {
  readonly channel: string;
  source: EventSource;
  /** After the last event that the members got; undefined before the store has been read for the first time. */
  cursor: Cursor | undefined;
  /** What has come before its turn. */
  readonly ahead: Ahead;
  /** Before the first event that was published here while the store had not been read. */
  before: number;
  /** What its followers read. */
  readonly history: History;
  /** How many resets the members got. */
  resets: number;
  /** The process of the log; one that has ended stands here until the next. */
  log: Process;
}

const progressOf = new WeakMap<Node, Map<string, Progress>>();

interface Log {
  readonly progress: Progress;
  readonly options: { readonly sweepMs: number } & TrimLimit;
  readonly group: Tuple;
  /** The highest position that it has heard of. */
  wanted: number;
  /** The messages to itself that are under way. */
  readonly due: Set<symbol>;
  /** Whether the store is being read, or trimmed: each is done once at a time, and nobody waits for it. */
  reading: boolean;
  trimming: boolean;
}

/**
 * The log of a durable channel, for the supervision tree of each node that serves the channel from the store:
 * `child(channelLog, [notes.name, store, options], { id: 'notes_log' })`. It starts even when the store does not
 * answer, and reads it later. A channel has one log on a node: a second one fails to start.
 * @throws as a failed start TROUPE_NAME_TAKEN when the channel has a log on this node
 */
export const channelLog = defineServer({
  name: 'channel_log',
  async init(self: Process, channel: string, source: EventSource, options: ChannelLogOptions = {}) {
    checkOptionNames('channelLog', options, LOG_OPTIONS);
    const { sweepMs = SWEEP_MS, keep = KEEP, maxAgeMs = MAX_AGE_MS } = options;
    const log: Log = {
      progress: begin(self, pubsub.checkChannel(channel), source),
      options: { sweepMs, keep, maxAgeMs },
      group: tuple(EVENT, channel),
      wanted: Infinity,
      due: new Set(),
      reading: false,
      trimming: false,
    };
    log.progress.history.keep = keep;
    self.label = `log of ${channel}`;
    pubsub.start(self);
    pg.join(self, NOVA_SCOPE, log.group, self.pid);
    const unwatch = source.watch?.(channel, (position) => {
      if (want(log, position)) after(log, GAP_MS, CATCH_UP, self);
    });
    if (unwatch !== undefined) self.signal.addEventListener('abort', unwatch, { once: true });
    after(log, spread(sweepMs), SWEEP, self);
    // So that the log usually knows where to begin. A store that is slow or away does not keep the tree from starting.
    if (log.progress.cursor === undefined) await within(FIRST_READ_MS, begun(log, self));
    return started(log, { continue: CATCH_UP });
  },

  continue: (log, _catchUp: typeof CATCH_UP, self) => catchUp(log, self),

  call: {
    /** How far it has come; undefined before the store has been read for the first time. */
    cursor: ({ progress }): Cursor | undefined => progress.cursor,
  },

  info(log, message, self) {
    if (message instanceof Published) take(log, message, self);
    else if (message instanceof Tuple && message.elements[0] === EVENT)
      take(log, readEnvelope(log, message), self);
    else if (message === CATCH_UP) catchUp(log, self);
    else if (message === LOOK) {
      want(log, Infinity);
      catchUp(log, self);
    } else if (message === TRIM) trim(log, self);
    else if (message === SWEEP) {
      log.due.delete(SWEEP);
      after(log, spread(log.options.sweepMs), SWEEP, self);
      want(log, Infinity);
      catchUp(log, self);
      after(log, 0, TRIM, self);
    }
    return undefined;
  },
});

/**
 * @internal Hands a stored event to the members of its channel on all nodes, after its transaction has committed.
 * @throws TroupeError TROUPE_NO_LOG when no log of the channel has been started on this node; TROUPE_NOT_ENCODABLE, after the delivery
 * here and to the logs, when a node without a log has members and cannot be sent the payload
 */
export function publish(place: pg.Place, event: StoredEvent): void {
  const node = pg.nodeOf(place);
  const { channel, topic, payload } = event;
  if (typeof channel !== 'string' || typeof event.position !== 'number')
    throw badArgument(
      'What is published is an event that a store has answered; await its transaction first.',
    );
  const progress = findProgress(node, channel);
  if (progress.cursor === undefined) progress.before = Math.min(progress.before, event.position - 1);
  const sender = pubsub.senderPid(place);
  pubsub.tellBroadcast(place, channel, topic, sender);
  const logs = pg
    .getMembers(place, NOVA_SCOPE, tuple(EVENT, channel))
    .filter((pid) => pid.node !== node.name);
  const served = new Set(logs.map((pid) => pid.node));
  for (const pid of logs)
    place.send(pid, tuple(EVENT, channel, event.epoch, event.position, sender, topic, payload));
  const published = new Published(event, sender);
  if (!progress.log.alive || !deliverNext(progress, published)) progress.log.deliver(published);
  // Last: a payload that no other node can be sent has been delivered here all the same.
  pubsub.broadcastElsewhere(
    place,
    channel,
    (name) => !served.has(name),
    () => new Broadcast(channel, sender, topic, JSON.parse(payload)),
  );
}

/** @internal How far the channel has come here. @throws TroupeError TROUPE_NO_LOG */
export function findProgress(node: Node, channel: string): Progress {
  const progress = progressOf.get(node)?.get(channel);
  if (progress !== undefined) return progress;
  throw new TroupeError('TROUPE_NO_LOG', `The durable channel '${channel}' has no log on ${node.name}.`);
}

/** @internal Has the log read its store now: somebody knows that there is something new. */
export function lookAtStore({ log }: Progress): void {
  log.deliver(LOOK);
}

/** @internal The message with which the members of a channel get an event. */
export function broadcastOf(event: StoredEvent, sender: Pid): Broadcast {
  const { channel, topic, payload, epoch, position } = event;
  return new Broadcast(channel, sender, topic, JSON.parse(payload), { epoch, position });
}

function begin(self: Process, channel: string, source: EventSource): Progress {
  const { node } = self;
  const all = progressOf.get(node) ?? new Map<string, Progress>();
  progressOf.set(node, all);
  const before = all.get(channel);
  if (before?.log.alive === true)
    throw new TroupeError('TROUPE_NAME_TAKEN', `The channel '${channel}' has a log on ${node.name}.`);
  // Followers hold it, too.
  const progress = before ?? {
    channel,
    source,
    cursor: undefined,
    ahead: new Ahead(),
    before: Infinity,
    history: new History(),
    resets: 0,
    log: self,
  };
  progress.source = source;
  progress.log = self;
  all.set(channel, progress);
  return progress;
}

/** Checks what another node sent: any process there can send anything to this one. */
function readEnvelope({ progress }: Log, { elements }: Tuple): Published | undefined {
  const [, channel, epoch, position, sender, topic, payload] = elements;
  const fits =
    channel === progress.channel &&
    typeof epoch === 'string' &&
    isEpoch(epoch) &&
    typeof position === 'number' &&
    Number.isSafeInteger(position) &&
    sender instanceof Pid &&
    typeof topic === 'string' &&
    topic !== '' &&
    typeof payload === 'string' &&
    isJson(payload);
  return fits ? new Published({ channel, epoch, position, topic, payload }, sender) : undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function take(log: Log, published: Published | undefined, self: Process): void {
  if (published === undefined) return;
  const { progress } = log;
  const { ahead } = progress;
  const { epoch, position } = published.event;
  const { cursor } = progress;
  // One of the two epochs is out of date; the store says which.
  if (cursor === undefined || epoch !== cursor.epoch) {
    want(log, Infinity);
    return after(log, GAP_MS, CATCH_UP, self);
  }
  if (position <= cursor.position) return;
  if (!deliverNext(progress, published)) ahead.add(published);
  if (want(log, position)) after(log, GAP_MS, CATCH_UP, self);
}

/** Delivers an event whose turn it is, and what has waited for it. @returns whether it was its turn */
function deliverNext(progress: Progress, published: Published): boolean {
  const { cursor, ahead } = progress;
  const { epoch, position } = published.event;
  if (cursor === undefined || epoch !== cursor.epoch || position !== cursor.position + 1) return false;
  deliver(progress, published);
  for (let next = position + 1; ahead.size > 0; next++) {
    const waiting = ahead.take(next);
    if (waiting === undefined) break;
    deliver(progress, waiting);
  }
  return true;
}

function deliver(progress: Progress, { event, sender, bytes }: Published): void {
  const { epoch, position, channel } = event;
  progress.cursor = { epoch, position };
  const message = broadcastOf(event, sender);
  progress.history.add({ position, bytes, message }, position);
  pubsub.deliverHere(progress.log.node, channel, message);
}

function catchUp(log: Log, self: Process): void {
  log.due.delete(CATCH_UP);
  if (!log.reading && isMissing(log)) void readAll(log, self);
}

/** Never rejects. */
async function readAll(log: Log, self: Process): Promise<void> {
  log.reading = true;
  log.wanted = 0;
  let waitMs = GAP_MS;
  try {
    while (await readOn(log, self));
  } catch (error) {
    if (!self.alive) return;
    if (failed.hasSubscribers) failed.publish({ node: self.node.name, channel: log.progress.channel, error });
    want(log);
    waitMs = spread(RETRY_MS);
  } finally {
    log.reading = false;
  }
  // The store has failed, or there was word of more while it was read.
  if (isMissing(log)) after(log, waitMs, CATCH_UP, self);
}

/** Notes that there is an event of this position. @returns whether it is still missing */
function want(log: Log, position = Infinity): boolean {
  log.wanted = Math.max(log.wanted, position);
  return isMissing(log);
}

function isMissing({ wanted, progress }: Log): boolean {
  return progress.cursor === undefined || wanted > progress.cursor.position;
}

/** Reads and delivers what comes next. @returns whether there may be more */
async function readOn(log: Log, self: Process): Promise<boolean> {
  const { progress } = log;
  const { channel, source, cursor, ahead } = progress;
  if (cursor === undefined) {
    const head = await begun(log, self);
    return head > progress.before;
  }
  const { events, epoch, head, first } = await source.read(channel, cursor.position, READ);
  if (!self.alive || progress.cursor === undefined) return false;
  if (epoch !== cursor.epoch || head < cursor.position || first > cursor.position + 1) {
    if (progress.cursor !== cursor) return true; // it has moved meanwhile
    ahead.clear();
    progress.history.clear();
    progress.cursor = { epoch, position: head };
    const reset = new ChannelReset(channel, progress.cursor);
    progress.resets += 1;
    numbers.set(reset, progress.resets);
    pubsub.deliverHere(self.node, channel, reset);
    return false;
  }
  // Some may have been delivered while this was read.
  for (const event of events)
    deliverNext(progress, ahead.take(event.position) ?? new Published(event, self.pid));
  const { position } = progress.cursor;
  ahead.dropUpTo(position);
  return events.length > 0 && head > position;
}

/** Asks the store where the history stands, and begins there. @returns its head */
async function begun({ progress }: Log, self: Process): Promise<number> {
  const { epoch, head } = await progress.source.extent(progress.channel);
  // What was published meanwhile is for those who were members already. After a kill the next log may have begun.
  if (self.alive) progress.cursor ??= { epoch, position: Math.min(head, progress.before) };
  return head;
}

/** Waits for what may fail, for a limited time. */
async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([work.catch(() => undefined), limit]); // a failure is met again, and told, with the first read
  clearTimeout(timer);
}

function trim(log: Log, self: Process): void {
  log.due.delete(TRIM);
  if (log.trimming || pg.getMembers(self, NOVA_SCOPE, log.group).some(({ node }) => node < self.node.name))
    return;
  void trimSome(log, self);
}

/** Never rejects. */
async function trimSome(log: Log, self: Process): Promise<void> {
  const { progress, options } = log;
  log.trimming = true;
  let isMore = false;
  try {
    isMore = await progress.source.trim(progress.channel, options);
  } catch (error) {
    if (self.alive && failed.hasSubscribers)
      failed.publish({ node: self.node.name, channel: progress.channel, error });
  } finally {
    log.trimming = false;
  }
  if (isMore) after(log, 0, TRIM, self);
}

function after({ due }: Log, delayMs: number, what: symbol, self: Process): void {
  if (due.has(what) || !self.alive) return;
  due.add(what);
  if (delayMs === 0) self.send(self.pid, what);
  else self.sendAfter(delayMs, self.pid, what);
}

function spread(ms: number): number {
  return Math.round(ms * (1 + Math.random() * SPREAD));
}
