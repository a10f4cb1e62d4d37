// Searching while it is typed. A search is sent when typing rests, and gives up the one before. While a result is shown
// and notes change, it is asked for again as far as it is shown, but at most once per pause and never before the last
// answer is there: a stream of changes delays no answer. The pause grows with the number of pages. The new result takes
// the place of the old one as a whole. A search that fails is repeated by itself, when retry.ts says; the reading of a
// further page when it is asked for again.
import {
  FOUND_MAX,
  FOUND_PAGES_MAX,
  INDEXING_PAUSE_MS,
  REQUERY_PAUSE_MS,
  TYPING_PAUSE_MS,
} from './limits.ts';
import type { Failure, Note, NotePage, Outcome } from './model.ts';
import type { EffectOptions } from './reading.ts';
import { reaches } from './replica.ts';
import { createRetryDelay } from './retry.ts';

export type Searching = {
  /** The query was changed by hand. */
  typed(): void;
  /** Notes changed, so a shown result may not be right any more. */
  changed(): void;
  /** Searches now. */
  search(): void;
  /** Reads the page that follows what is shown, if there is one; a search that is on its way goes on to there. */
  more(): void;
  close(): void;
};

export function createSearching({ api, timers, state, dispatch }: EffectOptions): Searching {
  const delay = createRetryDelay(() => timers.random());
  let cancelScheduled: (() => void) | null = null;
  let cancelRecheck = (): void => {};
  let running: AbortController | null = null;
  let again = false;
  let pages = 1;

  const stop = (): void => {
    cancelScheduled?.();
    cancelScheduled = null;
    cancelRecheck();
    running?.abort();
    running = null;
    again = false;
  };

  const isIdle = (): boolean => state().search.query.trim() === '';

  const schedule = (pauseMs: number): void => {
    cancelScheduled = timers.after(pauseMs, () => void search('all'));
  };

  const search = async (part: 'all' | 'more'): Promise<void> => {
    stop();
    if (isIdle()) return;
    const mine = (running = new AbortController());
    const from = part === 'all' ? null : state().search.next;
    dispatch({ type: 'search_started', part });
    const { turn } = state().search;
    const { cursor, outcome } = await find(from, mine.signal);
    if (running !== mine) return;
    running = null;
    if (!outcome.ok) return fail(part, turn, cursor, outcome.failure);
    delay.reset();
    dispatch({ type: 'search_finished', turn, found: outcome.value });
    if (again) changed();
    if (outcome.value.indexing) cancelRecheck = timers.after(INDEXING_PAUSE_MS, changed);
  };

  /** Reads pages until there are as many results as wanted; from the first one, or one page from a cursor. */
  const find = async (
    from: string | null,
    signal: AbortSignal,
  ): Promise<{ cursor: string | null; outcome: Outcome<NotePage> }> => {
    const query = state().search.query.trim();
    const notes: Note[] = [];
    let cursor = from;
    for (let count = 1; ; count += 1) {
      const outcome = await api.search(query, cursor, signal);
      if (!outcome.ok || signal.aborted) return { cursor, outcome };
      notes.push(...outcome.value.notes);
      const { next, indexing } = outcome.value;
      const enough = from !== null || notes.length >= state().search.goal || reaches(notes, FOUND_MAX);
      if (from === null) pages = count;
      if (next !== null && count < FOUND_PAGES_MAX && !enough) cursor = next;
      else return { cursor, outcome: { ok: true, value: { notes, next, indexing } } };
    }
  };

  const fail = (part: 'all' | 'more', turn: number, cursor: string | null, failure: Failure): void => {
    const refused = failure.kind === 'refused';
    dispatch({ type: 'search_failed', turn, failure });
    if (part === 'more') {
      // A cursor that the server does not know any more: the result is asked for from its beginning.
      if (refused) void search('all');
      else if (again) changed();
    } else if (!refused || cursor !== null) {
      // What was refused is refused again. Anything else passes: an index that is being built, a server that is away.
      schedule(delay.afterFailure(failure));
    }
  };

  const changed = (): void => {
    if (isIdle() || cancelScheduled !== null) return;
    if (running === null) schedule(REQUERY_PAUSE_MS * pages);
    again = running !== null;
  };

  return {
    typed() {
      stop();
      if (!isIdle()) schedule(TYPING_PAUSE_MS);
    },
    changed,
    search: () => void search('all'),
    more() {
      if (!isIdle() && running === null && cancelScheduled === null && state().search.next !== null)
        void search('more');
    },
    close: stop,
  };
}
