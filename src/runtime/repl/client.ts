// The client of the REPL: `npm run repl`. It attaches to the running application and is a terminal for it; nothing that is
// typed runs here. See client-arguments.ts for what can be asked.
//
// It never ends its process by itself: it lets go of what keeps it alive and leaves an exit code, so that what was printed
// reaches a pipe.
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { isatty } from 'node:tty';
import { commandName, readArguments, usage } from './client-arguments.ts';
import { runCode, runLines } from './client-batch.ts';
import { attach, type ClientConnection, ConnectionFault } from './client-connection.ts';

type Attach = Extract<ReturnType<typeof readArguments>, { kind: 'attach' }>;

/** The width that is assumed for a terminal that does not tell. */
const COLUMNS_UNKNOWN = 80;

async function main(): Promise<number> {
  const asked = readArguments(process.argv.slice(2), process.env);
  const command = commandName(process.argv[1]);
  switch (asked.kind) {
    case 'help':
      process.stdout.write(usage(command));
      return 0;
    case 'version':
      process.stdout.write(`${version()}\n`);
      return 0;
    case 'wrong':
      process.stderr.write(`${asked.problem}\n${command} --help lists the options\n`);
      return 2;
    case 'attach':
      return await attachAndRun(asked);
  }
}

async function attachAndRun(asked: Attach): Promise<number> {
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

async function runBatch(connection: ClientConnection, { code, timeoutMs }: Attach): Promise<number> {
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

function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

process.exitCode = await main();
