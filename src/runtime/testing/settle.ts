/**
 * Letting everything that is under way come to its end, instead of sleeping and hoping.
 */
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/pid.ts';
import { checkWithin, timeoutError, type WaitOptions } from './guard.ts';
import { busyProcesses, untilQuiet } from './quiet.ts';

/** Options of {@link settle}. */
export interface SettleOptions extends WaitOptions {
  /** Processes whose handlers may still be under way: those that wait for something that the test holds back. */
  readonly except?: readonly Pid[];
}

/** How many processes an error names. */
const NAMED_MAX = 10;

/**
 * Waits until nothing happens any more on some nodes: their run queues are empty and every process waits for a message,
 * a timer, or the answer of a call. It sees what happens within this operating system process; it does not see data on
 * sockets, or timers that have yet to fire (step those with `createManualClock`).
 *
 * @param nodes one node, or several that talk to each other.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT, which names the processes that are still busy.
 * @example
 * node.send(server, 'work');
 * await settle(node);
 */
export async function settle(nodes: Node | readonly Node[], options: SettleOptions = {}): Promise<void> {
  const all = Array.isArray(nodes) ? (nodes as readonly Node[]) : [nodes as Node];
  const withinMs = checkWithin(options);
  const giveUpAt = performance.now() + withinMs;
  const busy = () =>
    busyProcesses(all).filter(({ pid }) => options.except?.some((excepted) => excepted.equals(pid)) !== true);
  const settled = await untilQuiet(
    all.map(({ scheduler }) => scheduler),
    () => busy().length === 0,
    giveUpAt,
  );
  if (!settled) throw timeoutError(withinMs, stillBusy(all, busy()));
}

function stillBusy(nodes: readonly Node[], busy: ReturnType<typeof busyProcesses>): string {
  const awaiting = busy
    .slice(0, NAMED_MAX)
    .map(({ pid, label }) => `\n  - ${label} ${pid.toString()} awaits a promise in its handler`);
  if (busy.length > NAMED_MAX) awaiting.push(`\n  and ${busy.length - NAMED_MAX} more`);
  const running = nodes
    .filter(({ scheduler }) => !scheduler.idle)
    .map(({ name }) => `\n  - the run queue of ${name} is not empty`);
  const reasons = [...awaiting, ...running];
  if (reasons.length === 0) return 'the nodes had not been quiet for long enough';
  return `the nodes had not settled: ${reasons.join('')}`;
}
