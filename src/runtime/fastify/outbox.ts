/**
 * What waits to be sent to one WebSocket client, and the writes that carry it.
 *
 *     put ──▶ the run of this pass ──at its end──▶ one write ──▶ socket
 *       └──the socket holds enough already──▶ the list of what waits ──as the client takes──▶ socket
 *
 * A pass is what the scheduler and the event loop do until the next turn for `setImmediate`: what several writers send in it
 * leaves in one write per client. The frames of a pass are a run, a chain that is shared by all clients that get the same
 * frames in the same order: to such a client a frame costs one comparison, and the bytes of the run are joined once for all.
 *
 * A socket reports what its client takes by whole writes, and joins what waits into one. Handing over little at a time is what
 * shows that a slow client reads; and a frame that waits costs a reference, as it is one object for all connections.
 *
 * Invariants: frames leave in the order of `put`; those that a policy leaves out are counted; the socket holds
 * at most `sendHighWaterBytes`, or one frame; bytes are copied once for many clients, or for a socket that is empty; with
 * `close`, the alarm runs while frames wait. The outbox does not close the connection: it tells its owner.
 */
import type { WebSocket } from '@fastify/websocket';
import { withoutContext } from '../process/async.ts';
import type { Timers } from '../process/timers.ts';
import type { FrameKey, OutgoingFrame } from './handler.ts';
import { Alarm, type ConnectionLimits } from './limits.ts';
import { directSocket, isOpen, JOIN_MAX, sendFrame } from './wire.ts';

/** Frames on the socket, at most: a small one costs far more there than its bytes. */
const HANDED_MAX = 1_024;
/** What a frame that waits here counts for beside its payload. */
const FRAME_BYTES = 64;
/** A run of so many bytes is written before the pass ends. */
const RUN_BYTES = 65_536;
/** How long a pass may write before the event loop has its turn, in milliseconds, and after how many writes it looks. */
const SLICE_MS = 10;
const WRITES_PER_LOOK = 128;

// ---- runs ----

/** The frames of a pass for one client, as a chain that leads to its first frame. */
export class Run {
  readonly before: Run | null;
  readonly frame: OutgoingFrame;
  /** Frames. */
  readonly count: number;
  /** Their payload. */
  readonly byteLength: number;
  /** True when more than one client has come to it. */
  shared = false;
  #joined: Buffer | null = null;

  constructor(before: Run | null, frame: OutgoingFrame) {
    this.before = before;
    this.frame = frame;
    this.count = before === null ? 1 : before.count + 1;
    this.byteLength = frame.byteLength + (before === null ? 0 : before.byteLength);
  }

  /** The bytes of all its frames, joined once. */
  get joined(): Buffer {
    if (this.before === null) return this.frame.bytes;
    return (this.#joined ??= Buffer.concat(this.frames().map(({ bytes }) => bytes)));
  }

  /** Its frames, in order. */
  frames(): OutgoingFrame[] {
    const frames = new Array<OutgoingFrame>(this.count);
    let index = this.count - 1;
    frames[index] = this.frame;
    for (let run = this.before; run !== null; run = run.before) frames[--index] = run.frame;
    return frames;
  }
}

/** What is sent in one pass, and which outboxes have something of it. */
export class Pass {
  readonly #end: (flush: () => void) => void;
  #outboxes: Outbox[] = [];
  #runs: Run[] = [];

  /** @param end calls a function when the pass is over. */
  constructor(end: (flush: () => void) => void) {
    this.#end = end;
  }

