/**
 * When a node is quiet: nothing is in its run queue, and no process is in the middle of a handler.
 *
 * One look is not enough. A continuation of an async function runs as a microtask, and a carrier within this operating
 * system process may hand over in a later turn of the event loop; so several turns in a row have to find nothing.
 *
 * A process that awaits the answer of a call counts as one that waits for a message: it goes on when the server answers,
 * and whether the server is busy is seen at the server.
 */
import { setImmediate } from 'node:timers';
import { Call } from '../otp/call.ts';
import type { Node } from '../process/node.ts';
import { AWAITING, type Process } from '../process/process.ts';

/** How many turns of the event loop in a row have to find everything quiet. */
const QUIET_TURNS = 4;

/**
 * @internal Waits until something has been quiet for several turns of the event loop.
 * @param isQuiet looked at once in each turn.
 * @param isOver looked at in each turn, too: true gives up.
 * @returns false when it was given up.
 */
export async function untilQuiet(isQuiet: () => boolean, isOver: () => boolean): Promise<boolean> {
  for (let quietTurns = 0; quietTurns < QUIET_TURNS;) {
    if (isOver()) return false;
    await nextTurn();
    quietTurns = isQuiet() ? quietTurns + 1 : 0;
  }
  return true;
}

/** @internal The processes of a node that are in the middle of a handler, but for those that only await a call. */
export function busyProcesses(nodes: readonly Node[]): Process[] {
  const awaiting = nodes.flatMap((node) => node.table.all().filter(({ status }) => status === AWAITING));
  if (awaiting.length === 0) return [];
  const calling = callers(nodes);
  return awaiting.filter((process) => !calling.has(process));
}

/** The processes that wait for the answer of a call. */
function callers(nodes: readonly Node[]): Set<Process> {
  const found = new Set<Process>();
  for (const node of nodes) {
    for (const server of node.table.all()) {
      for (let watch = server.watches; watch !== null; watch = watch.watchNext) {
        if (watch instanceof Call && watch.caller !== null) found.add(watch.caller);
      }
    }
    for (const holder of node.router.aliases.values()) {
      if (holder instanceof Call && holder.caller !== null) found.add(holder.caller);
    }
  }
  return found;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
