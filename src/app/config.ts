// The settings of the application: read from the environment once, checked together, frozen.
//
// - One table below names every setting with its type, limits and default; `.env.example` lists the same.
// - An empty value counts as unset. Numbers are plain decimal digits: `1e3`, ` 8080` and `0x10` are faults.
// - `cluster/settings.ts` has the settings of a cluster, and what must hold between them.
// - All faults are reported at once, each with the variable, its value and what is allowed. A value that may hold a
//   password is never repeated.
// - Nothing here reads `process.env`, a file or the clock: only the arguments count.
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { Type, type Static, type TSchema } from 'typebox';
import { Value } from 'typebox/value';
import {
  clusterFaults,
  clusterOf,
  clusterSecrets,
  type ClusterSettings,
  clusterVariables,
  nodeOfUrl,
} from './cluster/settings.ts';
import { isLoopbackHost } from 'troupe/fastify';
import { isHostEntry } from './http/host.ts';
import { pageNotesMax } from './notes/page.ts';
import { isPostgresUrl, parsePostgresUrl, PostgresUrlError } from './database/postgres-url.ts';
import type { NotesSettings } from './notes/source.ts';
import { HOST, wholeNumber } from './setting-types.ts';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
const METRICS = ['off', 'own', 'public'] as const;
const SWITCH = ['off', 'on'] as const;
const WATCH = ['local', 'on', 'off'] as const;
const SHOWN_VALUE_MAX = 80;

/** Each setting by its variable. `description` is what a fault says is allowed. */
const variables = {
  HOST: Type.String({
    ...HOST,
    default: '127.0.0.1',
    description: 'an IP address or a host name of this machine, without a port; 0.0.0.0 or :: for all',
  }),
  PORT: wholeNumber(8080, 0, 65_535, '0 lets the system choose'),
  ALLOWED_ORIGINS: Type.Array(Type.Refine(Type.String(), isOrigin), {
    default: [],
    maxItems: 100,
    description:
      'at most 100 origins separated by commas, each as a browser sends it: http://host, https://host or with :port, without a path',
  }),
  ALLOWED_HOSTS: Type.Array(Type.Refine(Type.String(), isAllowedHost), {
    default: [],
    maxItems: 100,
    description:
      'at most 100 host names or addresses separated by commas, each with or without :port, an IPv6 address in brackets; or ' +
      '* alone for any, unless HOST is a loopback address',
  }),
  TRUST_PROXY: Type.Array(Type.Refine(Type.String(), isProxy), {
    default: [],
    maxItems: 100,
    description:
      'at most 100 IP addresses or ranges (10.0.0.0/8) separated by commas, or the names loopback, linklocal and uniquelocal',
  }),
  PAGE_NOTES: wholeNumber(100, 1, pageNotesMax, 'notes'),
  PAGE_NOTES_MAX: wholeNumber(pageNotesMax, 1, pageNotesMax, 'notes'),
  PAGE_BYTES: wholeNumber(1_048_576, 1_024, 16_777_216, 'bytes'),
  BODY_LIMIT_BYTES: wholeNumber(2_097_152, 1_024, 67_108_864, 'bytes'),
  TRAFFIC_MAX_BYTES: wholeNumber(134_217_728, 1_048_576, 17_179_869_184, 'bytes'),
  MAX_CONNECTIONS: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description:
        'a whole number from 1 to 1000000 (connections); when unset, what the limit of open files leaves room for',
    }),
  ),
  SEND_TIMEOUT_MS: wholeNumber(30_000, 100, 600_000, 'milliseconds'),
  WS_MAX_PAYLOAD_BYTES: wholeNumber(65_536, 128, 16_777_216, 'bytes'),
  WS_SEND_LIMIT_BYTES: wholeNumber(33_554_432, 2_097_152, 1_073_741_824, 'bytes'),
  NOTIFICATIONS_KEEP: wholeNumber(10_000, 0, 1_000_000_000, 'events'),
  NOTIFICATIONS_MAX_AGE_MS: wholeNumber(259_200_000, 1_000, 31_536_000_000, 'milliseconds'),
  WATCH: Type.Enum(WATCH, { default: 'local', description: `one of ${WATCH.join(', ')}` }),
  DELETED_KEEP: wholeNumber(1_000, 0, 1_000_000, 'notes'),
  DELETED_MAX_AGE_MS: wholeNumber(3_600_000, 1_000, 31_536_000_000, 'milliseconds'),
  REQUEST_TIMEOUT_MS: wholeNumber(15_000, 100, 600_000, 'milliseconds'),
  SHUTDOWN_TIMEOUT_MS: wholeNumber(10_000, 100, 600_000, 'milliseconds'),
  LOG_LEVEL: Type.Enum(LOG_LEVELS, { default: 'info', description: `one of ${LOG_LEVELS.join(', ')}` }),
  METRICS: Type.Enum(METRICS, { default: 'off', description: `one of ${METRICS.join(', ')}` }),
  METRICS_HOST: Type.String({
    ...HOST,
    default: '127.0.0.1',
    description: 'an IP address or a host name of this machine, without a port; 0.0.0.0 or :: for all',
  }),
  METRICS_PORT: wholeNumber(9464, 0, 65_535, '0 lets the system choose'),
  OBSERVER_TOKEN: Type.Optional(
    Type.String({
      pattern: '^[!-~]{16,1024}$',
      description: '16 to 1024 characters of printable ASCII without blanks, at random',
    }),
  ),
  OBSERVER_ALLOW: Type.Enum(SWITCH, { default: 'off', description: `one of ${SWITCH.join(', ')}` }),
  DATA_DIR: Type.String({ default: './data', pattern: '^[^\\u0000]+$', description: 'a folder' }),
  DATABASE_URL: Type.Optional(
    Type.Refine(
      Type.String({
        description:
          'postgres://user:password@host:5432/database (or postgresql://), one host, as libpq reads it; or troupe://name@host, ' +
          'an instance of this cluster whose notes are used',
      }),
      (text) => isPostgresUrl(text) || nodeOfUrl(text) !== undefined,
    ),
  ),
  DATABASE_POOL_MAX: wholeNumber(10, 1, 500, 'connections'),
  DATABASE_CONNECT_TIMEOUT_MS: wholeNumber(5_000, 100, 600_000, 'milliseconds'),
  DATABASE_QUERY_TIMEOUT_MS: wholeNumber(5_000, 100, 600_000, 'milliseconds'),
  DATABASE_RETRY_MAX_MS: wholeNumber(10_000, 100, 600_000, 'milliseconds'),
  ...clusterVariables,
};

