/**
 * The options of the carrier: what they mean, what they are when they are left out, and which values they take. It reads no
 * files and opens nothing.
 */
import { TroupeError } from '../../errors.ts';
import type { Pid } from '../../terms/identifiers.ts';
import type { EpmdMode } from '../epmd/epmd.ts';
import type { TlsOptions } from './connect/credentials.ts';
import type { ExposedModules } from './services/executor.ts';
import { DEFAULT_MAX_FRAME_BYTES } from './wire/frames.ts';

const MEBIBYTE = 1024 * 1024;

/** What becomes of a connection whose send queue is full. The only policy there is; see docs/adr/0015. */
export type SendQueuePolicy = 'disconnect';

/** How much may wait to be sent to a peer. */
export interface SendQueueOptions {
  /** At how many bytes `troupe:distribution:busy` is published. Default 1 MiB. */
  readonly highWaterBytes?: number;
  /**
   * With more bytes than this the connection is closed (`queue_full`); also the most that may wait for a connection, and the
   * longest message that can be sent. Default 64 MiB.
   */
  readonly maxBytes?: number;
  readonly policy?: SendQueuePolicy;
}

/** Options of `createErlangCarrier`. A cookie has to be given in one of three ways; all else may be left out. */
export interface ErlangCarrierOptions {
  /** The secret that all nodes of the cluster share. See `erlang:set_cookie/1`. */
  readonly cookie?: string;
  /** A file whose first line is the cookie; `true` for `~/.erlang.cookie`. */
  readonly cookieFile?: string | true;
  /** Cookies for single nodes, by full node name. See `erlang:set_cookie/2`. */
  readonly cookies?: Readonly<Record<string, string>>;

  /** The address to listen at. Default: the host in the node's name. */
  readonly host?: string;
  /** The port to listen at; 0, the default, lets the system choose. */
  readonly port?: number;
  /** False for a node that only makes connections, and is not registered. See `erl -dist_listen false`. Default true. */
  readonly listen?: boolean;

  /**
   * Where nodes are found: `'auto'`, the default, asks the epmd of this machine, and is one where there is none; `'client'` only
   * asks; `'embedded'` has to be one; `false` does without: then all nodes that are not in `addresses` listen at `port`.
   */
  readonly epmd?: EpmdMode;
  /** Where the own epmd is. Default 127.0.0.1. */
  readonly epmdHost?: string;
  /**
   * Where this node listens when it is the epmd of its machine. Default 127.0.0.1; for a cluster of several machines it has to
   * be an address that they reach, such as 0.0.0.0.
   */
  readonly epmdServeOn?: string;
  /** The port of every epmd. Default: ERL_EPMD_PORT of the environment, or 4369. */
  readonly epmdPort?: number;
  /** Where nodes listen that epmd need not be asked for, by full node name. */
  readonly addresses?: Readonly<Record<string, { readonly host: string; readonly port: number }>>;

  /** After how much silence a peer is gone. Default 60,000. See `kernel`, `net_ticktime`. */
  readonly netTickTimeMs?: number;
  /**
   * How long the event loop stays awake after something has come from another node, in milliseconds; 0 for not at all. Answers
   * come sooner, for processor time that is left over. Default 0.2. See `erl +sbwt`.
   */
  readonly busyWaitMs?: number;
  /** How long each step of setting a connection up may take. Default 7,000. See `kernel`, `net_setuptime`. */
  readonly setupTimeoutMs?: number;
  /** Connections over TLS, and no others. */
  readonly tls?: TlsOptions;

  /** Nodes to be connected with, by full name; tried again while they are away. */
  readonly seeds?: readonly string[];
  /** Whether nodes that the seeds are connected with are connected, too. Default true. */
  readonly learn?: boolean;

  /** The longest frame that a peer may send. Default 128 MiB. */
  readonly maxFrameBytes?: number;
  readonly sendQueue?: SendQueueOptions;
  /** How many signals may wait for a connection to one peer. Default 100,000. */
  readonly maxPendingSignals?: number;

  /** Functions that other nodes may call by `erpc`, by module and name. Default: none. */
  readonly expose?: ExposedModules;
  /** Gets what processes of other nodes write whose group leader is here. Default: `troupe:distribution:io` alone. */
  readonly output?: (text: string, from: Pid) => void;
}