  /** An outbox has something to be written at the end. */
  add(outbox: Outbox): void {
    if (this.#outboxes.push(outbox) === 1) this.#end(this.#flush);
  }

  /** The run that goes on with a frame; the same for all that come here with the same run. */
  extend(run: Run | null, frame: OutgoingFrame): Run {
    const known = frame.run;
    if (known !== null && known.before === run) {
      known.shared = true;
      return known;
    }
    const made = new Run(run, frame);
    frame.run = made;
    this.#runs.push(made);
    return made;
  }

  readonly #flush = (): void => {
    const outboxes = this.#outboxes;
    // A frame may live on, and must not keep the others of its run.
    for (const { frame } of this.#runs) frame.run = null;
    this.#outboxes = [];
    this.#runs = [];
    const sliceEnd = performance.now() + SLICE_MS;
    for (let index = 0; index < outboxes.length; index++) {
      if (index % WRITES_PER_LOOK === WRITES_PER_LOOK - 1 && performance.now() >= sliceEnd) {
        // Nothing was added meanwhile: no process runs in here.
        this.#outboxes = outboxes.slice(index);
        this.#end(this.#flush);
        return;
      }
      outboxes[index]?.passEnds();
    }
  };
}

/** The passes of the event loop. What is written in one has no async context. */
const eventLoopPass = new Pass((flush) => {
  withoutContext(() => setImmediate(flush));
});

// ---- what waits for one client ----

interface Waiting {
  readonly frame: OutgoingFrame;
  previous: Waiting | null;
  next: Waiting | null;
}

/** @internal What an outbox tells of its client. */
export interface OutboxEvents {
  /** The client has taken something, although more waits. (The first frames go into buffers of the system, read or not.) */
  onTaken(): void;
  /** It has taken nothing for `sendTimeoutMs`, although there is more. */
  onStuck(): void;
  /** It has taken half of what was on the socket, after a frame was refused. */
  onRoom(): void;
  /** With `latest`, a frame that waited has given way to a newer one. */
  onReplaced(): void;
}

/** @internal See the head of this file. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #limits: ConnectionLimits;
  readonly #events: OutboxEvents;
  readonly #pass: Pass;
  readonly #timers: Timers;
  #alarm: Alarm | null = null;
  /** What is written at the end of the pass. */
  #run: Run | null = null;
  #inPass = false;
  /** What waits here, as a list that forgets what has left it. */
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  /** With `latest`, what waits and has a key. */
  #byKey: Map<FrameKey, Waiting> | null = null;
  #waitingBytes = 0;
  /** Frames that the socket has not sent; a joined run counts as one. */
  #handed = 0;
  #refused = false;

  constructor(
    socket: WebSocket,
    limits: ConnectionLimits,
    timers: Timers,
    events: OutboxEvents,
    pass = eventLoopPass,
  ) {
    this.#socket = socket;
    this.#limits = limits;
    this.#timers = timers;
    this.#events = events;
    this.#pass = pass;
  }

  /** What waits in all, frames of this pass included. */
  get bytes(): number {
    return this.#socket.bufferedAmount + this.#waitingBytes + (this.#run === null ? 0 : this.#run.byteLength);
  }

