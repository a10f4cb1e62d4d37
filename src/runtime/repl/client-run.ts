// Attaches to a running application and is a terminal for it, or runs one line or those of standard input; nothing that is typed
// runs in this process. The two commands share it: `npm run repl` (client.ts) and `troupe` (cli/).
//
// It does not call exit: it lets go of what keeps the process alive and returns an exit code, so that what was printed reaches a pipe.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { isatty } from 'node:tty';
import { runCode, runLines } from './client-batch.ts';
import { attach, type ClientConnection, ConnectionFault } from './client-connection.ts';

/** What a client does once it is attached. */
export interface Attachment {
  /** The path of the socket. */
  readonly socket: string;
  /** What is run; undefined to read lines. */
  readonly code: string | undefined;
  readonly json: boolean;
  /** How long one line may take, in milliseconds; undefined for ever. */
  readonly timeoutMs: number | undefined;
  /** Only asks. */
  readonly readOnly?: boolean;
  /** The node that questions are about, in place of the one that it attaches to. */
  readonly target?: string | undefined;
}

/** The width that is assumed for a terminal that does not tell. */
const COLUMNS_UNKNOWN = 80;

/** Attaches and runs. @returns the exit code */
export async function attachAndRun(asked: Attachment): Promise<number> {
  const { stdin, stdout } = process;
  const onTerminal = isatty(1);
  const interactive = asked.code === undefined && isatty(0) && onTerminal;
  const colour = wantsColour();
  try {
    const connection = await attach(asked.socket, {
      columns: onTerminal ? stdout.columns || COLUMNS_UNKNOWN : 0,
      colour,
      unicode: hasUnicode(),
      json: asked.json,
      interactive,
      readOnly: asked.readOnly ?? false,
      target: asked.target ?? '',
    });
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
  // Who reads the output has seen enough.
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
  // It knows NO_COLOR and TERM.
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
