// Where the page stands, at its head. Changes are announced elsewhere, once; the countdown is not.
import { html, nothing } from 'lit-html';
import { standingOf } from '../state.ts';
import type { State } from '../state.ts';
import type { Actions, View } from './types.ts';

export function statusView(state: State, { tryNow }: Actions): View {
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
