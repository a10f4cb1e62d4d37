// The log: the events of the runtime and of the database, as lines of pino. The runtime itself does not log.
//
// The pid of a process is logged as `process`, since `pid` is pino's: the operating system's number.
//
// Levels: `error` needs somebody's attention, `warn` may, `info` shows the life of the service, `debug` that of each connection
// and request. What other nodes and clients can cause any number of times, and what their processes print, is logged seldom, with
// its `count`. `log-lines.ts` bounds the length of a line.
import type { FastifyBaseLogger } from 'fastify';
import { formatReason, isCleanExit, onTelemetry, type TelemetryEvents, type TelemetryName } from 'troupe';
import type { DatabaseStatus } from './database/database.ts';
import { isExpected } from './http/errors.ts';
import type { IndexerOptions } from './indexer/indexer.ts';
import type { NotIndexed } from './indexer/backlog.ts';
import { TEXT_SHOWN_MAX } from './log-lines.ts';
import type { LeftOut } from './notes/incoming.ts';
import { Recurring } from './recurring.ts';

type Level = 'debug' | 'info' | 'warn' | 'error';
type Log = { readonly [Each in Level]: (fields: object, message: string) => void };

/** What an event becomes. */
interface Line {
  readonly level: Level;
  readonly fields: object;
  readonly message: string;
  /** The kind of an event that others can cause any number of times: of each kind only some are logged; see `recurring.ts`. */
  readonly kind?: string;
}

/** Undefined for an event that is not logged. */
type Lines = { readonly [Name in TelemetryName]?: (event: TelemetryEvents[Name]) => Line | undefined };

/** How many of one kind are logged in ten seconds, where that is more than one. */
const BURSTS: { readonly [Name in TelemetryName]?: number } = {
  // Of one host, which can claim to be any node.
  'troupe:distribution:refused': 20,
  // Of one node, whose processes print.
  'troupe:distribution:io': 20,
};
/** What is logged at `debug` when it is one too many. */
const ALWAYS_LOGGED: ReadonlySet<TelemetryName> = new Set([
  'troupe:node:up',
  'troupe:node:down',
  'troupe:distribution:refused',
]);
/** Characters of an error that tell crashes apart. */
const KIND_MAX = 100;
/** Peers whose last refusal is remembered. */
const REFUSALS_MAX = 1_000;

/** Logs what the runtime publishes, until the function that it returns is called. */
export function logRuntime(log: Log): () => void {
  const lines = runtimeLines();
  const subscriptions = (Object.keys(lines) as TelemetryName[]).map((name) => follow(log, name, lines[name]));
  return () => {
    for (const end of subscriptions) end();
  };
}

function follow<Name extends TelemetryName>(log: Log, name: Name, lineOf: Lines[Name]): () => void {
  const recurring = new Recurring({ burst: BURSTS[name] ?? 1 });
  return onTelemetry(name, (event) => {
    const line = lineOf?.(event);
    if (line === undefined) return;
    const { level, fields, message, kind } = line;
    const count = kind === undefined ? undefined : recurring.due(kind);
    if (kind === undefined || count !== undefined) log[level]({ ...fields, count }, message);
    else if (ALWAYS_LOGGED.has(name)) log.debug(fields, message);
  });
}

