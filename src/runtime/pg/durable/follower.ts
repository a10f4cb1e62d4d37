/**
 * A process that follows a durable channel from a position: first what came after it, from the store, then what comes, with no gap, no
 * duplicate and in order.
 *
 * It takes a page at a time, each in a turn of its own, from memory or the store (`history.ts`). It becomes a member when it has nearly
 * caught up, then reads as far as the log had delivered when it joined; what came in between twice is left out by its position.
 *
 * What it hears counts on from its position: what is lower it has had, and where something is missing, since its mailbox has a bound and has
 * dropped it, it reads that from the history. Positions say this between two resets of the log only, so it knows how many of these
 * its position has behind it.
 *
 * A history that is too long to be worth it, is gone, or is of another epoch is answered with a `ChannelReset`: its reader reads
 * again what it shows, which was stored before the position in it.
 */
import { nodeOf } from '../pg.ts';
import { checkOptionNames } from '../../errors.ts';
import * as pubsub from '../pubsub.ts';
import type { Process } from '../../process/process.ts';
import { Broadcast } from '../pubsub.ts';
import {
  ChannelMark,
  ChannelReset,
  type Progress,
  broadcastOf,
  findProgress,
  lookAtStore,
  numberOf,
} from './log.ts';
import { type HistoryEntry, type HistoryPage, REPLAY } from './history.ts';
import { type Cursor, formatCursor, parseCursor } from './store.ts';

/** Bounds of what is read from the history for one follower. */
export interface FollowOptions {
  /** With more events than this to be read, a reset is cheaper. Default 1,000. */
  readonly eventsMax?: number;
  /** The same in bytes of payloads. Default 4 MiB. */
  readonly bytesMax?: number;
}

/** What tells a follower to read on; it sends it to its own process. */
class ReadOn {
  readonly follower: object;

  constructor(follower: object) {
    this.follower = follower;
  }
}

/** Tells that a follower has caught up: what comes from now on is new. */
export class ChannelLive extends ChannelMark {}

/** What a follower gives its process. */
export type Followed<Message extends Broadcast = Broadcast> = Message | ChannelReset | ChannelLive;

/** How long a follower waits for a log that has not read its store yet. */
const RETRY_MS = 250;
const NONE: readonly never[] = Object.freeze([]);

/** Follows a channel for one process; made by `DurableChannel.follow`. */
export class Follower<Message extends Broadcast = Broadcast> {
  readonly #self: Process;
  readonly #progress: Progress;
  /** Where what it reads begins. */
  #since: Cursor | undefined;
  readonly #asked: boolean;
  readonly #options: Required<FollowOptions>;
  #cursor: Cursor | undefined = undefined;
  /** `astray`: the log has delivered a reset, which is in the mailbox: what is heard before it counts no more. */
  #state: 'waiting' | 'reading' | 'joined' | 'live' | 'rereading' | 'astray' = 'waiting';
  /** How many resets of the log the position has behind it. */
  #resets = 0;
  /** How far the log had come when the process joined. */
  #target = 0;
  #events = 0;
  #bytes = 0;

  /** @internal Use `DurableChannel.follow`. */
  constructor(self: Process, channel: string, since: string | undefined, options: FollowOptions = {}) {
    checkOptionNames('follow', options, { eventsMax: true, bytesMax: true });
    this.#self = self;
    this.#progress = findProgress(nodeOf(self), channel);
    this.#asked = since !== undefined && since !== '';
    this.#since = this.#asked ? parseCursor(since as string) : undefined;
    this.#options = { eventsMax: REPLAY.events, bytesMax: REPLAY.bytes, ...options };
    self.send(self.pid, new ReadOn(this));
  }

  /** After the last event that the process was given, as text; undefined before it was given anything. */
  get position(): string | undefined {
    return this.#cursor && formatCursor(this.#cursor);
  }

