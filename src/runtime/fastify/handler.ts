/**
 * A WebSocket handler as its user writes it: the callbacks that run in the process of a connection, the frames they are given
 * and the frames they answer with.
 *
 * The callbacks are those of `cowboy_websocket`, but change their state in place instead of returning it; the frames are
 * Cowboy's `in_frame()` and `cow_ws:frame()`. The process lives from the upgrade to the end of the connection and handles one
 * message at a time. While a callback awaits, what the client sends waits in the mailbox, in order. A message that a client
 * sends in fragments arrives whole.
 */
import type { FastifyRequest } from 'fastify';
import { badArgument, type TroupeError, checkOptionNames, type OptionNames } from '../errors.ts';
import type { Action } from '../otp/actions.ts';
import type { InfoHandler } from '../otp/server.ts';
import type { ExitReason } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { type ConnectionLimits, connectionLimits } from './limits.ts';
import type { Run } from './outbox.ts';
import { type DirectSocket, encodeFrame, frameHeader, JOIN_MAX, type Written } from './wire.ts';

// ---- the handler ----

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
  /** Runs once after `init`, to send the client its first frames. */
  opened?(state: State, self: Process): WebSocketReplies;
  /** Handles a frame of the client; without it they are ignored. See `cowboy_websocket:websocket_handle/2`. */
  handle?(state: State, frame: IncomingFrame, self: Process): WebSocketReplies;
  /**
   * Handles a message: one function, or several that are asked in turn until one does not answer `UNHANDLED`. A message that
   * all leave is dropped and published as `troupe:server:unexpected`. See `cowboy_websocket:websocket_info/2`.
   */
  readonly info?: WebSocketInfo<State> | readonly WebSocketInfo<State>[];
  /**
   * Runs with `slowClient: 'drop'` once a client that read too slowly reads again, to tell it how much it missed. All frames up
   * to its answer are dropped, so the answer stands where they are missing.
   * @param count how many frames were dropped since it ran last.
   */
  dropped?(state: State, count: number, self: Process): WebSocketReplies;
  /**
   * Runs last, when the client left, the handler stopped or closed, a callback threw, or the server closes. Like that of a
   * `gen_server` without `trap_exit`, it does not run when an exit signal ends the process. Frames can no longer be sent.
   * @param reason the exit reason; see docs/guide/websockets.md for those of a lost client.
   */
  terminate?(state: State, reason: ExitReason, self: Process): void | Promise<void>;
}

/**
 * A handler of messages, of the same kind as a server's, so that `on(channel, ...)` makes one: it returns a
 * {@link WebSocketReplies}, or `UNHANDLED`. Any other value ends the process with TROUPE_BAD_RETURN.
 */
export type WebSocketInfo<State> = InfoHandler<State>;

const CALLBACKS: OptionNames<WebSocketCallbacks<unknown, readonly unknown[]>> = {
  name: true,
  limits: true,
  init: true,
  opened: true,
  handle: true,
  info: true,
  dropped: true,
  terminate: true,
};

/** A WebSocket handler; made by {@link defineWebSocketHandler}, served by {@link webSocketHandler}. */
export class WebSocketDefinition<State = unknown, Args extends readonly unknown[] = readonly never[]> {
  /** @internal */ readonly callbacks: WebSocketCallbacks<State, Args>;
  /** @internal */ readonly info: readonly WebSocketInfo<State>[];

