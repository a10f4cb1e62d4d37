// The form of a note that is being edited, and what there is to decide when the note changed or went meanwhile.
import { html, nothing } from 'lit-html';
import type { NoteText } from '../model.ts';
import type { Edit } from '../state.ts';
import { sentences } from '../wording.ts';
import { fieldView } from './field.ts';
import { type Actions, type View, formKeys, onSubmit } from './types.ts';

/** @param name whose change it will be; undefined for somebody who has not said */
export function editorView(edit: Edit, name: string | undefined, actions: Actions): View {
  const { id } = edit;
  const { send } = actions;
  const sending = edit.sending !== null;
  const common = (field: keyof NoteText) => ({
    id: `edit-${field}-${id}`,
    field,
    value: edit[field],
    checked: edit.checked,
    readonly: sending,
    onInput: (value: string) => send({ type: 'edit_changed', id, field, value }),
  });
  return html`
    <form
      class="editor"
      data-testid="edit-form"
      aria-label=${`Edit “${edit.base.title}”`}
      novalidate
      aria-busy=${sending ? 'true' : 'false'}
      @submit=${onSubmit(() => send({ type: 'edit_submitted', id }))}
      @keydown=${formKeys(() => send({ type: 'edit_cancelled', id }))}
    >
      ${edit.gone ? goneView(id) : nothing}
      ${edit.theirs === null ? nothing : conflictView(id, edit.theirs, actions)}
      ${fieldView({ ...common('title'), label: 'Title' })}
      ${fieldView({ ...common('body'), label: 'Text', rows: 4 })}
      ${
        edit.mine === null
          ? nothing
          : html`<p class="aside">
              What you had typed is set aside.
              <button
                type="button"
                data-testid="edit-swap"
                @click=${() => send({ type: 'edit_swapped', id })}
              >
                Bring it back
              </button>
            </p>`
      }
      ${
        edit.failure === null
          ? nothing
          : html`<p class="failure" data-testid="edit-error">${sentences.failed('save', edit.failure)}</p>`
      }
      <div class="buttons">
        <button class="primary" data-testid="edit-save">${saveLabel(edit)}</button>
        ${
          edit.gone
            ? html`<button
                type="button"
                data-testid="edit-discard"
                @click=${() => send({ type: 'edit_discarded', id })}
              >
                Discard
              </button>`
            : html`<button
                type="button"
                data-testid="edit-cancel"
                @click=${() => send({ type: 'edit_cancelled', id })}
              >
                Cancel
              </button>`
        }
        <p class="hint" data-testid="edit-as">${nameView(name, actions)}</p>
      </div>
    </form>
  `;
}

function nameView(name: string | undefined, { send }: Actions): View {
  return name === undefined
    ? html`without a name.
        <button
          type="button"
          class="quiet"
          @click=${() => send({ type: 'focus_wanted', target: 'new-author' })}
        >
          Say yours
        </button>`
    : html`as <span class="author">${name}</span>`;
}

function saveLabel({ sending, gone }: Edit): string {
  if (sending !== null) return 'Saving…';
  return gone ? 'Save as a new note' : 'Save';
}

function goneView(id: number): View {
  return html`
    <div class="notice" id=${`gone-${id}`} data-testid="edit-gone" tabindex="-1">
      <p>
        <strong>This note was deleted elsewhere.</strong> Your text is still here: save it as a new note, or
        discard it.
      </p>
    </div>
  `;
}

function conflictView(id: number, theirs: NoteText, { send }: Actions): View {
  return html`
    <div class="notice" id=${`conflict-${id}`} data-testid="edit-conflict" tabindex="-1">
      <p><strong>This note was changed elsewhere</strong> while you were editing it. It now reads:</p>
      <blockquote tabindex="0" aria-label="The version from elsewhere">
        <p class="quoted-title">${theirs.title}</p>
        <p class="quoted-body">${theirs.body}</p>
      </blockquote>
      <div class="buttons">
        <button
          type="button"
          data-testid="conflict-keep"
          @click=${() => send({ type: 'edit_kept_mine', id })}
        >
          Keep mine
        </button>
        <button
          type="button"
          data-testid="conflict-take"
          @click=${() => send({ type: 'edit_took_theirs', id })}
        >
          Take theirs
        </button>
      </div>
    </div>
  `;
}
