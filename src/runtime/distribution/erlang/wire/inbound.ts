/**
 * What comes in over a connection: splits the stream into frames, and frames into header, control message and payload.
 *
 * It delivers some hundred messages, then lets the processes have their turn, which finds the messages still in the caches of
 * the machine and keeps mailboxes short. After a few milliseconds, or when the processes need longer, the socket is paused until
 * the event loop had its turn. Large messages are read in slices, a few milliseconds in each turn, while what comes of other
 * processes passes them (`arrivals.ts`); the socket is paused when too much waits. Nothing that comes makes it throw: what is not a
 * frame or not a control message is reported once, and nothing is read afterwards.
 *
 * Limits: of a frame and of unfinished fragments (`frames.ts`), of terms (`etf/reader.ts`).
 */
import * as control from './control.ts';
import type { Socket } from 'node:net';
import type { Atom } from '../../../terms/atom.ts';
import type { CarrierHost } from '../../../process/carrier.ts';
import { TermReader } from '../../etf/reader.ts';
import { QUICK_VALUES } from '../../etf/slicing-reader.ts';
import { AtomCache } from './atom-cache.ts';
import type { EstablishedConnection } from '../connect/connector.ts';
import type { ControlSink } from './arrivals.ts';
import { ControlReader } from './control-reader.ts';
import { FLAGS } from '../connect/handshake-messages.ts';
import {
  type Assembled,
  type FragmentFault,
  Fragments,
  FrameReader,
  type FrameSink,
  type Holder,
  type Unfinished,
} from './frames.ts';
import type { PeerTraffic } from '../line.ts';
import { isShared, readsIntoShared } from './read-buffer.ts';

/** As in the scheduler: `queueMicrotask` costs three times as much. */
const NOW = Promise.resolve();
/** How long frames are worked on before the event loop has its turn. */
const SLICE_MS = 5;
/** How long what waits is read before the event loop has its turn. Small messages of others pass it in between. */
const READ_MS = 2;
/** When so much comes at once, as over TLS at the most, more is likely to follow within the same turn of the event loop. */
const MORE_FOLLOWS_BYTES = 16 * 1024;
/** How much is done before processes have their turn: a message to a process is one, and so are some bytes. */
const WORK_PER_TURN = 1_024;
const BYTES_PER_WORK = 256;
/** As much as every connection may hold of an unfinished message without being counted. */
const UNCOUNTED_BYTES = 128 * 1024;
/** Sequence and number of a fragment. */
const COUNTER_BYTES = 16;

/** Receives what was read, and the faults. */
export interface InboundOwner extends ControlSink {
  /** Something has come. */
  came(): void;
  tick(): void;
  /** What came cannot be read. */
  bad(reason: string): void;
  /** The other side has closed the connection, or the network has. */
  closed(): void;
}

/** What one connection may send. */
export interface InboundLimits {
  /** The longest frame; also how many bytes unfinished messages may have in all. */
  readonly maxFrameBytes: number;
  /** How long the next fragment of a message may take. */
  readonly fragmentTimeMs: number;
  /** What all connections of the node hold of unfinished messages. */
  readonly unfinished?: Unfinished | undefined;
}

/** The way in of one connection. */
export class Inbound implements FrameSink, TakesTurns, Holder {
  readonly #socket: Socket;
  readonly #leftover: Buffer;
  readonly #host: CarrierHost;
  readonly #owner: InboundOwner;
  readonly #maxFrameBytes: number;
  /** Whether frames have the header of the distribution. */
  readonly #headers: boolean;
  readonly #terms: TermReader;
  readonly #control: ControlReader;
  readonly #cache = new AtomCache();
  readonly #fragments: Fragments;
  readonly #fragmentTimeMs: number;
  readonly #unfinished: Unfinished | undefined;
  /** Looks after the unfinished messages while there are any. */
  #fragmentTimer: NodeJS.Timeout | undefined = undefined;
  readonly #frames: FrameReader;
  #stopped = false;
  /** True from when the socket has ended while something that had come before was not worked on yet. */
  #ended = false;
  /** What has come and was not worked on yet. */
  #rest: Buffer | undefined = undefined;
  /** When it is the event loop's turn. */
  #sliceEnd = 0;
  /** True while a slice may go on over several chunks. */
  #sliceOpen = false;
  /** What was done since processes had their turn. */
  #work = 0;
  /** Changes with all that comes. */
  chunks = 0;
  readonly traffic: { -readonly [Key in keyof PeerTraffic]: PeerTraffic[Key] } = {
    messages: 0,
    frames: 0,
    bytes: 0,
    ticks: 0,
  };