function runtimeLines(): Lines {
  /** Why connections with nodes could not be made: the same reason is a warning once, until there is a connection. */
  const refusals = new Map<string, string>();
  return {
    // Processes, servers, supervisors
    'troupe:process:crash': ({ pid, label, name, reason }) => {
      if (isExpected(reason)) return undefined; // the client has its answer, and the request has a line of its own
      const err = errorIn(reason);
      const kind = `${label} ${name ?? ''} ${err.message.slice(0, KIND_MAX)}`;
      const fields = { process: pid.toString(), label, name, err };
      return { level: 'error', kind, fields, message: 'a process crashed' };
    },
    'troupe:supervisor:child_started': ({ id, pid, restart }) => ({
      level: 'info',
      fields: { id, process: pid.toString() },
      message: restart ? 'restarted' : 'started',
    }),
    'troupe:supervisor:child_terminated': ({ id, pid, reason, context }) => ({
      level: isCleanExit(reason) ? 'info' : 'error',
      fields: { id, process: pid?.toString(), context, reason: formatReason(reason) },
      message: 'a child ended',
    }),
    'troupe:supervisor:intensity_reached': ({ label, id }) => ({
      level: 'error',
      fields: { supervisor: label, id },
      message: 'a supervisor gives up: its children restarted too often',
    }),
    'troupe:server:unexpected': ({ pid, label, kind, message }) => ({
      level: 'warn',
      kind: `${kind} ${label}`,
      fields: {
        process: pid.toString(),
        label,
        kind,
        request: kind === 'info' ? undefined : nameOf(message),
      },
      message: 'a process got a message that it does not know',
    }),
    'troupe:mailbox:high_water': ({ pid, label, length }) => ({
      level: 'warn',
      kind: label,
      fields: { process: pid.toString(), label, length },
      message: 'a mailbox is long',
    }),
    'troupe:mailbox:dropped': ({ pid, label, policy, dropped }) => ({
      level: 'warn',
      kind: `${label} ${policy}`,
      fields: { process: pid.toString(), label, policy, dropped },
      message: 'a full mailbox dropped a message',
    }),
    'troupe:message:undeliverable': ({ from, error }) => {
      const err = errorIn(error);
      const fields = { process: from.toString(), err };
      return { level: 'warn', kind: err.name, fields, message: 'a delayed message could not be sent' };
    },

    // WebSocket connections
    'troupe:fastify:open': ({ pid, label }) => ({
      level: 'debug',
      fields: { process: pid.toString(), label },
      message: 'a connection was opened',
    }),
    'troupe:fastify:close': ({ pid, label, code, reason, received, sent }) => ({
      level: 'debug',
      fields: { process: pid.toString(), label, code, reason: formatReason(reason), received, sent },
      message: 'a connection is over',
    }),
    'troupe:fastify:dropped': ({ pid, label, dropped, bufferedBytes }) => ({
      level: 'warn',
      kind: label,
      fields: { process: pid.toString(), label, dropped, bufferedBytes },
      message: 'frames to a slow client are dropped',
    }),

    // The observer
    'troupe:observer:act': ({ node, address, act, target, what, problem }) => ({
      level: problem === undefined ? 'warn' : 'info',
      ...(problem !== undefined && { kind: address }),
      fields: { node, address, act, target, what: what?.slice(0, TEXT_SHOWN_MAX), problem },
      message:
        problem === undefined
          ? 'the observer did something to a process'
          : 'the observer did not do something to a process',
    }),
    'troupe:observer:session': ({ address, outcome }) => ({
      level: outcome === 'started' ? 'info' : 'warn',
      kind: `${address} ${outcome}`,
      fields: { address, outcome },
      message:
        outcome === 'started'
          ? 'somebody looks into the node with the token of the observer'
          : 'somebody gave the observer a wrong token',
    }),

    // Nodes
    'troupe:pubsub:restarted': ({ pid }) => ({
      level: 'warn',
      fields: { process: pid.toString() },
      message: 'the scope of the channels was restarted, with its members',
    }),
    'troupe:pubsub:restart_failed': ({ error }) => ({
      level: 'error',
      fields: { err: errorIn(error) },
      message: 'the scope of the channels could not be restarted; the node tries again',
    }),
    'troupe:pg:bad_message': ({ scope, node }) => ({
      level: 'warn',
      kind: `${scope} ${node}`,
      fields: { scope, node },
      message: 'a scope got a message that it does not know',
    }),
    'troupe:channel:log_failed': ({ channel, error }) => ({
      // An outage of the database has lines of its own.
      level: isExpected(error) ? 'debug' : 'error',
      kind: channel,
      fields: { channel, err: errorIn(error) },
      message: 'the log of a channel could not read or trim its events; it tries again',
    }),
    'troupe:node:up': ({ peer }) => {
      refusals.delete(peer);
      return { level: 'info', kind: peer, fields: { peer }, message: 'a node is connected' };
    },
    'troupe:node:down': ({ peer, reason }) => {
      const fields = { peer, reason: formatReason(reason) };
      return { level: 'warn', kind: peer, fields, message: 'a node is gone' };
    },
    'troupe:node:bad_signal': ({ peer, error }) => ({
      level: 'warn',
      kind: peer,
      fields: { peer, err: errorIn(error) },
      message: 'a signal of another node could not be applied',
    }),

    // The Erlang distribution
    'troupe:distribution:refused': ({ peer, address, reason }) => {
      const host = address.replace(/:\d+$/, '');
      const who = peer ?? host;
      const isNew = refusals.get(who) !== reason;
      if (refusals.size >= REFUSALS_MAX) refusals.clear();
      refusals.set(who, reason);
      const line = {
        fields: { peer, address, reason },
        message: 'a connection with a node could not be made',
      };
      return isNew ? { level: 'warn', kind: host, ...line } : { level: 'debug', ...line };
    },
    'troupe:distribution:bad_frame': ({ peer, reason }) => ({
      level: 'error',
      kind: peer,
      fields: { peer, reason },
      message: 'a node sent what cannot be read; its connection was closed',
    }),
    'troupe:distribution:busy': ({ peer, queuedBytes }) => ({
      level: 'warn',
      kind: peer,
      fields: { peer, queuedBytes },
      message: 'a node takes messages slower than they are sent',
    }),
    'troupe:distribution:queue_full': ({ peer, queuedBytes }) => ({
      level: 'error',
      kind: peer,
      fields: { peer, queuedBytes },
      message: 'a node was too slow; its connection was closed',
    }),
    'troupe:distribution:dropped': ({ peer, what }) => ({
      level: 'warn',
      kind: peer,
      fields: { peer, what },
      message: 'something that a node sent was left out',
    }),
    'troupe:distribution:epmd': ({ node, state, error }) => ({
      level: state === 'lost' || state === 'failed' ? 'warn' : 'info',
      kind: state,
      fields: { node, ...(error !== undefined && { err: errorIn(error) }) },
      message: EPMD[state],
    }),
    'troupe:distribution:io': ({ from, text }) => ({
      level: 'info',
      kind: from.node,
      fields: { process: from.toString(), peer: from.node },
      message: text.slice(0, TEXT_SHOWN_MAX),
    }),
  };
}