/** The options with nothing left out. */
export interface Settings {
  readonly cookie: string | undefined;
  readonly cookieFile: string | true | undefined;
  readonly cookies: Readonly<Record<string, string>>;
  readonly host: string | undefined;
  readonly port: number;
  readonly listen: boolean;
  readonly epmd: EpmdMode;
  readonly epmdHost: string;
  readonly epmdServeOn: string;
  readonly epmdPort: number;
  readonly addresses: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
  readonly netTickTimeMs: number;
  readonly busyWaitMs: number;
  readonly setupTimeoutMs: number;
  readonly tls: TlsOptions | undefined;
  readonly seeds: readonly string[];
  readonly learn: boolean;
  readonly maxFrameBytes: number;
  readonly highWaterBytes: number;
  readonly maxQueueBytes: number;
  readonly maxPendingSignals: number;
  readonly expose: ExposedModules | undefined;
  readonly output: ((text: string, from: Pid) => void) | undefined;
}

/** The longest busy wait. */
const MAX_BUSY_WAIT_MS = 10;
/** The most milliseconds of a timer of Node.js. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Checks options and fills in what is left out.
 * @throws TroupeError TROUPE_BAD_ARGUMENT, which names the option; TROUPE_BAD_COOKIE when there is no cookie.
 */
export function checkOptions(options: ErlangCarrierOptions): Settings {
  if (typeof options !== 'object' || (options as unknown) === null) {
    throw new TroupeError('TROUPE_BAD_ARGUMENT', 'The options of the carrier are an object.');
  }
  for (const name of Object.keys(options)) {
    if (name === 'visible') throw bad(name, VISIBLE);
    if (!Object.hasOwn(KNOWN, name)) throw bad(name, 'is no option of the carrier');
  }
  const { sendQueue = {} } = options;
  if (!isObject(sendQueue)) throw bad('sendQueue', 'is an object');
  if (sendQueue.policy !== undefined && sendQueue.policy !== 'disconnect') {
    throw bad('sendQueue.policy', "is 'disconnect'");
  }
  const maxQueueBytes = count('sendQueue.maxBytes', sendQueue.maxBytes, 64 * MEBIBYTE);
  checkCookies(options);
  return {
    cookie: options.cookie,
    cookieFile: options.cookieFile,
    cookies: strings('cookies', options.cookies),
    host: options.host === undefined ? undefined : string('host', options.host),
    port: port('port', options.port, 0),
    listen: boolean('listen', options.listen, true),
    epmd: epmdMode(options),
    epmdHost: string('epmdHost', options.epmdHost ?? '127.0.0.1'),
    epmdServeOn: string('epmdServeOn', options.epmdServeOn ?? '127.0.0.1'),
    epmdPort: port('epmdPort', options.epmdPort, defaultEpmdPort()),
    addresses: addresses(options.addresses),
    netTickTimeMs: count('netTickTimeMs', options.netTickTimeMs, 60_000, MAX_TIMER_MS),
    busyWaitMs: busyWait(options.busyWaitMs),
    setupTimeoutMs: count('setupTimeoutMs', options.setupTimeoutMs, 7_000, MAX_TIMER_MS),
    tls: options.tls,
    seeds: seeds(options.seeds),
    learn: boolean('learn', options.learn, true),
    maxFrameBytes: count('maxFrameBytes', options.maxFrameBytes, DEFAULT_MAX_FRAME_BYTES, 2 ** 31 - 1),
    highWaterBytes: count(
      'sendQueue.highWaterBytes',
      sendQueue.highWaterBytes,
      Math.min(MEBIBYTE, maxQueueBytes),
      maxQueueBytes,
    ),
    maxQueueBytes,
    maxPendingSignals: count('maxPendingSignals', options.maxPendingSignals, 100_000),
    expose: options.expose,
    output: listener(options.output),
  };
}

/** Every option, so that a misspelt one is found. */
const KNOWN: Readonly<Record<keyof ErlangCarrierOptions, true>> = {
  cookie: true,
  cookieFile: true,
  cookies: true,
  host: true,
  port: true,
  listen: true,
  epmd: true,
  epmdHost: true,
  epmdServeOn: true,
  epmdPort: true,
  addresses: true,
  netTickTimeMs: true,
  busyWaitMs: true,
  setupTimeoutMs: true,
  tls: true,
  seeds: true,
  learn: true,
  maxFrameBytes: true,
  sendQueue: true,
  maxPendingSignals: true,
  expose: true,
  output: true,
};

