/**
 * Waiting for one message, with a probe that lives only for it.
 */
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/pid.ts';
import type { Matcher } from '../process/receive.ts';
import type { WaitOptions } from './guard.ts';
import { createProbe } from './probe.ts';

/**
 * Waits for the first message that matches, sent to a pid that is made for it.
 * @param cause is given the pid and does what makes somebody send to it; it may return a promise.
 * @param match every message matches when it is left out.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT, which lists what came instead; and what `cause` throws.
 * @example
 * const answer = await awaitMessage(node, (pid) => node.send(server, { op: 'get', replyTo: pid }));
 */
export async function awaitMessage<T = unknown>(
  node: Node,
  cause: (pid: Pid) => unknown,
  match?: Matcher<T>,
  options?: WaitOptions,
): Promise<T> {
  const probe = createProbe(node, { label: 'awaitMessage' });
  try {
    await cause(probe.pid);
    return await probe.receive(match, options);
  } finally {
    probe.stop();
  }
}