const EPMD = {
  registered: 'the node is registered with epmd',
  serving: 'no epmd was running: this process serves as epmd now',
  lost: 'the connection to epmd was lost; the node registers again as soon as there is one',
  failed: 'the node could not be registered with epmd',
} as const;

/** The name of a call or cast; its argument is not logged. */
function nameOf(request: unknown): string {
  return String((request as { readonly name: unknown }).name).slice(0, 100);
}

/** A log whose errors wait for the outcome of a start: who starts a program that fails is told why, once. */
export interface StartLog {
  readonly log: Log;
  /** Logs the errors, and from now on each at once. */
  succeeded(): void;
  /** Logs them at `debug`. */
  failed(): void;
}

/** Holds back the errors of a start that its caller may report. */
export function holdErrors(log: FastifyBaseLogger): StartLog {
  const held: [fields: object, message: string][] = [];
  let holds = true;
  const release = (level: Level): void => {
    holds = false;
    for (const [fields, message] of held.splice(0)) log[level](fields, message);
  };
  return {
    log: {
      debug: (fields, message) => log.debug(fields, message),
      info: (fields, message) => log.info(fields, message),
      warn: (fields, message) => log.warn(fields, message),
      error: (fields, message) => (holds ? void held.push([fields, message]) : log.error(fields, message)),
    },
    succeeded: () => release('error'),
    failed: () => release('debug'),
  };
}

/** Logs that an event of another node was left out. */
export function logLeftOut(log: FastifyBaseLogger, { peer, topic, problem, count }: LeftOut): void {
  log.warn({ peer, topic, count }, `a broadcast on the channel of the notes was left out: ${problem}`);
}

/** Logs what the indexer reports. */
export function indexerLog(log: FastifyBaseLogger): Pick<IndexerOptions, 'onMissing' | 'onFailed'> {
  return {
    onMissing: (what) => log.warn(what),
    onFailed: (error) => log.error({ err: error }, 'notes could not be indexed; the indexer tries again'),
  };
}

/** Logs that a note cannot be found by its words. */
export function logNotIndexed(log: FastifyBaseLogger, { id, problem }: NotIndexed): void {
  log.error({ id }, `a note cannot be found by its words: ${problem}`);
}

/** Logs that an instance with other notes is connected. */
export function logStranger(log: FastifyBaseLogger, peer: string, theirs: string, own: string): void {
  log.error(
    { peer, theirs, own },
    `${peer} keeps other notes than this instance, so its changes are not shown here: set DATABASE_URL of all ` +
      'instances to one PostgreSQL server, or of all but one to troupe:// and the name of that one',
  );
}

/** An outage is logged again after this many attempts that failed alike: at the longest waits, every quarter of an hour. */
const AWAY_LOGGED_EVERY = 100;

/** Logs what happens to the database, until the function that it returns is called. */
export function logDatabase(
  log: FastifyBaseLogger,
  database: Pick<DatabaseStatus, 'description' | 'onEvent'>,
): () => void {
  let logged: string | undefined;
  return database.onEvent((event) => {
    const { description } = database;
    const reason = event.state === 'unavailable' ? event.reason : undefined;
    const isNews = reason !== logged;
    logged = reason;
    if (event.state === 'ready') log.info(`the database is ready: ${description}`);
    else if (event.state === 'unavailable') {
      log[isNews || event.attempt % AWAY_LOGGED_EVERY === 0 ? 'error' : 'debug'](
        { attempt: event.attempt, retryInMs: event.retryInMs },
        `the database is away: ${event.reason}`,
      );
    } else if (event.reason === undefined) log.info(`the database is closed: ${description}`);
  });
}

function errorIn(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(formatReason(reason));
}