/** Why there is no such option; see docs/adr/0012. */
const VISIBLE =
  'is none of the carrier: a visible node has to take part in `global`, and this one does not, so that global:sync() would ' +
  'wait for it on every BEAM node. Leave it out; nodes(hidden) lists this node';

const EPMD_MODES: ReadonlySet<unknown> = new Set(['auto', 'client', 'embedded', false]);

function bad(name: string, rule: string): TroupeError {
  return new TroupeError('TROUPE_BAD_ARGUMENT', `The option '${name}' ${rule}.`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function checkCookies({ cookie, cookieFile, cookies }: ErlangCarrierOptions): void {
  if (cookie !== undefined && cookieFile !== undefined) {
    throw bad('cookieFile', "is not to be given together with 'cookie'");
  }
  if (cookieFile !== undefined && cookieFile !== true) string('cookieFile', cookieFile);
  if (cookie === undefined && cookieFile === undefined && cookies === undefined) {
    throw new TroupeError('TROUPE_BAD_COOKIE', 'The carrier was given no cookie.');
  }
}

function epmdMode({ epmd = 'auto' }: ErlangCarrierOptions): EpmdMode {
  if (!EPMD_MODES.has(epmd)) throw bad('epmd', "is 'auto', 'client', 'embedded' or false");
  return epmd;
}

function defaultEpmdPort(): number {
  const set = Number(process.env['ERL_EPMD_PORT']);
  return Number.isInteger(set) && set > 0 && set < 65_536 ? set : 4369;
}

function string(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw bad(name, 'is a non-empty string');
  return value;
}

function boolean(name: string, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== 'boolean') throw bad(name, 'is true or false');
  return value;
}

function count(name: string, value: unknown, otherwise: number, most = Number.MAX_SAFE_INTEGER): number {
  if (value === undefined) return otherwise;
  if (!Number.isSafeInteger(value) || (value as number) < 1 || (value as number) > most) {
    throw bad(name, `is an integer from 1 to ${most}`);
  }
  return value as number;
}

function busyWait(value: unknown = 0.2): number {
  if (typeof value === 'number' && value >= 0 && value <= MAX_BUSY_WAIT_MS) return value;
  throw bad('busyWaitMs', `is a number from 0 to ${MAX_BUSY_WAIT_MS}`);
}

function port(name: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (!Number.isInteger(value) || (value as number) < 0 || (value as number) > 65_535) {
    throw bad(name, 'is an integer from 0 to 65535');
  }
  return value as number;
}

function strings(name: string, value: unknown): Readonly<Record<string, string>> {
  if (value === undefined) return {};
  if (!isObject(value)) throw bad(name, 'is an object');
  for (const [key, item] of Object.entries(value)) string(`${name}.${key}`, item);
  return value as Readonly<Record<string, string>>;
}

function addresses(value: unknown): Settings['addresses'] {
  if (value === undefined) return {};
  if (!isObject(value)) throw bad('addresses', 'is an object');
  for (const [node, address] of Object.entries(value)) {
    if (!isObject(address)) throw bad(`addresses.${node}`, 'has a host and a port');
    const { host, port: number } = address as { host?: unknown; port?: unknown };
    string(`addresses.${node}.host`, host);
    if (number === undefined || port(`addresses.${node}.port`, number, 0) === 0) {
      throw bad(`addresses.${node}.port`, 'is an integer from 1 to 65535');
    }
  }
  return value as Settings['addresses'];
}

function seeds(value: unknown): readonly string[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) throw bad('seeds', 'is an array of node names');
  for (const seed of value as unknown[]) {
    if (typeof seed !== 'string' || !/^[^@]+@[^@]+$/.test(seed)) {
      throw bad('seeds', 'is an array of node names, each `name@host`');
    }
  }
  return [...(value as string[])];
}

function listener(value: unknown): Settings['output'] {
  if (value !== undefined && typeof value !== 'function') throw bad('output', 'is a function');
  return value as Settings['output'];
}
