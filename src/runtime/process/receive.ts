/**
 * Selective receive.
 *
 * A receive looks through the mailbox from the oldest message on and waits when nothing matches; what it has looked at
 * is not looked at again when more arrives. See `receive` in the Erlang reference manual, "Expressions".
 *
 * Why credit: a function that loops over receive on a full mailbox would go on in microtasks for ever and starve all
 * others; after a few answers at once the next one goes through the run queue.
 */
import { TroupeError, badArgument, checkOptionNames, kindOf, type OptionNames } from '../errors.ts';
import { quietExit, TIMEOUT } from './messages.ts';
import type { Process } from './process.ts';
import { EMPTY, AWAITING, OVER_MARK, QUEUED, RECEIVING, RUNNING } from './state.ts';
import { REDUCTIONS_PER_RUN } from './scheduler.ts';
import { TimerEntry, timerLength } from './timers.ts';

/**
 * Says which message a receive takes: a type guard, or a predicate for a message whose type is known otherwise. It must
 * be quick and free of effects; what it throws rejects the receive.
 */
export type Matcher<T> = ((message: unknown) => message is T) | ((message: unknown) => boolean);

/** Options of `receive`. */
export interface ReceiveOptions {
  /** Milliseconds until the receive answers `TIMEOUT`; Erlang's `after`. */
  readonly after?: number;
}

const RECEIVE_OPTIONS: OptionNames<ReceiveOptions> = { after: true };

/**
 * A matcher for the instances of any of some classes, typed as their union.
 * @example `await self.receive(matching(Ping, Stop))`
 */
export function matching<Classes extends readonly (abstract new (...args: never[]) => unknown)[]>(
  ...classes: Classes
): (message: unknown) => message is InstanceType<Classes[number]> {
  return (message): message is InstanceType<Classes[number]> =>
    classes.some((constructor) => message instanceof constructor);
}

/** @internal Checks what a receive is to take. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkMatcher(match: unknown, options: string): void {
  if (match === undefined || typeof match === 'function') return;
  throw badArgument(
    `A receive takes a function that matches messages, not ${kindOf(match)}; options follow it: receive(undefined, ${options}).`,
  );
}

/** How many receives in a row answer from the mailbox without going through the run queue. */
const CREDIT = 16;
/** How many messages such a receive looks at; with the credit used up that is about as much as one run. */
const LOOKS_AT_ONCE = 128;
const NONE = -1;

/** @internal A receive that waits. */
export class Waiter extends TimerEntry {
  readonly process: Process;
  readonly match: Matcher<unknown> | undefined;
  /** How many messages, from the oldest on, are known not to match. */
  scanned: number;
  /** True when the time is over: one last look, then TIMEOUT. */
  late = false;
  promise: Promise<unknown> | undefined = undefined;
  #resolve: (value: unknown) => void = () => undefined;
  #reject: (error: unknown) => void = () => undefined;

  constructor(process: Process, match: Matcher<unknown> | undefined, scanned: number) {
    super();
    this.process = process;
    this.match = match;
    this.scanned = scanned;
  }

  wait(): Promise<unknown> {
    return (this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    }));
  }

  /** Lets the process wait, or look again when something has come that was not looked at. */
  park(): void {
    const { process } = this;
    if (this.late || this.scanned < process.mailboxLength) {
      process.status = QUEUED;
      process.node.scheduler.enqueue(process);
    } else {
      process.status = RECEIVING;
    }
  }

  override expired(): void {
    this.late = true;
    if (this.process.status === RECEIVING) this.park();
  }

  answer(message: unknown): void {
    this.#done();
    this.process.status = AWAITING;
    this.process.ensureExtra().credit = CREDIT;
    this.process.node.scheduler.resumes();
    this.#resolve(message);
  }

  /** Rejects the receive: its matcher threw. */
  reject(error: unknown): void {
    this.#done();
    this.#reject(error);
  }

  /** Rejects the receive of a process that has ended. */
  fail(error: unknown): void {
    this.#done();
    // It may be that nothing awaits it any more; that must not count as an unhandled rejection.
    this.promise?.then(undefined, () => undefined);
    this.#reject(error);
  }

  drop(): void {
    this.#done();
  }

  #done(): void {
    this.process.ensureExtra().waiter = null;
    this.process.node.timers.drop(this);
  }
}

