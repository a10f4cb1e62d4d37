/**
 * What happens when messages queue up: the high-water event of every mailbox, and the bound of those that have one.
 *
 * A bound concerns what programs send each other. What the runtime itself has to say is put in whatever the bound, and
 * `dropOldest` passes over it: the messages of signals (`Exit`, `Down`), and what is marked with `KEPT`, such as system messages,
 * by which a server is stopped and looked into.
 */
import { telemetry } from '../telemetry.ts';
import { terminate } from './exit.ts';
import { KEPT } from './messages.ts';
import type { Process } from './process.ts';
import { OVER_MARK } from './state.ts';

const highWater = telemetry('troupe:mailbox:high_water');
const droppedMessage = telemetry('troupe:mailbox:dropped');

/** @internal Marks a message that wants to know when the bound of a process drops it: a call, which then fails at once. */
export const DROPPED: unique symbol = Symbol('dropped');

/** How many messages `dropOldest` looks at for one that may go; beyond that it drops the message that comes. */
const LOOK_MAX = 64;

/** @internal Puts a message behind others in a bounded mailbox. @returns false when it was not taken in. */
export function overflow(process: Process, message: unknown): boolean {
  if (!makeRoom(process, message)) return false;
  process.push(message);
  checkHighWater(process);
  return true;
}

/** @internal Reports a mailbox that has grown past the high-water mark. */
export function checkHighWater(process: Process): void {
  if ((process.flags & OVER_MARK) !== 0 || process.mailboxLength <= process.node.mailboxHighWater) return;
  process.flags |= OVER_MARK;
  if (highWater.hasSubscribers) {
    highWater.publish({ pid: process.pid, label: process.label, length: process.mailboxLength });
  }
}

function makeRoom(process: Process, message: unknown): boolean {
  const bound = process.ensureExtra().mailbox;
  if (bound === undefined || process.mailboxLength < bound.limit || isKept(message)) return true;
  if (bound.policy === 'exit') {
    terminate(process, ['mailbox_full', bound.limit]);
    return false;
  }
  if (bound.policy === 'reject') {
    drop(process, message, 'reject');
    return false;
  }
  const looked = Math.min(process.mailboxLength, LOOK_MAX);
  for (let index = 0; index < looked; index++) {
    const oldest = process.peekAt(index);
    if (isKept(oldest)) continue;
    process.removeUnreceived(index);
    drop(process, oldest, 'dropOldest');
    return true;
  }
  // What may not go fills the front of the mailbox.
  drop(process, message, 'reject');
  return false;
}

function isKept(message: unknown): boolean {
  return typeof message === 'object' && message !== null && (message as { [KEPT]?: boolean })[KEPT] === true;
}

function drop(process: Process, message: unknown, policy: 'reject' | 'dropOldest'): void {
  const dropped = ++process.ensureExtra().dropped;
  if (droppedMessage.hasSubscribers) {
    droppedMessage.publish({ pid: process.pid, label: process.label, policy, message, dropped });
  }
  if (typeof message === 'object' && message !== null && DROPPED in message) {
    (message as { [DROPPED]: (process: Process) => void })[DROPPED](process);
  }
}