  /**
   * What a message means to the process: the events that come next, none for what it has had already, undefined for a message that is not of
   * the channel. Call it with each message that the process gets.
   * @throws what the store throws while the history is read
   */
  read(message: unknown): readonly Followed<Message>[] | Promise<readonly Followed<Message>[]> | undefined {
    if (message instanceof Broadcast && message.channel === this.#progress.channel)
      return this.#heard(message as Message);
    if (message instanceof ReadOn && message.follower === this) return this.#readOn();
    if (message instanceof ChannelReset && message.channel === this.#progress.channel)
      return this.#wasReset(message);
    return undefined;
  }

  #heard(message: Message): readonly Followed<Message>[] | Promise<readonly Followed<Message>[]> {
    const { epoch, position } = message;
    if (position === undefined || epoch === undefined) return [message];
    if (this.#state === 'astray') {
      // The newest comes after the reset, which a mailbox with a bound may have dropped.
      const newest = this.#cursorOfLog;
      return epoch === newest.epoch && position === newest.position ? this.#reset() : NONE;
    }
    // Before it has joined, a process that is a member for another reason hears what it will read.
    if (this.#state !== 'live') return NONE;
    const cursor = this.#cursor as Cursor;
    if (epoch !== cursor.epoch) return this.#reset(); // the reset before it was dropped
    if (position <= cursor.position) return NONE;
    if (position === cursor.position + 1) {
      this.#cursor = { epoch, position };
      return [message];
    }
    this.#state = 'rereading';
    this.#since = cursor;
    this.#target = position;
    this.#events = 0;
    this.#bytes = 0;
    return this.#page();
  }

  /** A reset that the position has behind it was delivered before the position was taken. */
  #wasReset(reset: ChannelReset): readonly Followed<Message>[] {
    const number = numberOf(reset);
    const isMember = this.#state === 'live' || this.#state === 'astray';
    if (!isMember || (number !== undefined && number <= this.#resets)) return NONE;
    this.#resets = number ?? this.#resets;
    return [reset, ...this.#live(reset)];
  }

  #readOn(): readonly Followed<Message>[] | Promise<readonly Followed<Message>[]> {
    const reached = this.#progress.cursor;
    if (reached === undefined) {
      this.#readOnLater();
      return NONE;
    }
    if (this.#state === 'waiting') {
      const since = this.#since;
      if (!this.#asked) return this.#live(this.#join(reached));
      if (since === undefined || since.epoch !== reached.epoch || this.#isTooFar(since, reached))
        return this.#reset();
      this.#cursor = since;
      this.#resets = this.#progress.resets;
      this.#state = 'reading';
    }
    return this.#page();
  }

  /** Reads one page; the last ones in one turn, so that nothing is heard between what is read and what was delivered since joining. */
  async #page(): Promise<readonly Followed<Message>[]> {
    const messages: Followed<Message>[] = [];
    for (let vain = 0; ;) {
      const next = this.#next();
      const page = next instanceof Promise ? await next : next;
      const isCurrent = this.#progress.resets === this.#resets;
      if (!isCurrent && this.#state === 'joined') {
        this.#state = 'astray';
        return messages;
      }
      if (!isCurrent) return this.#reset();
      if (page.epoch !== this.#cursorOfLog.epoch) return this.#awaitLog(messages);
      if (!this.#fits(page)) return this.#isBehind(page) ? this.#awaitLog(messages) : this.#reset();
      for (const { message } of page.entries) messages.push(message as Message);
      const last: HistoryEntry | undefined = page.entries.at(-1);
      if (last !== undefined) this.#cursor = { epoch: page.epoch, position: last.position };
      if (this.#state === 'reading') {
        if (this.#position < page.head) break;
        this.#target = this.#join(this.#cursorOfLog).position;
      }
      if (this.#position >= this.#target) return [...messages, ...this.#live()];
      // A read that others had begun may be from before it joined; when one that begins now has no more, the history went back.
      if (last === undefined && (vain += 1) > 1) return this.#reset();
    }
    this.#self.send(this.#self.pid, new ReadOn(this));
    return messages;
  }

  /** Whether the log has not come to the position of the process, and would set it back. */
  #isBehind({ head }: HistoryPage): boolean {
    return this.#state === 'reading' && this.#cursorOfLog.position < this.#position && this.#position <= head;
  }

  /** The store says what the log does not know yet, and it is the log that says where to go on. */
  #awaitLog(messages: readonly Followed<Message>[]): readonly Followed<Message>[] {
    lookAtStore(this.#progress);
    if (this.#state !== 'reading') return this.#reset(); // the log has come at least as far
    this.#readOnLater();
    return messages;
  }

  #readOnLater(): void {
    this.#self.sendAfter(RETRY_MS, this.#self.pid, new ReadOn(this));
  }

  /** The page after the position: from memory without waiting, so that nothing is heard meanwhile, or else from the store. */
  #next(): HistoryPage | Promise<HistoryPage> {
    const cursor = this.#cursorOfLog;
    const page = this.#progress.history.recall(this.#position, cursor);
    return page ?? (this.#position > cursor.position ? this.#ahead(cursor) : this.#load(this.#position));
  }

  /** Of a position that the log has not come to: all such followers ask together whether there is one. */
  async #ahead(reached: Cursor): Promise<HistoryPage> {
    let page = await this.#load(reached.position);
    // That read may have been under way since before the event of this position was stored; one that begins now has not.
    if (page.head < this.#position) page = await this.#load(reached.position);
    const last = page.entries.at(-1)?.position ?? page.head;
    if (page.head >= this.#position && last < this.#position) return await this.#load(this.#position);
    return { ...page, entries: page.entries.filter(({ position }) => position > this.#position) };
  }

  #load(after: number): Promise<HistoryPage> {
    const { channel, source, log, history } = this.#progress;
    const { epoch } = this.#cursor as Cursor;
    return history.read(source, channel, { epoch, position: after }, (event) => broadcastOf(event, log.pid));
  }

  /** Of a log that has read its store once. */
  get #cursorOfLog(): Cursor {
    return this.#progress.cursor as Cursor;
  }

  get #position(): number {
    return (this.#cursor as Cursor).position;
  }

  /** Whether it is known without a read that there is too much to be replayed. */
  #isTooFar(since: Cursor, reached: Cursor): boolean {
    const { eventsMax, bytesMax } = this.#options;
    if (reached.position - since.position > eventsMax) return true;
    const isBounded = eventsMax <= REPLAY.events && bytesMax <= REPLAY.bytes;
    return isBounded && this.#progress.history.isUnreachable(since.position);
  }

  #fits({ epoch, head, first, entries }: HistoryPage): boolean {
    const cursor = this.#cursor as Cursor;
    const { eventsMax, bytesMax } = this.#options;
    const replayed = this.#events;
    this.#events += entries.length;
    for (const { bytes } of entries) this.#bytes += bytes;
    if (epoch !== cursor.epoch || head < cursor.position) return false;
    const isGone = first > cursor.position + 1;
    if (isGone || (this.#bytes > bytesMax && bytesMax >= REPLAY.bytes)) {
      this.#progress.history.markUnreachable((this.#since as Cursor).position);
    }
    return !isGone && head - cursor.position + replayed <= eventsMax && this.#bytes <= bytesMax;
  }

  #reset(): readonly Followed<Message>[] {
    const reached = this.#cursorOfLog;
    const isMember = this.#state !== 'waiting' && this.#state !== 'reading';
    const cursor = isMember ? reached : this.#join(reached);
    this.#cursor = cursor;
    this.#resets = this.#progress.resets;
    this.#state = 'live';
    return [
      new ChannelReset(this.#progress.channel, cursor),
      new ChannelLive(this.#progress.channel, cursor),
    ];
  }

  #live(cursor: Cursor = this.#cursor as Cursor): readonly ChannelLive[] {
    this.#cursor = cursor;
    this.#state = 'live';
    return [new ChannelLive(this.#progress.channel, cursor)];
  }

  #join(reached: Cursor): Cursor {
    pubsub.join(this.#self, this.#progress.channel);
    this.#resets = this.#progress.resets;
    this.#state = 'joined';
    return reached;
  }
}
