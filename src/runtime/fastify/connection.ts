/**
 * One WebSocket connection: the socket, the process that belongs to it, and how the end of one becomes the end of the other.
 *
 *     open ──end()──▶ ending: the process handles what came before, then leave()s
 *       │                │
 *       └──leave(), crash() or an exit signal──▶ exited: the socket is closed ──the client answers, or closeTimeoutMs──▶ over
 *
 *     end()            somebody else asks for it: the client, a limit, the application
 *     leave(), crash() the process itself ends: `terminate` runs, then it exits
 *     targetExited()   the process is gone, for whatever reason: the close frame is sent
 *     kill()           both end at once
 *
 * What the process exits with and what the client is told stand in one table, `ENDS`; what the process does with a message is
 * in `connection-process.ts`.
 *
 * Invariants: the listeners of the socket are attached before the function that opens it returns, so no frame is missed; the
 * first cause of the end stays its cause; `terminate` runs at most once; the process outlives its socket by at most
 * `drainTimeoutMs`, and the socket its process by at most `closeTimeoutMs` (which `ws` sees to).
 */
import type { WebSocket } from '@fastify/websocket';
import type { RawData } from 'ws';
import type { FastifyRequest } from 'fastify';
import { isThenable, type SpawnOptions } from '../process/behaviour.ts';
import { terminate } from '../process/exit.ts';
import { type ExitReason, isCleanExit, isShutdown, reasonOfThrown } from '../process/messages.ts';
import { addWatch } from '../process/monitor.ts';
import { TimerEntry } from '../process/timers.ts';
import type { Node } from '../process/node.ts';
import type { Process } from '../process/process.ts';
import { reportFailure } from '../process/report.ts';
import { telemetry } from '../telemetry.ts';
import { connectionBehaviour, DROPPED, Ending, Received } from './connection-process.ts';
import type { IncomingFrame, OutgoingFrame, WebSocketDefinition } from './handler.ts';
import { Alarm, type ConnectionLimits, Rate } from './limits.ts';
import { Outbox, type OutboxEvents } from './outbox.ts';

const openEvent = telemetry('troupe:fastify:open');
const closeEvent = telemetry('troupe:fastify:close');
const failedEvent = telemetry('troupe:fastify:failed');
const droppedEvent = telemetry('troupe:fastify:dropped');

/** States of a socket; `WebSocket.OPEN` and `WebSocket.CLOSED` of `ws`. */
const OPEN = 1;
const CLOSED = 3;
/** A connection runs in the async context of the request that was upgraded. */
const IN_REQUEST: SpawnOptions = { asyncContext: 'spawner' };
/** The payload of a heartbeat; it tells a heartbeat's pong from one to a handler's own ping. */
const HEARTBEAT = Buffer.from('troupe');

/** What the client is told. */
export interface CloseStatus {
  readonly code: number;
  readonly reason: string;
}

/** How a connection ends: what its process exits with, and the close frame, if it is not the one of the exit reason. */
interface End {
  readonly exit: ExitReason;
  readonly close?: CloseStatus;
}

/** The ends that this library decides on; a client that is gone gets no close frame. The end with the application is in `app.ts`. */
const ENDS = {
  noHeartbeat: { exit: ['shutdown', 'timeout'] },
  idle: { exit: ['shutdown', 'timeout'], close: { code: 1000, reason: 'idle' } },
  tooManyMessages: { exit: ['shutdown', 'rate_limit'], close: { code: 1008, reason: 'too many messages' } },
  tooSlow: { exit: ['shutdown', 'slow_client'], close: { code: 1013, reason: 'too slow' } },
} as const satisfies Record<string, End>;

/** The close frame for a process that ended with a reason that has none of its own. */
function closeOf(reason: ExitReason): CloseStatus {
  if (reason === 'normal') return { code: 1000, reason: '' };
  if (isShutdown(reason)) return { code: 1001, reason: 'going away' };
  return { code: 1011, reason: 'internal error' };
}

/** The end that a client causes by a close frame, or by leaving without one. */
function endByClient(code: number, text: string): End {
  return { exit: ['shutdown', code === 1006 ? ['error', 'closed'] : ['remote', code, text]] };
}

