// The whole page, with its connection status at the head. Status changes are announced once, through the announcer; the
// countdown is not announced.
import { html, nothing } from 'lit-html';
import { type State, standingOf } from '../state.ts';
import { composerView } from './composer.ts';
import { confirmView } from './confirm.ts';
import { happeningView } from './happening.ts';
import { helpView } from './help.ts';
import { listView } from './list.ts';
import type { Actions, View } from './types.ts';
import { undoView } from './undo.ts';

/** What the page shows for a state. */
export function view(state: State, actions: Actions): View {
  const { text, turn } = state.announcement;
  return html`
    <header class="page-head">
      <h1>Notes</h1>
      ${statusView(state, actions)}
      <p class="page-deeds">
        <button
          type="button"
          class="quiet"
          data-testid="happening-toggle"
          aria-expanded=${state.happening.open ? 'true' : 'false'}
          aria-controls="happening"
          @click=${() => actions.send({ type: 'happening_switched', open: !state.happening.open })}
        >
          What is happening
        </button>
        <button
          type="button"
          class="quiet keys"
          data-testid="help-open"
          @click=${() => actions.send({ type: 'help_switched', open: true })}
        >
          Keys
        </button>
      </p>
    </header>
    ${happeningView(state, actions)}
    <main class=${state.opened === null ? '' : 'alone'}>
      ${composerView(state, actions)} ${listView(state, actions)}
    </main>
    ${undoView(state, actions)} ${confirmView(state, actions)} ${helpView(state, actions)}
    <!-- The alternating space makes a screen reader repeat equal words. -->
    <div class="unseen" role="status" data-testid="announcer">${text}${turn % 2 === 0 ? '' : '\u00a0'}</div>
  `;
}

function statusView(state: State, { tryNow }: Actions): View {
  const standing = standingOf(state);
  return html`
    <div class="status" data-testid="status" data-state=${standing}>
      <span class="lamp" aria-hidden="true"></span>
      <span>${statusText(state)}</span>
      ${
        standing === 'waiting'
          ? html`<button type="button" data-testid="try-now" @click=${tryNow}>Try now</button>`
          : nothing
      }
    </div>
  `;
}

function statusText(state: State): string {
  const { connection, now } = state;
  if (connection.phase === 'connecting') return 'Connecting…';
  if (connection.phase === 'online') return standingOf(state) === 'live' ? 'Live' : 'Updating…';
  const seconds = Math.max(0, Math.ceil((connection.retryAt - now) / 1_000));
  return seconds === 0 ? 'Not connected' : `Not connected, trying again in ${seconds} s`;
}
