// Reading the whole list. One reading counts at a time: a new one gives the one before up. One that fails is repeated
// by itself, after the time the server asks for or a growing, jittered delay.
import type { Api } from './api.ts';
import type { Scheduler, Timer } from './connection.ts';
import { RELOAD_BASE_MS, RELOAD_CAP_MS } from './limits.ts';
import type { Failure } from './model.ts';
import type { PageEvent, State } from './state.ts';

export type EffectOptions = {
  api: Api;
  scheduler: Scheduler;
  /** At least 0 and less than 1. */
  random(): number;
  state(): State;
  dispatch(event: PageEvent): void;
};

export type Reading = {
  /** Reads the list, now. */
  read(): void;
  close(): void;
};

export function createReading({ api, scheduler, random, state, dispatch }: EffectOptions): Reading {
  let retry: Timer | null = null;
  let failures = 0;
  let current = new AbortController();

  const stop = (): void => {
    retry?.cancel();
    current.abort();
  };

  const read = async (): Promise<void> => {
    stop();
    const mine = new AbortController();
    current = mine;
    dispatch({ type: 'reading_started' });
    const { turn } = state().list;
    const outcome = await api.list(mine.signal);
    if (mine.signal.aborted) return;
    if (outcome.ok) {
      failures = 0;
      dispatch({ type: 'reading_finished', turn, list: outcome.value });
      return;
    }
    failures += 1;
    retry = scheduler.after(delayMs(outcome.failure), () => void read());
    dispatch({ type: 'reading_failed', turn, failure: outcome.failure });
  };

  const delayMs = (failure: Failure): number => {
    const ceilingMs = Math.min(RELOAD_CAP_MS, RELOAD_BASE_MS * 2 ** Math.min(failures, 30));
    const ownMs = RELOAD_BASE_MS + random() * (ceilingMs - RELOAD_BASE_MS);
    const askedMs = failure.kind === 'unavailable' ? (failure.retryAfterSeconds ?? 0) * 1_000 : 0;
    return Math.max(ownMs, Math.min(askedMs, RELOAD_CAP_MS));
  };

  return { read: () => void read(), close: stop };
}
