/**
 * Waits of a test, and their outer limit: a wait that nothing ends fails with a message that says what came instead, before
 * the test runner gives up and can only say that it waited.
 *
 * The limit is real time, whatever clock the node has, and a backstop only: no test should depend on its length.
 */
import { clearTimeout, setTimeout } from 'node:timers';
import { TroupeError } from '../errors.ts';
import { checkPositive } from '../options.ts';
import { onExit, removeWatch } from '../process/monitor.ts';
import type { ExitReason } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/identifiers.ts';

/** How long a wait lasts at most by default, in milliseconds; shorter than the 5 s of the usual test runners. */
export const DEFAULT_WITHIN_MS = 4_000;
/** The longest wait that can be asked for: an hour. */
const MAX_WITHIN_MS = 3_600_000;

/** Options of every wait. */
export interface WaitOptions {
  /** Milliseconds of real time until the wait fails with TROUPE_TEST_TIMEOUT. Default 4,000, at most 3,600,000. */
  readonly withinMs?: number;
}

/** @internal A wait that something settles; the first to do so wins. */
export interface Wait<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * @internal Starts a wait.
 * @param describe says, when the time is over, what was waited for and what came instead.
 * @param ended is called once when the wait is over, however it ended.
 */
export function startWait<T>(
  options: WaitOptions | undefined,
  describe: () => string,
  ended: () => void = () => undefined,
): Wait<T> {
  const withinMs = checkWithin(options);
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise;
    reject = rejectPromise;
  });
  const timer = setTimeout(() => {
    ended();
    reject(timeoutError(withinMs, describe()));
  }, withinMs);
  return {
    promise,
    resolve: (value) => {
      clearTimeout(timer);
      ended();
      resolve(value);
    },
    reject: (error) => {
      clearTimeout(timer);
      ended();
      reject(error);
    },
  };
}

/** @internal The limit of a wait, checked. */
export function checkWithin(options: WaitOptions | undefined): number {
  return checkPositive('withinMs', options?.withinMs ?? DEFAULT_WITHIN_MS, MAX_WITHIN_MS);
}

/** @internal The error of a wait that nothing ended. */
export function timeoutError(withinMs: number, what: string): TroupeError {
  // The advice that follows starts on a line of its own when what came instead is a list.
  return new TroupeError(
    'TROUPE_TEST_TIMEOUT',
    `After ${withinMs} ms ${what}${what.includes('\n') ? '\n' : '.'}`,
  );
}

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
      removeWatch(watcher);
    },
  );
  const watcher = onExit(process, wait.resolve);
  return wait.promise;
}
