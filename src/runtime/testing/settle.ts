/**
 * Letting everything that is under way come to its end, instead of sleeping and hoping.
 *
 * A node is quiet when nothing is in its run queue and no process is in the middle of a handler. One look is not enough:
 * between two looks processes may have run and be done, and a carrier within this operating system process may hand over
 * in a later turn of the event loop. So nothing may have run for several turns in a row.
 *
 * A process that awaits the answer of a call counts as one that waits for a message: it goes on when the server answers,
 * and whether the server is busy is seen at the server.
 */
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/identifiers.ts';
import { type WaitOptions, checkWithin, timeoutError } from './wait.ts';
import { setImmediate } from 'node:timers';
import type { ClockUser } from '../process/timers.ts';
import type { Process } from '../process/process.ts';
import { AWAITING } from '../process/state.ts';

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

/** How many turns of the event loop in a row have to find everything quiet. */
const QUIET_TURNS = 4;

/**
 * @internal Waits until nothing has run for several turns of the event loop.
 * @param queues the run queues to look at.
 * @param isQuiet what else must be; asked only when nothing runs.
 * @param giveUpAt when to give up, by `performance.now()`.
 * @returns false when it was given up.
 */
export async function untilQuiet(
  queues: readonly ClockUser[],
  isQuiet: () => boolean,
  giveUpAt: number,
): Promise<boolean> {
  let before = -1;
  for (let quietTurns = 0; quietTurns < QUIET_TURNS;) {
    if (performance.now() >= giveUpAt) return false;
    await nextTurn();
    const turns = queues.reduce((sum, queue) => sum + queue.turns, 0);
    const rests = turns === before && queues.every(({ idle }) => idle) && isQuiet();
    quietTurns = rests ? quietTurns + 1 : 0;
    before = turns;
  }
  return true;
}

/** The processes of some nodes that are in the middle of a handler, but for those that await a call. */
function busyProcesses(nodes: readonly Node[]): Process[] {
  return nodes.flatMap((node) => node.table.all().filter(isBusy));
}

function isBusy({ status, extra }: Process): boolean {
  return status === AWAITING && (extra === null || extra.pending === null);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
