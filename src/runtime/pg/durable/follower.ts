/**
 * A process that follows a durable channel from a position: first what came after it, from the store, then what comes, with no gap, no
 * duplicate and in order.
 *
 * It reads a page at a time, each in a turn of its own, and only while the process asks: a client that takes its time is not
 * filled up. It becomes a member when it has nearly caught up, then reads as far as the log had delivered when it joined; what came in
 * between twice is left out by its position.
 *
 * A history that is too long to be worth it, is gone, or is of another epoch is answered with a `ChannelReset`: its reader reads
 * anew what it shows, which was stored before the position in it.
 */
import * as pubsub from '../pubsub.ts';
import type { Process } from '../../process/process.ts';
import { Broadcast } from '../pubsub.ts';
import { ChannelReset, type Progress, broadcastOf, findProgress } from './log.ts';
import { type Cursor, type EventPage, formatCursor, parseCursor } from './store.ts';

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

/** That a follower has caught up: what it hears from now on is new. */
export class ChannelLive {
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
}

/** What a follower gives its process. */
export type Followed<Message extends Broadcast = Broadcast> = Message | ChannelReset | ChannelLive;

const EVENTS_MAX = 1_000;
const BYTES_MAX = 4_194_304;
const PAGE = { events: 100, bytes: 262_144 } as const;
/** How long a follower waits for a log that has not read its store yet. */
const RETRY_MS = 250;
const NONE: readonly never[] = Object.freeze([]);

/** Follows a channel for one process; made by `DurableChannel.follow`. */
export class Follower<Message extends Broadcast = Broadcast> {
  readonly #self: Process;
  readonly #progress: Progress;
  readonly #since: Cursor | undefined;
  readonly #asked: boolean;
  readonly #options: Required<FollowOptions>;
  #cursor: Cursor | undefined = undefined;
  #state: 'waiting' | 'reading' | 'joined' | 'live' = 'waiting';
  /** How far the log had come when the process joined. */
  #target = 0;
  #events = 0;
  #bytes = 0;

  /** @internal Use `DurableChannel.follow`. */
  constructor(self: Process, channel: string, since: string | undefined, options: FollowOptions = {}) {
    this.#self = self;
    this.#progress = findProgress(self.node, channel);
    this.#asked = since !== undefined && since !== '';
    this.#since = this.#asked ? parseCursor(since as string) : undefined;
    this.#options = { eventsMax: EVENTS_MAX, bytesMax: BYTES_MAX, ...options };
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
    if (message instanceof ChannelReset && message.channel === this.#progress.channel) {
      return [message, ...this.#live(message)];
    }
    return undefined;
  }

  #heard(message: Message): readonly Message[] {
    const { epoch, position } = message;
    if (position === undefined || epoch === undefined) return [message];
    const cursor = this.#cursor as Cursor;
    if (epoch === cursor.epoch && position <= cursor.position) return NONE;
    this.#cursor = { epoch, position };
    return [message];
  }

  #readOn(): readonly Followed<Message>[] | Promise<readonly Followed<Message>[]> {
    const reached = this.#progress.cursor;
    if (reached === undefined) {
      this.#self.sendAfter(RETRY_MS, this.#self.pid, new ReadOn(this));
      return NONE;
    }
    if (this.#state === 'waiting') {
      const since = this.#since;
      if (!this.#asked) return this.#live(this.#join(reached));
      if (since === undefined || since.epoch !== reached.epoch) return this.#reset();
      this.#cursor = since;
      this.#state = 'reading';
    }
    return this.#page();
  }

  /** Reads one page; the last ones in one turn, so that nothing is heard between what is read and what was delivered since joining. */
  async #page(): Promise<readonly Followed<Message>[]> {
    const messages: Followed<Message>[] = [];
    for (;;) {
      const { channel, source, log } = this.#progress;
      const page = await source.read(channel, this.#position, PAGE);
      if (!this.#fits(page)) return this.#reset();
      for (const event of page.events) messages.push(broadcastOf(event, log.pid) as Message);
      this.#cursor = page.events.at(-1) ?? this.#cursor;
      if (this.#state === 'reading') {
        if (this.#position < page.head) break;
        this.#target = this.#join(this.#progress.cursor as Cursor).position;
      }
      if (this.#position >= this.#target) return [...messages, ...this.#live()];
    }
    this.#self.send(this.#self.pid, new ReadOn(this));
    return messages;
  }

  get #position(): number {
    return (this.#cursor as Cursor).position;
  }

  #fits({ epoch, head, first, events }: EventPage): boolean {
    const cursor = this.#cursor as Cursor;
    this.#events += events.length;
    for (const { payload } of events) this.#bytes += Buffer.byteLength(payload);
    return (
      epoch === cursor.epoch &&
      head >= cursor.position &&
      first <= cursor.position + 1 &&
      head - cursor.position + this.#events - events.length <= this.#options.eventsMax &&
      this.#bytes <= this.#options.bytesMax
    );
  }

  #reset(): readonly Followed<Message>[] {
    const reached = this.#progress.cursor as Cursor;
    const cursor = this.#state === 'joined' ? reached : this.#join(reached);
    this.#cursor = cursor;
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
    this.#state = 'joined';
    return reached;
  }
}
