/**
 * What a WebSocket handler is: the callbacks that run in the process of a connection.
 *
 * They are those of `cowboy_websocket`, with the state changed in place instead of returned. The process lives from the
 * upgrade to the end of the connection; one message at a time, a callback that returns a promise included: what the client
 * sends meanwhile waits in the mailbox, in order.
 */
import type { FastifyRequest } from 'fastify';
import { TroupeError } from '../errors.ts';
import type { InfoHandler } from '../otp/server-types.ts';
import type { ExitReason } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import type { IncomingFrame, WebSocketReply } from './frames.ts';
import { type ConnectionLimits, connectionLimits } from './limits.ts';

/** An answer, or the promise of one. */
export type WebSocketReplies = WebSocketReply | Promise<WebSocketReply>;

/** The callbacks of a WebSocket handler. All but `init` may be left out. */
export interface WebSocketCallbacks<State, Args extends readonly unknown[]> {
  /** What the processes are called, in process info and telemetry. */
  readonly name: string;
  /** Limits that differ from those of the application. */
  readonly limits?: Partial<ConnectionLimits>;
  /**
   * Runs first, in the process of the connection, so that what it joins, links and monitors is the connection's own. See
   * `cowboy_websocket:websocket_init/1`.
   * @param request the request that was upgraded.
   * @param args what was given to {@link webSocketHandler}.
   * @returns the state.
   */
  init(self: Process, request: FastifyRequest, ...args: Args): State | Promise<State>;
  /** Runs once after `init`, to send what the client shall have first. */
  opened?(state: State, self: Process): WebSocketReplies;
  /** Handles a frame of the client; without it they are ignored. See `cowboy_websocket:websocket_handle/2`. */
  handle?(state: State, frame: IncomingFrame, self: Process): WebSocketReplies;
  /**
   * Handles a message: one function, or several that are asked in turn until one does not answer `UNHANDLED`. What none
   * takes is dropped and published as `troupe:server:unexpected`. See `cowboy_websocket:websocket_info/2`.
   */
  readonly info?: WebSocketInfo<State> | readonly WebSocketInfo<State>[];
  /**
   * Runs last when the process ends by itself: its client went, it stopped or closed, a callback threw, the server closes.
   * It does not run when an exit signal ends the process, as `gen_server`'s does not without `trap_exit`. Frames can no
   * longer be sent.
   * @param reason the exit reason; see the README of this folder for those of a lost client.
   */
  terminate?(state: State, reason: ExitReason, self: Process): void | Promise<void>;
}

/**
 * A handler of messages, of the same kind as a server's, so that `on(channel, ...)` makes one: it returns a
 * {@link WebSocketReplies}, or `UNHANDLED`. What else it returns ends the process with TROUPE_BAD_RETURN.
 */
export type WebSocketInfo<State> = InfoHandler<State>;

/** A WebSocket handler; made by {@link defineWebSocketHandler}, served by {@link webSocketHandler}. */
export class WebSocketDefinition<State = unknown, Args extends readonly unknown[] = readonly never[]> {
  /** @internal */ readonly callbacks: WebSocketCallbacks<State, Args>;
  /** @internal */ readonly info: readonly WebSocketInfo<State>[];

  /** @internal Use {@link defineWebSocketHandler}. */
  constructor(callbacks: WebSocketCallbacks<State, Args>) {
    const { name, info = [] } = callbacks;
    if (typeof name !== 'string' || name === '' || typeof callbacks.init !== 'function') {
      throw new TroupeError('TROUPE_BAD_ARGUMENT', 'A WebSocket handler has a name and an init function.');
    }
    connectionLimits(callbacks.limits);
    this.callbacks = callbacks;
    this.info = typeof info === 'function' ? [info] : info;
  }

  get name(): string {
    return this.callbacks.name;
  }
}

/**
 * Defines a WebSocket handler.
 * @throws TroupeError TROUPE_BAD_ARGUMENT without a name or `init`, or for a limit out of its range.
 * @example
 * defineWebSocketHandler({
 *   name: 'echo',
 *   init: () => undefined,
 *   handle: (_state, frame) => (frame.type === 'text' ? text(frame.data) : undefined),
 * });
 */
export function defineWebSocketHandler<State, Args extends readonly unknown[]>(
  callbacks: WebSocketCallbacks<State, Args>,
): WebSocketDefinition<State, Args> {
  return new WebSocketDefinition(callbacks);
}
