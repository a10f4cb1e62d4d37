/** The options of an {@link import('./epmd.ts').Epmd}, what they are when left out, and their checks. */
import { TroupeError } from '../../errors.ts';

/**
 * Where names are kept: `'auto'` uses the epmd that runs on this machine, and serves as one in this process when there is
 * none; `'client'` only uses one; `'embedded'` has to be the one; `false` does without.
 */
export type EpmdMode = 'auto' | 'client' | 'embedded' | false;

/** Where the epmds are, and how they are asked. */
export interface EpmdOptions {
  /** Default `'auto'`. */
  readonly mode: EpmdMode;
  /**
   * Where the own epmd is. Default 127.0.0.1. With another machine `'auto'` only asks, and what runs there has to let this
   * machine register, which OTP's epmd does not.
   */
  readonly host: string;
  /** The port of every epmd. Default: the environment's ERL_EPMD_PORT, or 4369. */
  readonly port: number;
  /** Where nodes listen, by full node name; asked first. */
  readonly addresses: Readonly<Record<string, { host: string; port: number }>>;
  /** With mode `false`: every node listens on this port of its host. */
  readonly fixedPort?: number;
  /**
   * Where this process listens when it is the epmd. Default 127.0.0.1; for a cluster of several machines, or nodes named by
   * the address of this one, it has to be one that they reach, such as 0.0.0.0. Only this machine may register in any case.
   */
  readonly serveOn?: string;
  /**
   * After how many milliseconds a lost epmd is tried again, and again. Default 2,000, as OTP. A first registration is tried
   * again up to eight times, each after a quarter of it.
   */
  readonly retryMs?: number;
  /** How many milliseconds an epmd may take to answer, connecting included. Default 5,000. */
  readonly timeoutMs?: number;
}

const DEFAULT_PORT = '4369';
const MODES: readonly unknown[] = ['auto', 'client', 'embedded', false];
const WAIT_MAX_MS = 600_000;

/** Fills in what was left out. @throws TroupeError TROUPE_BAD_ARGUMENT */
export function checkEpmdOptions(given: Partial<EpmdOptions>): EpmdOptions & {
  readonly serveOn: string;
  readonly retryMs: number;
  readonly timeoutMs: number;
} {
  const options = {
    mode: given.mode ?? 'auto',
    host: given.host ?? '127.0.0.1',
    port: given.port ?? Number(process.env['ERL_EPMD_PORT'] || DEFAULT_PORT),
    addresses: given.addresses ?? {},
    serveOn: given.serveOn ?? '127.0.0.1',
    retryMs: given.retryMs ?? 2_000,
    timeoutMs: given.timeoutMs ?? 5_000,
    ...(given.fixedPort !== undefined && { fixedPort: given.fixedPort }),
  };
  if (!MODES.includes(options.mode)) {
    throw bad(`The mode of epmd is 'auto', 'client', 'embedded' or false, not ${String(options.mode)}.`);
  }
  checkHost('The host of epmd', options.host);
  checkHost('The host that epmd is served on', options.serveOn);
  checkPort(given.port === undefined ? 'ERL_EPMD_PORT' : 'The port of epmd', options.port);
  if (options.fixedPort !== undefined) checkPort('The fixed port of all nodes', options.fixedPort);
  for (const [node, { host, port }] of Object.entries(options.addresses)) {
    checkHost(`The host of ${node}`, host);
    checkPort(`The port of ${node}`, port);
  }
  checkNumber('retryMs', options.retryMs, WAIT_MAX_MS);
  checkNumber('timeoutMs', options.timeoutMs, WAIT_MAX_MS);
  return options;
}

/** @throws TroupeError TROUPE_BAD_ARGUMENT when it is no port that can be connected to */
export function checkPort(what: string, port: number): void {
  checkNumber(what, port, 0xffff);
}

function checkHost(what: string, host: string): void {
  if (typeof host !== 'string' || host === '') throw bad(`${what} is a name or an address, not '${host}'.`);
}

function checkNumber(what: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw bad(`${what} must be a whole number from 1 to ${max}, not ${String(value)}.`);
}

function bad(what: string): TroupeError {
  return new TroupeError('TROUPE_BAD_ARGUMENT', what);
}
