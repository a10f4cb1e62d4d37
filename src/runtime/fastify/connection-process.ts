/**
 * The process of a WebSocket connection: what it does with each message.
 *
 * A frame goes to `handle`, a message to `info`, a system message to `sys`, an `Ending` ends it. A callback that throws ends
 * this process and nothing else; before that, and before any other end by itself, `terminate` is called once.
 *
 * Invariant: when the process was killed while a callback awaited, nothing of it runs or is sent afterwards.
 */
import { TroupeError } from '../errors.ts';
import { type Behaviour, isThenable } from '../process/behaviour.ts';
import { terminate } from '../process/exit.ts';
import { Call } from '../otp/call.ts';
import { Action, UNHANDLED } from '../otp/server-actions.ts';
import { handleSystem, isSystemMessage, type SystemTarget } from '../otp/system.ts';
import { type ExitReason, formatReason, isCleanExit, reasonOfThrown } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { reportFailure } from '../process/report.ts';
import { telemetry } from '../telemetry.ts';
import type { Connection } from './connection.ts';
import type { WebSocketDefinition, WebSocketReplies } from './definition.ts';
import {
  CloseFrame,
  type IncomingFrame,
  OutgoingFrame,
  type WebSocketFrame,
  type WebSocketReply,
} from './frames.ts';

const failed = telemetry('troupe:fastify:failed');
const unexpected = telemetry('troupe:server:unexpected');

/** @internal A frame of the client, as it waits in the mailbox. */
export class Received {
  readonly type: IncomingFrame['type'];
  readonly data: string | Buffer;

  constructor(type: IncomingFrame['type'], data: string | Buffer) {
    this.type = type;
    this.data = data;
  }
}

/** @internal Asks the process to end, behind what came before. */
export class Ending {
  readonly reason: ExitReason;

  constructor(reason: ExitReason) {
    this.reason = reason;
  }
}

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
  const done = respond(connection, () => callbacks.opened?.(state, process));
  return done === undefined ? connection : done.then(() => connection);
}

function handle(self: Process, message: unknown, connection: Connection): MaybePromise {
  if (message instanceof Ending) return leave(connection, message.reason);
  if (isSystemMessage(message)) {
    const done = handleSystem(self, message, systemTarget(connection));
    connection.handled();
    return done;
  }
  if (!(message instanceof Received)) return respond(connection, () => inform(connection, message));
  const { callbacks } = connection.definition;
  return respond(connection, () => callbacks.handle?.(connection.state, message as IncomingFrame, self));
}

/** Runs a callback and does what it answers. */
function respond(connection: Connection, callback: () => WebSocketReplies): MaybePromise {
  try {
    const reply = callback();
    if (isThenable(reply)) return settle(connection, reply);
    const done = answer(connection, reply);
    connection.handled();
    return done;
  } catch (thrown) {
    return crash(connection, thrown);
  }
}

async function settle(connection: Connection, reply: PromiseLike<WebSocketReply>): Promise<void> {
  try {
    const value = await reply;
    if (!connection.process.alive) return;
    await answer(connection, value);
    connection.handled();
  } catch (thrown) {
    await crash(connection, thrown);
  }
}

/** Asks the handlers of messages in turn. */
function inform(connection: Connection, message: unknown): WebSocketReplies {
  const { definition, process, state } = connection;
  for (const handler of definition.info) {
    const reply = handler(state, message, process);
    if (reply !== UNHANDLED) return reply as WebSocketReplies; // checked by answerOne
  }
  const kind = message instanceof Call ? 'call' : 'info';
  if (unexpected.hasSubscribers) {
    unexpected.publish({ pid: process.pid, label: definition.name, kind, message });
  }
  if (message instanceof Call) {
    message.fail(new TroupeError('TROUPE_UNKNOWN_CALL', `A WebSocket handler takes no calls.`));
  }
}

function answer(connection: Connection, reply: WebSocketReply): MaybePromise {
  if (reply === undefined) return undefined;
  if (!Array.isArray(reply)) return answerOne(connection, reply as WebSocketFrame);
  for (const frame of reply as readonly WebSocketFrame[]) {
    const end = answerOne(connection, frame);
    if (connection.left) return end;
  }
}

function answerOne(connection: Connection, frame: WebSocketFrame): MaybePromise {
  if (frame instanceof OutgoingFrame) {
    const reason = connection.send(frame);
    if (reason !== undefined) return leave(connection, reason);
  } else if (frame instanceof CloseFrame) {
    connection.closeWith(frame.code, frame.reason, 'normal');
    return leave(connection, 'normal');
  } else if (frame instanceof Action && frame.kind === 'stop') {
    return leave(connection, frame.reason);
  } else {
    throw new TroupeError(
      'TROUPE_BAD_RETURN',
      `The handler '${connection.definition.name}' answered ${formatReason(frame)}; use text(), binary(), ping(), close() or stop().`,
    );
  }
}

// ---- the end ----

/** Ends the process with a reason. */
function leave(connection: Connection, reason: ExitReason): MaybePromise {
  if (!isCleanExit(reason) && !failed.hasSubscribers) {
    const { pid, label, node } = connection.process;
    reportFailure(node, { kind: 'error', channel: 'troupe:fastify:failed', pid, label, reason });
  }
  const done = farewell(connection, reason);
  if (!isThenable(done)) {
    terminate(connection.process, reason);
    return undefined;
  }
  return done.then(() => {
    terminate(connection.process, reason);
  });
}

/** Ends the process with what a callback threw; OTP's order: `terminate` first, then the crash. */
function crash(connection: Connection, thrown: unknown): Promise<never> {
  const done = connection.process.alive ? farewell(connection, reasonOfThrown(thrown)) : undefined;
  if (!isThenable(done)) throw thrown;
  return done.then(() => {
    throw thrown;
  });
}

/** Calls `terminate`, once. When it throws, that is what the process ends with. */
function farewell(connection: Connection, reason: ExitReason): MaybePromise {
  if (connection.left) return undefined;
  connection.left = true;
  const done = connection.definition.callbacks.terminate?.(connection.state, reason, connection.process);
  if (isThenable(done)) connection.leaves(reason);
  return done;
}

// ---- sys ----

function systemTarget(connection: Connection): SystemTarget {
  return {
    behaviour: 'websocket',
    parent: null,
    getState: () => connection.state,
    replaceState: (state) => {
      connection.state = state;
    },
    details: () => connection.details(),
    terminate: (_self, reason) => leave(connection, reason),
  };
}