  /** Sends a frame, at the end of the pass or later. @returns false when there is no room for it. */
  put(frame: OutgoingFrame): boolean {
    const { byteLength } = frame;
    const { sendHighWaterBytes } = this.#limits;
    const run = this.#run;
    const onSocket =
      (this.#handed === 0 ? 0 : this.#socket.bufferedAmount) + (run === null ? 0 : run.byteLength);
    if (this.#passesLimit(frame, onSocket)) {
      this.#refused = true;
      if (this.#handed === 0 && run === null) this.#lookForRoom();
      return false;
    }
    const handed = this.#handed + (run === null ? 0 : run.count);
    const fits = handed === 0 || (handed < HANDED_MAX && onSocket + byteLength <= sendHighWaterBytes);
    if (this.#first !== null || !fits) {
      this.#wait(frame);
      return true;
    }
    const longer = this.#pass.extend(run, frame);
    this.#run = longer;
    if (longer.byteLength >= RUN_BYTES || byteLength >= JOIN_MAX) {
      this.#flush();
    } else if (!this.#inPass) {
      this.#inPass = true;
      this.#pass.add(this);
    }
    return true;
  }

  /** The pass is over: writes its run. */
  passEnds(): void {
    this.#inPass = false;
    this.#flush();
  }

  /** Nothing more will be put. @param options `flush`: what waits is handed to the socket, or else discarded. */
  end({ flush }: { readonly flush: boolean }): void {
    this.#alarm?.cancel();
    if (flush) {
      this.#flush();
      const frames: OutgoingFrame[] = [];
      for (let each = this.#first; each !== null; each = each.next) frames.push(each.frame);
      if (isOpen(this.#socket)) this.#hand(frames);
    }
    this.#run = null;
    this.#first = null;
    this.#last = null;
    this.#byKey = null;
    this.#waitingBytes = 0;
  }

  /** Whether a frame passes the limit of the policy. */
  #passesLimit(frame: OutgoingFrame, onSocket: number): boolean {
    const { slowClient, sendHighWaterBytes, sendLimitBytes } = this.#limits;
    let bytes = onSocket + this.#waitingBytes + frame.byteLength;
    if (slowClient === 'drop') return bytes > sendHighWaterBytes;
    if (bytes <= sendLimitBytes) return false;
    const older = frame.key === undefined ? undefined : this.#byKey?.get(frame.key);
    if (older !== undefined) bytes -= older.frame.byteLength + FRAME_BYTES;
    return bytes > sendLimitBytes;
  }

  // ---- the socket ----

  /** Writes the run of this pass. */
  #flush(): void {
    const run = this.#run;
    if (run === null) return;
    this.#run = null;
    if (!isOpen(this.#socket)) return;
    const direct = directSocket(this.#socket);
    // Where the client has not taken what came before, frames of its own wait as they are, and are not copied.
    const joins = this.#handed === 0 || run.shared;
    if (!joins || direct === null || run.frame.byteLength >= JOIN_MAX) {
      this.#hand(run.frames());
      return;
    }
    this.#handed++;
    direct.write(run.joined, this.#written);
  }

  /** Hands frames to the socket as they are: their bytes are not copied. */
  #hand(frames: readonly OutgoingFrame[]): void {
    this.#handed += frames.length;
    const direct = directSocket(this.#socket);
    if (direct === null) {
      for (const frame of frames) sendFrame(this.#socket, frame, this.#written);
      return;
    }
    direct.cork();
    for (const frame of frames) frame.writeTo(direct, this.#written);
    direct.uncork();
  }

  /** Something that was handed over has left the socket; or the socket is gone, with an error. */
  readonly #written = (error?: Error | null): void => {
    this.#handed--;
    if (error) return;
    if (this.#refused) this.#lookForRoom();
    if (this.#first === null) return;
    // What came before it in this pass.
    this.#flush();
    this.#events.onTaken();
    const frames: OutgoingFrame[] = [];
    let bytes = this.#socket.bufferedAmount;
    while (this.#first !== null) {
      const { frame } = this.#first;
      const handed = this.#handed + frames.length;
      const fits = handed < HANDED_MAX && bytes + frame.byteLength <= this.#limits.sendHighWaterBytes;
      if (handed !== 0 && !fits) break;
      this.#unlink(this.#first);
      frames.push(frame);
      bytes += frame.byteLength;
    }
    if (frames.length > 0) this.#hand(frames);
    if (this.#first === null) this.#alarm?.cancel();
    else this.#startAlarm();
  };

  #lookForRoom(): void {
    if (this.bytes > this.#limits.sendHighWaterBytes >> 1) return;
    this.#refused = false;
    this.#events.onRoom();
  }

  // ---- the list of what waits ----

  #wait(frame: OutgoingFrame): void {
    const waiting: Waiting = { frame, previous: null, next: null };
    if (this.#limits.slowClient === 'latest' && frame.key !== undefined) this.#replace(frame.key, waiting);
    waiting.previous = this.#last;
    if (this.#last === null) {
      this.#first = waiting;
      this.#startAlarm();
    } else {
      this.#last.next = waiting;
    }
    this.#last = waiting;
    this.#waitingBytes += frame.byteLength + FRAME_BYTES;
  }

  /** What was sent before under a key gives way. */
  #replace(key: FrameKey, waiting: Waiting): void {
    this.#byKey ??= new Map();
    const older = this.#byKey.get(key);
    if (older !== undefined) {
      this.#unlink(older);
      this.#events.onReplaced();
    }
    this.#byKey.set(key, waiting);
  }

  #unlink(waiting: Waiting): void {
    const { frame, previous, next } = waiting;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    this.#waitingBytes -= frame.byteLength + FRAME_BYTES;
    if (frame.key !== undefined && this.#byKey?.get(frame.key) === waiting) this.#byKey.delete(frame.key);
  }

  #startAlarm(): void {
    if (this.#limits.slowClient !== 'close') return;
    this.#alarm ??= new Alarm(this.#timers, () => {
      this.#events.onStuck();
    });
    this.#alarm.start(this.#limits.sendTimeoutMs);
  }
}
