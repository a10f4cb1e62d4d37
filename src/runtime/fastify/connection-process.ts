/**
 * What the process of a WebSocket connection does with each message: a frame goes to `handle`, a message to `info`, a system
 * message to `sys`, and an `Ending` ends it.
 *
 * A callback that throws ends this process and nothing else. How a connection ends, from either side, is in `connection.ts`.
 *
 * Invariant: when the process is killed while a callback awaits, none of its frames are sent afterwards.
 */
import { TroupeError } from '../errors.ts';
import { Call, reportUnexpected } from '../otp/gen.ts';
import { Action, UNHANDLED } from '../otp/actions.ts';
import { handleSystem, isSystemMessage, type SystemTarget } from '../otp/system.ts';
import { type Behaviour, isThenable } from '../process/behaviour.ts';
import { type ExitReason, formatReason } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import type { Connection } from './connection.ts';
import {
  CloseFrame,
  type IncomingFrame,
  OutgoingFrame,
  type WebSocketDefinition,
  type WebSocketFrame,
  type WebSocketReplies,
  type WebSocketReply,
} from './handler.ts';

/** @internal A frame of the client, as it waits in the mailbox. */
export class Received {
  readonly type: IncomingFrame['type'];
  readonly data: string | Buffer;

  constructor(type: IncomingFrame['type'], data: string | Buffer) {
    this.type = type;
    this.data = data;
  }
}

/** @internal Asks the process to end, behind what is in its mailbox already. */
export class Ending {
  readonly reason: ExitReason;

  constructor(reason: ExitReason) {
    this.reason = reason;
  }
}

/** @internal The client that had missed frames reads again. */
export const DROPPED: unique symbol = Symbol('dropped');

type Body = Behaviour<Connection, readonly [Connection]>;
type MaybePromise = Promise<void> | void;

const behaviours = new WeakMap<WebSocketDefinition, Body>();

/** @internal The behaviour of a definition's processes; it carries the definition's name. */
export function connectionBehaviour(definition: WebSocketDefinition): Body {
  let behaviour = behaviours.get(definition);
  if (behaviour === undefined) {
    behaviour = { name: definition.name, init, handle };
    behaviours.set(definition, behaviour);
  }
  return behaviour;
}

function init(self: Process, connection: Connection): Connection | Promise<Connection> {
  const { request, args } = connection.start as NonNullable<Connection['start']>;
  const state: unknown = connection.definition.callbacks.init(self, request, ...args);
  return isThenable(state)
    ? Promise.resolve(state).then((made) => open(connection, made))
    : open(connection, state);
}

function open(connection: Connection, state: unknown): Connection | Promise<Connection> {
  const { definition, process } = connection;
  const { callbacks } = definition;
  if (!process.alive) return connection;
  connection.opened(state);
  if (callbacks.opened === undefined) return connection;
  let done: MaybePromise;
  try {
    done = carryOut(connection, callbacks.opened(state, process));
  } catch (thrown) {
    done = connection.crash(thrown);
  }
  return done === undefined ? connection : done.then(() => connection);
}

function handle(self: Process, message: unknown, connection: Connection): MaybePromise {
  if (message instanceof Ending) return connection.leave(message.reason);
  if (isSystemMessage(message)) {
    const done = handleSystem(self, message, systemTarget(connection));
    connection.handled();
    return done;
  }
  try {
    return carryOut(connection, replyTo(message, connection, self));
  } catch (thrown) {
    return connection.crash(thrown);
  }
}

function replyTo(message: unknown, connection: Connection, self: Process): WebSocketReplies {
  if (message instanceof Received) {
    return connection.definition.callbacks.handle?.(connection.state, message as IncomingFrame, self);
  }
  if (message === DROPPED) {
    return connection.definition.callbacks.dropped?.(connection.state, connection.takeDropped(), self);
  }
  return inform(connection, message);
}

/** Carries out the answer of a callback. */
function carryOut(connection: Connection, reply: WebSocketReplies): MaybePromise {
  if (reply !== undefined && isThenable(reply)) return settle(connection, reply);
  const done = answer(connection, reply);
  connection.handled();
  return done;
}

async function settle(connection: Connection, reply: PromiseLike<WebSocketReply>): Promise<void> {
  try {
    const value = await reply;
    if (!connection.process.alive) return;
    await answer(connection, value);
    connection.handled();
  } catch (thrown) {
    await connection.crash(thrown);
  }
}

/** Asks the handlers of messages in turn. */
function inform(connection: Connection, message: unknown): WebSocketReplies {
  const { definition, process, state } = connection;
  for (const handler of definition.info) {
    const reply = handler(state, message, process);
    if (reply !== UNHANDLED) return reply as WebSocketReplies; // checked by answerOne
  }
  reportUnexpected(process, message, definition.info.length > 0);
  if (message instanceof Call) {
    message.fail(new TroupeError('TROUPE_UNKNOWN_CALL', `A WebSocket handler takes no calls.`));
  }
}

function answer(connection: Connection, reply: WebSocketReply): MaybePromise {
  if (reply === undefined) return undefined;
  if (!Array.isArray(reply)) return answerOne(connection, reply as WebSocketFrame);
  for (const frame of reply as readonly WebSocketFrame[]) {
    const end = answerOne(connection, frame);
    if (connection.leaving) return end;
  }
}

function answerOne(connection: Connection, frame: WebSocketFrame): MaybePromise {
  if (frame instanceof OutgoingFrame) return connection.send(frame);
  if (frame instanceof CloseFrame) return connection.leave('normal', frame);
  if (frame instanceof Action && frame.kind === 'stop') return connection.leave(frame.reason);
  throw new TroupeError(
    'TROUPE_BAD_RETURN',
    `The handler '${connection.definition.name}' answered ${formatReason(frame)}; use text(), binary(), ping(), close() or stop().`,
  );
}

function systemTarget(connection: Connection): SystemTarget {
  return {
    behaviour: 'websocket',
    parent: null,
    getState: () => connection.state,
    replaceState: (state) => {
      connection.state = state;
    },
    details: () => connection.details(),
    terminate: (_self, reason) => connection.leave(reason),
  };
}
