// One labelled field of a form, with what is wrong with it and how full it is.
import { html, nothing } from 'lit-html';
import { characters, problemOf } from '../checks.ts';
import { FIELD_MAX } from '../limits.ts';
import type { Field } from '../model.ts';
import { sentences } from '../wording.ts';
import type { View } from './types.ts';

export type FieldOptions = {
  id: string;
  field: Field;
  label: string;
  value: string;
  /** Missing fields are pointed out, not only those that are too long. */
  checked: boolean;
  readonly: boolean;
  /** Lines of the text area; a single-line field without. */
  rows?: number;
  autocomplete?: string;
  describedBy?: string;
  onInput(value: string): void;
};

/** How full a field is before its reader is told how much is left. */
const COUNTED_FROM = 0.8;

export function fieldView(options: FieldOptions): View {
  const { id, field, label, value } = options;
  const problem = problemOf(field, value);
  const shown = problem !== null && (options.checked || problem.kind === 'too_long') ? problem : null;
  const left = FIELD_MAX[field] - characters(value);
  const note =
    shown !== null
      ? html`<p class="field-problem" id="${id}-note" data-testid="${id}-problem">
          ${sentences.problem(shown)}
        </p>`
      : left <= FIELD_MAX[field] * (1 - COUNTED_FROM)
        ? html`<p class="field-count" id="${id}-note">${left} characters left</p>`
        : nothing;
  const describedBy = [note === nothing ? '' : `${id}-note`, options.describedBy ?? ''].join(' ').trim();
  return html`
    <div class="field field-${field}">
      <label for=${id}>${label}</label>
      ${control(options, shown !== null, describedBy)} ${note}
    </div>
  `;
}

function control(options: FieldOptions, invalid: boolean, describedBy: string): View {
  const { id, field, value, readonly, rows, autocomplete = 'off' } = options;
  const onInput = (event: Event): void =>
    options.onInput((event.currentTarget as HTMLInputElement | HTMLTextAreaElement).value);
  if (rows === undefined) {
    return html`<input
      id=${id}
      name=${field}
      data-testid=${id}
      type="text"
      autocomplete=${autocomplete}
      .value=${value}
      ?readonly=${readonly}
      aria-required="true"
      aria-invalid=${invalid ? 'true' : 'false'}
      aria-describedby=${describedBy || nothing}
      @input=${onInput}
    />`;
  }
  return html`<textarea
    id=${id}
    name=${field}
    data-testid=${id}
    rows=${rows}
    autocomplete=${autocomplete}
    .value=${value}
    ?readonly=${readonly}
    aria-required="true"
    aria-invalid=${invalid ? 'true' : 'false'}
    aria-describedby=${describedBy || nothing}
    @input=${onInput}
  ></textarea>`;
}
