// The form for a new note.
import { html, nothing } from 'lit-html';
import type { Field } from '../model.ts';
import type { State } from '../state.ts';
import { sentences } from '../wording.ts';
import { fieldView } from './field.ts';
import { type Actions, type View, formKeys, onSubmit } from './types.ts';

export function composerView({ draft, keepsDrafts, search }: State, { send }: Actions): View {
  const sending = draft.sending !== null;
  const common = (field: Field) => ({
    id: `new-${field}`,
    field,
    value: draft[field],
    checked: draft.checked,
    readonly: sending,
    onInput: (value: string) => send({ type: 'draft_changed', field, value }),
  });
  return html`
    <section class="composer" aria-labelledby="new-heading">
      <h2 id="new-heading">New note</h2>
      <form
        data-testid="new-note"
        novalidate
        aria-busy=${sending ? 'true' : 'false'}
        @submit=${onSubmit(() => send({ type: 'draft_submitted' }))}
        @keydown=${formKeys(null)}
      >
        ${fieldView({ ...common('title'), label: 'Title' })}
        ${fieldView({ ...common('body'), label: 'Text', rows: 4 })}
        <div class="composer-end">
          ${fieldView({ ...common('author'), label: 'Your name', autocomplete: 'name' })}
          <button class="primary" data-testid="new-submit" aria-describedby="new-result">
            ${sending ? 'Adding…' : 'Add note'}
          </button>
        </div>
        <div id="new-result" ?hidden=${draft.failure === null && draft.added === null}>
          ${
            draft.failure === null
              ? nothing
              : html`<p class="failure" data-testid="new-error">${sentences.failed('add', draft.failure)}</p>`
          }
          ${
            draft.added === null
              ? nothing
              : html`<p class="success" data-testid="new-added">
                  ${sentences.added(draft.added)}${search.query.trim() === '' ? '' : ' The search may hide it.'}
                </p>`
          }
        </div>
        <p class="hint">
          <span class="keys"><kbd>Ctrl</kbd> or <kbd>⌘</kbd> with <kbd>Enter</kbd> adds it.</span>
          ${keepsDrafts ? nothing : html`This browser does not keep unfinished notes over a reload.`}
        </p>
      </form>
    </section>
  `;
}
