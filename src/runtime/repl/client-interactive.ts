// The client at a terminal: node:repl edits lines, keeps the history, completes names and handles `.editor` and `.load`; the
// application evaluates.
//
// - Text that the application sends while the user types is printed above the line, which is then redrawn.
// - One line at a time: what is typed or pasted behind a line waits until that line has run. node:repl passes lines to an
//   asynchronous `eval` as they come; a second one would run beside the first, and a pasted function line by line.
// - Ctrl-C cancels the running line, at once; the next lines wait for it.
// - node:readline restores the terminal when it closes, Node.js when a signal ends the process.
import { chmodSync, lstatSync, readFileSync } from 'node:fs';
import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { type REPLServer, Recoverable, type ReplOptions, start } from 'node:repl';
import { Readable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import { type ClientConnection, ConnectionFault } from './client-connection.ts';
import { historyPath } from './socket.ts';
import { transform } from './transform.ts';

/** The terminal and its properties. */
export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly colour: boolean;
  /** The file of the history; undefined for none. */
  readonly history: string | undefined;
}

/** The file of the history. @param env the environment @param socket the path of the socket */
export function historyFile(
  env: Readonly<Record<string, string | undefined>>,
  socket: string,
): string | undefined {
  const chosen = env['TROUPE_REPL_HISTORY'];
  if (chosen === undefined) return historyPath(socket);
  return chosen.trim() === '' ? undefined : chosen;
}

/** Reads and runs lines until the user leaves or the application ends. @returns the exit code */
export async function runInteractive(connection: ClientConnection, terminal: Terminal): Promise<number> {
  const { output } = terminal;
  output.write(
    `Troupe REPL ${connection.pid} on ${connection.node}; help() lists the helpers, .exit leaves\n`,
  );
  return await new Conversation(connection, terminal).run();
}

/** Node.js creates the file for its user only; an existing one may be readable by others. */
function keepPrivate(file: string): void {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found?.isFile() === true && found.uid === process.getuid?.()) chmodSync(file, 0o600);
}

/** How many lines the history keeps. */
const HISTORY_MAX = 1_000;

class Conversation {
  readonly #connection: ClientConnection;
  readonly #output: WriteStream;
  readonly #history: string | undefined;
  readonly #keyboard: Keyboard;
  readonly #repl: REPLServer;
  #busy = true;
  #interrupted = false;
  #exitCode = 0;

