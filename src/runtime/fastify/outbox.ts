/**
 * What waits to be sent to one WebSocket client: a small part of it on the socket, the rest here, frame by frame.
 *
 * A socket tells of what its client takes by whole writes, and joins what waits into one. Handing over little at a time is
 * what shows that a slow client reads; and a frame that waits here costs a reference, as it is one object for all
 * connections.
 *
 * Invariants: frames leave in the order of `put`; the socket holds `sendHighWaterBytes` at most, or one frame; while frames
 * wait here, the alarm runs. It does not close the connection: who owns it is told.
 */
import type { WebSocket } from '@fastify/websocket';
import type { Timers } from '../process/timers.ts';
import { Alarm, type ConnectionLimits } from './limits.ts';
import type { OutgoingFrame } from './handler.ts';

/** `WebSocket.OPEN` of `ws`. */
const OPEN = 1;
/** Frames on the socket, at most: a small one costs far more there than its bytes. */
const HANDED_MAX = 1_024;
/** What a frame that waits here counts for beside its payload. */
const FRAME_BYTES = 64;

interface Waiting {
  readonly frame: OutgoingFrame;
  next: Waiting | null;
}

/** @internal What an outbox tells of its client. */
export interface OutboxEvents {
  /** The client has taken something, although more waits. (The first frames go into buffers of the system, read or not.) */
  readonly onTaken: () => void;
  /** It has taken nothing for `sendTimeoutMs`, although there is more. */
  readonly onStuck: () => void;
}

/** @internal See the head of this file. */
export class Outbox {
  readonly #socket: WebSocket;
  readonly #limits: ConnectionLimits;
  readonly #onTaken: () => void;
  readonly #alarm: Alarm;
  /** What waits here, as a list that forgets what has left it. */
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #waitingBytes = 0;
  /** Frames that the socket has not sent. */
  #handed = 0;

  constructor(
    socket: WebSocket,
    limits: ConnectionLimits,
    timers: Timers,
    { onTaken, onStuck }: OutboxEvents,
  ) {
    this.#socket = socket;
    this.#limits = limits;
    this.#onTaken = onTaken;
    this.#alarm = new Alarm(timers, onStuck);
  }

  /** What waits in all. */
  get bytes(): number {
    return this.#socket.bufferedAmount + this.#waitingBytes;
  }

  /** Sends a frame, at once or later. @returns false when there is no room for it. */
  put(frame: OutgoingFrame): boolean {
    const { sendHighWaterBytes, sendLimitBytes, slowClient, sendTimeoutMs } = this.#limits;
    const bytes = frame.byteLength;
    if (this.bytes + bytes > (slowClient === 'drop' ? sendHighWaterBytes : sendLimitBytes)) return false;
    if (this.#first === null && this.#fits(bytes)) {
      this.#hand(frame);
      return true;
    }
    const waiting: Waiting = { frame, next: null };
    if (this.#last === null) this.#first = waiting;
    else this.#last.next = waiting;
    if (this.#last === null && slowClient === 'close') this.#alarm.start(sendTimeoutMs);
    this.#last = waiting;
    this.#waitingBytes += bytes + FRAME_BYTES;
    return true;
  }

  /** Nothing is put any more. @param options `flush`: what waits is handed to the socket, or else forgotten. */
  end({ flush }: { readonly flush: boolean }): void {
    this.#alarm.cancel();
    if (flush) for (let each = this.#first; each !== null; each = each.next) this.#hand(each.frame);
    this.#first = null;
    this.#last = null;
    this.#waitingBytes = 0;
  }

  #fits(bytes: number): boolean {
    if (this.#handed === 0) return true;
    return (
      this.#handed < HANDED_MAX && this.#socket.bufferedAmount + bytes <= this.#limits.sendHighWaterBytes
    );
  }

  #hand(frame: OutgoingFrame): void {
    if (this.#socket.readyState !== OPEN) return;
    this.#handed++;
    if (frame.type === 'ping') this.#socket.ping(frame.data, false, this.#taken);
    else this.#socket.send(frame.data, { binary: frame.type === 'binary' }, this.#taken);
  }

  /** A frame that was handed over has left the socket; or the socket is gone, with an error. */
  readonly #taken = (error?: Error | null): void => {
    this.#handed--;
    if (error || this.#first === null) return;
    this.#onTaken();
    while (this.#first !== null && this.#fits(this.#first.frame.byteLength)) {
      const { frame, next }: Waiting = this.#first;
      this.#first = next;
      this.#waitingBytes -= frame.byteLength + FRAME_BYTES;
      this.#hand(frame);
    }
    if (this.#first === null) {
      this.#last = null;
      this.#alarm.cancel();
    } else if (this.#limits.slowClient === 'close') {
      this.#alarm.start(this.#limits.sendTimeoutMs);
    }
  };
}
