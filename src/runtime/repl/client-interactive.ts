// The client at a terminal: node:repl edits lines, keeps the history, completes names and knows `.editor` and `.load`; what it
// would evaluate goes to the application.
//
// - Text of the application that arrives while somebody types is printed above the line, which is then drawn anew.
// - Ctrl-C gives up the line that runs; the next lines wait for it.
// - node:readline puts the terminal back when it closes, and Node.js when the process ends by a signal.
import { chmodSync, lstatSync, readFileSync } from 'node:fs';
import { clearScreenDown, cursorTo, moveCursor } from 'node:readline';
import { Recoverable, type ReplOptions, type REPLServer, start } from 'node:repl';
import type { ReadStream, WriteStream } from 'node:tty';
import { type ClientConnection, ConnectionFault } from './client-connection.ts';
import { Keyboard } from './keyboard.ts';
import { historyPath } from './socket-path.ts';
import { transform } from './transform.ts';

/** The terminal, and what is known about it. */
export interface Terminal {
  readonly input: ReadStream;
  readonly output: WriteStream;
  readonly colour: boolean;
  /** The file of the history; undefined for none. */
  readonly history: string | undefined;
}

/** Where the history is. @param env the environment @param socket the path of the socket */
export function historyFile(
  env: Readonly<Record<string, string | undefined>>,
  socket: string,
): string | undefined {
  const chosen = env['TROUPE_REPL_HISTORY'];
  if (chosen === undefined) return historyPath(socket);
  return chosen.trim() === '' ? undefined : chosen;
}

/** Reads and runs lines until the user leaves or the application goes away. @returns the exit code */
export async function runInteractive(connection: ClientConnection, terminal: Terminal): Promise<number> {
  const { output } = terminal;
  output.write(
    `Troupe REPL ${connection.pid} on ${connection.node}; help() lists what there is, .exit leaves\n`,
  );
  return await new Conversation(connection, terminal).run();
}

/** Node.js makes the file for its user only; one that was there before may be open to others. */
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
    // The types of node:repl leave out that it hands its options to node:readline.
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

  /** Until the user leaves or the application goes away. @returns the exit code */
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
        if (left) return; // who leaves need not be told
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
      // What keeps it from being read is printed; the history is then that of this REPL only.
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
    // It would make a new context here, where there is nothing.
    delete commands['clear'];
    this.#repl.defineCommand('load', {
      help: 'Run a file of this machine in the application',
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

  /** What node:repl calls for each line: with what was typed before, when that was not complete. */
  async #evaluate(code: string, done: (error: Error | null, result: unknown) => void): Promise<void> {
    // Decided here and at once: the next line comes after the answer.
    const parsed = transform(code);
    if (parsed.kind === 'incomplete') {
      done(new Recoverable(parsed.error), undefined);
      return;
    }
    await this.#send(code);
    done(null, undefined);
  }

  /** Runs code and prints what it comes to. */
  async #send(code: string): Promise<void> {
    this.#busy = true;
    this.#interrupted = false;
    try {
      const { text } = await this.#connection.evaluate(code);
      if (text !== '') this.#output.write(`${text}\n`);
    } catch (error) {
      if (!(error instanceof ConnectionFault)) throw error; // the end of the connection says why
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
    this.#connection.ended(new ConnectionFault('the application does not answer; it was left'));
  }

  /** Prints text of the application that nobody waits for. */
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
    // node:readline draws from the row where it thinks that the line begins, so many above the cursor; it has lost count
    // when several rows were pasted. Here the line begins where the cursor is.
    (this.#repl as unknown as { prevRows: number }).prevRows = 0;
    this.#repl.prompt(true);
  }
}
