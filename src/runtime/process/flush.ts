/**
 * Taking messages out of a mailbox from outside of a receive, as `demonitor` with `flush` does.
 */
import type { Process } from './process.ts';

/**
 * @internal Removes the messages that match, oldest first. A receive that waits goes on where it was.
 * @param limit how many at most.
 */
export function flush(process: Process, match: (message: unknown) => boolean, limit = Infinity): void {
  let left = limit;
  for (let index = 0; index < process.mailboxLength && left > 0;) {
    if (!match(process.peekAt(index))) {
      index++;
      continue;
    }
    process.removeAt(index);
    left--;
    const waiter = process.extra?.waiter ?? null;
    if (waiter !== null && index < waiter.scanned) waiter.scanned--;
  }
}
