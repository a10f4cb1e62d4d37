// The log: the events of the runtime and of the database, as lines of pino. The runtime itself does not log.
//
// The pid of a process stands under `process`: `pid` is pino's, the operating system's number.
//
// What each level is for: `error` needs somebody, `warn` may, `info` is the life of the service, `debug` that of each
// connection and request. What other nodes and clients can cause any number of times is told seldom, with its `count`, also what
// their processes print. How long a line may be is `log-lines.ts`'s business.
import type { FastifyBaseLogger } from 'fastify';
import { formatReason, isCleanExit, onTelemetry } from 'troupe';
import type { DatabaseStatus } from './database/database.ts';
import { isExpected } from './http/errors.ts';
import type { IndexerOptions } from './indexer/indexer.ts';
import type { NotIndexed } from './indexer/backlog.ts';
import { TEXT_SHOWN_MAX } from './log-lines.ts';
import type { LeftOut } from './notes/incoming.ts';
import { Recurring } from './recurring.ts';

/** Logs what the runtime publishes, until the function that it returns is called. */
export function logRuntime(log: FastifyBaseLogger): () => void {
  const subscriptions = [
    ...logProcesses(log),
    ...logConnections(log),
    ...logNodes(log),
    ...logDistribution(log),
  ];
  return () => {
    for (const end of subscriptions) end();
  };
}

function logProcesses(log: FastifyBaseLogger): (() => void)[] {
  const crashes = new Recurring();
  const unexpected = new Recurring();
  const long = new Recurring();
  const full = new Recurring();
  const undeliverable = new Recurring();
  return [
    onTelemetry('troupe:process:crash', ({ pid, label, name, reason }) => {
      if (isExpected(reason)) return; // a controller whose client has been told; the request's own line says it
      const err = errorIn(reason);
      const count = crashes.due(`${label} ${name ?? ''} ${err.message.slice(0, KIND_MAX)}`);
      if (count !== undefined)
        log.error({ process: pid.toString(), label, name, count, err }, 'a process crashed');
    }),
    onTelemetry('troupe:supervisor:child_started', ({ id, pid, restart }) => {
      log.info({ id, process: pid.toString() }, restart ? 'restarted' : 'started');
    }),
    onTelemetry('troupe:supervisor:child_terminated', ({ id, pid, reason, context }) => {
      const level = isCleanExit(reason) ? 'info' : 'error';
      log[level]({ id, process: pid?.toString(), context, reason: formatReason(reason) }, 'a child ended');
    }),
    onTelemetry('troupe:supervisor:intensity_reached', ({ label, id }) => {
      log.error({ supervisor: label, id }, 'a supervisor gives up: its children restarted too often');
    }),
    onTelemetry('troupe:server:unexpected', ({ pid, label, kind, message }) => {
      const request = kind === 'info' ? undefined : nameOf(message);
      const count = unexpected.due(`${kind} ${label}`);
      if (count === undefined) return;
      log.warn(
        { process: pid.toString(), label, kind, request, count },
        'a process got a message that it does not know',
      );
    }),
    onTelemetry('troupe:mailbox:high_water', ({ pid, label, length }) => {
      const count = long.due(label);
      if (count !== undefined)
        log.warn({ process: pid.toString(), label, length, count }, 'a mailbox is long');
    }),
    onTelemetry('troupe:mailbox:dropped', ({ pid, label, policy, dropped }) => {
      const count = full.due(`${label} ${policy}`);
      if (count === undefined) return;
      log.warn(
        { process: pid.toString(), label, policy, dropped, count },
        'a full mailbox dropped a message',
      );
    }),
    onTelemetry('troupe:message:undeliverable', ({ from, error }) => {
      const err = errorIn(error);
      const count = undeliverable.due(err.name);
      if (count === undefined) return;
      log.warn({ process: from.toString(), count, err }, 'a message could not be sent when its time came');
    }),
  ];
}

/** The name of a call or cast; what it is about is not logged. */
function nameOf(request: unknown): string {
  return String((request as { readonly name: unknown }).name).slice(0, 100);
}

