/**
 * Waiting for the end of a process.
 */
import { addWatch, removeWatch, type Watch } from '../process/monitor.ts';
import type { ExitReason } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/pid.ts';
import { startWait, type WaitOptions } from './guard.ts';

/**
 * Waits until a process ends.
 * @param node the node of the process.
 * @returns its exit reason; `noproc` when it was dead before, as a monitor says. So begin to wait before what ends it.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT.
 * @example
 * const ended = awaitExit(node, pid);
 * node.exit(pid, 'shutdown');
 * expect(await ended).toBe('shutdown');
 */
export function awaitExit(node: Node, pid: Pid, options?: WaitOptions): Promise<ExitReason> {
  const process = node.find(pid);
  if (process === null) return Promise.resolve('noproc');
  const wait = startWait<ExitReason>(
    options,
    () =>
      `${process.label} ${pid.toString()} was still alive, with ${process.mailboxLength} messages in its mailbox`,
    () => {
      removeWatch(watch);
    },
  );
  const watch: Watch = {
    watched: null,
    watchPrev: null,
    watchNext: null,
    targetExited: (reason) => {
      wait.resolve(reason);
    },
  };
  addWatch(process, watch);
  return wait.promise;
}
