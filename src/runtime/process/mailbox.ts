/**
 * The message queue of a process, its high-water event, and the bound of those that have one.
 *
 * The oldest message sits in a field of its own and only what waits behind it goes into a ring, which is made when
 * first needed: most processes have no or one message waiting, and an idle process should cost little. Push and take
 * are O(1); removing from the middle, for selective receive, moves the shorter side.
 *
 * Invariants: when `head` is EMPTY the ring is empty too; messages leave in the order they came, but for `removeAt`.
 * `Mailbox` itself knows no limits and wakes nobody: `Process` does that.
 *
 * A bound limits what programs send each other. The runtime's own messages are put in whatever the bound, and `dropOldest` passes
 * over them: those of signals (`Exit`, `Down`), and those marked with `KEPT`, such as system messages, by which a server is
 * stopped and looked into.
 */
import { terminate } from './exit.ts';
import { KEPT } from './messages.ts';
import type { Process } from './process.ts';
import * as states from './state.ts';
import { telemetry } from '../telemetry.ts';

// As constants of this module: see process.ts.
const { EMPTY, OVER_MARK } = states;

/** A ring of this capacity or less is kept when it runs empty; a larger one is given back. */
const KEEP_CAPACITY = 512;
const FIRST_CAPACITY = 4;

/** A growing ring buffer. */
class Ring {
  slots: unknown[] = new Array<unknown>(FIRST_CAPACITY);
  start = 0;
  length = 0;

  push(message: unknown): void {
    if (this.length === this.slots.length) this.#grow();
    this.slots[(this.start + this.length) & (this.slots.length - 1)] = message;
    this.length++;
  }

  shift(): unknown {
    const slots = this.slots;
    const start = this.start;
    const message = slots[start];
    slots[start] = undefined;
    this.start = (start + 1) & (slots.length - 1);
    this.length--;
    return message;
  }

  at(index: number): unknown {
    return this.slots[(this.start + index) & (this.slots.length - 1)];
  }

  removeAt(index: number): unknown {
    const { slots } = this;
    const mask = slots.length - 1;
    const message = this.at(index);
    if (index < this.length >> 1) {
      for (let i = index; i > 0; i--) {
        slots[(this.start + i) & mask] = slots[(this.start + i - 1) & mask];
      }
      slots[this.start] = undefined;
      this.start = (this.start + 1) & mask;
    } else {
      for (let i = index; i < this.length - 1; i++) {
        slots[(this.start + i) & mask] = slots[(this.start + i + 1) & mask];
      }
      slots[(this.start + this.length - 1) & mask] = undefined;
    }
    this.length--;
    return message;
  }

  #grow(): void {
    const { slots, start } = this;
    const size = slots.length;
    const grown = new Array<unknown>(size * 2);
    for (let i = 0; i < size; i++) grown[i] = slots[(start + i) & (size - 1)];
    this.slots = grown;
    this.start = 0;
  }
}

/** A queue of messages; the base of `Process`, so that an idle process is one object. */
export class Mailbox {
  /** @internal The oldest message, or EMPTY. */
  head: unknown = EMPTY;
  /** @internal What waits behind the head. */
  rest: Ring | null = null;

  /** Number of messages that wait. */
  get mailboxLength(): number {
    return this.head === EMPTY ? 0 : this.rest === null ? 1 : 1 + this.rest.length;
  }

  /** @internal Adds a message behind all others. */
  push(message: unknown): void {
    if (this.head === EMPTY) this.head = message;
    else (this.rest ??= new Ring()).push(message);
  }

  /** @internal Adds a message behind others. @returns how many wait behind the head now. */
  pushBehind(message: unknown): number {
    const rest = (this.rest ??= new Ring());
    rest.push(message);
    return rest.length;
  }

  /** @internal Takes the oldest message; the mailbox must not be empty. */
  take(): unknown {
    const message = this.head;
    const rest = this.rest;
    if (rest === null) {
      this.head = EMPTY;
    } else if (rest.length !== 0) {
      this.head = rest.shift();
    } else {
      this.head = EMPTY;
      if (rest.slots.length > KEEP_CAPACITY) this.rest = null;
    }
    return message;
  }

  /** @internal The message at a position, 0 being the oldest. */
  peekAt(index: number): unknown {
    return index === 0 ? this.head : this.rest?.at(index - 1);
  }

  /** @internal Takes the message at a position, 0 being the oldest. */
  removeAt(index: number): unknown {
    return index === 0 ? this.take() : this.rest?.removeAt(index - 1);
  }

  /** @internal Forgets all messages. */
  clearMailbox(): void {
    this.head = EMPTY;
    this.rest = null;
  }
}

// ---- the high-water mark and the bound ----

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
