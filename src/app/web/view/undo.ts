// The offer to undo the last deletion that was made here. It stands at the end of the page's text and is shown over its lower edge.
import { html, nothing } from 'lit-html';
import type { State } from '../state.ts';
import { sentences } from '../wording.ts';
import type { Actions, View } from './types.ts';

export function undoView({ undo }: State, { send }: Actions): View {
  if (undo === null) return nothing;
  return html`
    <section class="undo" data-testid="undo" aria-label="Deletion">
      <p>
        Deleted <q>${undo.note.title}</q>.
        ${
          undo.failure === null
            ? nothing
            : html`<span class="undo-failure" data-testid="undo-error"
                >${sentences.undoFailed(undo.failure)}</span
              >`
        }
      </p>
      <button type="button" data-testid="undo-submit" @click=${() => send({ type: 'undo_submitted' })}>
        ${undo.sending ? 'Restoring…' : 'Undo'}
      </button>
      <button
        type="button"
        class="close"
        data-testid="undo-dismiss"
        aria-label="Dismiss"
        @click=${() => send({ type: 'undo_dismissed' })}
      >
        ×
      </button>
    </section>
  `;
}
