/**
 * One WebSocket connection: the socket, the process that belongs to it, and how the end of one becomes the end of the
 * other.
 *
 *     open ──the process ends──▶ closing: a close frame is sent ──the client answers, or closeTimeoutMs──▶ over
 *       │
 *       └──the socket ends, or a limit is passed──▶ ending: the process handles what had come ──it exits──▶ over
 *
 * Invariants: the listeners of the socket are attached before the function that opens it returns, so no frame is
 * missed; the first cause of the end stays its cause; the process never outlives its socket by more than
 * `drainTimeoutMs`, nor the socket its process by more than `closeTimeoutMs` (which `ws` sees to). What the process does
 * with a frame is in `connection-process.ts`.
 */
import type { WebSocket } from '@fastify/websocket';
import type { FastifyRequest } from 'fastify';
import { terminate } from '../process/exit.ts';
import { type ExitReason, isCleanExit, isShutdown } from '../process/messages.ts';
import { addWatch, type Watch } from '../process/monitor.ts';
import type { Node } from '../process/node.ts';
import type { Process } from '../process/process.ts';
import { telemetry } from '../telemetry.ts';
import { Alarm } from './alarm.ts';
import { connectionBehaviour, Ending, Received } from './connection-process.ts';
import type { WebSocketDefinition } from './definition.ts';
import type { OutgoingFrame } from './frames.ts';
import type { ConnectionLimits } from './limits.ts';
import { Outbox } from './outbox.ts';
import { Rate } from './rate.ts';

const openEvent = telemetry('troupe:fastify:open');
const closeEvent = telemetry('troupe:fastify:close');
const failedEvent = telemetry('troupe:fastify:failed');
const droppedEvent = telemetry('troupe:fastify:dropped');

/** States of a socket; `WebSocket.OPEN` and `WebSocket.CLOSED` of `ws`. */
const OPEN = 1;
const CLOSED = 3;
/** The payload of a heartbeat, by which its pong is told from those to a handler's own pings. */
const HEARTBEAT = Buffer.from('troupe');
const SLOW_CLIENT: ExitReason = ['shutdown', 'slow_client'];

/** @internal A connection; see the head of this file. */
export class Connection implements Watch {
  readonly process: Process;
  readonly definition: WebSocketDefinition;
  /** The request and the handler's arguments; forgotten after `init`. */
  start: { readonly request: FastifyRequest; readonly args: readonly never[] } | null;
  /** What `init` made. */
  state: unknown = undefined;
  /** True once `terminate` was called. */
  left = false;
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;
  readonly #socket: WebSocket;
  readonly #limits: ConnectionLimits;
  readonly #over: (connection: Connection) => void;
  readonly #heartbeat: Alarm;
  readonly #idle: Alarm;
  readonly #drain: Alarm;
  readonly #outbox: Outbox;
  readonly #rate: Rate | null;
  /** Why the process is asked to end, or has ended. */
  #ending: { readonly reason: ExitReason } | null = null;
  /** The close frame for one exit reason; a process that ends with another closes with that one's code. */
  #close: { readonly code: number; readonly text: string; readonly reason: ExitReason } | null = null;
  /** The close code that was sent first, or else received. */
  #code: number | undefined = undefined;
  #heard = true;
  #paused = false;
  #overHighWater = false;
  #received = 0;
  #sent = 0;
  #dropped = 0;