/** The variables whose values are not repeated in a fault. */
const SECRETS: ReadonlySet<string> = new Set(['DATABASE_URL', 'OBSERVER_TOKEN', ...clusterSecrets]);

const Settings = Type.Object(variables);
type Settings = Static<typeof Settings>;

/** Every variable that the application reads. */
export const settingNames: readonly string[] = Object.keys(variables);

/** The settings, checked and frozen. Times are in milliseconds, sizes in bytes. */
export interface Config {
  /** Where the server listens. */
  readonly host: string;
  readonly port: number;
  /** Origins, besides the server's own, from which a browser may open a WebSocket. */
  readonly allowedOrigins: readonly string[];
  /** Names and addresses, besides its own, that requests may be sent to; `*` for any. */
  readonly allowedHosts: readonly string[];
  /** Addresses of reverse proxies whose `X-Forwarded-*` headers are trusted. */
  readonly trustProxy: readonly string[];
  /** The limits of a page of notes. */
  readonly page: PageLimits;
  /** The largest body of an HTTP request. */
  readonly bodyLimitBytes: number;
  /** Bytes of arriving bodies and waiting answers, on all connections together. */
  readonly trafficMaxBytes: number;
  /** The most connections; undefined for as many as the system's limit leaves room for. */
  readonly maxConnections: number | undefined;
  /** How long a client may take nothing of what is sent to it before its connection is ended. */
  readonly sendTimeoutMs: number;
  /** The largest message that a WebSocket client may send. */
  readonly wsMaxPayloadBytes: number;
  /** The most bytes that may wait for a WebSocket client. */
  readonly wsSendLimitBytes: number;
  /** How many events are kept for clients that come back, and for how long. */
  readonly history: { readonly keep: number; readonly maxAgeMs: number };
  /** Whether clients may watch the processes behind their connection. */
  readonly watch: boolean;
  /** How many deleted notes can be restored, and for how long. */
  readonly deleted: { readonly keep: number; readonly maxAgeMs: number };
  /** How long a request may take before it is answered 503. */
  readonly requestTimeoutMs: number;
  /** How long a shutdown may take before the process ends all the same. */
  readonly shutdownTimeoutMs: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Where metrics are served: on the port of the notes, on one of their own, or nowhere when undefined. */
  readonly metrics: 'public' | { readonly host: string; readonly port: number } | undefined;
  /** What guards the observer; undefined when it is not served. */
  readonly observer: { readonly token: string | undefined; readonly allow: boolean } | undefined;
  /** The data folder, absolute. */
  readonly dataDir: string;
  /** Where the notes are. */
  readonly database: NotesSettings;
  /** How the instance takes part in a cluster; undefined for one that is alone. */
  readonly cluster: ClusterSettings | undefined;
}

/** The limits of a page of notes. */
export interface PageLimits {
  /** Notes, unless the request says otherwise. */
  readonly notes: number;
  /** Notes, at most. */
  readonly notesMax: number;
  /** Bytes after which no further note is added. */
  readonly bytes: number;
}

