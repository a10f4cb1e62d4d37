/**
 * The options of the carrier: what they mean, their defaults and the values they take. Reads no files and opens nothing.
 */
import { TroupeError, badArgument, checkInteger, checkOneOf } from '../../errors.ts';
import type { Pid } from '../../terms/identifiers.ts';
import type { EpmdMode } from '../epmd/epmd.ts';
import type { TlsOptions } from './connect/credentials.ts';
import type { ExposedModules } from './services/executor.ts';
import { DEFAULT_MAX_FRAME_BYTES } from './wire/frames.ts';

const MEBIBYTE = 1024 * 1024;
/** The longest busy wait. */
const MAX_BUSY_WAIT_MS = 10;
/** The longest timer of Node.js, in milliseconds. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** How much may wait to be sent to a peer. See docs/adr/0015. */
export interface SendQueueOptions {
  /** At how many bytes `troupe:distribution:busy` is published. Default 1 MiB. */
  readonly highWaterBytes?: number;
  /**
   * With more bytes than this the connection is closed (`queue_full`); also the most that may wait for a connection, and the
   * longest message that can be sent. Default 64 MiB.
   */
  readonly maxBytes?: number;
}

/** Options of `createErlangCarrier`. A cookie is needed, in one of three ways; everything else may be left out. */
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
   * How nodes are found: `'auto'`, the default, asks the epmd of this machine, and serves as one if none runs; `'client'` only
   * asks; `'embedded'` must be the epmd itself; `false` uses none: all nodes that are not in `addresses` then listen at `port`.
   */
  readonly epmd?: EpmdMode;
  /** The host of the epmd that registers this node. Default 127.0.0.1. */
  readonly epmdHost?: string;
  /**
   * The address at which this node serves when it is the epmd of its machine. Default 127.0.0.1; a cluster of several machines
   * needs an address that they can reach, such as 0.0.0.0.
   */
  readonly epmdServeOn?: string;
  /** The port of every epmd. Default: ERL_EPMD_PORT of the environment, or 4369. */
  readonly epmdPort?: number;
  /** Where nodes listen, by full node name; epmd is not asked for these. */
  readonly addresses?: Readonly<Record<string, { readonly host: string; readonly port: number }>>;

  /** After how many milliseconds of silence a peer counts as gone. Default 60,000. See `kernel`, `net_ticktime`. */
  readonly netTickTimeMs?: number;
  /**
   * For how many milliseconds the event loop stays awake after another node has sent something; 0 to switch it off. Answers
   * come sooner, at the price of otherwise idle processor time. Default 0.2. See `erl +sbwt`.
   */
  readonly busyWaitMs?: number;
  /** How many milliseconds each step of setting up a connection may take. Default 7,000. See `kernel`, `net_setuptime`. */
  readonly setupTimeoutMs?: number;
  /** Uses TLS for all connections, and refuses any without. */
  readonly tls?: TlsOptions;

  /** Nodes to connect to, by full name; dialled again while they are away. */
  readonly seeds?: readonly string[];
  /** Whether to connect to the nodes that connected nodes know, too. Default true. */
  readonly learn?: boolean;

  /** The longest frame that a peer may send. Default 128 MiB. */
  readonly maxFrameBytes?: number;
  readonly sendQueue?: SendQueueOptions;
  /** How many signals may wait for a connection to one peer. Default 100,000. */
  readonly maxPendingSignals?: number;

  /** Functions that other nodes may call by `erpc`, by module and name. Default: none. */
  readonly expose?: ExposedModules;
  /** Gets the output of processes on other nodes whose group leader is here. Default: only `troupe:distribution:io`. */
  readonly output?: (text: string, from: Pid) => void;
}

/** Checks the value of an option, and fills in its default. @throws TroupeError TROUPE_BAD_ARGUMENT */
type Reader<Value> = (given: unknown, name: string) => Value;

/** Every option, and how it is read. */
const OPTIONS = {
  cookie: as<string | undefined>(),
  cookieFile: (given, name) => (given === true ? true : optional(text)(given, name)),
  cookies: (given = {}, name) => strings(given, name),
  host: optional(text),
  port: portOr(0),
  listen: flagOr(true),
  epmd: (given = 'auto', name) => checkOneOf(optionOf(name), given as EpmdMode, EPMD_MODES),
  epmdHost: (given = '127.0.0.1', name) => text(given, name),
  epmdServeOn: (given = '127.0.0.1', name) => text(given, name),
  epmdPort: (given, name) => portOr(defaultEpmdPort())(given, name),
  addresses: (given = {}, name) => addresses(given, name),
  netTickTimeMs: countOr(60_000, MAX_TIMER_MS),
  busyWaitMs: (given = 0.2, name) => {
    if (typeof given === 'number' && given >= 0 && given <= MAX_BUSY_WAIT_MS) return given;
    throw bad(name, `is a number from 0 to ${MAX_BUSY_WAIT_MS}`);
  },
  setupTimeoutMs: countOr(7_000, MAX_TIMER_MS),
  tls: as<TlsOptions | undefined>(),
  seeds: (given = [], name) => seeds(given, name),
  learn: flagOr(true),
  maxFrameBytes: countOr(DEFAULT_MAX_FRAME_BYTES, 2 ** 31 - 1),
  sendQueue: (given = {}, name) => sendQueue(given, name),
  maxPendingSignals: countOr(100_000),
  expose: as<ExposedModules | undefined>(),
  output: (given, name) => {
    if (given !== undefined && typeof given !== 'function') throw bad(name, 'is a function');
    return given as ErlangCarrierOptions['output'];
  },
} satisfies { readonly [Name in keyof ErlangCarrierOptions]-?: Reader<ErlangCarrierOptions[Name]> };

