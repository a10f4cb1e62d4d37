// Classifies the errors of drivers. Drivers wrap and name the same event in many ways; here it becomes one of six kinds, with a
// message fit for a log: drizzle's own message repeats the values of the statement.
//
// `connection`: the server or the way to it is gone; `busy`: it is there but has no room, for a connection or on its disk; `timeout`: it
// gave the statement up after its time; `unfit`: it takes no changes, a table is gone or a right is missing, see `fitness.ts`; `query`: it
// refused the statement; `other`: not from the database at all.
import { PostgresUrlError } from './postgres-url.ts';

export type FaultKind = 'connection' | 'busy' | 'timeout' | 'unfit' | 'query' | 'other';

export interface DatabaseFault {
  readonly kind: FaultKind;
  /** One line, without the values of the statement and without the password. */
  readonly message: string;
  /** PostgreSQL's error code, when the server gave one. */
  readonly sqlState?: string;
  /** The error inside the wrappings. */
  readonly error: unknown;
}

const CAUSES_MAX = 10;
const SQL_STATE = /^[0-9A-Z]{5}$/;

/** Of Node.js and of the driver, not of the server. The words are for the operator. */
const CONNECTION_CODES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ECONNABORTED: 'the connection was aborted',
  EPIPE: 'the connection is broken',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'there is no route to the host',
  EHOSTDOWN: 'the host is down',
  ENETUNREACH: 'the network cannot be reached',
  ENETDOWN: 'the network is down',
  EADDRNOTAVAIL: 'no local address is free',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be looked up now',
  CONNECT_TIMEOUT: 'no answer in time',
  CONNECTION_CLOSED: 'the connection was closed',
  CONNECTION_ENDED: 'the connection was closed',
  CONNECTION_DESTROYED: 'the connection was closed',
};

/** SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONNECTION_STATES = /^(08...|28...|3D000|25P0[34]|57P0[1-5])$/;
const BUSY_STATES = /^53...$/; // insufficient resources: connections, disk, memory
const UNFIT_STATES = /^(25006|42P01|42501)$/; // read-only transaction, undefined table, insufficient privilege
const TIMEOUT_STATE = '57014'; // query_canceled, by statement_timeout

/** Of `postgres-connection.ts`. */
export const NO_TLS = 'NO_TLS';

/**
 * What only the operator can fix, by SQLSTATE or by the code of Node.js, and how. At the first attempt to open a database it is
 * useless to try again; later it may help, since the server may be changing.
 */
const REMEDIES: readonly (readonly [codes: RegExp, remedy: string])[] = [
  [/^28P01$/, 'set the right user and password in DATABASE_URL'],
  [
    /^28000$/,
    'the server refuses such connections: see its pg_hba.conf; if it requires TLS, add ?sslmode=require to DATABASE_URL',
  ],
  [/^3D000$/, 'create that database, or name another one in DATABASE_URL'],
  [/^42501$/, 'let the user of DATABASE_URL create tables in that database'],
  [/^(42704|22023)$/, 'correct the options in DATABASE_URL'],
  [new RegExp(`^${NO_TLS}$`), 'set up TLS there, or remove sslmode from DATABASE_URL'],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_\w+|ERR_SSL_\w+|ERR_OSSL_\w+)$/,
    'set sslrootcert in DATABASE_URL to a file with the authority of the server, whose certificate has to name the host; see sslmode',
  ],
];

/** Why trying again is useless, and what to do; undefined when it may help. */
export function hopelessness(error: unknown): string | undefined {
  const inner = unwrap(error);
  if (inner instanceof PostgresUrlError) return `DATABASE_URL cannot be used: ${inner.message}`;
  const code = codeOf(inner) ?? '';
  const remedy = REMEDIES.find(([codes]) => codes.test(code))?.[1];
  return remedy === undefined ? undefined : `${explain(inner).message} (${code}): ${remedy}`;
}

/** What an error means. */
export function explain(error: unknown): DatabaseFault {
  const inner = unwrap(error);
  const code = codeOf(inner);
  const words = code === undefined ? undefined : CONNECTION_CODES[code];
  if (words !== undefined) return { kind: 'connection', message: `${words} (${code})`, error: inner };
  const message = oneLine(messageOf(inner));
  if (code === undefined || !SQL_STATE.test(code) || !isFromServer(inner))
    return { kind: 'other', message, error: inner };
  return { kind: kindOf(code), message, sqlState: code, error: inner };
}

function kindOf(sqlState: string): FaultKind {
  if (BUSY_STATES.test(sqlState)) return 'busy';
  if (sqlState === TIMEOUT_STATE) return 'timeout';
  if (UNFIT_STATES.test(sqlState)) return 'unfit';
  return CONNECTION_STATES.test(sqlState) ? 'connection' : 'query';
}

/** The error inside drizzle's; of attempts at several addresses, the first error. */
function unwrap(error: unknown): unknown {
  let inner = error;
  for (let depth = 0; depth < CAUSES_MAX && inner instanceof Error; depth++) {
    const next: unknown = inner instanceof AggregateError ? inner.errors[0] : inner.cause;
    if (!(next instanceof Error)) break;
    inner = next;
  }
  return inner;
}

/** Both drivers copy the fields of the server's message to the error; an error of Node.js (EPERM) has none. */
function isFromServer(error: unknown): boolean {
  return error instanceof Error && 'severity' in error;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}
