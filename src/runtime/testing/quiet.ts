/**
 * When a node is quiet: nothing is in its run queue, and no process is in the middle of a handler.
 *
 * One look is not enough. Between two looks processes may have run and be done, and a carrier within this operating
 * system process may hand over in a later turn of the event loop; so in several turns in a row nothing must have run.
 *
 * A process that awaits the answer of a call counts as one that waits for a message: it goes on when the server answers,
 * and whether the server is busy is seen at the server.
 */
import { setImmediate } from 'node:timers';
import type { ClockUser } from '../process/clock.ts';
import type { Node } from '../process/node.ts';
import { AWAITING, type Process } from '../process/process.ts';

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

/** @internal The processes of some nodes that are in the middle of a handler, but for those that await a call. */
export function busyProcesses(nodes: readonly Node[]): Process[] {
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
