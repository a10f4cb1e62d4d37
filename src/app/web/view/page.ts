// The whole page.
import { html } from 'lit-html';
import type { State } from '../state.ts';
import { composerView } from './composer.ts';
import { confirmView } from './confirm.ts';
import { listView } from './list.ts';
import { statusView } from './status.ts';
import type { Actions, View } from './types.ts';

/** What the page shows for a state. */
export function view(state: State, actions: Actions): View {
  const { text, turn } = state.announcement;
  return html`
    <header class="page-head">
      <h1>Notes</h1>
      ${statusView(state, actions)}
    </header>
    <main>${composerView(state, actions)} ${listView(state, actions)}</main>
    ${confirmView(state, actions)}
    <!-- The space that comes and goes has the same words said again. -->
    <div class="unseen" role="status" data-testid="announcer">${text}${turn % 2 === 0 ? '' : '\u00a0'}</div>
  `;
}