function logConnections(log: FastifyBaseLogger): (() => void)[] {
  const slow = new Recurring();
  return [
    onTelemetry('troupe:fastify:open', ({ pid, label }) => {
      log.debug({ process: pid.toString(), label }, 'a connection was opened');
    }),
    onTelemetry('troupe:fastify:close', ({ pid, label, code, reason, received, sent }) => {
      log.debug(
        { process: pid.toString(), label, code, reason: formatReason(reason), received, sent },
        'a connection is over',
      );
    }),
    onTelemetry('troupe:fastify:dropped', ({ pid, label, dropped, bufferedBytes }) => {
      const count = slow.due(label);
      if (count === undefined) return;
      log.warn(
        { process: pid.toString(), label, dropped, bufferedBytes, count },
        'frames to a slow client are dropped',
      );
    }),
  ];
}

function logNodes(log: FastifyBaseLogger): (() => void)[] {
  const badMessages = new Recurring();
  const badSignals = new Recurring();
  const ups = new Recurring();
  const downs = new Recurring();
  return [
    onTelemetry('troupe:pubsub:restarted', ({ pid }) => {
      log.warn({ process: pid.toString() }, 'the scope of the channels was restarted, with its members');
    }),
    onTelemetry('troupe:pubsub:restart_failed', ({ error }) => {
      log.error(
        { err: errorIn(error) },
        'the scope of the channels could not be restarted; it is tried again',
      );
    }),
    onTelemetry('troupe:pg:bad_message', ({ scope, node }) => {
      const count = badMessages.due(`${scope} ${node}`);
      if (count !== undefined)
        log.warn({ scope, node, count }, 'a scope got a message that it does not know');
    }),
    onTelemetry('troupe:node:up', ({ peer }) => {
      const count = ups.due(peer);
      log[count === undefined ? 'debug' : 'info']({ peer, count }, 'a node is connected');
    }),
    onTelemetry('troupe:node:down', ({ peer, reason }) => {
      const count = downs.due(peer);
      log[count === undefined ? 'debug' : 'warn'](
        { peer, reason: formatReason(reason), count },
        'a node is gone',
      );
    }),
    onTelemetry('troupe:node:bad_signal', ({ peer, error }) => {
      const count = badSignals.due(peer);
      if (count === undefined) return;
      log.warn({ peer, count, err: errorIn(error) }, 'a signal of another node could not be applied');
    }),
  ];
}

function logDistribution(log: FastifyBaseLogger): (() => void)[] {
  /** Why connections with nodes could not be made: the same reason is told once, until there is a connection. */
  const told = new Map<string, string>();
  const dropped = new Recurring();
  const badFrames = new Recurring();
  const busy = new Recurring();
  const tooSlow = new Recurring();
  const epmd = new Recurring();
  const prints = new Recurring({ burst: PRINTS_TOLD });
  // Whoever reaches the port can say that it is any node.
  const refusals = new Recurring({ burst: REFUSALS_TOLD });
  return [
    onTelemetry('troupe:distribution:refused', ({ peer, address, reason }) => {
      const host = address.replace(/:\d+$/, '');
      const who = peer ?? host;
      const isNew = told.get(who) !== reason;
      if (told.size >= TOLD_MAX) told.clear();
      told.set(who, reason);
      const count = isNew ? refusals.due(host) : undefined;
      const level = count === undefined ? 'debug' : 'warn';
      log[level]({ peer, address, reason, count }, 'a connection with a node could not be made');
    }),
    onTelemetry('troupe:node:up', ({ peer }) => void told.delete(peer)),
    onTelemetry('troupe:distribution:bad_frame', ({ peer, reason }) => {
      const count = badFrames.due(peer);
      if (count === undefined) return;
      log.error({ peer, reason, count }, 'a node sent what cannot be read; its connection was closed');
    }),
    onTelemetry('troupe:distribution:busy', ({ peer, queuedBytes }) => {
      const count = busy.due(peer);
      if (count !== undefined)
        log.warn({ peer, queuedBytes, count }, 'a node takes messages slower than they are sent');
    }),
    onTelemetry('troupe:distribution:queue_full', ({ peer, queuedBytes }) => {
      const count = tooSlow.due(peer);
      if (count !== undefined)
        log.error({ peer, queuedBytes, count }, 'a node was too slow; its connection was closed');
    }),
    onTelemetry('troupe:distribution:dropped', ({ peer, what }) => {
      const count = dropped.due(peer);
      if (count !== undefined) log.warn({ peer, what, count }, 'something that a node sent was left out');
    }),
    onTelemetry('troupe:distribution:epmd', ({ node, state, error }) => {
      const bad = state === 'lost' || state === 'failed';
      const count = epmd.due(state);
      if (count === undefined) return;
      log[bad ? 'warn' : 'info'](
        { node, count, ...(error !== undefined && { err: errorIn(error) }) },
        EPMD[state],
      );
    }),
    onTelemetry('troupe:distribution:io', ({ from, text }) => {
      const count = prints.due(from.node);
      if (count === undefined) return;
      log.info({ process: from.toString(), peer: from.node, count }, text.slice(0, TEXT_SHOWN_MAX));
    }),
  ];
}

