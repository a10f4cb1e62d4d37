/**
 * What the runtime publishes: events over `node:diagnostics_channel`, and the hook for a tracer. The runtime does not log;
 * subscribe for a log, a metric or a trace. An event without a subscriber costs one check.
 *
 * Channel names and payloads are below; docs/telemetry.md lists them for users.
 *
 * The tracer, `troupe/otel` for one, is one for all nodes of this program. A place that can be traced looks at `tracing.tracer` and
 * does nothing more while that is null. A tracer does not change what it traces: it calls the function that it gets, once and at once,
 * and returns or throws what that does.
 */
import { channel, type Channel } from 'node:diagnostics_channel';
import type { Pid } from './terms/identifiers.ts';
import type { ExitReason } from './terms/reasons.ts';

/** The payload of each event, by channel name. */
export interface TelemetryEvents {
  /** A process was spawned. */
  'troupe:process:spawn': { pid: Pid; label: string; parent: Pid };
  /** A process ended, for whatever reason. */
  'troupe:process:exit': { pid: Pid; label: string; name: string | undefined; reason: ExitReason };
  /** A process ended because its code threw; follows `troupe:process:exit`. OTP's crash report. */
  'troupe:process:crash': { pid: Pid; label: string; name: string | undefined; reason: ExitReason };
  /** A mailbox grew past the high-water mark; not repeated before it has been empty. */
  'troupe:mailbox:high_water': { pid: Pid; label: string; length: number };
  /** A bounded mailbox dropped a message. */
  'troupe:mailbox:dropped': {
    pid: Pid;
    label: string;
    policy: 'reject' | 'dropOldest';
    message: unknown;
    dropped: number;
  };
  /** A message that was to be sent later could not be sent when its time came. */
  'troupe:message:undeliverable': { from: Pid; to: unknown; message: unknown; error: unknown };
  /** A connection to another node is up. */
  'troupe:node:up': { node: string; peer: string };
  /** A connection to another node was lost. */
  'troupe:node:down': { node: string; peer: string; reason: unknown };
  /** A signal from another node was not understood and was left out. */
  'troupe:node:bad_signal': { node: string; peer: string; error: unknown };
  /** A connection to another node could not be made, or one of another node was refused. */
  'troupe:distribution:refused': {
    node: string;
    /** The other node, when it has said its name. */
    peer: string | undefined;
    /** Host and port of the other side. */
    address: string;
    reason: string;
  };
  /** What another node sent could not be read; the connection was closed. */
  'troupe:distribution:bad_frame': { node: string; peer: string; reason: string };
  /** More waits to be sent to a node than its high-water mark; not repeated before all of it was sent. */
  'troupe:distribution:busy': { node: string; peer: string; queuedBytes: number };
  /** More was to wait for a node than may; the connection was closed. */
  'troupe:distribution:queue_full': { node: string; peer: string; queuedBytes: number };
  /** Something that another node sent was left out. */
  'troupe:distribution:dropped': { node: string; peer: string; what: string };
  /** The node is registered with epmd, or is not any more, or could not be; or it serves as epmd itself. */
  'troupe:distribution:epmd': {
    node: string;
    state: 'registered' | 'lost' | 'failed' | 'serving';
    error?: unknown;
  };
  /** A process of another node, whose group leader is here, has written something. */
  'troupe:distribution:io': { node: string; from: Pid; text: string };
  /** A server got a message, call or cast that it has no handler for. */
  'troupe:server:unexpected': { pid: Pid; label: string; kind: 'call' | 'cast' | 'info'; message: unknown };
  /** A server's terminate callback threw, or a server ended with a reason that is a failure. OTP's error report. */
  'troupe:server:terminated': { pid: Pid; label: string; reason: ExitReason; lastMessage: unknown };
  /** A supervisor started a child. OTP's progress report. */
  'troupe:supervisor:child_started': {
    supervisor: Pid;
    label: string;
    id: string;
    pid: Pid;
    restart: boolean;
  };
  /** A child of a supervisor ended, other than cleanly where that is not a failure. OTP's supervisor report. */
  'troupe:supervisor:child_terminated': {
    supervisor: Pid;
    label: string;
    id: string;
    pid: Pid | undefined;
    reason: ExitReason;
    context: 'child_terminated' | 'start_error' | 'shutdown_error';
  };
  /** A supervisor gives up: its children restarted too often. */
  'troupe:supervisor:intensity_reached': { supervisor: Pid; label: string; id: string };
  /** A pg scope ignored a message that it does not understand. */
  'troupe:pg:bad_message': { scope: string; node: string; message: unknown };
  /** A WebSocket connection was opened and has its process. */
  'troupe:fastify:open': { pid: Pid; label: string };
  /** A WebSocket connection is over: its process has ended and its socket is closed. The counts are of frames. */
  'troupe:fastify:close': {
    pid: Pid;
    label: string;
    /** The close code that was sent first, or received; 1006 for none. */
    code: number;
    reason: ExitReason;
    received: number;
    sent: number;
    dropped: number;
  };
  /** Frames to a slow client are being dropped; not repeated before one was sent again. */
  'troupe:fastify:dropped': { pid: Pid; label: string; dropped: number; bufferedBytes: number };
  /** A process of this node, or code outside of any process, has broadcast on a channel; also when it has no members. */
  'troupe:pubsub:broadcast': { node: string; channel: string; topic: string; sender: Pid };
  /** A broadcast was put into the mailboxes of members on this node; not published for those that another node sends directly. */
  'troupe:pubsub:delivered': { node: string; channel: string; members: number };
  /** The scope of the channels had ended and runs again, with the members it had on this node. */
  'troupe:pubsub:restarted': { node: string; pid: Pid };
  /** The scope of the channels could not be started again; it is tried again. */
  'troupe:pubsub:restart_failed': { node: string; error: unknown };
  /** The log of a durable channel could not read or trim its store; it is tried again. */
  'troupe:channel:log_failed': { node: string; channel: string; error: unknown };
  /** A page of the observer did something to a process, or tried to. */
  'troupe:observer:act': {
    /** The node that the process is on. */
    node: string;
    /** The process of the page, and the address that it is shown at. */
    pid: Pid;
    address: string;
    act: 'exit' | 'suspend' | 'resume' | 'send';
    target: string;
    /** The message as JSON, or the exit reason. */
    what: string | undefined;
    /** Why it was not done. */
    problem: string | undefined;
  };
  /** Somebody gave the observer a token. */
  'troupe:observer:session': { node: string; address: string; outcome: 'started' | 'wrong' | 'too many' };
  /** A WebSocket process or a controller failed. */
  'troupe:fastify:failed': { pid: Pid; label: string; reason: ExitReason };
}

