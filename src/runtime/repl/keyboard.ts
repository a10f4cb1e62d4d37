// The keyboard of a terminal, one line at a time: what is typed or pasted behind a line waits until that line has been run.
//
// node:repl hands lines to an asynchronous `eval` as they come. A second line that comes before the first one has been
// answered would be run beside it, and of a function that is pasted every line by itself. Ctrl-C does not wait.
import { Readable } from 'node:stream';
import type { ReadStream } from 'node:tty';

const CTRL_C = '\u0003';
/** How much may be typed ahead, in characters; what comes then is lost, as in a terminal. */
const TYPED_AHEAD_MAX = 1_048_576;

/** What node:repl reads from in place of the terminal. */
export class Keyboard extends Readable {
  readonly isTTY = true;
  readonly #terminal: ReadStream;
  readonly #isBusy: () => boolean;
  readonly #onInterrupt: () => void;
  #waiting = '';
  #scheduled = false;

  /**
   * @param isBusy whether a line runs
   * @param onInterrupt is called for Ctrl-C while a line runs; otherwise Ctrl-C is a key like any other
   */
  constructor(terminal: ReadStream, isBusy: () => boolean, onInterrupt: () => void) {
    super({ encoding: 'utf8', read: () => undefined });
    this.#terminal = terminal;
    this.#isBusy = isBusy;
    this.#onInterrupt = onInterrupt;
    terminal.setEncoding('utf8');
    terminal.on('data', this.#typed);
    terminal.on('end', this.#ended);
  }

  /** As a terminal's; node:readline calls it. */
  setRawMode(on: boolean): this {
    this.#terminal.setRawMode(on);
    return this;
  }

  /** To be called when no line runs any more. */
  continue(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Later, so that what was pushed has been read, and what it began has begun.
    setImmediate(() => {
      this.#scheduled = false;
      this.#pushLine();
    });
  }

  /** Lets go of the terminal. */
  release(): void {
    this.#terminal.off('data', this.#typed);
    this.#terminal.off('end', this.#ended);
    this.#terminal.pause();
    this.push(null);
  }

  readonly #typed = (text: string): void => {
    if (this.#isBusy() && text.includes(CTRL_C)) {
      this.#waiting = '';
      this.#onInterrupt();
      return;
    }
    if (this.#waiting.length < TYPED_AHEAD_MAX) this.#waiting += text;
    if (!this.#scheduled) this.#pushLine();
  };

  readonly #ended = (): void => {
    this.push(null);
  };

  /** Passes on what waits, up to the end of the first line. */
  #pushLine(): void {
    if (this.#waiting === '' || this.#isBusy()) return;
    const end = /\r\n?|\n/.exec(this.#waiting);
    const length = end === null ? this.#waiting.length : end.index + end[0].length;
    this.push(this.#waiting.slice(0, length));
    this.#waiting = this.#waiting.slice(length);
    // Also with nothing left: what comes next must not overtake the line.
    if (end !== null) this.continue();
  }
}
