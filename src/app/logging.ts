// The log: the events of the runtime and of the database, as lines of pino. The runtime itself does not log.
import type { FastifyBaseLogger } from 'fastify';
import { formatReason, isCleanExit, onTelemetry } from '../runtime/index.ts';
import type { Database } from './database/database.ts';

/** Logs what the runtime publishes, until the function that it returns is called. */
export function logRuntime(log: FastifyBaseLogger): () => void {
  const subscriptions = [
    onTelemetry('troupe:process:crash', ({ pid, label, name, reason }) => {
      log.error({ pid: pid.toString(), label, name, err: errorIn(reason) }, 'a process crashed');
    }),
    onTelemetry('troupe:supervisor:child_started', ({ id, pid, restart }) => {
      log.info({ id, pid: pid.toString() }, restart ? 'restarted' : 'started');
    }),
    onTelemetry('troupe:supervisor:child_terminated', ({ id, pid, reason, context }) => {
      const level = isCleanExit(reason) ? 'info' : 'error';
      log[level]({ id, pid: pid?.toString(), context, reason: formatReason(reason) }, 'a child ended');
    }),
    onTelemetry('troupe:supervisor:intensity_reached', ({ label, id }) => {
      log.error({ supervisor: label, id }, 'a supervisor gives up: its children restarted too often');
    }),
    onTelemetry('troupe:mailbox:high_water', ({ pid, label, length }) => {
      log.warn({ pid: pid.toString(), label, length }, 'a mailbox is long');
    }),
    onTelemetry('troupe:mailbox:dropped', ({ pid, label, policy, dropped }) => {
      log.warn({ pid: pid.toString(), label, policy, dropped }, 'a full mailbox dropped a message');
    }),
    onTelemetry('troupe:server:unexpected', ({ pid, label, kind }) => {
      log.warn({ pid: pid.toString(), label, kind }, 'a server got a message that it does not know');
    }),
    onTelemetry('troupe:pg:bad_message', ({ scope, node }) => {
      log.warn({ scope, node }, 'a scope got a message that it does not know');
    }),
    onTelemetry('troupe:node:bad_signal', ({ peer, error }) => {
      log.warn({ peer, err: errorIn(error) }, 'a signal of another node could not be applied');
    }),
  ];
  return () => {
    for (const end of subscriptions) end();
  };
}

/** Logs what happens to the database, until the function that it returns is called. */
export function logDatabase(log: FastifyBaseLogger, database: Database): () => void {
  return database.onEvent((event) => {
    const { description } = database;
    if (event.state === 'ready') log.info(`the database is ready: ${description}`);
    else if (event.state === 'unavailable') {
      log.error(
        { attempt: event.attempt, retryInMs: event.retryInMs },
        `the database is away: ${event.reason}`,
      );
    } else log.info(`the database is closed: ${description}`);
  });
}

function errorIn(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(formatReason(reason));
}
