// DATABASE_URL as libpq reads it: `postgresql://user:password@host:port/database?parameter=value`, each part percent-encoded.
//
// - Every parameter that can be honoured is. One that cannot, and that would change who can read along, whom we connect to or what the
//   server does, is refused with what to do instead; none of these is silently dropped.
// - A parameter wins over the part of the URL with the same meaning, as in libpq. Defaults are libpq's, with two exceptions:
//   without `sslmode` there is no TLS, and no file in the user's folder is looked for.
// - Files that it names are read when a connection is made.
import { readFileSync, statSync } from 'node:fs';
import { isIP } from 'node:net';
import { userInfo } from 'node:os';

/** A server's database, and how to connect to it. */
export interface PostgresTarget {
  /** The name that certificates are checked against; for a socket its folder. */
  readonly host: string;
  /** Where to connect to. */
  readonly address: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
  readonly sslmode: SslMode;
  readonly sslnegotiation: 'direct' | null;
  /** Names of files, and the limits of the version. */
  readonly tls: Readonly<
    Partial<Record<'rootcert' | 'cert' | 'key' | 'crl' | 'password' | 'min' | 'max', string>>
  >;
  /** In milliseconds; undefined for that of the settings. */
  readonly connectTimeoutMs: number | undefined;
  /** Whether a read-only server is refused. */
  readonly readWrite: boolean;
  /** Sent to the server at the start, such as `application_name` and `options`. */
  readonly startup: Readonly<Record<string, string>>;
}

type SslMode = 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';

/** What is wrong with a URL: one sentence, without the password. */
export class PostgresUrlError extends Error {
  override readonly name = 'PostgresUrlError';
}

const SSL_MODES: Readonly<Record<string, SslMode>> = {
  disable: 'disable',
  allow: 'prefer',
  prefer: 'prefer',
  require: 'require',
  'verify-ca': 'verify-ca',
  'verify-full': 'verify-full',
  // The terms of JDBC and other drivers
  'no-verify': 'require',
  true: 'require',
  1: 'require',
  false: 'disable',
  0: 'disable',
};

/** Parameters that may have only these values, with the reason. */
const FIXED: Readonly<Record<string, readonly [allowed: readonly string[], why: string]>> = {
  channel_binding: [
    ['disable', 'prefer'],
    'the driver has no SCRAM-SHA-256-PLUS; sslmode=verify-full with channel_binding=prefer keeps others out of the connection as well',
  ],
  gssencmode: [['disable', 'prefer'], 'the driver has no GSSAPI'],
  client_encoding: [['UTF8', 'utf8', 'UTF-8', 'utf-8', 'auto'], 'the service reads and writes UTF-8'],
  load_balance_hosts: [['disable'], 'there is one host'],
  replication: [['false', 'off', 'no', '0'], 'the service uses no replication'],
  sslsni: [['1'], 'the driver always tells the name of the host'],
  sslcompression: [['0', '1'], 'PostgreSQL has no compression any more'],
  target_session_attrs: [['any', 'read-write', 'primary'], 'the service writes'],
};

/** Parameters of libpq that this driver cannot honour. */
const REFUSED: Readonly<Record<string, string>> = {
  service: 'give host, database and user here',
  servicefile: 'give host, database and user here',
  passfile: 'give the password here',
  require_auth: 'the driver takes any method; have pg_hba.conf of the server ask for scram-sha-256',
  requirepeer:
    'the driver does not check who owns the socket; keep it in a folder where only the server can create one',
  sslcrldir: 'give one file with sslcrl',
  krbsrvname: 'the driver has no GSSAPI',
  gsslib: 'the driver has no GSSAPI',
  gssdelegation: 'the driver has no GSSAPI',
};

/** They affect only the speed or life of the connection, and are left to the system. */
const IGNORED = /^(keepalives(_idle|_interval|_count)?|tcp_user_timeout|fallback_application_name)$/;
const TLS_VERSIONS: ReadonlySet<string> = new Set(['TLSv1.2', 'TLSv1.3']);
const PORT_DEFAULT = 5432;
const SECONDS = 1_000;

