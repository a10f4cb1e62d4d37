/**
 * The calls that wait for an AbortSignal: one listener for each signal, however many calls share it.
 *
 * Invariant: a signal has the listener exactly while a call waits for it, so neither keeps the other alive afterwards.
 */

/** @internal Something that an AbortSignal ends. */
export interface Abortable {
  /** Called once when the signal fires. */
  aborted(signal: AbortSignal): void;
}

interface Waiting {
  readonly calls: Set<Abortable>;
  readonly listener: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/** @internal Tells a call when a signal fires, which it has not yet. */
export function waitForAbort(signal: AbortSignal, call: Abortable): void {
  let known = waiting.get(signal);
  if (known === undefined) {
    const calls = new Set<Abortable>();
    const listener = (): void => {
      waiting.delete(signal);
      for (const each of calls) each.aborted(signal);
    };
    known = { calls, listener };
    waiting.set(signal, known);
    signal.addEventListener('abort', listener, { once: true });
  }
  known.calls.add(call);
}

/** @internal The call waits no more. */
export function forgetAbort(signal: AbortSignal, call: Abortable): void {
  const known = waiting.get(signal);
  if (known === undefined || !known.calls.delete(call) || known.calls.size > 0) return;
  waiting.delete(signal);
  signal.removeEventListener('abort', known.listener);
}
