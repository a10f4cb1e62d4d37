// A command at a terminal whose output is looked at while it changes: each print takes the place of the one before, on a screen of its
// own, until q or Ctrl-C.
//
// However it ends, the terminal is as it was before: the other screen, a cursor, lines and echo. For signals that end a process Node.js
// restores the lines and the echo only.
import process from 'node:process';
import { attach, type ClientConnection, ConnectionFault } from '../repl/client-connection.ts';
import { type Attachment, helloFor } from '../repl/client-run.ts';

// The other screen, no cursor, and lines that end at the margin.
const ENTER = '\u001B[?1049h\u001B[?25l\u001B[?7l';
const LEAVE = '\u001B[?7h\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
const REST_OF_LINE = '\u001B[K';
const REST_OF_SCREEN = '\u001B[J';
/** Ctrl-C, Ctrl-D, q and Q. */
// oxlint-disable-next-line no-control-regex
const LEAVES = /[\u0003\u0004qQ]/;
const FOOTER = 'q leaves';
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;

/** Attaches, runs a line and shows what it prints. @returns the exit code */
export async function runLive(asked: Attachment, line: string): Promise<number> {
  let connection: ClientConnection;
  try {
    connection = await attach(asked.socket, helloFor(asked, false));
  } catch (error) {
    return told(error);
  }
  const screen = new LiveScreen(connection);
  try {
    const { status, text } = await connection.evaluate(line);
    screen.leave();
    if (status !== 'error') return 0;
    process.stderr.write(`${text}\n`);
    return 1;
  } catch (error) {
    screen.leave();
    return told(error);
  } finally {
    connection.close();
  }
}

function told(error: unknown): number {
  if (!(error instanceof ConnectionFault)) throw error;
  process.stderr.write(`${error.message}\n`);
  return 1;
}

class LiveScreen {
  readonly #connection: ClientConnection;
  #text = '';

  constructor(connection: ClientConnection) {
    const { stdin, stdout } = process;
    this.#connection = connection;
    connection.use({
      onPrint: (_stream, text) => {
        this.#text = text.trimEnd();
        this.#draw();
      },
      onEnd: () => undefined, // the line fails with it
    });
    stdout.write(ENTER);
    stdout.on('resize', this.#resized);
    if (stdin.isTTY) {
      stdin.setRawMode(true);
      stdin.setEncoding('utf8').on('data', this.#typed);
    }
    for (const signal of SIGNALS) process.once(signal, this.#ended);
  }

  leave(): void {
    const { stdin, stdout } = process;
    for (const signal of SIGNALS) process.off(signal, this.#ended);
    stdout.off('resize', this.#resized);
    stdin.off('data', this.#typed);
    if (stdin.isTTY) stdin.setRawMode(false);
    stdin.pause();
    stdout.write(LEAVE);
  }

  readonly #typed = (keys: Buffer | string): void => {
    if (LEAVES.test(String(keys))) this.#connection.cancel();
  };

  readonly #resized = (): void => {
    this.#connection.resize(process.stdout.columns);
    this.#draw();
  };

  readonly #ended = (signal: NodeJS.Signals): void => {
    this.leave();
    process.kill(process.pid, signal);
  };

  #draw(): void {
    const lines = this.#text.split('\n').slice(0, process.stdout.rows - 1);
    const rows = [...lines, FOOTER].map((row) => row + REST_OF_LINE);
    process.stdout.write(HOME + rows.join('\n') + REST_OF_SCREEN);
  }
}
