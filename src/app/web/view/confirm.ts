// The question before a deletion. The dialog is always in the page; main.ts opens and closes it as the state says.
import { html, nothing } from 'lit-html';
import type { State } from '../state.ts';
import { sentences } from '../wording.ts';
import type { Actions, View } from './types.ts';

export function confirmView({ deletion }: State, { send }: Actions): View {
  const cancel = (): void => send({ type: 'deletion_cancelled' });
  return html`
    <dialog
      id="confirm"
      data-testid="confirm"
      aria-labelledby="confirm-heading"
      aria-describedby="confirm-text"
      @cancel=${(event: Event) => {
        event.preventDefault();
        cancel();
      }}
      @close=${cancel}
      @click=${(event: Event) => {
        if (event.target === event.currentTarget) cancel(); // outside, on the backdrop
      }}
    >
      <div class="dialog">
        <h2 id="confirm-heading">Delete this note?</h2>
        <p id="confirm-text">
          ${deletion === null ? nothing : html`<q>${deletion.note.title}</q>`} will be gone for everybody. You
          can undo this for a while.
        </p>
        ${
          deletion === null || deletion.failure === null
            ? nothing
            : html`<p class="failure" data-testid="confirm-error">
                ${sentences.failed('delete', deletion.failure)}
              </p>`
        }
        <div class="buttons">
          <button type="button" data-testid="confirm-cancel" @click=${cancel}>Keep it</button>
          <button
            type="button"
            class="danger"
            data-testid="confirm-delete"
            @click=${() => send({ type: 'deletion_submitted' })}
          >
            ${deletion?.sending ? 'Deleting…' : 'Delete'}
          </button>
        </div>
      </div>
    </dialog>
  `;
}
