// Where the connection stands, at the head of the page. Changes are announced elsewhere, once; the countdown is not.
import { html, nothing } from 'lit-html';
import type { ConnectionStatus } from '../connection.ts';
import type { State } from '../state.ts';
import type { Actions, View } from './types.ts';

export function statusView({ connection, now }: State, { tryNow }: Actions): View {
  return html`
    <div class="status" data-testid="status" data-state=${connection.phase}>
      <span class="lamp" aria-hidden="true"></span>
      <span>${statusText(connection, now)}</span>
      ${
        connection.phase === 'waiting'
          ? html`<button type="button" data-testid="try-now" @click=${tryNow}>Try now</button>`
          : nothing
      }
    </div>
  `;
}

function statusText(connection: ConnectionStatus, now: number): string {
  switch (connection.phase) {
    case 'online':
      return 'Live';
    case 'connecting':
      return 'Connecting…';
    case 'waiting': {
      const seconds = Math.max(0, Math.ceil((connection.retryAt - now) / 1_000));
      return seconds === 0 ? 'Not connected' : `Not connected, trying again in ${seconds} s`;
    }
  }
}
