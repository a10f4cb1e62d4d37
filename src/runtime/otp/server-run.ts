/**
 * What happens after a callback of a server has returned an action or a promise: replies, the new state, `continue`,
 * timeouts, stops; one result after the other until the server can take its next message.
 *
 * Why a loop and not a recursion: a `continue` may ask for another, without end, and neither the stack nor a chain of
 * promises may grow with it. Nor may it hold the event loop, although no message is between two of them.
 */
import { TroupeError } from '../errors.ts';
import { isThenable } from '../process/behaviour.ts';
import { reasonOfThrown } from '../process/messages.ts';
import type { Request } from './call.ts';
import { Action, NONE } from './server-actions.ts';
import { endServer } from './server-end.ts';
import type { Server } from './server-state.ts';

/** How many `continue` callbacks run in a row before the clock is looked at. */
const CONTINUES_PER_CLOCK_CHECK = 64;

/**
 * @internal Does what a callback's result says.
 * @param request the call to be replied to, when the callback was a call's handler.
 * @returns a promise when the server has to wait before it can take its next message.
 */
export function finish(
  server: Server,
  message: unknown,
  request: Request | null,
  result: unknown,
): Promise<void> | void {
  server.lastMessage = message;
  server.request = request;
  const pending = work(server, result);
  if (pending !== undefined) return workLater(server, pending);
}

/** @internal Ends a server whose callback threw. */
export function crash(server: Server, message: unknown, thrown: unknown): Promise<never> {
  server.lastMessage = message;
  return endServer(server, reasonOfThrown(thrown), thrown);
}

/** @internal The error of a callback that returned an action which it may not return. */
export function badReturn(server: Server, callback: string, action: Action): TroupeError {
  return new TroupeError(
    'TROUPE_BAD_RETURN',
    `${callback} of '${server.callbacks.name}' cannot return ${action.kind}().`,
    { reason: ['bad_return_value', action] },
  );
}

/** Works off results until one has to be waited for. @returns its promise, or undefined when all is done. */
function work(server: Server, first: unknown): PromiseLike<unknown> | undefined {
  let result = first;
  for (let continues = 1; ; continues++) {
    if (isThenable(result)) return result;
    if (!(result instanceof Action)) {
      server.request?.reply(result);
      return done(server, Infinity);
    }
    const ending = apply(server, result);
    if (ending !== undefined) return ending;
    if (result.next === NONE) return done(server, result.timeoutMs);
    server.request = null;
    server.lastMessage = ['continue', result.next];
    if (continues % CONTINUES_PER_CLOCK_CHECK === 0 && server.self.node.scheduler.sliceOver()) {
      return continueAfterTurn(server, result.next);
    }
    result = proceed(server, result.next);
  }
}

async function workLater(server: Server, first: PromiseLike<unknown>): Promise<void> {
  const { self } = server;
  let pending: PromiseLike<unknown> | undefined = first;
  while (pending !== undefined) {
    let result: unknown;
    try {
      result = await pending;
    } catch (thrown) {
      if (server.ending || !self.alive) throw thrown;
      result = endServer(server, reasonOfThrown(thrown), thrown);
    }
    // Killed while it waited: nothing that its handler wants happens any more.
    if (!self.alive) return;
    pending = work(server, result);
  }
}

function done(server: Server, timeoutMs: number): undefined {
  server.request = null;
  server.lastMessage = undefined;
  server.startTimeout(timeoutMs);
}

/** Replies, replaces the state, ends. @returns a promise when the server ends, and takes time to. */
function apply(server: Server, action: Action): Promise<never> | undefined {
  const { request } = server;
  const replies = action.value !== NONE;
  const allowed = action.kind === 'noReply' || action.kind === 'stop' || action.kind === 'reply';
  if (!allowed || (replies && request === null)) {
    const error = badReturn(server, 'A callback', action);
    return endServer(server, error, error);
  }
  if (action.state !== NONE) server.state = action.state;
  if (action.kind === 'stop') return endServer(server, action.reason, undefined, action.value);
  if (replies) request?.reply(action.value);
  return undefined;
}

/** Runs the `continue` callback. @returns what it returned, or a promise that ends the process. */
function proceed(server: Server, argument: unknown): unknown {
  const { callbacks, self } = server;
  try {
    if (callbacks.continue !== undefined) return callbacks.continue(server.state, argument, self);
  } catch (thrown) {
    return endServer(server, reasonOfThrown(thrown), thrown);
  }
  const error = new TroupeError(
    'TROUPE_BAD_RETURN',
    `A callback of '${callbacks.name}' asked for continue, which it does not define.`,
  );
  return endServer(server, error, error);
}

async function continueAfterTurn(server: Server, argument: unknown): Promise<unknown> {
  await new Promise((resume) => {
    setImmediate(resume);
  });
  return server.self.alive ? proceed(server, argument) : undefined;
}
