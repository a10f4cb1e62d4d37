/**
 * Looks into a running process, and suspends it: OTP's `sys` module, for servers and supervisors.
 *
 * Each function is a call that the process answers between two messages, when no handler is working on the state; a busy
 * process answers late or not in time. Meant for debugging, tests and tools: the state is handed out by reference; only
 * read it.
 */
import { TroupeError } from '../errors.ts';
import { formatReason } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import { type Destination, nodeOf } from '../process/destination.ts';
import { call, type CallOptions, SYSTEM } from './gen.ts';
import { answerOf, type SystemAnswer, type SystemStatus } from './system.ts';

export type { SystemStatus } from './system.ts';

/**
 * The state of a process: of a server what its callbacks get.
 * @throws TroupeError as `call` does; all functions of this file. See `sys:get_state/2`.
 */
export async function getState(node: Node, to: Destination, options?: CallOptions): Promise<unknown> {
  return await ask(node, to, 'state', 'get_state', options);
}

/**
 * Replaces the state of a process of this node by what `replace` makes of it.
 * @returns the new state.
 * @throws TroupeError TROUPE_SYSTEM_FAILED when `replace` throws; the process keeps its state. See `sys:replace_state/3`.
 */
export async function replaceState(
  node: Node,
  to: Destination,
  replace: (state: never) => unknown,
  options?: CallOptions,
): Promise<unknown> {
  return await ask(node, to, 'state', ['replace_state', replace], options);
}

/** Everything that a process shows of itself. See `sys:get_status/2`. */
export async function getStatus(node: Node, to: Destination, options?: CallOptions): Promise<SystemStatus> {
  return (await ask(node, to, 'status', 'get_status', options)) as SystemStatus;
}

/**
 * Suspends a process: until it is resumed it handles only system messages and the exit of its parent. Messages to it wait,
 * and calls to it time out. See `sys:suspend/2`.
 */
export async function suspend(node: Node, to: Destination, options?: CallOptions): Promise<void> {
  await ask(node, to, 'ok', 'suspend', options);
}

/** Lets a suspended process go on; no effect on one that is not. See `sys:resume/2`. */
export async function resume(node: Node, to: Destination, options?: CallOptions): Promise<void> {
  await ask(node, to, 'ok', 'resume', options);
}

/**
 * Tells a process to clean up and end with a reason, and does not wait until it has; `stop` does. See `sys:terminate/3`.
 */
export async function terminate(
  node: Node,
  to: Destination,
  reason: unknown,
  options?: CallOptions,
): Promise<void> {
  await ask(node, to, 'ok', ['terminate', reason], options);
}

async function ask(
  node: Node,
  to: Destination,
  wanted: SystemAnswer['kind'],
  request: unknown,
  options: CallOptions | undefined,
): Promise<unknown> {
  const answer = await call(node, to, SYSTEM, request, options);
  const read = await answerOf(wanted, answer, () => node.router.givesBareState(nodeOf(node, to)));
  const command = String(Array.isArray(request) ? request[0] : request);
  if (read === undefined) {
    const what = `${command} failed: what answers does not obey system messages.`;
    throw new TroupeError('TROUPE_SYSTEM_FAILED', what, { reason: 'unknown_system_msg' });
  }
  const { kind, value } = read;
  if (kind === wanted) return value;
  const detail = Array.isArray(value) ? (value as unknown[]).at(-1) : value;
  throw new TroupeError('TROUPE_SYSTEM_FAILED', `${command} failed: ${formatReason(detail)}.`, {
    reason: value,
    cause: detail,
  });
}
