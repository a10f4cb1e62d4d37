// What stands below the last note: how to get to more of them, what hinders it, or why there are no more. Further notes are
// read by themselves when the end comes near (scrolling.ts watches for it), and at the press of the button.
import { html, nothing } from 'lit-html';
import type { Failure } from '../model.ts';
import { isFull } from '../replica.ts';
import type { State } from '../state.ts';
import { sentences } from '../wording.ts';
import type { Actions, View } from './types.ts';

export function endView(state: State, actions: Actions): View {
  const { list, replica, search } = state;
  if (search.order !== null) {
    if (search.cut) return lastView(sentences.moreUnlisted);
    if (search.next === null) return nothing;
    const loading = search.more || search.goal > search.order.length;
    return moreView(search.next, loading, search.failure, search.moreFailure, actions);
  }
  if (list.phase === 'unread' || replica.floor === 0) return nothing;
  if (replica.next === null || isFull(replica, replica.floor)) return lastView(sentences.olderUnlisted);
  const loading = list.reading !== null && list.goal < replica.floor;
  return moreView(replica.next, loading, list.failure, list.moreFailure, actions);
}

function lastView(text: string): View {
  return html`<p class="end" data-testid="older">${text}</p>`;
}

/** @param failure of what is shown: until that is over, nothing is read by itself */
function moreView(
  next: string,
  loading: boolean,
  failure: Failure | null,
  moreFailure: Failure | null,
  { send }: Actions,
): View {
  const waits = loading || failure !== null || moreFailure !== null;
  return html`
    <div class="more" id="end" data-next=${waits ? nothing : next}>
      ${
        moreFailure === null
          ? nothing
          : html`<p class="failure" data-testid="more-error">${sentences.failed('more', moreFailure)}</p>`
      }
      <button type="button" data-testid="more" @click=${() => send({ type: 'more_wanted', byHand: true })}>
        ${loading ? 'Reading more notes…' : moreFailure === null ? 'More notes' : 'Try again'}
      </button>
    </div>
  `;
}