/** @internal See `Process.receive`. */
export function receive<T>(
  process: Process,
  match: Matcher<T> | undefined,
  options: ReceiveOptions | undefined,
): Promise<T | typeof TIMEOUT> {
  const extra = process.ensureExtra();
  if (extra.waiter !== null) {
    throw new TroupeError(
      'TROUPE_RECEIVE_BUSY',
      `Process ${process.pid.toString()} already waits in a receive.`,
    );
  }
  if (process.status !== RUNNING && process.status !== AWAITING) {
    throw new TroupeError(
      'TROUPE_RECEIVE_BUSY',
      `Process ${process.pid.toString()} receives outside of its handler, which has returned already.`,
    );
  }
  checkMatcher(match, '{ after: 100 }');
  if (options !== undefined && options.after === undefined)
    checkOptionNames('receive', options, RECEIVE_OPTIONS);
  const after =
    options?.after === undefined || options.after === Infinity ? undefined : timerLength(options.after);
  let scanned = 0;
  if (extra.credit > 0) {
    extra.credit--;
    let index: number;
    try {
      index = indexOfMatch(process, match, 0, LOOKS_AT_ONCE);
    } catch (thrown) {
      return Promise.reject(thrown);
    }
    if (index !== NONE) return Promise.resolve(takeAt(process, index) as T);
    scanned = Math.min(LOOKS_AT_ONCE, process.mailboxLength);
    if (after === 0 && scanned === process.mailboxLength) return Promise.resolve(TIMEOUT);
  }
  const waiter = new Waiter(process, match, scanned);
  const promise = waiter.wait();
  extra.waiter = waiter;
  if (after === 0) waiter.late = true;
  else if (after !== undefined) process.node.timers.start(waiter, after);
  if (process.status === AWAITING) waiter.park();
  // A handler that turns out to be synchronous leaves the receive behind: it is dropped before the next message.
  else process.node.scheduler.reductions = 0;
  return promise as Promise<T | typeof TIMEOUT>;
}

/** @internal One run of a process that waits in a receive. A message looked at costs as much as one handled. */
export function runReceive(process: Process): number {
  const waiter = process.ensureExtra().waiter as Waiter;
  const from = waiter.scanned;
  let index: number;
  try {
    index = indexOfMatch(process, waiter.match, from, from + REDUCTIONS_PER_RUN);
  } catch (thrown) {
    process.status = AWAITING;
    waiter.reject(thrown);
    return 1;
  }
  if (index !== NONE) {
    waiter.answer(takeAt(process, index));
    return index - from + 1;
  }
  waiter.scanned = Math.min(from + REDUCTIONS_PER_RUN, process.mailboxLength);
  if (waiter.late && waiter.scanned === process.mailboxLength) waiter.answer(TIMEOUT);
  else waiter.park();
  return waiter.scanned - from;
}

/** @internal Forgets a receive that the code did not wait for before its handler ended. */
export function dropReceive(process: Process): void {
  process.extra?.waiter?.drop();
}

/** @internal Ends the receive of a process that dies, so that its `finally` blocks run. */
export function abandonReceive(process: Process, reason: unknown): void {
  process.extra?.waiter?.fail(quietExit(reason));
}

function indexOfMatch(
  process: Process,
  match: Matcher<unknown> | undefined,
  from: number,
  to: number,
): number {
  const end = Math.min(to, process.mailboxLength);
  if (match === undefined) return from < end ? from : NONE;
  for (let index = from; index < end; index++) {
    if (match(process.peekAt(index))) return index;
  }
  return NONE;
}

function takeAt(process: Process, index: number): unknown {
  process.handled++;
  const message = process.removeAt(index);
  if (process.head === EMPTY) process.flags &= ~OVER_MARK;
  return message;
}
