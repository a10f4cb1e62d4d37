/**
 * How much of a turn of the event loop goes into reading what WebSocket clients send.
 *
 * One read of a socket brings up to 64 KiB, which is ten thousand of the smallest frames, and all sockets that have something are read in
 * the same turn: some hundred clients that send without end would keep the event loop from everything else for seconds. So what comes
 * after `TURN_MS` of such work waits for the next turn, in order; a socket with much that waits is not read meanwhile.
 *
 * The receiver of `ws` is a `Writable`: what it has not been given yet waits in its stream, with the stream's own bound and its own
 * order of data, end and errors.
 *
 * Limits: what one read has brought is not divided. What processes do with the frames is the scheduler's business.
 */
// oxlint-disable no-underscore-dangle -- the method of `Writable`
import { withoutContext } from '../process/async.ts';

/** How long reading takes in a turn of the event loop, in milliseconds. */
const TURN_MS = 10;

/** What `Writable` calls with what it was given. */
type Write = (chunk: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void) => void;

/** The part of a receiver of `ws` that reads. */
export interface Receiver {
  _write: Write;
}

/** The turns of an event loop. */
export class ReadTurns {
  readonly #now: () => number;
  readonly #nextTurn: (run: () => void) => void;
  /** What waits for a turn. */
  #waiting: (() => void)[] = [];
  #spentMs = 0;
  #asked = false;

  constructor(now: () => number, nextTurn: (run: () => void) => void) {
    this.#now = now;
    this.#nextTurn = nextTurn;
  }

  /** Has a receiver read in these turns. */
  bound(receiver: Receiver): void {
    const { _write: write } = receiver;
    receiver._write = (chunk, encoding, done) => {
      this.#take(() => write.call(receiver, chunk, encoding, done));
    };
  }

  #take(read: () => void): void {
    this.#ask();
    if (this.#waiting.length > 0 || this.#spentMs >= TURN_MS) this.#waiting.push(read);
    else this.#run(read);
  }

  #run(read: () => void): void {
    const start = this.#now();
    read();
    this.#spentMs += this.#now() - start;
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    this.#nextTurn(this.#turn);
  }

  readonly #turn = (): void => {
    this.#asked = false;
    this.#spentMs = 0;
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    // Before anything that comes meanwhile: it stands behind.
    this.#ask();
    let done = 0;
    try {
      while (done < waiting.length && this.#spentMs < TURN_MS) this.#run(waiting[done++] as () => void);
    } finally {
      this.#waiting = waiting.slice(done);
    }
  };
}

/** The turns of the event loop that this runs in. What is read has no async context. */
export const readTurns = new ReadTurns(
  () => performance.now(),
  (run) => {
    withoutContext(() => setImmediate(run));
  },
);