/** The end that a broken socket or a breach of the protocol causes; `ws` itself sends the close frame. */
function endByError(error: NodeJS.ErrnoException): End {
  return { exit: ['shutdown', ['error', error.code ?? error.message]] };
}

/** The close code that `ws` answers a breach of the protocol with; undefined for a failure of the transport. */
function errorCloseCode(code: string | undefined): number | undefined {
  switch (code) {
    case 'WS_ERR_INVALID_UTF8':
      return 1007;
    case 'WS_ERR_TOO_MANY_BUFFERED_PARTS':
      return 1008;
    case 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH':
    case 'WS_ERR_UNSUPPORTED_DATA_PAYLOAD_LENGTH':
      return 1009;
    default:
      return code?.startsWith('WS_ERR_') === true ? 1002 : undefined;
  }
}

/** @internal Who owns a connection. */
export interface ConnectionOwner {
  /** The close frame for a client that should come back when the server does. */
  goingAway(): CloseStatus;
  /** Both process and socket are gone. */
  over(connection: Connection): void;
}

/** @internal A connection; see the head of this file. */
export class Connection extends TimerEntry implements OutboxEvents {
  readonly process: Process;
  readonly definition: WebSocketDefinition;
  /** The request and the handler's arguments; forgotten after `init`. */
  start: { readonly request: FastifyRequest; readonly args: readonly never[] } | null;
  /** What `init` made. */
  state: unknown = undefined;
  /** True once the process itself ends: its `terminate` has been called. */
  leaving = false;
  /** Frames that came from the client. */
  received = 0;
  /** Frames that were sent to it. */
  sent = 0;
  /** Frames that were to be sent to it and were dropped. */
  dropped = 0;
  readonly #socket: WebSocket;
  readonly #limits: ConnectionLimits;
  readonly #owner: ConnectionOwner;
  readonly #outbox: Outbox;
  /** Made when first needed, as most connections have no such limit or never come to it. */
  #idle: Alarm | null = null;
  #drain: Alarm | null = null;
  readonly #rate: Rate | null;
  /** How it ends, once that is settled. */
  #end: End | null = null;
  /** The close code that was sent first, or else received. */
  #code: number | undefined = undefined;
  #heard = true;
  #paused = false;
  #overHighWater = false;
  /** How many of the dropped frames the handler knows about. */
  #droppedTold = 0;
  /** True from the first dropped frame until the handler's `dropped` runs. */
  #missing = false;

  /** Spawns the process and attaches the listeners. */
  constructor(
    node: Node,
    definition: WebSocketDefinition,
    start: NonNullable<Connection['start']>,
    socket: WebSocket,
    limits: ConnectionLimits,
    owner: ConnectionOwner,
  ) {
    super();
    this.definition = definition;
    this.start = start;
    this.#socket = socket;
    this.#limits = limits;
    this.#owner = owner;
    this.process = node.create(connectionBehaviour(definition), [this], undefined, IN_REQUEST);
    this.#outbox = new Outbox(socket, limits, node.timers, this);
    this.#rate =
      limits.messagesPerSecond === Infinity ? null : new Rate(limits.messagesPerSecond, node.clock.now());
    addWatch(this.process, this);
    listen(socket, this);
    this.#startHeartbeat();
    this.#restartIdle();
    if (openEvent.hasSubscribers) openEvent.publish({ pid: this.process.pid, label: definition.name });
  }

  // ---- for the process ----

  /** `init` is done. */
  opened(state: unknown): void {
    this.start = null;
    this.state = state;
  }