  constructor(connection: ClientConnection, { input, output, colour, history }: Terminal) {
    this.#connection = connection;
    this.#output = output;
    this.#history = history;
    this.#keyboard = new Keyboard(
      input,
      () => this.#busy,
      () => {
        this.#interrupt();
      },
    );
    // The types of node:repl omit that it passes its options on to node:readline.
    const options: ReplOptions & { historySize: number } = {
      prompt: `${connection.node}> `,
      input: this.#keyboard,
      output,
      terminal: true,
      useColors: colour,
      ignoreUndefined: true,
      preview: false,
      historySize: HISTORY_MAX,
      eval: (code, _context, _file, done) => void this.#evaluate(code, done),
      completer: (line: string, done: (error: Error | null, result: [string[], string]) => void) =>
        void this.#complete(line, done),
    };
    this.#repl = start(options);
  }

  /** Runs until the user leaves or the application ends. @returns the exit code */
  async run(): Promise<number> {
    let left = false;
    const exited = new Promise((resolve) => {
      this.#repl.once('exit', resolve);
    });
    this.#defineCommands();
    this.#connection.use({
      onPrint: (_stream, text) => {
        this.#printAbove(text);
      },
      onEnd: ({ message }) => {
        if (left) return; // the user has left
        this.#exitCode = 1;
        this.#printAbove(`${message}\n`);
        this.#repl.close();
      },
    });
    const resized = (): void => {
      this.#connection.resize(this.#output.columns);
    };
    this.#output.on('resize', resized);
    await this.#readHistory();
    this.#idle();
    await exited;
    this.#output.off('resize', resized);
    this.#keyboard.release();
    left = true;
    this.#connection.close();
    return this.#exitCode;
  }

  #readHistory(): Promise<void> {
    return new Promise((resolve) => {
      // Errors of reading it are printed; the history then covers only this REPL.
      if (this.#history === undefined) resolve();
      else {
        keepPrivate(this.#history);
        this.#repl.setupHistory(this.#history, () => {
          resolve();
        });
      }
    });
  }

  #defineCommands(): void {
    const { commands } = this.#repl as unknown as { commands: Record<string, unknown> };
    // It would reset the context of this process, where nothing runs.
    delete commands['clear'];
    this.#repl.defineCommand('load', {
      help: 'Run a local file in the application',
      action: (file: string) => {
        let code: string;
        try {
          code = readFileSync(file.trim(), 'utf8');
        } catch (error) {
          this.#output.write(`${(error as Error).message}\n`);
          this.#repl.displayPrompt();
          return;
        }
        void this.#send(code).then(() => {
          this.#repl.displayPrompt();
        });
      },
    });
  }

  /** node:repl calls this for each line, with the lines before it while they are incomplete. */
  async #evaluate(code: string, done: (error: Error | null, result: unknown) => void): Promise<void> {
    // Decided locally and at once: the next line comes after the answer.
    const parsed = transform(code);
    if (parsed.kind === 'incomplete') {
      done(new Recoverable(parsed.error), undefined);
      return;
    }
    await this.#send(code);
    done(null, undefined);
  }

  /** Runs code and prints its result. */
  async #send(code: string): Promise<void> {
    this.#busy = true;
    this.#interrupted = false;
    try {
      const { text } = await this.#connection.evaluate(code);
      if (text !== '') this.#output.write(`${text}\n`);
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error; // onEnd prints the reason
    }
    this.#idle();
  }

  #idle(): void {
    this.#busy = false;
    this.#keyboard.continue();
  }

  async #complete(
    line: string,
    done: (error: Error | null, result: [string[], string]) => void,
  ): Promise<void> {
    try {
      const { names, on } = await this.#connection.complete(line);
      done(null, [[...names], on]);
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error;
      done(null, [[], line]);
    }
  }

  /** Ctrl-C while a line runs. */
  #interrupt(): void {
    if (!this.#interrupted) {
      this.#interrupted = true;
      this.#output.write('^C\n');
      this.#connection.cancel();
      return;
    }
    this.#connection.ended(new ConnectionFault('the application does not answer; disconnected'));
  }

  /** Prints unrequested text of the application. */
  #printAbove(text: string): void {
    if (this.#busy) {
      this.#output.write(text);
      return;
    }
    const { rows } = this.#repl.getCursorPos();
    moveCursor(this.#output, 0, -rows);
    cursorTo(this.#output, 0);
    clearScreenDown(this.#output);
    this.#output.write(text);
    // node:readline redraws from the row where it believes the line begins, counted up from the cursor. It loses count
    // when several rows are pasted. Here the line begins at the cursor.
    (this.#repl as unknown as { prevRows: number }).prevRows = 0;
    this.#repl.prompt(true);
  }
}

// ---- the keyboard ----

const CTRL_C = '\u0003';
/** The most characters to keep of what is typed ahead; the rest is lost, as in a terminal. */
const TYPED_AHEAD_MAX = 1_048_576;

/** node:repl reads from this instead of the terminal. */
class Keyboard extends Readable {
  readonly isTTY = true;
  readonly #terminal: ReadStream;
  readonly #isBusy: () => boolean;
  readonly #onInterrupt: () => void;
  #waiting = '';
  #scheduled = false;

  /**
   * @param isBusy whether a line is running
   * @param onInterrupt called for Ctrl-C while a line runs; at other times Ctrl-C is a key like any other
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

  /** As for a terminal; node:readline calls it. */
  setRawMode(on: boolean): this {
    this.#terminal.setRawMode(on);
    return this;
  }

  /** Call this when no line is running any more. */
  continue(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Deferred, so that what was pushed has been read and has taken effect.
    setImmediate(() => {
      this.#scheduled = false;
      this.#pushLine();
    });
  }

  /** Releases the terminal. */
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

  /** Passes on waiting text, up to the end of the first line. */
  #pushLine(): void {
    if (this.#waiting === '' || this.#isBusy()) return;
    const end = /\r\n?|\n/.exec(this.#waiting);
    const length = end === null ? this.#waiting.length : end.index + end[0].length;
    this.push(this.#waiting.slice(0, length));
    this.#waiting = this.#waiting.slice(length);
    // Even with nothing left: later input must not overtake the line.
    if (end !== null) this.continue();
  }
}