  /** Spawns the process and attaches the listeners; @param over is called once when both are gone. */
  constructor(
    node: Node,
    definition: WebSocketDefinition,
    start: NonNullable<Connection['start']>,
    socket: WebSocket,
    limits: ConnectionLimits,
    over: (connection: Connection) => void,
  ) {
    this.definition = definition;
    this.start = start;
    this.#socket = socket;
    this.#limits = limits;
    this.#over = over;
    const { timers, clock } = node;
    // It runs in the async context of the request that was upgraded.
    this.process = node.create(connectionBehaviour(definition), [this], undefined, {
      asyncContext: 'spawner',
    });
    this.#heartbeat = new Alarm(timers, () => {
      this.#beat();
    });
    this.#idle = new Alarm(timers, () => {
      this.end(['shutdown', 'timeout'], 1000, 'idle');
    });
    this.#drain = new Alarm(timers, () => {
      terminate(this.process, this.#ending?.reason);
    });
    this.#outbox = new Outbox(socket, limits, timers, {
      onTaken: () => {
        this.#heard = true;
      },
      onStuck: () => {
        this.end(SLOW_CLIENT, 1013, 'too slow');
      },
    });
    this.#rate =
      limits.messagesPerSecond === Infinity ? null : new Rate(limits.messagesPerSecond, clock.now());
    addWatch(this.process, this);
    this.#attach(socket);
    this.#heartbeat.start(limits.heartbeatMs);
    this.#idle.start(limits.idleTimeoutMs);
    if (openEvent.hasSubscribers) openEvent.publish({ pid: this.process.pid, label: definition.name });
  }

  // ---- for the process ----

  /** `init` is done. */
  opened(state: unknown): void {
    this.start = null;
    this.state = state;
  }

  /**
   * Sends a frame, unless the client is gone or too slow.
   * @returns the exit reason when the process is to end for it, or else undefined.
   */
  send(frame: OutgoingFrame): ExitReason {
    if (this.#socket.readyState !== OPEN) return undefined;
    if (this.#outbox.put(frame)) {
      this.#overHighWater = false;
      this.#sent++;
      return undefined;
    }
    if (this.#limits.slowClient === 'drop') {
      this.#drop();
      return undefined;
    }
    this.closeWith(1013, 'too slow', SLOW_CLIENT);
    return SLOW_CLIENT;
  }

  /** Sets the close frame that is sent when the process ends with a reason; the first one counts. */
  closeWith(code: number, text: string, reason: ExitReason): void {
    this.#close ??= { code, text, reason };
  }

  /** Reads on from the socket once the mailbox is short enough; to be called after each message. */
  handled(): void {
    if (!this.#paused || this.#ending !== null) return;
    if (this.process.mailboxLength > this.#limits.mailboxHighWater >> 1) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** The process has begun to end with a reason and awaits its `terminate`, which may take `drainTimeoutMs`. */
  leaves(reason: ExitReason): void {
    this.#ending ??= { reason };
    this.#drain.start(this.#limits.drainTimeoutMs);
  }

  /** What `sys:get_status` shows of it. */
  details(): Readonly<Record<string, unknown>> {
    return {
      received: this.#received,
      sent: this.#sent,
      dropped: this.#dropped,
      bufferedBytes: this.#outbox.bytes,
      paused: this.#paused,
    };
  }

  // ---- the end ----

  /**
   * Asks the process to end, after what is in its mailbox and within `drainTimeoutMs`; the first reason counts.
   * @param code the close code, if not the one of the reason.
   */
  end(reason: ExitReason, code?: number, text = ''): void {
    if (this.#ending !== null || !this.process.alive) return;
    this.#ending = { reason };
    if (code !== undefined) this.closeWith(code, text, reason);
    this.#drain.start(this.#limits.drainTimeoutMs);
    this.process.deliverSignal(new Ending(reason));
  }

  /** Ends both at once, without waiting for anybody. */
  kill(): void {
    this.#socket.terminate();
    terminate(this.process, 'killed');
  }

  /** The process has ended. */
  targetExited(reason: ExitReason): void {
    this.#ending = { reason };
    this.start = null;
    this.#heartbeat.cancel();
    this.#idle.cancel();
    this.#drain.cancel();
    const { pid } = this.process;
    if (failedEvent.hasSubscribers && !isCleanExit(reason)) {
      failedEvent.publish({ pid, label: this.definition.name, reason });
    }
    const socket = this.#socket;
    // What waits for a client that does not read is given up; it comes back and asks.
    this.#outbox.end({ flush: reason !== SLOW_CLIENT });
    if (socket.readyState === OPEN) {
      const close = this.#close;
      const { code, text } = close !== null && close.reason === reason ? close : closeOf(reason);
      this.#code ??= code;
      socket.close(code, text);
    }
    // The client's answer to the close stands behind what was not read yet.
    if (this.#paused) socket.resume();
    this.#finish();
  }

  // ---- the socket ----

  #attach(socket: WebSocket): void {
    socket.on('message', (data: Buffer, isBinary: boolean) => {
      this.#receive(isBinary ? new Received('binary', data) : new Received('text', data.toString()));
    });
    socket.on('ping', (data: Buffer) => {
      this.#receive(new Received('ping', data));
    });
    socket.on('pong', (data: Buffer) => {
      if (data.equals(HEARTBEAT)) this.#heard = true;
      else this.#receive(new Received('pong', data));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      this.#code ??= errorCloseCode(error.code);
      this.end(['shutdown', ['error', error.code ?? error.message]]);
    });
    socket.on('close', (code: number, why: Buffer) => {
      this.#code ??= code;
      this.end(['shutdown', code === 1006 ? ['error', 'closed'] : ['remote', code, why.toString()]]);
      this.#finish();
    });
  }

  #receive(frame: Received): void {
    if (this.#ending !== null) return;
    const { process } = this;
    this.#heard = true;
    this.#received++;
    if (this.#rate !== null && !this.#rate.take(process.node.clock.now())) {
      this.end(['shutdown', 'rate_limit'], 1008, 'too many messages');
      this.#pause();
      return;
    }
    if (frame.type === 'text' || frame.type === 'binary') this.#idle.start(this.#limits.idleTimeoutMs);
    process.deliver(frame);
    if (process.mailboxLength >= this.#limits.mailboxHighWater) this.#pause();
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#socket.pause();
  }

  #beat(): void {
    if (!this.#heard) {
      this.end(['shutdown', 'timeout']);
      this.#socket.terminate();
      return;
    }
    // What a paused socket has received is not seen, so it cannot be missed.
    this.#heard = this.#paused;
    if (this.#socket.readyState === OPEN) this.#socket.ping(HEARTBEAT);
    this.#heartbeat.start(this.#limits.heartbeatMs);
  }

  #drop(): void {
    this.#dropped++;
    if (this.#overHighWater) return;
    this.#overHighWater = true;
    if (!droppedEvent.hasSubscribers) return;
    droppedEvent.publish({
      pid: this.process.pid,
      label: this.definition.name,
      dropped: this.#dropped,
      bufferedBytes: this.#outbox.bytes,
    });
  }

  #finish(): void {
    if (this.process.alive || this.#socket.readyState !== CLOSED) return;
    this.#over(this);
    if (!closeEvent.hasSubscribers) return;
    closeEvent.publish({
      pid: this.process.pid,
      label: this.definition.name,
      code: this.#code ?? 1006,
      reason: this.#ending?.reason,
      received: this.#received,
      sent: this.#sent,
      dropped: this.#dropped,
    });
  }
}

/** The close frame of an exit reason. */
function closeOf(reason: ExitReason): { code: number; text: string } {
  if (reason === 'normal') return { code: 1000, text: '' };
  if (isShutdown(reason)) return { code: 1001, text: 'going away' };
  return { code: 1011, text: 'internal error' };
}

/** The close code that `ws` answers a fault of the client with; undefined for a fault of the transport. */
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
