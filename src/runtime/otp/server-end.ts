/**
 * How a server ends: its `terminate` callback, the reply of a `stop`, the report, the exit, in this order.
 *
 * Invariants: `terminate` runs at most once, and not for a process that is dead already. What it throws replaces the
 * reason. Nothing else of the definition runs after it. See `gen_server:terminate`, and its report of errors.
 */
import { isThenable } from '../process/behaviour.ts';
import { type ExitReason, isCleanExit, ProcessExit, reasonOfThrown } from '../process/messages.ts';
import { reportFailure } from '../process/report.ts';
import { telemetry } from '../telemetry.ts';
import { Call, Cast, RemoteCall } from './call.ts';
import { NONE } from './server-actions.ts';
import type { Server } from './server-state.ts';

const terminated = telemetry('troupe:server:terminated');

/**
 * @internal Ends a server, by throwing or by a promise that rejects.
 * @param thrown what the process is to end by; tells a callback that threw from a stop that was asked for.
 * @param reply what the caller of a `stop` gets.
 */
export function endServer(
  server: Server,
  reason: ExitReason,
  thrown: unknown = new ProcessExit(reason),
  reply: unknown = NONE,
): Promise<never> {
  const { self, callbacks } = server;
  // Killed inside its own callback: it is past cleaning up, as in OTP.
  if (!self.alive) throw thrown;
  server.ending = true;
  let cleaning: unknown;
  try {
    cleaning = callbacks.terminate?.(server.state, reason, self);
  } catch (failure) {
    throw failedToClean(server, failure, reply);
  }
  if (isThenable(cleaning)) return endLater(server, reason, thrown, reply, cleaning);
  throw cleaned(server, reason, thrown, reply);
}

async function endLater(
  server: Server,
  reason: ExitReason,
  thrown: unknown,
  reply: unknown,
  cleaning: PromiseLike<unknown>,
): Promise<never> {
  try {
    await cleaning;
  } catch (failure) {
    throw failedToClean(server, failure, reply);
  }
  throw cleaned(server, reason, thrown, reply);
}

function cleaned(server: Server, reason: ExitReason, thrown: unknown, reply: unknown): unknown {
  if (!server.self.alive) return thrown;
  answer(server, reply);
  if (!isCleanExit(reason)) report(server, reason, thrown);
  return thrown;
}

/** What `terminate` throws is reported whatever it is. */
function failedToClean(server: Server, failure: unknown, reply: unknown): unknown {
  if (!server.self.alive) return failure;
  answer(server, reply);
  report(server, reasonOfThrown(failure), failure);
  return failure;
}

function answer(server: Server, reply: unknown): void {
  if (reply !== NONE) server.request?.reply(reply);
}

function report(server: Server, reason: ExitReason, thrown: unknown): void {
  const { self, lastMessage } = server;
  const { pid, label, extra, node } = self;
  if (terminated.hasSubscribers) {
    terminated.publish({ pid, label, reason, lastMessage: shown(lastMessage) });
  } else if (thrown instanceof ProcessExit && !isCleanExit(reason)) {
    // What else is thrown is a crash of its process, which is told.
    const channel = 'troupe:server:terminated';
    reportFailure(node, { kind: 'error', channel, pid, label, name: extra?.name, reason });
  }
}

/** A call or cast without what only the runtime needs. */
function shown(message: unknown): unknown {
  if (message instanceof Call || message instanceof RemoteCall || message instanceof Cast) {
    return { name: message.name, argument: message.argument };
  }
  return message;
}
