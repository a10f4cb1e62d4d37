// The dialog that lists the keys. It is always in the page; main.ts opens and closes it as the state says.
import { html } from 'lit-html';
import { keys } from '../keys.ts';
import type { State } from '../state.ts';
import type { Actions, View } from './types.ts';

export function helpView({ shortcuts }: State, { send }: Actions): View {
  const close = (): void => send({ type: 'help_switched', open: false });
  return html`
    <dialog
      id="help"
      data-testid="help"
      aria-labelledby="help-heading"
      @close=${close}
      @click=${(event: Event) => {
        if (event.target === event.currentTarget) close(); // outside, on the backdrop
      }}
    >
      <div class="dialog">
        <h2 id="help-heading">Keys</h2>
        <dl class="key-list">
          ${keys.map(
            ({ names, does }) =>
              html`<div>
                <dt>${names.map((name) => html`<kbd>${name === 'Escape' ? 'Esc' : name}</kbd>`)}</dt>
                <dd>${does}</dd>
              </div>`,
          )}
          <div>
            <dt><kbd>Ctrl</kbd> <kbd>Enter</kbd></dt>
            <dd>Add or save what is typed</dd>
          </div>
        </dl>
        <label class="switch">
          <input
            type="checkbox"
            data-testid="shortcuts"
            .checked=${shortcuts}
            @change=${(event: Event) =>
              send({ type: 'shortcuts_switched', on: (event.currentTarget as HTMLInputElement).checked })}
          />
          Single keys do this, outside of fields
        </label>
        <div class="buttons">
          <button type="button" data-testid="help-close" @click=${close}>Close</button>
        </div>
      </div>
    </dialog>
  `;
}