  readonly #data = (chunk: Buffer): void => {
    this.#arrived(chunk);
  };
  /** Goes on after the processes had their turn, or leaves that to the next turn of the event loop. */
  readonly #goOn = (): void => {
    if (!this.#host.idle || performance.now() >= this.#sliceEnd) {
      this.#socket.pause();
      this.#openSlice();
    } else {
      this.#takeRest();
    }
  };

  /** @internal */
  turn(): void {
    this.#sliceOpen = false;
    if (this.#stopped) return;
    if (this.#control.busy) this.#readOn();
    this.#sliceEnd = performance.now() + SLICE_MS;
    if (this.#rest === undefined) this.#settle();
    else this.#takeRest();
  }

  constructor(
    established: EstablishedConnection,
    host: CarrierHost,
    limits: InboundLimits,
    owner: InboundOwner,
  ) {
    const { maxFrameBytes } = limits;
    const { socket, leftover, peer, creation, flags } = established;
    this.#socket = socket;
    this.#leftover = leftover;
    this.#host = host;
    this.#owner = owner;
    this.#maxFrameBytes = maxFrameBytes;
    this.#headers = (flags & (FLAGS.DIST_HDR_ATOM_CACHE | FLAGS.FRAGMENTS)) !== 0n;
    this.#terms = new TermReader(host, { maxValues: QUICK_VALUES });
    const about = { name: peer, creation, versions: !this.#headers, maxWaitingBytes: maxFrameBytes };
    this.#control = new ControlReader(this.#terms, host, owner, about);
    this.#fragments = new Fragments({ maxBytes: maxFrameBytes });
    this.#fragmentTimeMs = limits.fragmentTimeMs;
    this.#unfinished = limits.unfinished;
    this.#frames = new FrameReader(this, { maxFrameBytes });
  }

  /** True while something has come that was not worked on. */
  get working(): boolean {
    return this.#rest !== undefined || this.#control.busy;
  }

  /** Begins to read. */
  start(): void {
    const socket = this.#socket;
    const shares = readsIntoShared(socket, this.#data);
    if (!shares) socket.on('data', this.#data);
    socket.on('end', () => this.#closed());
    socket.on('close', () => this.#closed());
    // 'close' follows.
    socket.on('error', () => undefined);
    if (socket.destroyed) {
      this.#closed();
      return;
    }
    if (this.#leftover.length > 0) this.#arrived(this.#leftover);
    // What came while it was paused; without a buffer it comes as `data`.
    for (let more = shares ? early(socket) : undefined; more !== undefined; more = early(socket)) {
      if (!this.#stopped) this.#arrived(more);
    }
    if (this.#rest === undefined && !this.#stopped) socket.resume();
  }

  /** Nothing is read any more. */
  stop(): void {
    this.#stopped = true;
    this.#rest = undefined;
    this.#control.abandon();
    clearInterval(this.#fragmentTimer);
    this.#socket.off('data', this.#data);
    this.#fragments.clear();
    this.#unfinished?.set(this, 0);
  }

  #count(): void {
    const bytes = this.#frames.pendingBytes + this.#fragments.bytes;
    this.#unfinished?.set(this, bytes > UNCOUNTED_BYTES ? bytes : 0);
  }

  giveUp(): void {
    this.#bad('too much of unfinished messages of all peers, most of it of this one');
  }

  /** The socket has ended. What had come before counts: it ends, too, while it is paused. */
  #closed(): void {
    if (this.#stopped) return;
    this.#ended = true;
    if (!this.working) this.#settle();
  }

  #arrived(chunk: Buffer): void {
    if (this.#stopped) return;
    this.chunks++;
    this.traffic.bytes += chunk.length;
    this.#owner.came();
    if (!this.#sliceOpen) {
      this.#sliceEnd = performance.now() + SLICE_MS;
      if (chunk.length >= MORE_FOLLOWS_BYTES) this.#openSlice();
    }
    if (this.#rest !== undefined) {
      // Little can come while the rest of what came before waits: the socket is paused then, or soon.
      this.#rest = Buffer.concat([this.#rest, chunk]);
    } else if (this.#sliceOpen ? performance.now() >= this.#sliceEnd : turns.crowded) {
      this.#rest = kept(chunk);
      this.#socket.pause();
      this.#openSlice();
    } else {
      this.#take(chunk);
    }
  }

  /** Has the slice end, or the next one begin, after the event loop had its turn. */
  #openSlice(): void {
    if (this.#sliceOpen) return;
    this.#sliceOpen = true;
    turns.ask(this);
  }

  #takeRest(): void {
    const rest = this.#rest;
    if (rest === undefined || this.#stopped) return;
    if (this.#control.full) {
      this.#openSlice();
      return;
    }
    this.#rest = undefined;
    this.#take(rest);
    if (this.#rest === undefined) this.#settle();
  }

  /** What has come is in order: all of it was handed on, or waits to be read. */
  #settle(): void {
    if (this.#stopped) return;
    if (this.#control.busy) this.#openSlice();
    if (!this.#ended) this.#socket.resume();
    else if (!this.working) {
      this.#ended = false;
      this.#owner.closed();
    }
  }

  /** Reads on in what waits. */
  #readOn(): void {
    try {
      this.#control.goOn(performance.now() + READ_MS);
    } catch (error) {
      this.#bad(error instanceof Error ? error.message : String(error));
    }
  }

  #take(chunk: Buffer): void {
    this.#work = 0;
    const result = this.#frames.push(chunk);
    if (!this.#stopped) this.#count();
    if (this.#stopped) return;
    if (this.#control.busy) this.#openSlice();
    if (result === 'ok') return;
    if (result === 'too_large') {
      this.#bad(`A frame is longer than ${this.#maxFrameBytes} bytes`);
      return;
    }
    this.#rest = kept(this.#frames.rest());
    this.#frames.resume();
    if (this.#control.full) this.#socket.pause();
    else void NOW.then(this.#goOn);
  }

  frame(buffer: Buffer, start: number, end: number): boolean {
    const { traffic } = this;
    traffic.frames++;
    if (start === end) {
      traffic.ticks++;
      this.#owner.tick();
      return !this.#stopped;
    }
    try {
      const fault = this.#headers
        ? this.#withHeader(buffer, start, end)
        : this.#passThrough(buffer, start, end);
      if (fault !== undefined) this.#bad(fault);
    } catch (error) {
      // Whatever it is, it is of this peer's making, and must not go further.
      this.#bad(error instanceof Error ? error.message : String(error));
    }
    this.#work += 1 + Math.floor((end - start) / BYTES_PER_WORK);
    return this.#work < WORK_PER_TURN && !this.#stopped && !this.#control.full;
  }

  /** Counts deliveries beyond the first of a frame. */
  delivered(count: number): void {
    this.#work += count;
  }

  #bad(reason: string): void {
    if (!this.#stopped) this.#owner.bad(reason);
  }

  /** @returns the fault of the frame. */
  #passThrough(buffer: Buffer, start: number, end: number): string | undefined {
    if (buffer[start] !== control.PASS_THROUGH) return 'A frame does not begin as it has to';
    this.#message(buffer, start + 1, end, null);
    return undefined;
  }

  #withHeader(buffer: Buffer, start: number, end: number): string | undefined {
    if (end - start < 3 || buffer[start] !== control.VERSION) return 'A frame has no header';
    const cache = this.#cache;
    switch (buffer[start + 1]) {
      case control.DIST_HEADER: {
        const at = cache.read(buffer, start + 2, end);
        if (at < 0) return cache.fault;
        // What an earlier header had at higher numbers does not belong to this one.
        if (cache.refs.length > cache.count) cache.refs.length = cache.count;
        this.#message(buffer, at, end, cache.refs);
        return undefined;
      }
      case control.DIST_FIRST_FRAGMENT: {
        if (end - start < 2 + COUNTER_BYTES) return 'A fragment is cut off';
        const at = cache.read(buffer, start + 2 + COUNTER_BYTES, end);
        if (at < 0) return cache.fault;
        const sequence = buffer.readBigUInt64BE(start + 2);
        const fragment = buffer.readBigUInt64BE(start + 10);
        return this.#assembled(this.#fragments.first(sequence, fragment, cache.keepRefs(), buffer, at, end));
      }
      case control.DIST_FRAGMENT: {
        if (end - start < 2 + COUNTER_BYTES) return 'A fragment is cut off';
        const sequence = buffer.readBigUInt64BE(start + 2);
        const fragment = buffer.readBigUInt64BE(start + 10);
        const at = start + 2 + COUNTER_BYTES;
        return this.#assembled(this.#fragments.next(sequence, fragment, buffer, at, end));
      }
      default:
        return 'A frame has a header of an unknown kind';
    }
  }

  #assembled(result: Assembled | FragmentFault | undefined): string | undefined {
    if (result === undefined) this.#fragmentTimer ??= this.#watchFragments();
    if (result === undefined || typeof result === 'string') return result;
    this.#message(result.body, 0, result.body.length, result.refs, result.own);
    return undefined;
  }

  #watchFragments(): NodeJS.Timeout {
    const timer = setInterval(
      () => {
        // What has come may be waiting to be worked on.
        if (!this.working && this.#fragments.waits(this.#fragmentTimeMs)) this.#bad('fragment_timeout');
        if (this.#fragments.size > 0) return;
        clearInterval(timer);
        this.#fragmentTimer = undefined;
      },
      Math.ceil(this.#fragmentTimeMs / 4),
    );
    return timer.unref();
  }

  #message(buffer: Buffer, start: number, end: number, refs: readonly Atom[] | null, own = false): void {
    this.traffic.messages++;
    this.#terms.reset(buffer, start, end, refs);
    this.#terms.ownsBuffer = own;
    this.#control.read();
  }
}

/** Bytes that nothing overwrites. */
function kept(bytes: Buffer): Buffer {
  return isShared(bytes) ? Buffer.from(bytes) : bytes;
}

/** What a socket has read already. */
function early(socket: Socket): Buffer | undefined {
  return (socket.read() as Buffer | null) ?? undefined;
}

/**
 * Shares the turns of the event loop among connections that have more to read than fits into a slice: in order, some slices in
 * each turn, so that more connections do not make a turn longer.
 */

/** How long connections work in one turn, besides small messages. */
const TURN_MS = 20;
/** How many connections may wait until what comes on another waits, too. */
const CROWD = 4;

/** Works for one slice when it is its turn. */
interface TakesTurns {
  /** @internal */ turn(): void;
}

/** The connections that wait for a turn, of all nodes of the program. */
class Turns {
  #waiting: TakesTurns[] = [];
  #asked = false;

  /** Whether so many wait that others have to, too. */
  get crowded(): boolean {
    return this.#waiting.length >= CROWD;
  }

  /** Calls back in a later turn of the event loop. One that waits must not ask again. */
  ask(one: TakesTurns): void {
    this.#waiting.push(one);
    if (this.#asked) return;
    this.#asked = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#asked = false;
    const due = this.#waiting;
    this.#waiting = [];
    const end = performance.now() + TURN_MS;
    let done = 0;
    do due[done++]?.turn();
    while (done < due.length && performance.now() < end);
    if (done >= due.length) return;
    // Those that have had their turn stand behind those that have not.
    this.#waiting = [...due.slice(done), ...this.#waiting];
    if (this.#asked) return;
    this.#asked = true;
    setImmediate(this.#run);
  };
}

/** The turns of the program's event loop. */
const turns = new Turns();