/** Name of a telemetry channel. */
export type TelemetryName = keyof TelemetryEvents;

/** @internal A typed channel. */
export interface TelemetryChannel<Name extends TelemetryName> {
  readonly hasSubscribers: boolean;
  publish(event: TelemetryEvents[Name]): void;
}

/** @internal The channel of an event; check `hasSubscribers` before building a payload on a hot path. */
export function telemetry<Name extends TelemetryName>(name: Name): TelemetryChannel<Name> {
  return channel(name);
}

/**
 * Calls `listener` for each event of a name. It runs inside the runtime: it must be quick, and what it throws becomes
 * an uncaught exception.
 * @returns a function that ends the subscription.
 */
export function onTelemetry<Name extends TelemetryName>(
  name: Name,
  listener: (event: TelemetryEvents[Name]) => void,
): () => void {
  const source: Channel = channel(name);
  const receive = (message: unknown): void => {
    listener(message as TelemetryEvents[Name]);
  };
  source.subscribe(receive);
  return () => {
    source.unsubscribe(receive);
  };
}

// ---- the tracer ----

/** @internal A process as a tracer gets it. */
export interface TracedProcess {
  readonly pid: Pid;
  readonly label: string;
}

/** @internal The calls that the runtime makes to a tracer. */
export interface Tracer {
  /** Runs the code of a controller, in the async context of its request. */
  controller<T>(self: TracedProcess, method: string, route: string | undefined, run: () => T): T;
  /** A call is made, in the context of its caller. The same object is what `handled` and `callEnded` get, within a node. */
  callStarted(call: object, name: string, to: string): void;
  /** A call is over. @param outcome its answer, or the error that its caller gets when it has failed */
  callEnded(call: object, failed: boolean, outcome: unknown): void;
  /** Runs the handler of a call. */
  handled<T>(call: object, self: TracedProcess, name: string, run: () => T): T;
  /** A broadcast is made, in the context of its sender. */
  broadcast(channel: string, topic: string): void;
}

/** @internal */
export const tracing: { tracer: Tracer | null } = { tracer: null };
