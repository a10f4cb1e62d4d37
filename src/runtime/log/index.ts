/**
 * The public entry point of the log: `import { logEvents } from 'troupe/log'`.
 *
 * The runtime does not log, it publishes events. This makes them lines of a program's own logger, at levels and as seldom as somebody
 * wants to read them who runs the program. It stands beside the core, which no program needs it for, and depends on no logger.
 */
import {
  formatReason,
  isCleanExit,
  type Node,
  onTelemetry,
  type Pid,
  type TelemetryEvents,
  type TelemetryName,
} from '../index.ts';
import { badArgument } from '../errors.ts';
import { loggableError } from '../process/report.ts';
import { Recurring } from './recurring.ts';

export { KEYS_MAX, Recurring } from './recurring.ts';

const LEVELS = ['debug', 'info', 'warn', 'error'] as const;
type Level = (typeof LEVELS)[number];

/** What a logger needs: the functions of pino's, Fastify's `app.log`, or another that takes fields and a text. */
export type EventLogger = { readonly [Each in Level]: (fields: object, message: string) => void };

/** Options of {@link logEvents}. */
export interface LogEventsOptions {
  /** Logs the events of this node only; by default of all nodes of the program. */
  readonly node?: Node;
  /**
   * Tells failures that are known already, such as an answer to a client: a process that crashes with one is not logged, the log of a
   * channel that fails with one is at `debug`. By default there are none.
   */
  readonly isExpected?: (reason: unknown) => boolean;
}

/** Characters of one text in a line. */
const TEXT_MAX = 2_000;

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

/**
 * Logs what the runtime publishes, an event a line, until the function that is returned is called.
 *
 * Levels: `error` needs somebody's attention, `warn` may, `info` shows the life of the program, `debug` that of each connection. The pid
 * of a process is the field `process`, since `pid` is the operating system's number in a line of pino; an error is `err`. What other nodes,
 * clients and crashing processes can cause any number of times is logged seldom, with the `count` of what it stands for. Texts are cut.
 * @param log a logger of pino, or any other with its four functions; what it throws becomes an uncaught exception
 * @throws TroupeError TROUPE_BAD_ARGUMENT when a function is missing
 */
export function logEvents(log: EventLogger, options: LogEventsOptions = {}): () => void {
  for (const level of LEVELS) {
    if (typeof (log as Partial<EventLogger> | undefined)?.[level] === 'function') continue;
    throw badArgument(`A logger has the functions ${LEVELS.join(', ')}; this one has no ${level}.`);
  }
  const lines = linesFor(options.isExpected ?? (() => false));
  const ends = (Object.keys(lines) as TelemetryName[]).map((name) =>
    follow(log, name, lines[name], options.node?.name),
  );
  return () => {
    for (const end of ends) end();
  };
}

function follow<Name extends TelemetryName>(
  log: EventLogger,
  name: Name,
  lineOf: Lines[Name],
  node: string | undefined,
): () => void {
  const recurring = new Recurring({ burst: BURSTS[name] ?? 1 });
  return onTelemetry(name, (event) => {
    if (node !== undefined && nodeOf(event) !== node) return;
    const line = lineOf?.(event);
    if (line === undefined) return;
    const { level, message, kind } = line;
    const fields = cutTexts(line.fields);
    const count = kind === undefined ? undefined : recurring.due(kind);
    if (kind === undefined || count !== undefined) log[level]({ ...fields, count }, message);
    else if (ALWAYS_LOGGED.has(name)) log.debug(fields, message);
  });
}

/** The node that an event is of. */
function nodeOf(event: TelemetryEvents[TelemetryName]): string | undefined {
  const { pid, supervisor, from, node } = event as Partial<Record<'pid' | 'supervisor' | 'from', Pid>> & {
    node?: string;
  };
  return node ?? (pid ?? supervisor ?? from)?.node;
}

function cutTexts(fields: object): object {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? value.slice(0, TEXT_MAX) : value,
    ]),
  );
}

function linesFor(isExpected: (reason: unknown) => boolean): Lines {
  /** Why connections with nodes could not be made: the same reason is a warning once, until there is a connection. */
  const refusals = new Map<string, string>();
  return {
    // Processes, servers, supervisors
    'troupe:process:crash': ({ pid, label, name, reason }) => {
      if (isExpected(reason)) return undefined;
      const err = loggableError(reason);
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
      const err = loggableError(error);
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
      fields: { node, address, act, target, what, problem },
      message:
        problem === undefined
          ? 'the observer did something to a process'
          : 'the observer did not do something to a process',
    }),
    'troupe:observer:session': ({ address, outcome }) => ({
      level: outcome === 'started' ? 'info' : 'warn',
      kind: `${address} ${outcome}`,
      fields: { address, outcome },
      message: SESSIONS[outcome],
    }),

    // Nodes
    'troupe:pubsub:restarted': ({ pid }) => ({
      level: 'warn',
      fields: { process: pid.toString() },
      message: 'the scope of the channels was restarted, with its members',
    }),
    'troupe:pubsub:restart_failed': ({ error }) => ({
      level: 'error',
      fields: { err: loggableError(error) },
      message: 'the scope of the channels could not be restarted; the node tries again',
    }),
    'troupe:pg:bad_message': ({ scope, node }) => ({
      level: 'warn',
      kind: `${scope} ${node}`,
      fields: { scope, node },
      message: 'a scope got a message that it does not know',
    }),
    'troupe:channel:log_failed': ({ channel, error }) => ({
      level: isExpected(error) ? 'debug' : 'error',
      kind: channel,
      fields: { channel, err: loggableError(error) },
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
      fields: { peer, err: loggableError(error) },
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
      fields: { node, ...(error !== undefined && { err: loggableError(error) }) },
      message: EPMD[state],
    }),
    'troupe:distribution:io': ({ from, text }) => ({
      level: 'info',
      kind: from.node,
      fields: { process: from.toString(), peer: from.node },
      message: text.slice(0, TEXT_MAX),
    }),
  };
}

const SESSIONS = {
  started: 'somebody looks into the node with the token of the observer',
  wrong: 'somebody gave the observer a wrong token',
  'too many': 'somebody gave the observer too many wrong tokens; the next is not looked at',
} as const;

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
