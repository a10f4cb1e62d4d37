// The command line of `troupe`.
import { parseArgs } from 'node:util';
import type { Attachment } from '../repl/client-run.ts';
import { DEFAULT_DATA_DIR, socketPath } from '../repl/socket.ts';
import { type Command, COMMANDS, Wrong } from './commands.ts';
import { SCRIPTS } from './completion-scripts.ts';

/** How long a command may take by default, in milliseconds. */
const TIMEOUT_MS = 30_000;
/** The longest time of a timer. */
const TIMEOUT_MAX_MS = 2_147_483_647;
/** The height to assume when there is no terminal. */
const ROWS_UNKNOWN = 24;

/** What the command line asks for. */
export type Asked =
  | { readonly kind: 'print'; readonly text: string }
  | { readonly kind: 'version' }
  | { readonly kind: 'wrong'; readonly problem: string; readonly help: string }
  | { readonly kind: 'complete'; readonly line: string }
  | ({
      readonly kind: 'attach';
      /** The line for a terminal, where each print takes the place of the one before; undefined for `code`. */
      readonly live: string | undefined;
    } & Attachment);

/** The options that all commands take. */
export const COMMON = {
  socket: { type: 'string' },
  node: { type: 'string' },
  json: { type: 'boolean' },
  timeout: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const;

const COMMON_HELP = `      --json            prints JSON, one value a line
      --socket <path>   the socket of the program (default: repl.sock in DATA_DIR, which is ./data when unset)
      --node <name>     asks another node, through the one that this attaches to; it must run the inspector's server
      --timeout <ms>    how long it may take; 0 for ever (default 30000)
  -h, --help            prints this`;

/** What `troupe --help` prints. */
export function usage(): string {
  const width = Math.max(...Object.entries(COMMANDS).map(([name, { takes }]) => `${name} ${takes}`.length));
  const lines = Object.entries(COMMANDS).map(
    ([name, { takes, about }]) => `  ${`${name} ${takes}`.padEnd(width)}  ${about}`,
  );
  return `Usage: troupe <command> [options]

Looks into a running program that has a REPL of Troupe. Without a command it is a REPL, as \`troupe repl\`.

${lines.join('\n')}

  troupe <command> --help explains one. All commands take:

${COMMON_HELP}
      --version         prints the version

Without a command also the options of \`repl\`:

${COMMANDS['repl']?.help.map((line) => `  ${line}`).join('\n')}

Environment: DATA_DIR as for the program; TROUPE_REPL_HISTORY, the file of the history (default: repl-history beside the
socket; empty for none); NO_COLOR and FORCE_COLOR.

Exit code: 0 when all went well, 1 when something failed or the program is not there, 2 for a wrong command line.
`;
}

/** Reads the command line. @param env the environment @param rows how many the terminal has */
export function readCommand(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  rows = ROWS_UNKNOWN,
): Asked {
  const [first] = args;
  const named = first !== undefined && !first.startsWith('-');
  const name = named ? first : 'repl';
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    return { kind: 'wrong', problem: `there is no command '${name}'`, help: 'troupe --help' };
  }
  const help = named ? `troupe ${name} --help` : 'troupe --help';
  try {
    return read(name, command, named ? args.slice(1) : args, { env, rows, named });
  } catch (error) {
    if (!(error instanceof Wrong) && !isParseError(error)) throw error;
    return { kind: 'wrong', problem: problemOf(error as Error), help };
  }
}

function read(
  name: string,
  command: Command,
  args: readonly string[],
  {
    env,
    rows,
    named,
  }: {
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly rows: number;
    readonly named: boolean;
  },
): Asked {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: { ...COMMON, ...command.options },
    allowPositionals: true,
  });
  if (values.help === true) return { kind: 'print', text: named ? helpOf(name, command) : usage() };
  if (values.version === true) return { kind: 'version' };
  const [min, max] = command.arity;
  const [stray = ''] = positionals;
  if (!named && Object.hasOwn(COMMANDS, stray)) throw new Wrong(`the command comes first: troupe ${stray} …`);
  if (positionals.length < min || positionals.length > max) {
    throw new Wrong(`${name} takes ${command.takes === '' ? 'no argument' : command.takes}`);
  }
  const { socket, node, json = false } = values;
  if (name === 'completion') return completionOf(positionals[0], values);
  if (socket === '') throw new Wrong('--socket is the path of a socket');
  if (node !== undefined && !/^[^@\s]+@[^@\s]+$/.test(node)) throw new Wrong('--node has the form name@host');
  const given = { positionals, values: values as Readonly<Record<string, string | boolean | undefined>> };
  const { eval: code, 'read-only': readOnly } = given.values;
  return {
    kind: 'attach',
    socket: socket ?? defaultSocket(env),
    code: command.line === undefined ? (code as string | undefined) : command.line(given),
    json,
    timeoutMs: timeoutOf(values.timeout, command),
    readOnly: command.evaluates !== true || readOnly === true,
    target: node,
    live: command.live?.(given, rows),
  };
}

/** The socket of the program that an environment means. */
export function defaultSocket(env: Readonly<Record<string, string | undefined>>): string {
  const { DATA_DIR: dataDir = '' } = env;
  return socketPath(dataDir === '' ? DEFAULT_DATA_DIR : dataDir);
}

function completionOf(shell: string | undefined, { line }: Readonly<Record<string, unknown>>): Asked {
  if ((shell === undefined) === (line === undefined)) throw new Wrong('completion takes bash, zsh or fish');
  if (shell === undefined) return { kind: 'complete', line: String(line) };
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined)
    throw new Wrong(`there is no completion for '${shell}', only for bash, zsh and fish`);
  return { kind: 'print', text: script };
}

function timeoutOf(given: string | undefined, { endless }: Command): number | undefined {
  if (given === undefined) return endless === true ? undefined : TIMEOUT_MS;
  if (!/^\d{1,10}$/.test(given) || Number(given) > TIMEOUT_MAX_MS) {
    throw new Wrong(`--timeout is a whole number of milliseconds up to ${TIMEOUT_MAX_MS}`);
  }
  return Number(given) === 0 ? undefined : Number(given);
}

function helpOf(name: string, { takes, about, help }: Command): string {
  const own = help.map((line) => `  ${line}\n`).join('');
  return `Usage: troupe ${name}${takes === '' ? '' : ` ${takes}`} [options]\n\n${about}\n\n${own}${COMMON_HELP}\n`;
}

/** Without the advice of `parseArgs` on arguments that begin with a dash: no command takes such. */
function problemOf({ message }: Error): string {
  return message.replace(/\. To specify a positional argument .*/s, '');
}

/** What `parseArgs` throws for an unknown option or a missing value. */
function isParseError(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown };
  return typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS_');
}
