/**
 * Stops a process and waits until it is gone: `proc_lib:stop/3`.
 *
 * A process of its own asks and waits, so that whoever stops need be no process, and what comes late finds nobody.
 */
import { TroupeError } from '../errors.ts';
import { Down, type ExitReason, formatReason, TIMEOUT } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import type { Destination } from '../process/destination.ts';
import type { Process } from '../process/process.ts';
import { call, SYSTEM } from './call.ts';

/**
 * Tells a server or supervisor to clean up and end with a reason, and waits until it has.
 * @param timeoutMs milliseconds until it fails with TROUPE_CALL_TIMEOUT; the process may still end later. By default it
 * waits as long as it takes.
 * @throws TroupeError TROUPE_CALL_NOPROC, TROUPE_CALL_NODEDOWN, TROUPE_CALL_TIMEOUT; TROUPE_CALL_EXIT when it ended with
 * another reason than the one asked for. A process that stops itself would wait for ever. See `gen_server:stop/3`.
 */
export function stopProcess(
  node: Node,
  to: Destination,
  reason: ExitReason = 'normal',
  timeoutMs = Infinity,
): Promise<void> {
  return new Promise((resolve, reject) => {
    node.spawnWith({ label: 'stop' }, async (self: Process) => {
      await stopAndWait(self, to, reason, timeoutMs).then(resolve, reject);
    });
  });
}

async function stopAndWait(
  self: Process,
  to: Destination,
  reason: ExitReason,
  timeoutMs: number,
): Promise<void> {
  const { node } = self;
  const endMs = node.clock.now() + timeoutMs;
  const ref = self.monitor(to);
  const isDown = (message: unknown): message is Down => message instanceof Down && message.ref.equals(ref);
  try {
    await call(node, to, SYSTEM, ['terminate', reason], { timeoutMs, from: self });
  } catch (error) {
    const ended = error instanceof TroupeError && error.code === 'TROUPE_CALL_EXIT';
    if (ended && isSameReason(error.reason, reason)) return;
    throw error;
  }
  const down = await self.receive(isDown, { after: Math.max(0, endMs - node.clock.now()) });
  if (down === TIMEOUT) {
    throw new TroupeError('TROUPE_CALL_TIMEOUT', 'The process did not end in time.', { reason: 'timeout' });
  }
  if (isSameReason(down.reason, reason)) return;
  throw new TroupeError('TROUPE_CALL_EXIT', `The process ended with ${formatReason(down.reason)}.`, {
    reason: down.reason,
    cause: down.reason,
  });
}

/** Compares by value, as far as reasons have one: texts, numbers, tuples of them. */
function isSameReason(one: unknown, other: unknown): boolean {
  if (Array.isArray(one) && Array.isArray(other)) {
    return one.length === other.length && one.every((item, index) => isSameReason(item, other[index]));
  }
  return Object.is(one, other);
}
