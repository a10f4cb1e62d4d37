// Reading the whole list. One reading counts at a time: a new one gives the one before up. One that fails is repeated
// by itself, when retry.ts says.
import type { Api } from './api.ts';
import type { Scheduler, Timer } from './connection.ts';
import { createRetryDelay } from './retry.ts';
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
  const delay = createRetryDelay(random);
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
      delay.reset();
      dispatch({ type: 'reading_finished', turn, list: outcome.value });
      return;
    }
    retry = scheduler.after(delay.afterFailure(outcome.failure), () => void read());
    dispatch({ type: 'reading_failed', turn, failure: outcome.failure });
  };

  return { read: () => void read(), close: stop };
}