/** What is wrong with one variable. */
export interface ConfigFault {
  readonly variable: string;
  /** What is wrong, with the value unless it may hold a secret. */
  readonly problem: string;
  readonly allowed: string;
}

/** Thrown by `loadConfig`. Its message has one line for each fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly ConfigFault[];

  constructor(faults: readonly ConfigFault[]) {
    const lines = faults.map(
      ({ variable, problem, allowed }) => `  ${variable} ${problem}; allowed: ${allowed}`,
    );
    super(`the settings in the environment cannot be used:\n${lines.join('\n')}`);
    this.faults = faults;
  }
}

/**
 * The configuration that an environment describes.
 * @param env names and values, as in `process.env`; names that are not settings are ignored
 * @throws ConfigError that names every fault, not just the first
 */
export function loadConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries<TSchema>(variables)) {
    const text = env[name];
    if (text !== undefined && text !== '') given[name] = convert(schema, text);
  }
  const candidate = Value.Default(Settings, { ...given });
  const isFine = Value.Check(Settings, candidate);
  const faults = isFine ? [] : faultsOf(given, env);
  faults.push(...urlFaults(given));
  const named = new Set(faults.map(({ variable }) => variable));
  if (isFine) faults.push(...faultsBetween(candidate));
  faults.push(...clusterFaults(given, given['DATABASE_URL']).filter(({ variable }) => !named.has(variable)));
  if (!isFine || faults.length > 0) throw new ConfigError(faults);
  return toConfig(candidate);
}

function toConfig(settings: Settings): Config {
  const dataDir = resolve(settings.DATA_DIR);
  return Object.freeze({
    host: settings.HOST,
    port: settings.PORT,
    allowedOrigins: Object.freeze([
      ...new Set(settings.ALLOWED_ORIGINS.map((origin) => new URL(origin).origin)),
    ]),
    allowedHosts: Object.freeze(settings.ALLOWED_HOSTS.map((host) => host.toLowerCase())),
    trustProxy: Object.freeze([...settings.TRUST_PROXY]),
    page: Object.freeze({
      notes: Math.min(settings.PAGE_NOTES, settings.PAGE_NOTES_MAX),
      notesMax: settings.PAGE_NOTES_MAX,
      bytes: settings.PAGE_BYTES,
    }),
    bodyLimitBytes: settings.BODY_LIMIT_BYTES,
    trafficMaxBytes: settings.TRAFFIC_MAX_BYTES,
    maxConnections: settings.MAX_CONNECTIONS,
    sendTimeoutMs: settings.SEND_TIMEOUT_MS,
    wsMaxPayloadBytes: settings.WS_MAX_PAYLOAD_BYTES,
    wsSendLimitBytes: settings.WS_SEND_LIMIT_BYTES,
    history: { keep: settings.NOTIFICATIONS_KEEP, maxAgeMs: settings.NOTIFICATIONS_MAX_AGE_MS },
    watch: isWatched(settings),
    deleted: { keep: settings.DELETED_KEEP, maxAgeMs: settings.DELETED_MAX_AGE_MS },
    requestTimeoutMs: settings.REQUEST_TIMEOUT_MS,
    shutdownTimeoutMs: settings.SHUTDOWN_TIMEOUT_MS,
    logLevel: settings.LOG_LEVEL,
    metrics: metricsOf(settings),
    observer: observerOf(settings),
    dataDir,
    database: Object.freeze(databaseSettings(settings, dataDir)),
    cluster: clusterOf(settings),
  });
}

/**
 * Whether nothing says that others than the users of this machine reach the service. Settings for a proxy do: those who come from this
 * machine's address may then be anybody, also where the proxy sends its own `Host` and adds no header.
 */
function isLocal({ HOST: host, ALLOWED_HOSTS, ALLOWED_ORIGINS, TRUST_PROXY }: Settings): boolean {
  return (
    isLoopbackHost(host) && [ALLOWED_HOSTS, ALLOWED_ORIGINS, TRUST_PROXY].every(({ length }) => length === 0)
  );
}

function isWatched(settings: Settings): boolean {
  return settings.WATCH === 'local' ? isLocal(settings) : settings.WATCH === 'on';
}

function metricsOf({ METRICS: where, METRICS_HOST: host, METRICS_PORT: port }: Settings): Config['metrics'] {
  if (where === 'own') return Object.freeze({ host, port });
  return where === 'public' ? where : undefined;
}

/** Without a token only users of this machine may look. */
function observerOf(settings: Settings): Config['observer'] {
  const { OBSERVER_TOKEN: token, OBSERVER_ALLOW } = settings;
  if (token === undefined && !isLocal(settings)) return undefined;
  return Object.freeze({ token, allow: OBSERVER_ALLOW === 'on' });
}