/** The options with their defaults filled in. */
export type Settings = {
  readonly [Name in keyof typeof OPTIONS]: ReturnType<(typeof OPTIONS)[Name]>;
};

/** Why there is no such option; see docs/adr/0012. */
const VISIBLE =
  'is not supported: a visible node has to take part in `global`, which this one does not, so that global:sync() would wait ' +
  'for it on every BEAM node. Leave it out; nodes(hidden) lists this node';

const EPMD_MODES: readonly EpmdMode[] = ['auto', 'client', 'embedded', false];

/**
 * Checks options and fills in their defaults.
 * @throws TroupeError TROUPE_BAD_ARGUMENT, which names the option; TROUPE_BAD_COOKIE without a cookie.
 */
export function checkOptions(options: ErlangCarrierOptions): Settings {
  if (!isObject(options)) {
    throw badArgument('The options of the carrier are an object.');
  }
  for (const name of Object.keys(options)) {
    if (name === 'visible') throw bad(name, VISIBLE);
    if (!Object.hasOwn(OPTIONS, name)) throw bad(name, 'is unknown');
  }
  const { cookie, cookieFile, cookies } = options;
  if (cookie !== undefined && cookieFile !== undefined) {
    throw bad('cookieFile', "cannot be combined with 'cookie'");
  }
  if (cookie === undefined && cookieFile === undefined && cookies === undefined) {
    throw new TroupeError('TROUPE_BAD_COOKIE', 'The carrier was given no cookie.');
  }
  const given: Readonly<Record<string, unknown>> = { ...options };
  const read = Object.entries(OPTIONS).map(([name, reader]) => [name, reader(given[name], name)]);
  return Object.fromEntries(read) as Settings;
}

function optionOf(name: string): string {
  return `The option '${name}'`;
}

function bad(name: string, rule: string): TroupeError {
  return badArgument(`${optionOf(name)} ${rule}.`);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** For options that are checked where they are used. */
function as<Value>(): Reader<Value> {
  return (given) => given as Value;
}

function optional<Value>(read: Reader<Value>): Reader<Value | undefined> {
  return (given, name) => (given === undefined ? undefined : read(given, name));
}

function text(given: unknown, name: string): string {
  if (typeof given !== 'string' || given === '') throw bad(name, 'is a non-empty string');
  return given;
}

function flagOr(otherwise: boolean): Reader<boolean> {
  return (given = otherwise, name) => {
    if (typeof given !== 'boolean') throw bad(name, 'is true or false');
    return given;
  };
}

function integer(given: unknown, name: string, least: number, most: number): number {
  return checkInteger(optionOf(name), given as number, least, most);
}

function countOr(otherwise: number, most = Number.MAX_SAFE_INTEGER): Reader<number> {
  return (given = otherwise, name) => integer(given, name, 1, most);
}

function portOr(otherwise: number): Reader<number> {
  return (given = otherwise, name) => integer(given, name, 0, 65_535);
}

function defaultEpmdPort(): number {
  const set = Number(process.env['ERL_EPMD_PORT']);
  return Number.isInteger(set) && set > 0 && set < 65_536 ? set : 4369;
}

function strings(given: unknown, name: string): Readonly<Record<string, string>> {
  if (!isObject(given)) throw bad(name, 'is an object');
  for (const [key, item] of Object.entries(given)) text(item, `${name}.${key}`);
  return given as Readonly<Record<string, string>>;
}

function addresses(given: unknown, name: string): NonNullable<ErlangCarrierOptions['addresses']> {
  if (!isObject(given)) throw bad(name, 'is an object');
  for (const [node, address] of Object.entries(given)) {
    if (!isObject(address)) throw bad(`${name}.${node}`, 'has a host and a port');
    const { host, port } = address as { host?: unknown; port?: unknown };
    text(host, `${name}.${node}.host`);
    integer(port, `${name}.${node}.port`, 1, 65_535);
  }
  return given as NonNullable<ErlangCarrierOptions['addresses']>;
}

function seeds(given: unknown, name: string): readonly string[] {
  const isSeed = (seed: unknown) => typeof seed === 'string' && /^[^@]+@[^@]+$/.test(seed);
  if (!Array.isArray(given) || !given.every(isSeed)) {
    throw bad(name, 'is an array of node names, each `name@host`');
  }
  return [...(given as string[])];
}

function sendQueue(given: unknown, name: string): Required<SendQueueOptions> {
  if (!isObject(given)) throw bad(name, 'is an object');
  const { highWaterBytes, maxBytes, ...others }: { [Name in keyof SendQueueOptions]: unknown } = given;
  for (const other of Object.keys(others)) throw bad(`${name}.${other}`, 'is unknown');
  const most = countOr(64 * MEBIBYTE)(maxBytes, `${name}.maxBytes`);
  const highWater = countOr(Math.min(MEBIBYTE, most), most);
  return { maxBytes: most, highWaterBytes: highWater(highWaterBytes, `${name}.highWaterBytes`) };
}
