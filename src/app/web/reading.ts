// Reading the list, page by page: from the top as far as notes are shown, or further down. One reading counts at a time:
// a new one gives the one before up. A reading from the top that fails is repeated by itself, when retry.ts says; one
// further down when it is asked for again.
import type { ClientTimers } from 'troupe/client';
import type { Api } from './api.ts';
import type { Failure, NotePage, Outcome } from './model.ts';
import { createRetryDelay } from './retry.ts';
import type { PageEvent, State } from './state.ts';

export type EffectOptions = {
  api: Api;
  timers: ClientTimers;
  state(): State;
  dispatch(event: PageEvent): void;
};

export type Reading = {
  /** Reads the list from the top, now. */
  read(): void;
  /** Reads the page below what is listed, if there is one; a reading from the top goes on to there. */
  more(): void;
  close(): void;
};

export function createReading({ api, timers, state, dispatch }: EffectOptions): Reading {
  let cancelRetry = (): void => {};
  const delay = createRetryDelay(() => timers.random());
  let current = new AbortController();

  const stop = (): void => {
    cancelRetry();
    current.abort();
  };

  const read = async (part: 'all' | 'more'): Promise<void> => {
    stop();
    const { signal } = (current = new AbortController());
    let cursor = part === 'all' ? null : state().replica.next;
    dispatch({ type: 'reading_started', part });
    const { turn } = state().list;
    for (;;) {
      const { frontier } = state().list;
      const outcome = advancing(await api.list(cursor, signal), frontier);
      if (signal.aborted) return;
      if (!outcome.ok) return fail(turn, cursor, outcome.failure);
      dispatch({ type: 'page_read', turn, page: outcome.value });
      if (state().list.reading === null) break;
      cursor = outcome.value.next;
    }
    if (part === 'all') delay.reset();
  };

  const fail = (turn: number, cursor: string | null, failure: Failure): void => {
    const further = state().list.reading === 'more';
    dispatch({ type: 'reading_failed', turn, failure });
    // A cursor that the server does not know any more: only the top can be asked for without one.
    if (further && cursor !== null && failure.kind === 'refused') void read('all');
    else if (!further) cancelRetry = timers.after(delay.afterFailure(failure), () => void read('all'));
  };

  return {
    read: () => void read('all'),
    more() {
      const { list, replica } = state();
      if (list.reading !== null) return;
      if (list.failure !== null) void read('all');
      else if (replica.next !== null) void read('more');
    },
    close: stop,
  };
}

/** Sees to it that a reading comes to its end, whatever the server answers. */
function advancing(outcome: Outcome<NotePage>, frontier: number): Outcome<NotePage> {
  if (!outcome.ok || outcome.value.next === null) return outcome;
  if (outcome.value.notes.some(({ id }) => id < frontier)) return outcome;
  return { ok: false, failure: { kind: 'broken', detail: 'the pages of its list do not go on' } };
}
