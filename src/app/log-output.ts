// Where the lines of the log go that no terminal shows: to a file descriptor, in order.
//
// Invariants: nothing waits for the output, and none of its faults ends the program. What a full pipe does not take waits, up to
// `WAITING_MAX` bytes; further lines are lost, as is each that a full disk refuses. Once the output takes lines again, one line says how
// many are missing, and why. The end of the program waits `FLUSH_MS` for a reader that is slow. (The destination of pino tries for ever
// then: what waits has no bound, and it takes each error for a passing one.)
// The descriptor of a pipe is expected not to block; Node.js makes it so as soon as `process.stdout` is used.
import { writeSync } from 'node:fs';

/** Bytes that may wait to be written. */
const WAITING_MAX = 1_048_576;
/** How long an output that takes nothing now is left alone. */
const RETRY_MS = 100;
/** How long the end of the program waits for the output to take what waits. */
const FLUSH_MS = 500;
const FLUSH_PAUSE_MS = 10;
/** A pipe that is full, or a file that is locked: it takes lines later. */
const PASSING: readonly unknown[] = ['EAGAIN', 'EBUSY'];
const NEWLINE = '\n'.charCodeAt(0);

export class LogOutput {
  readonly #writeSync: (data: Buffer) => number;
  readonly #waiting: Buffer[] = [];
  #bytes = 0;
  #lost = 0;
  #why = '';
  #isInLine = false;
  #retry: NodeJS.Timeout | undefined;

  /** @param write stands in for the system call in tests */
  constructor(fd: number, write: (data: Buffer) => number = (data) => writeSync(fd, data)) {
    this.#writeSync = write;
  }

  write(line: string): void {
    const data = Buffer.from(line);
    if (this.#bytes + data.length > WAITING_MAX) this.#lose(1, 'the output took no lines for too long');
    else {
      this.#add(data);
      if (this.#retry === undefined) this.#drain();
    }
  }

  /** Writes what waits, for a bounded time; for the end of the program. */
  flush(): void {
    const deadline = performance.now() + FLUSH_MS;
    for (this.#drain(); this.#waiting.length > 0 && performance.now() < deadline; this.#drain())
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FLUSH_PAUSE_MS);
  }

  #add(data: Buffer): void {
    this.#waiting.push(data);
    this.#bytes += data.length;
  }

  #lose(lines: number, why: string): void {
    this.#lost += lines;
    this.#why = why;
  }

  #drain(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    try {
      for (let [data] = this.#waiting; data !== undefined; [data] = this.#waiting) {
        this.#taken(data, this.#writeSync(data));
        if (this.#waiting.length === 0 && this.#lost > 0) this.#tellLost();
      }
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (PASSING.includes(code)) {
        this.#retry = setTimeout(() => this.#drain(), RETRY_MS).unref();
        return;
      }
      this.#lose(this.#waiting.length, message);
      this.#waiting.length = 0;
      this.#bytes = 0;
    }
  }

  #taken(data: Buffer, count: number): void {
    this.#bytes -= count;
    if (count > 0) this.#isInLine = data[count - 1] !== NEWLINE;
    if (count < data.length) this.#waiting[0] = data.subarray(count);
    else this.#waiting.shift();
  }

  #tellLost(): void {
    const msg = `lines of the log are missing: ${this.#why}`;
    const line = JSON.stringify({ level: 40, time: Date.now(), pid: process.pid, count: this.#lost, msg });
    this.#lost = 0;
    this.#add(Buffer.from(`${this.#isInLine ? '\n' : ''}${line}\n`));
  }
}