/** Whether a text is meant to be such a URL. */
export function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text);
}

/** Reads a URL. @throws PostgresUrlError that says what is wrong with it */
export function parsePostgresUrl(text: string): PostgresTarget {
  const parts = /^postgres(?:ql)?:\/\/(?:([^/?#]*)@)?([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text);
  if (parts === null)
    throw new PostgresUrlError('it is not of the form postgres://user:password@host:port/database');
  const [, userinfo = '', hosts = '', path = '', query = ''] = parts;
  const [, hostPart = '', portPart = ''] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(hosts) ?? [];
  const [name = '', ...rest] = userinfo.split(':');
  const given = parametersOf(query);
  const take = (key: string): string | undefined => {
    const value = given.get(key);
    given.delete(key);
    return value === '' ? undefined : value;
  };

  const host = take('host') ?? (decoded(hostPart.replace(/^\[(.*)\]$/, '$1'), 'the host') || 'localhost');
  const hostaddr = take('hostaddr');
  const port = portOf(take('port') ?? decoded(portPart, 'the port'));
  const user = (take('user') ?? decoded(name, 'the user')) || userInfo().username;
  const database = (take('dbname') ?? decoded(path, 'the name of the database')) || user;
  if (`${hosts}${host}`.includes(',')) throw new PostgresUrlError('it names several hosts: name one');
  if (host.startsWith('@'))
    throw new PostgresUrlError('a socket without a file (@...) cannot be connected to');
  if (!host.startsWith('/') && !/^[A-Za-z0-9._:%-]+$/.test(host))
    throw new PostgresUrlError('its host is neither a name nor an address nor the folder of a socket');

  const tls: Record<string, string> = {};
  for (const key of ['rootcert', 'cert', 'key', 'crl', 'password'] as const) {
    const value = take(`ssl${key}`);
    if (value !== undefined) tls[key] = value;
  }
  for (const key of ['min', 'max'] as const) {
    const value = take(`ssl_${key}_protocol_version`);
    if (value === undefined) continue;
    if (!TLS_VERSIONS.has(value))
      throw new PostgresUrlError(`ssl_${key}_protocol_version is TLSv1.2 or TLSv1.3`);
    tls[key] = value;
  }
  const sslmode = sslModeOf(take('sslmode') ?? take('ssl'), tls, host);
  const sslnegotiation = negotiationOf(take('sslnegotiation'), sslmode);
  const timeout = take('connect_timeout');
  if (timeout !== undefined && !/^\d{1,6}$/.test(timeout))
    throw new PostgresUrlError('connect_timeout is a whole number of seconds');
  const attributes = given.get('target_session_attrs');
  const startup: Record<string, string> = {};
  for (const key of ['application_name', 'options'] as const) {
    const value = take(key);
    if (value !== undefined) startup[key] = value;
  }
  const password = take('password') ?? decoded(rest.join(':'), 'the password');
  for (const [key, value] of given) refuse(key, value);
  return {
    host,
    address: host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host: hostaddr ?? host, port },
    port,
    user,
    password,
    database,
    sslmode,
    sslnegotiation,
    tls,
    connectTimeoutMs: timeout === undefined || Number(timeout) === 0 ? undefined : Number(timeout) * SECONDS,
    readWrite: attributes === 'read-write' || attributes === 'primary',
    startup,
  };
}

/** For the operator, without the password. */
export function describeTarget({ address, database }: PostgresTarget): string {
  const where = 'path' in address ? address.path : `${address.host}:${address.port}`;
  return `PostgreSQL at ${where}, database "${database}"`;
}

/**
 * The driver's `ssl`, with the content of the files.
 * @throws PostgresUrlError for a file that cannot be read
 */
export function tlsOptions({ sslmode, tls, host }: PostgresTarget): false | 'prefer' | object {
  if (sslmode === 'disable') return false;
  if (sslmode === 'prefer') return 'prefer';
  const file = (key: 'rootcert' | 'cert' | 'key' | 'crl'): Buffer | undefined => {
    const path = tls[key];
    if (path === undefined || (key === 'rootcert' && path === 'system')) return undefined;
    try {
      if (key === 'key' && process.platform !== 'win32' && (statSync(path).mode & 0o037) !== 0)
        throw new Error(`users other than its owner can use it: run \`chmod 600 ${path}\``);
      return readFileSync(path);
    } catch (error) {
      throw new PostgresUrlError(
        `ssl${key} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  };
  const all = {
    ca: file('rootcert'),
    cert: file('cert'),
    key: file('key'),
    crl: file('crl'),
    passphrase: tls.password,
    minVersion: tls.min,
    maxVersion: tls.max,
    rejectUnauthorized: sslmode !== 'require',
    servername: isIP(host) === 0 ? host : undefined,
    // The chain is checked, but not the name.
    checkServerIdentity: sslmode === 'verify-ca' ? () => undefined : undefined,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function parametersOf(query: string): Map<string, string> {
  const given = new Map<string, string>();
  for (const pair of query === '' ? [] : query.split('&')) {
    const [key = '', ...value] = pair.split('=');
    if (key === '' || value.length !== 1)
      throw new PostgresUrlError('what follows the ? is not parameter=value pairs separated by &');
    given.set(decoded(key, 'a parameter'), decoded(value.join('='), `the parameter ${key}`));
  }
  return given;
}

function refuse(key: string, value: string): void {
  const fixed = FIXED[key];
  if (fixed !== undefined) {
    if (value === '' || fixed[0].includes(value)) return;
    throw new PostgresUrlError(`${key} is ${fixed[0].join(' or ')}: ${fixed[1]}`);
  }
  if (IGNORED.test(key) || value === '') return;
  const why = REFUSED[key];
  if (why !== undefined) throw new PostgresUrlError(`${key} is not supported: ${why}`);
  throw new PostgresUrlError(
    `it has a parameter that PostgreSQL does not know, ${JSON.stringify(key.slice(0, 40))}; a setting of the server is ` +
      'given as options=-c%20name%3Dvalue',
  );
}

function sslModeOf(text: string | undefined, tls: Readonly<Record<string, string>>, host: string): SslMode {
  const system = tls['rootcert'] === 'system';
  if (text === undefined && !system) return 'disable';
  const mode = SSL_MODES[text ?? 'verify-full'];
  if (mode === undefined)
    throw new PostgresUrlError('sslmode is disable, allow, prefer, require, verify-ca or verify-full');
  if (system && mode !== 'verify-full')
    throw new PostgresUrlError('sslrootcert=system needs sslmode=verify-full');
  if (host.startsWith('/') && mode.startsWith('verify'))
    throw new PostgresUrlError(`sslmode=${mode} is not possible over a socket in a folder`);
  if (host.startsWith('/')) return 'disable'; // as in libpq: there is nothing to encrypt
  if (mode === 'verify-ca' && tls['rootcert'] === undefined)
    throw new PostgresUrlError(
      'sslmode=verify-ca needs sslrootcert, a file with the authority of the server',
    );
  // Given an authority, it is checked, as in libpq.
  return mode === 'require' && tls['rootcert'] !== undefined ? 'verify-ca' : mode;
}

function negotiationOf(text: string | undefined, mode: SslMode): 'direct' | null {
  if (text === undefined || text === 'postgres') return null;
  if (text !== 'direct') throw new PostgresUrlError('sslnegotiation is postgres or direct');
  if (mode === 'disable' || mode === 'prefer')
    throw new PostgresUrlError('sslnegotiation=direct needs sslmode=require or stronger');
  return 'direct';
}

function portOf(text: string): number {
  if (text === '') return PORT_DEFAULT;
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
    throw new PostgresUrlError('its port is not a number from 1 to 65535');
  return port;
}

/** The decoded part. */
function decoded(text: string, what: string): string {
  let plain: string;
  try {
    plain = decodeURIComponent(text);
  } catch {
    throw new PostgresUrlError(`${what} has a percent sign that encodes nothing: write it as %25`);
  }
  if (plain.includes('\0')) throw new PostgresUrlError(`${what} has a NUL`);
  return plain;
}