function databaseSettings(settings: Settings, dataDir: string): NotesSettings {
  const queryTimeoutMs = settings.DATABASE_QUERY_TIMEOUT_MS;
  if (settings.DATABASE_URL === undefined)
    return { kind: 'pglite', folder: join(dataDir, 'pglite'), queryTimeoutMs };
  const node = nodeOfUrl(settings.DATABASE_URL);
  if (node !== undefined)
    return { kind: 'instance', node, queryTimeoutMs, retryMaxMs: settings.DATABASE_RETRY_MAX_MS };
  return {
    kind: 'postgres',
    url: settings.DATABASE_URL,
    poolMax: settings.DATABASE_POOL_MAX,
    connectTimeoutMs: settings.DATABASE_CONNECT_TIMEOUT_MS,
    queryTimeoutMs,
    retryMaxMs: settings.DATABASE_RETRY_MAX_MS,
  };
}

/** The value of a text; a text without a value stays a text and fails the check. */
function convert(schema: TSchema, text: string): unknown {
  if (Type.IsInteger(schema)) return /^[0-9]{1,15}$/.test(text) ? Number(text) : text;
  if (Type.IsArray(schema)) return text.split(',').map((item) => item.trim());
  return text;
}

/** One fault for each variable, in the order of the table. Each is checked alone, since typebox stops after some errors. */
function faultsOf(
  given: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): ConfigFault[] {
  return Object.entries<TSchema & { description?: string }>(variables)
    .filter(([variable, schema]) => variable in given && !Value.Check(schema, given[variable]))
    .map(([variable, { description = '' }]) => ({
      variable,
      problem: SECRETS.has(variable)
        ? 'has a value (not shown) that is not allowed'
        : `is ${shown(env[variable])}`,
      allowed: description,
    }));
}

/** Settings that do not go together, each with the variable to change. */
function faultsBetween(settings: Settings): ConfigFault[] {
  const faults: ConfigFault[] = [];
  if (settings.ALLOWED_HOSTS.includes('*')) {
    const isAlone = settings.ALLOWED_HOSTS.length === 1;
    if (!isAlone || isLoopbackHost(settings.HOST)) {
      faults.push({
        variable: 'ALLOWED_HOSTS',
        problem: isAlone ? `is * while HOST is ${settings.HOST}` : 'has * beside other hosts',
        allowed: isAlone ? 'the names that this service has, separated by commas' : '* alone, or names',
      });
    }
  }
  if (settings.OBSERVER_ALLOW === 'on' && settings.OBSERVER_TOKEN === undefined) {
    faults.push({
      variable: 'OBSERVER_ALLOW',
      problem: 'is on without OBSERVER_TOKEN, so every user of this machine could end processes',
      allowed: 'on with OBSERVER_TOKEN, or off',
    });
  }
  const largest = Math.max(settings.BODY_LIMIT_BYTES, settings.PAGE_BYTES);
  if (settings.TRAFFIC_MAX_BYTES < largest) {
    faults.push({
      variable: 'TRAFFIC_MAX_BYTES',
      problem: `is ${settings.TRAFFIC_MAX_BYTES}`,
      allowed: `at least BODY_LIMIT_BYTES and PAGE_BYTES, of which the larger is ${largest}`,
    });
  }
  return faults;
}

/** A value on one line, cut when it is long. */
function shown(value = ''): string {
  return JSON.stringify(value.length > SHOWN_VALUE_MAX ? `${value.slice(0, SHOWN_VALUE_MAX)}…` : value);
}

function isOrigin(text: string): boolean {
  const url = parseUrl(text);
  if (url === undefined || !['http:', 'https:'].includes(url.protocol)) return false;
  const { username, password, pathname, search, hash } = url;
  return (
    [username, password, search, hash].every((part) => part === '') &&
    pathname === '/' &&
    !/[/?#]$/.test(text)
  );
}

function isAllowedHost(text: string): boolean {
  return text === '*' || isHostEntry(text);
}

function isProxy(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

/** What is wrong with the URL of a server, beyond its form. */
function urlFaults(given: Readonly<Record<string, unknown>>): ConfigFault[] {
  const { DATABASE_URL: url } = given;
  if (typeof url !== 'string' || !isPostgresUrl(url)) return [];
  try {
    parsePostgresUrl(url);
    return [];
  } catch (error) {
    if (!(error instanceof PostgresUrlError)) throw error;
    const { description: allowed = '' }: TSchema & { description?: string } = variables.DATABASE_URL;
    return [{ variable: 'DATABASE_URL', problem: `(not shown) cannot be used: ${error.message}`, allowed }];
  }
}

function parseUrl(text: string): URL | undefined {
  return URL.canParse(text) ? new URL(text) : undefined;
}