const EPMD = {
  registered: 'the node is registered with epmd',
  serving: 'no epmd was there: this process is it now',
  lost: 'the connection to epmd was lost; the node registers again as soon as there is one',
  failed: 'the node could not be registered with epmd',
} as const;
const TOLD_MAX = 1_000;
/** So many refusals of one host are told in ten seconds. */
const REFUSALS_TOLD = 20;
/** Characters of an error by which crashes are told apart. */
const KIND_MAX = 100;
/** So many texts that processes of one node write are told in ten seconds. */
const PRINTS_TOLD = 20;

/** Logs that an event of another node was left out. */
export function logLeftOut(log: FastifyBaseLogger, { peer, topic, problem, count }: LeftOut): void {
  log.warn({ peer, topic, count }, `a broadcast on the channel of the notes was left out: ${problem}`);
}

/** Logs what the indexer tells. */
export function indexerLog(log: FastifyBaseLogger): Pick<IndexerOptions, 'onMissing' | 'onFailed'> {
  return {
    onMissing: (what) => log.warn(what),
    onFailed: (error) => log.error({ err: error }, 'notes could not be indexed; it is tried again'),
  };
}

/** Logs that a note cannot be found by its words. */
export function logNotIndexed(log: FastifyBaseLogger, { id, problem }: NotIndexed): void {
  log.error({ id }, `a note cannot be found by its words: ${problem}`);
}

/** Logs that instances are connected which are no one service. */
export function logStranger(log: FastifyBaseLogger, peer: string, theirs: string, own: string): void {
  log.error(
    { peer, theirs, own },
    `${peer} keeps other notes than this instance, so what happens there is not shown here: set DATABASE_URL of all ` +
      'instances to one PostgreSQL server, or of all but one to troupe:// and the name of that one',
  );
}

/** An outage is told again after so many further attempts of the same kind: at the longest waits, in a quarter of an hour. */
const AWAY_TOLD_EVERY = 100;

/** Logs what happens to the database, until the function that it returns is called. */
export function logDatabase(
  log: FastifyBaseLogger,
  database: Pick<DatabaseStatus, 'description' | 'onEvent'>,
): () => void {
  let told: string | undefined;
  return database.onEvent((event) => {
    const { description } = database;
    const reason = event.state === 'unavailable' ? event.reason : undefined;
    const isNews = reason !== told;
    told = reason;
    if (event.state === 'ready') log.info(`the database is ready: ${description}`);
    else if (event.state === 'unavailable') {
      log[isNews || event.attempt % AWAY_TOLD_EVERY === 0 ? 'error' : 'debug'](
        { attempt: event.attempt, retryInMs: event.retryInMs },
        `the database is away: ${event.reason}`,
      );
    } else if (event.reason === undefined) log.info(`the database is closed: ${description}`);
  });
}

function errorIn(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(formatReason(reason));
}