  /** @internal Use {@link defineWebSocketHandler}. */
  constructor(callbacks: WebSocketCallbacks<State, Args>) {
    checkOptionNames('defineWebSocketHandler', callbacks, CALLBACKS);
    const { name, info = [] } = callbacks;
    if (typeof name !== 'string' || name === '' || typeof callbacks.init !== 'function') {
      throw badArgument('A WebSocket handler needs a name and an init function.');
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

// ---- frames ----

/** A frame that the client sent. Pings have been answered already, as in Cowboy; heartbeats are not shown. */
export type IncomingFrame =
  | { readonly type: 'text'; readonly data: string }
  | { readonly type: 'binary'; readonly data: Buffer }
  | { readonly type: 'ping'; readonly data: Buffer }
  | { readonly type: 'pong'; readonly data: Buffer };

/** A frame to be sent to the client; made by {@link text}, {@link binary}, {@link ping} and {@link encodeOnce}. */
export class OutgoingFrame {
  readonly type: 'text' | 'binary' | 'ping';
  readonly data: string | Uint8Array;
  /** What the frame is about: with `slowClient: 'latest'` a waiting frame of the same key gives way to it. */
  readonly key: FrameKey | undefined;
  /** @internal The last run that ends with this frame; see `outbox.ts`. */
  run: Run | null = null;
  #byteLength = -1;
  #bytes: Buffer | null = null;

  /** @internal Use {@link text}, {@link binary}, {@link ping} or {@link encodeOnce}. */
  constructor(type: OutgoingFrame['type'], data: string | Uint8Array, key: FrameKey | undefined) {
    if (typeof data !== 'string' && !(data instanceof Uint8Array)) throw badPayload(type, data);
    this.type = type;
    this.data = data;
    this.key = key;
  }

  /** @internal A text frame whose payload and bytes on the wire are one buffer. */
  static encoded(payload: string, key: FrameKey | undefined): OutgoingFrame {
    const bytes = encodeFrame('text', payload);
    const data = bytes.subarray(bytes.length - Buffer.byteLength(payload));
    const frame = new OutgoingFrame('text', data, key);
    frame.#bytes = bytes;
    return frame;
  }

  /** @internal Its payload in bytes. */
  get byteLength(): number {
    if (this.#byteLength < 0) {
      this.#byteLength = typeof this.data === 'string' ? Buffer.byteLength(this.data) : this.data.byteLength;
    }
    return this.#byteLength;
  }

  /** @internal Its bytes on the wire, made once. */
  get bytes(): Buffer {
    return (this.#bytes ??= encodeFrame(this.type, this.data));
  }

  /** @internal Writes it; large bytes of the user are not copied. */
  writeTo(socket: DirectSocket, written: Written): void {
    const { type, data, byteLength } = this;
    if (typeof data === 'string' || this.#bytes !== null || byteLength < JOIN_MAX) {
      socket.write(this.bytes, written);
      return;
    }
    socket.cork();
    socket.write(frameHeader(type, byteLength));
    socket.write(data, written);
    socket.uncork();
  }
}

/** The error of what no frame can be made of. It must be thrown here, in the handler: bytes are made later, outside of any process. */
function badPayload(type: string, data: unknown): TroupeError {
  const found = data === null ? 'null' : `a value of type ${typeof data}`;
  return badArgument(
    `A ${type} frame is made of a string or a Uint8Array, not ${found}; send an object as JSON.stringify(object).`,
  );
}

/** Names what a frame is about; see {@link FrameOptions}. */
export type FrameKey = string | number;

/** Options of a frame. */
export interface FrameOptions {
  /**
   * What the frame is about, such as the id of a record. With `slowClient: 'latest'` a frame that waits for a slow client is
   * replaced by a later one with the same key. A frame without a key is never replaced.
   */
  readonly key?: FrameKey;
}

/** An instruction to close the connection; made by {@link close}. */
export class CloseFrame {
  readonly code: number;
  readonly reason: string;

  /** @internal Use {@link close}. */
  constructor(code: number, reason: string) {
    this.code = code;
    this.reason = reason;
  }
}

/** What a handler can answer: nothing, one frame, or several in order; what follows a close or stop is not sent. */
export type WebSocketReply =
  // oxlint-disable-next-line typescript/no-invalid-void-type -- a handler that answers nothing has no return at all
  void | undefined | WebSocketFrame | readonly WebSocketFrame[];

/**
 * One element of an answer. `stop(reason)`, the action of servers, ends the process with a reason, which decides the close
 * code: 1000 for `normal`, 1001 for `shutdown` and `['shutdown', detail]`, 1011 for any other.
 */
export type WebSocketFrame = OutgoingFrame | CloseFrame | Action<'stop', never, never>;

/** The most bytes in the payload of a control frame; RFC 6455, 5.5. */
const CONTROL_PAYLOAD_MAX = 125;

/** The text frame that was made last, for handlers that send one text to many clients. */
let lastText: OutgoingFrame | null = null;
/** The longest text that is remembered, in characters. */
const LAST_TEXT_MAX = 4_096;

/**
 * A text frame. Bytes are sent as they are and must be UTF-8; do not change them afterwards.
 *
 * Handlers that make a frame of the same string one after the other, as for a broadcast, share one frame.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for anything else, such as an object: send it as `text(JSON.stringify(object))`.
 */
export function text(data: string | Uint8Array, options?: FrameOptions): OutgoingFrame {
  if (typeof data !== 'string' || data.length > LAST_TEXT_MAX || options?.key !== undefined) {
    return new OutgoingFrame('text', data, options?.key);
  }
  if (lastText === null || lastText.data !== data) lastText = new OutgoingFrame('text', data, undefined);
  return lastText;
}

/**
 * A binary frame. The bytes are sent as they are; do not change them afterwards.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for what is no Uint8Array, such as an ArrayBuffer.
 */
export function binary(data: Uint8Array, options?: FrameOptions): OutgoingFrame {
  return new OutgoingFrame('binary', data, options?.key);
}

/**
 * A ping; the client's pong is given to `handle`.
 * @param data at most 125 bytes.
 * @throws TroupeError TROUPE_BAD_ARGUMENT when there are more.
 */
export function ping(data: string | Uint8Array = ''): OutgoingFrame {
  const frame = new OutgoingFrame('ping', data, undefined);
  if (frame.byteLength > CONTROL_PAYLOAD_MAX) {
    throw badArgument(`A ping has at most ${CONTROL_PAYLOAD_MAX} bytes.`);
  }
  return frame;
}

/**
 * Closes the connection and ends the process with `normal`.
 * @param code a close code that an endpoint may send: 1000 to 1003, 1007 to 1014, 3000 to 4999. RFC 6455, 7.4.
 * @param reason for the client, at most 123 bytes.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for another code or a longer reason.
 */
export function close(code = 1000, reason = ''): CloseFrame {
  const allowed =
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1014 && (code < 1004 || code > 1006)) || (code >= 3000 && code <= 4999));
  if (!allowed) {
    throw badArgument(`An endpoint cannot send the close code ${code}.`);
  }
  if (Buffer.byteLength(reason) > CONTROL_PAYLOAD_MAX - 2) {
    throw badArgument(`The reason of a close has at most 123 bytes.`);
  }
  return new CloseFrame(code, reason);
}

/**
 * Makes a frame of a message once, however many connections send it: they share its bytes on the wire.
 *
 * The result remembers a frame by the identity of its message, while the message lives. Call `encodeOnce` where the handler is
 * defined, not in the handler, since each call makes a memory of its own.
 * @param encode gives the payload: a string for a text frame, bytes for a binary one.
 * @param key gives the frame's key, see {@link FrameOptions}; undefined for none.
 * @example `const asEvent = encodeOnce((message: NoteMessage) => JSON.stringify(message.payload));`
 */
export function encodeOnce<Message extends object>(
  encode: (message: Message) => string | Uint8Array,
  key?: (message: Message) => FrameKey | undefined,
): (message: Message) => OutgoingFrame {
  const frames = new WeakMap<Message, OutgoingFrame>();
  return (message) => {
    let frame = frames.get(message);
    if (frame === undefined) {
      const payload = encode(message);
      frame =
        typeof payload === 'string'
          ? OutgoingFrame.encoded(payload, key?.(message))
          : new OutgoingFrame('binary', payload, key?.(message));
      frames.set(message, frame);
    }
    return frame;
  };
}
