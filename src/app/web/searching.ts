// Searching while it is typed. A search is sent when typing rests, and gives up the one before. While a result is shown
// and notes change, it is asked for again, but at most once per pause and never before the last answer is there: a
// stream of changes delays no answer. A search that fails is repeated by itself, when retry.ts says.
import type { Timer } from './connection.ts';
import { REQUERY_PAUSE_MS, TYPING_PAUSE_MS } from './limits.ts';
import type { EffectOptions } from './reading.ts';
import { createRetryDelay } from './retry.ts';

export type Searching = {
  /** The query was changed by hand. */
  typed(): void;
  /** Notes changed, so a shown result may not be right any more. */
  changed(): void;
  /** Searches now. */
  search(): void;
  close(): void;
};

export function createSearching({ api, scheduler, random, state, dispatch }: EffectOptions): Searching {
  const delay = createRetryDelay(random);
  let timer: Timer | null = null;
  let running: AbortController | null = null;
  let again = false;

  const stop = (): void => {
    timer?.cancel();
    timer = null;
    running?.abort();
    running = null;
    again = false;
  };

  const isIdle = (): boolean => state().search.query.trim() === '';

  const schedule = (pauseMs: number): void => {
    timer = scheduler.after(pauseMs, () => void search());
  };

  const search = async (): Promise<void> => {
    stop();
    if (isIdle()) return;
    const mine = new AbortController();
    running = mine;
    dispatch({ type: 'search_started' });
    const { query, turn } = state().search;
    const outcome = await api.search(query.trim(), mine.signal);
    if (running !== mine) return;
    running = null;
    if (outcome.ok) {
      delay.reset();
      dispatch({ type: 'search_finished', turn, notes: outcome.value });
      if (again) changed();
      return;
    }
    // What was refused is refused again. Anything else passes: an index that is being built, a server that is away.
    if (outcome.failure.kind !== 'refused') schedule(delay.afterFailure(outcome.failure));
    dispatch({ type: 'search_failed', turn, failure: outcome.failure });
  };

  const changed = (): void => {
    if (isIdle() || timer !== null) return;
    if (running === null) schedule(REQUERY_PAUSE_MS);
    again = running !== null;
  };

  return {
    typed() {
      stop();
      if (!isIdle()) schedule(TYPING_PAUSE_MS);
    },
    changed,
    search: () => void search(),
    close: stop,
  };
}
