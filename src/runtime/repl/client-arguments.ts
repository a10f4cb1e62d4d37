// The command line of the REPL's client.
import { parseArgs } from 'node:util';
import { DEFAULT_DATA_DIR, socketPath } from './socket.ts';

/** What `--help` prints. */
export const usage = (command: string): string => `Usage: ${command} [options]

Attaches to the running application: a REPL inside of it, as a process of its node. Several can be attached at once.
Without a terminal, lines from standard input are run one after the other. (npm run prints two lines of its own to standard
output; npm run -s does not.)

  -e, --eval <code>    runs this, prints what it comes to, and ends
      --json           prints results as JSON, one a line
      --timeout <ms>   how long one line may take with --eval or without a terminal; 0 for ever (default 30000)
      --socket <path>  the socket of the application (default: repl.sock in DATA_DIR, which is ./data when unset)
  -h, --help           prints this
      --version        prints the version

Environment: DATA_DIR as for the application; TROUPE_REPL_HISTORY, the file of the history (default: repl-history beside
the socket; empty for none); NO_COLOR and FORCE_COLOR.

Exit code: 0 when all went well, 1 when something failed or the application is not there, 2 for a wrong option.
`;

/** How long a line may take by default, in milliseconds. */
const TIMEOUT_MS = 30_000;
/** The longest time of a timer. */
const TIMEOUT_MAX_MS = 2_147_483_647;

/** What the command line asks for. */
export type Asked =
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'wrong'; readonly problem: string }
  | {
      readonly kind: 'attach';
      readonly socket: string;
      readonly code: string | undefined;
      readonly json: boolean;
      /** Milliseconds; undefined for ever. */
      readonly timeoutMs: number | undefined;
    };

/** Reads the command line; `env` is the environment. */
export function readArguments(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Asked {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        eval: { type: 'string', short: 'e' },
        json: { type: 'boolean', default: false },
        timeout: { type: 'string' },
        socket: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
        version: { type: 'boolean' },
      },
    }));
  } catch (error) {
    return { kind: 'wrong', problem: (error as Error).message };
  }
  if (values.help === true) return { kind: 'help' };
  if (values.version === true) return { kind: 'version' };
  const timeout = values.timeout ?? String(TIMEOUT_MS);
  if (!/^\d{1,10}$/.test(timeout) || Number(timeout) > TIMEOUT_MAX_MS) {
    return { kind: 'wrong', problem: `--timeout is a whole number of milliseconds up to ${TIMEOUT_MAX_MS}` };
  }
  if (values.socket === '') return { kind: 'wrong', problem: '--socket is the path of a socket' };
  const dataDir =
    env['DATA_DIR'] === undefined || env['DATA_DIR'] === '' ? DEFAULT_DATA_DIR : env['DATA_DIR'];
  return {
    kind: 'attach',
    socket: values.socket ?? socketPath(dataDir),
    code: values.eval,
    json: values.json,
    timeoutMs: Number(timeout) === 0 ? undefined : Number(timeout),
  };
}