  /** Sends a frame, unless the client is gone; ends the process of one that is too slow. */
  send(frame: OutgoingFrame): Promise<void> | void {
    if (this.#socket.readyState !== OPEN) return undefined;
    if (!this.#missing && this.#outbox.put(frame)) {
      this.#overHighWater = false;
      this.sent++;
      return undefined;
    }
    if (this.#limits.slowClient !== 'drop') return this.leave(ENDS.tooSlow.exit, ENDS.tooSlow.close);
    this.#drop();
    this.#missing = this.definition.callbacks.dropped !== undefined;
    return undefined;
  }

  /** How many frames were dropped since the last call; later frames are sent again. */
  takeDropped(): number {
    const count = this.dropped - this.#droppedTold;
    this.#droppedTold = this.dropped;
    this.#missing = false;
    return count;
  }

  /** Reads on from the socket once the mailbox is short enough; called after each message. */
  handled(): void {
    if (!this.#paused || this.#end !== null) return;
    if (this.process.mailboxLength > this.#limits.mailboxHighWater >> 1) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** What `sys:get_status` shows of it. */
  details(): Readonly<Record<string, unknown>> {
    return {
      received: this.received,
      sent: this.sent,
      dropped: this.dropped,
      bufferedBytes: this.#outbox.bytes,
      paused: this.#paused,
    };
  }

  // ---- for the outbox ----

  onTaken(): void {
    this.#heard = true;
  }

  onStuck(): void {
    this.end(ENDS.tooSlow);
  }

  onRoom(): void {
    if (this.#missing && this.#end === null && this.process.alive) this.process.deliverSignal(DROPPED);
  }

  onReplaced(): void {
    this.dropped++;
  }

  // ---- the end ----

  /** Asks the process to end, after what is in its mailbox and within `drainTimeoutMs`; the first end counts. */
  end(end: End): void {
    if (this.#end !== null || !this.process.alive) return;
    this.#end = end;
    this.#startDrain();
    this.process.deliverSignal(new Ending(end.exit));
  }

  /** The process ends with a reason: runs `terminate`, for at most `drainTimeoutMs`, then exits. */
  leave(exit: ExitReason, close?: CloseStatus): Promise<void> | void {
    if (!isCleanExit(exit) && !failedEvent.hasSubscribers) {
      const { pid, label, node } = this.process;
      reportFailure(node, { kind: 'error', channel: 'troupe:fastify:failed', pid, label, reason: exit });
    }
    const done = this.#terminate(close === undefined ? { exit } : { exit, close });
    if (!isThenable(done)) {
      terminate(this.process, exit);
      return undefined;
    }
    return done.then(() => {
      terminate(this.process, exit);
    });
  }

  /** The process ends with what a callback threw. As in OTP, `terminate` runs before the crash. */
  crash(thrown: unknown): Promise<never> {
    const done = this.process.alive ? this.#terminate({ exit: reasonOfThrown(thrown) }) : undefined;
    if (!isThenable(done)) throw thrown;
    return done.then(() => {
      throw thrown;
    });
  }

  /** Ends process and socket at once, without waiting for either. */
  kill(): void {
    this.#socket.terminate();
    terminate(this.process, 'killed');
  }

  /** The process has exited. */
  override targetExited(exit: ExitReason): void {
    // A close frame belongs to its exit reason; a process may exit with another one after all.
    const end: End = this.#end !== null && this.#end.exit === exit ? this.#end : { exit };
    this.#end = end;
    this.start = null;
    this.process.node.timers.drop(this);
    this.#idle?.cancel();
    this.#drain?.cancel();
    if (failedEvent.hasSubscribers && !isCleanExit(exit)) {
      failedEvent.publish({ pid: this.process.pid, label: this.definition.name, reason: exit });
    }
    const socket = this.#socket;
    // What waits for a client that does not read is discarded; it comes back and asks.
    this.#outbox.end({ flush: exit !== ENDS.tooSlow.exit });
    if (socket.readyState === OPEN) {
      const { code, reason } = end.close ?? (exit === 'shutdown' ? this.#owner.goingAway() : closeOf(exit));
      this.#code ??= code;
      socket.close(code, reason);
    }
    // The client's answer to the close stands behind what was not read yet.
    if (this.#paused) socket.resume();
    this.#finish();
  }

  /** Calls `terminate`, once. When it throws, the process exits with what it threw. */
  #terminate(end: End): Promise<void> | void {
    if (this.leaving) return undefined;
    this.leaving = true;
    this.#end ??= end;
    const done = this.definition.callbacks.terminate?.(this.state, end.exit, this.process);
    if (isThenable(done)) this.#startDrain();
    return done;
  }

  #startDrain(): void {
    this.#drain ??= new Alarm(this.process.node.timers, () => {
      terminate(this.process, this.#end?.exit);
    });
    this.#drain.start(this.#limits.drainTimeoutMs);
  }

  /** Once both are gone, the connection is over. */
  #finish(): void {
    if (this.process.alive || this.#socket.readyState !== CLOSED) return;
    this.#owner.over(this);
    if (!closeEvent.hasSubscribers) return;
    closeEvent.publish({
      pid: this.process.pid,
      label: this.definition.name,
      code: this.#code ?? 1006,
      reason: this.#end?.exit,
      received: this.received,
      sent: this.sent,
      dropped: this.dropped,
    });
  }

  // ---- the socket ----

  /** A message, a ping or a pong has come. */
  receive(type: IncomingFrame['type'], data: string | Buffer): void {
    if (this.#end !== null) return;
    const { process } = this;
    this.#heard = true;
    this.received++;
    if (this.#rate !== null && !this.#rate.take(process.node.clock.now())) {
      this.end(ENDS.tooManyMessages);
      this.#pause();
      return;
    }
    if (type === 'text' || type === 'binary') this.#restartIdle();
    process.deliver(new Received(type, data));
    if (process.mailboxLength >= this.#limits.mailboxHighWater) this.#pause();
  }

  pong(data: Buffer): void {
    if (data.equals(HEARTBEAT)) this.#heard = true;
    else this.receive('pong', data);
  }

  failed(error: NodeJS.ErrnoException): void {
    this.#code ??= errorCloseCode(error.code);
    this.end(endByError(error));
  }

  closed(code: number, text: string): void {
    this.#code ??= code;
    this.end(endByClient(code, text));
    this.#finish();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #restartIdle(): void {
    const { idleTimeoutMs } = this.#limits;
    if (idleTimeoutMs === Infinity) return;
    this.#idle ??= new Alarm(this.process.node.timers, () => {
      this.end(ENDS.idle);
    });
    this.#idle.start(idleTimeoutMs);
  }

  #startHeartbeat(): void {
    const { heartbeatMs } = this.#limits;
    if (heartbeatMs !== Infinity) this.process.node.timers.start(this, Math.ceil(heartbeatMs));
  }

  /** It is time for a heartbeat. */
  override expired(): void {
    if (!this.#heard) {
      this.end(ENDS.noHeartbeat);
      this.#socket.terminate();
      return;
    }
    // What a paused socket has received is not seen, so it cannot be missed.
    this.#heard = this.#paused;
    if (this.#socket.readyState === OPEN) this.#socket.ping(HEARTBEAT);
    this.#startHeartbeat();
  }

  #drop(): void {
    this.dropped++;
    if (this.#overHighWater) return;
    this.#overHighWater = true;
    if (!droppedEvent.hasSubscribers) return;
    droppedEvent.publish({
      pid: this.process.pid,
      label: this.definition.name,
      dropped: this.dropped,
      bufferedBytes: this.#outbox.bytes,
    });
  }
}

// ---- the listeners of a socket: one set for all, as an idle connection should cost little ----

const CONNECTION = Symbol('troupe.connection');

type Listened = WebSocket & { [CONNECTION]: Connection };

/** True for a socket that has a process. */
export function hasConnection(socket: WebSocket): boolean {
  return CONNECTION in socket;
}

function listen(socket: WebSocket, connection: Connection): void {
  (socket as Listened)[CONNECTION] = connection;
  socket.on('message', onMessage);
  socket.on('ping', onPing);
  socket.on('pong', onPong);
  socket.on('error', onError);
  socket.on('close', onClose);
}

function onMessage(this: WebSocket, data: RawData, isBinary: boolean): void {
  const bytes = data as Buffer;
  if (isBinary) (this as Listened)[CONNECTION].receive('binary', bytes);
  else (this as Listened)[CONNECTION].receive('text', bytes.toString());
}

function onPing(this: WebSocket, data: Buffer): void {
  (this as Listened)[CONNECTION].receive('ping', data);
}

function onPong(this: WebSocket, data: Buffer): void {
  (this as Listened)[CONNECTION].pong(data);
}

function onError(this: WebSocket, error: Error): void {
  (this as Listened)[CONNECTION].failed(error);
}

function onClose(this: WebSocket, code: number, reason: Buffer): void {
  (this as Listened)[CONNECTION].closed(code, reason.toString());
}
