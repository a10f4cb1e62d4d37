// The client behind the command `troupe` (cli/): attaches to a running application, then is a terminal for it, or runs one expression
// or the lines of standard input. Nothing that is typed runs in this process.
//
// - Without a terminal a line is run when the one before has settled. (node:repl, given a pipe, does not wait.) The error of a line
//   goes to stderr, the next line is run, and the exit code says that one has failed.
// - It does not call exit: it lets go of what keeps the process alive and returns an exit code, so that output reaches a pipe.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { isatty } from 'node:tty';
import { attach, type ClientConnection, ConnectionFault } from './client-connection.ts';
import type { Hello } from './protocol.ts';

/** What a client does once it is attached. */
export interface Attachment {
  /** The path of the socket. */
  readonly socket: string;
  /** What is run; undefined to read lines. */
  readonly code: string | undefined;
  readonly json: boolean;
  /** How long one line may take, in milliseconds; undefined for ever. */
  readonly timeoutMs: number | undefined;
  /** Asks questions only; evaluates nothing. */
  readonly readOnly?: boolean;
  /** The node that questions are about, in place of the one that it attaches to. */
  readonly target?: string | undefined;
}

/** The width to assume when the terminal does not report one. */
const COLUMNS_UNKNOWN = 80;

/** Attaches and runs. @returns the exit code */
export async function attachAndRun(asked: Attachment): Promise<number> {
  const { stdin, stdout } = process;
  const interactive = asked.code === undefined && isatty(0) && isatty(1);
  const hello = helloFor(asked, interactive);
  const { colour } = hello;
  try {
    const connection = await attach(asked.socket, hello);
    if (!interactive) return await runBatch(connection, asked);
    const { historyFile, runInteractive } = await import('./client-interactive.ts');
    const history = historyFile(process.env, asked.socket);
    return await runInteractive(connection, { input: stdin, output: stdout, colour, history });
  } catch (error) {
    if (!(error instanceof ConnectionFault)) throw error;
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
}

/** How the program is to print for this process. @param interactive whether somebody types */
export function helloFor(
  { json, readOnly = false, target = '' }: Pick<Attachment, 'json' | 'readOnly' | 'target'>,
  interactive: boolean,
): Omit<Hello, 'repl'> {
  const columns = isatty(1) ? process.stdout.columns || COLUMNS_UNKNOWN : 0;
  return { columns, colour: wantsColour(), unicode: hasUnicode(), json, interactive, readOnly, target };
}

async function runBatch(connection: ClientConnection, { code, timeoutMs }: Attachment): Promise<number> {
  const { stdin, stdout, stderr } = process;
  let fault: ConnectionFault | undefined = undefined;
  let closed = false;
  connection.use({
    onPrint: (stream, text) => {
      (stream === 'out' ? stdout : stderr).write(text);
    },
    onEnd: (reason) => {
      if (!closed) fault = reason;
      stdin.destroy(); // no more lines
    },
  });
  // The reader of the output has seen enough.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    connection.close();
  });
  const print = (stream: 'out' | 'err', text: string): void => {
    (stream === 'out' ? stdout : stderr).write(text);
  };
  const batch = { connection, timeoutMs, print };
  const exitCode = code === undefined ? await runLines(batch, stdin) : await runCode(batch, code);
  if (fault !== undefined) throw fault as ConnectionFault;
  closed = true;
  connection.close();
  return exitCode;
}

function wantsColour(): boolean {
  const { FORCE_COLOR } = process.env;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false';
  // It honours NO_COLOR and TERM.
  return isatty(1) && process.stdout.hasColors();
}

function hasUnicode(): boolean {
  const { LC_ALL, LC_CTYPE, LANG } = process.env;
  const locale = [LC_ALL, LC_CTYPE, LANG].find((value) => value !== undefined && value !== '') ?? '';
  return /utf-?8/i.test(locale);
}

/** The version of the package. */
export function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

// ---- without a terminal ----

/** How long the application may take to confirm that it has given up a line. */
export const CANCEL_TIMEOUT_MS = 3_000;

/** What a batch needs to know. */
export interface Batch {
  readonly connection: Pick<ClientConnection, 'evaluate' | 'cancel' | 'ended'>;
  /** How long one line may take, in milliseconds; undefined for ever. */
  readonly timeoutMs: number | undefined;
  readonly print: (stream: 'out' | 'err', text: string) => void;
}

/** Runs one expression. @returns the exit code @throws ConnectionFault */
export async function runCode(batch: Batch, code: string): Promise<number> {
  return (await runLine(batch, code, false)) === 'ok' ? 0 : 1;
}

/** Runs lines; one that is not complete goes on in the next. @returns the exit code @throws ConnectionFault */
async function runLines(batch: Batch, input: NodeJS.ReadableStream): Promise<number> {
  let failed = false;
  let begun: string | undefined = undefined;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const code: string = begun === undefined ? line : `${begun}\n${line}`;
    const outcome = await runLine(batch, code, true);
    begun = outcome === 'incomplete' ? code : undefined;
    if (outcome === 'failed') failed = true;
  }
  if (begun !== undefined) await runLine(batch, begun, false);
  return failed || begun !== undefined ? 1 : 0;
}

/** @param goesOn whether an incomplete line may go on in the next */
async function runLine(
  { connection, print, timeoutMs }: Batch,
  code: string,
  goesOn: boolean,
): Promise<'ok' | 'failed' | 'incomplete'> {
  let timer: NodeJS.Timeout | undefined = undefined;
  let late = false;
  if (timeoutMs !== undefined) {
    timer = setTimeout(() => {
      late = true;
      connection.cancel();
      timer = setTimeout(() => {
        connection.ended(
          new ConnectionFault(`no result within ${timeoutMs} ms, and the application does not answer`),
        );
      }, CANCEL_TIMEOUT_MS);
    }, timeoutMs);
  }
  try {
    const { status, text } = await connection.evaluate(code);
    if (status === 'incomplete' && goesOn) return 'incomplete';
    if (status === 'ok') {
      if (text !== '') print('out', `${text}\n`);
      return 'ok';
    }
    print('err', late ? `no result within ${timeoutMs} ms\n` : `${text}\n`);
    return 'failed';
  } finally {
    clearTimeout(timer);
  }
}
