// The log: the events of the runtime and of the database, as lines of pino. Those of the runtime are made by `troupe/log`.
//
// Levels: `error` needs attention, `warn` may, `info` shows the life of the service, `debug` that of each connection
// and request. What other nodes and clients can cause any number of times, and what their processes print, is logged seldom, with
// its `count`. `log-lines.ts` bounds the length of a line.
import type { FastifyBaseLogger } from 'fastify';
import { type EventLogger, logEvents } from 'troupe/log';
import type { Database, DatabaseStatus } from './database/database.ts';
import { isExpected } from './http/errors.ts';
import type { IndexerOptions } from './indexer/indexer.ts';
import type { NotIndexed } from './indexer/backlog.ts';
import type { LeftOut } from './notes/incoming.ts';

/** Logs what the runtime publishes, until the function that it returns is called. A client has its answer to what is expected. */
export function logRuntime(log: EventLogger): () => void {
  return logEvents(log, { isExpected });
}

/** A log whose errors wait for the outcome of a start: the user who starts a program that fails reads the reason once. */
export interface StartLog {
  readonly log: EventLogger;
  /** Logs the errors, and from now on each at once. */
  succeeded(): void;
  /** Logs them at `debug`. */
  failed(): void;
}

/** Holds back the errors of a start that its caller may report. */
export function holdErrors(log: FastifyBaseLogger): StartLog {
  const held: [fields: object, message: string][] = [];
  let holds = true;
  const release = (level: 'debug' | 'error'): void => {
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
  database: Pick<DatabaseStatus, 'description' | 'onEvent'> & Pick<Database, 'onDeaf'>,
): () => void {
  let logged: string | undefined;
  const stopHearing = database.onDeaf?.((reason) =>
    log.warn(
      `the database does not tell of new events: ${reason}; an event that its instance did not hand out is found by looking, within a ` +
        'minute: let DATABASE_URL name the server itself, or a pooler that shares no connections between transactions',
    ),
  );
  const stop = database.onEvent((event) => {
    const { description } = database;
    const reason = event.state === 'unavailable' ? event.reason : undefined;
    const isNews = reason !== logged;
    logged = reason;
    if (event.state === 'ready') {
      if (event.migrated !== undefined) {
        const { count, last } = event.migrated;
        log.info(`the database was migrated: ${count} applied, the last is ${last}`);
      }
      log.info(`the database is ready: ${description}`);
    } else if (event.state === 'unavailable') {
      log[isNews || event.attempt % AWAY_LOGGED_EVERY === 0 ? 'error' : 'debug'](
        { attempt: event.attempt, retryInMs: event.retryInMs },
        `the database is away: ${event.reason}`,
      );
    } else if (event.reason === undefined) log.info(`the database is closed: ${description}`);
  });
  return () => {
    stop();
    stopHearing?.();
  };
}
