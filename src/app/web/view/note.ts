// One note of the list: read, or in its editor. Everything a person wrote is set as text, never as markup. A row is looked
// at again only when something that it shows has changed, so that a drawing costs what has changed, not what there is.
import { html, nothing } from 'lit-html';
import type { DirectiveResult } from 'lit-html/directive.js';
import { guard } from 'lit-html/directives/guard.js';
import { nameIn } from '../checks.ts';
import { TICK_MS } from '../limits.ts';
import { fragmentOf } from '../address.ts';
import type { Change, Note } from '../model.ts';
import { type Row, isEdited } from '../rows.ts';
import type { State } from '../state.ts';
import { absoluteTime, relativeTime } from '../time.ts';
import { excerptOf } from '../excerpt.ts';
import { type Piece, piecesOf } from '../links.ts';
import { editorView } from './editor.ts';
import type { Actions, View } from './types.ts';

export function noteView(row: Row, state: State, actions: Actions): DirectiveResult {
  const { id, note, edit } = row;
  const arrivals = state.arrivals.get(id) ?? 0;
  const unfolded = state.unfolded.has(id);
  const sinceTick = Math.floor(state.now / TICK_MS);
  const name = edit === null ? undefined : nameIn(state.draft.author);
  const { opened } = state;
  return guard([note, edit, arrivals, unfolded, sinceTick, name, opened], () =>
    rowView(row, arrivals, name, state, actions),
  );
}

function rowView(
  { id, note, edit }: Row,
  arrivals: number,
  name: string | undefined,
  state: State,
  actions: Actions,
): View {
  const edited = edit !== null && isEdited(edit);
  // Two classes with the same animation, in turn: a change of class starts it afresh.
  const lit = arrivals === 0 || edited ? '' : arrivals % 2 === 1 ? 'lit-odd' : 'lit-even';
  return html`
    <li
      class="note ${lit} ${edited ? 'edited' : ''}"
      id=${`note-${id}`}
      data-testid="note"
      data-id=${id}
      tabindex="-1"
    >
      ${edited ? editorView(edit, name, actions) : readView(note, edit !== null, state, actions)}
    </li>
  `;
}

function readView(note: Note, hasAside: boolean, state: State, actions: Actions): View {
  const { id } = note;
  const alone = state.opened !== null;
  return html`
    <article aria-labelledby=${`title-${id}`}>
      <h3 id=${`title-${id}`} data-testid="note-title">${titleView(note, alone)}</h3>
      ${bodyView(note, alone || state.unfolded.has(id), actions, !alone)}
      ${hasAside ? asideView(note, actions) : nothing}
      <footer>
        <p class="byline">
          <span class="author" data-testid="note-author">${note.author}</span>
          ${timeView(note.createdAt, state.now, 'note-time')}
          ${
            note.updatedAt === note.createdAt
              ? nothing
              : html`<span class="changed"
                  >changed
                  ${timeView(note.updatedAt, state.now, 'note-updated')}${
                    note.updatedBy === undefined
                      ? nothing
                      : html` by <span class="author" data-testid="note-changer">${note.updatedBy}</span>`
                  }</span
                >`
          }
        </p>
        <p class="deeds">
          <button
            type="button"
            id=${`edit-${id}`}
            data-testid="note-edit"
            aria-label=${`Edit “${note.title}”`}
            @click=${() => actions.send({ type: 'edit_started', note })}
          >
            Edit
          </button>
          <button
            type="button"
            class="delete"
            data-testid="note-delete"
            aria-label=${`Delete “${note.title}”`}
            @click=${() => actions.send({ type: 'deletion_asked', note })}
          >
            Delete
          </button>
        </p>
      </footer>
      ${alone ? changesView(state.opened?.changes ?? null, state.now) : nothing}
    </article>
  `;
}

function titleView({ id, title }: Note, alone: boolean): View | string {
  return alone ? title : html`<a href=${fragmentOf(id)} data-testid="note-link">${title}</a>`;
}

function bodyView({ id, body }: Note, unfolded: boolean, { send }: Actions, foldable: boolean): View {
  const excerpt = excerptOf(body);
  const long = excerpt.length < body.length;
  const folded = long && !unfolded;
  const pieces = piecesOf(body, folded ? excerpt.length : body.length);
  if (folded) pieces.push('…');
  // Without links it is one text: fewer nodes, in a list of thousands of notes.
  const shown = pieces.every((piece) => typeof piece === 'string') ? pieces.join('') : pieces.map(pieceView);
  return html`
    <p class="body ${folded ? 'folded' : ''}" id=${`body-${id}`} data-testid="note-body">${shown}</p>
    ${
      long && foldable
        ? html`<button
            type="button"
            class="fold"
            data-testid="note-fold"
            aria-expanded=${folded ? 'false' : 'true'}
            aria-controls=${`body-${id}`}
            @click=${() => send({ type: 'fold_toggled', id })}
          >
            ${folded ? 'Show all of it' : 'Show less'}
          </button>`
        : nothing
    }
  `;
}

/** It opens beside the page, which keeps its drafts, and tells the other site nothing. */
function pieceView(piece: Piece): View | string {
  if (typeof piece === 'string') return piece;
  return html`<a href=${piece.href} target="_blank" rel="noopener noreferrer">${piece.text}</a>`;
}

/** Who changed what, the newest first. */
function changesView(changes: readonly Change[] | null, now: number): View {
  if (changes === null) return nothing;
  return html`
    <section class="changes" aria-label="Changes" data-testid="changes">
      <h4>Changes</h4>
      <ol role="list">
        ${changes.map(
          ({ at, by, what }) =>
            html`<li>
              <span class="author">${by ?? 'Somebody'}</span> ${deedOf(what)}
              ${timeView(at, now, 'change-time')}
            </li>`,
        )}
      </ol>
    </section>
  `;
}

function deedOf(what: readonly string[]): string {
  if (what.includes('created')) return 'wrote it';
  if (what.includes('restored')) return 'restored it';
  const texts = [what.includes('title') && 'the title', what.includes('body') && 'the text'].filter(Boolean);
  return texts.length === 0 ? 'saved it unchanged' : `changed ${texts.join(' and ')}`;
}

function asideView(note: Note, { send }: Actions): View {
  return html`
    <p class="aside" data-testid="note-aside">
      You have unsaved changes to this note.
      <button type="button" data-testid="aside-resume" @click=${() => send({ type: 'edit_started', note })}>
        Go on editing
      </button>
      <button
        type="button"
        data-testid="aside-discard"
        @click=${() => send({ type: 'edit_discarded', id: note.id })}
      >
        Discard
      </button>
    </p>
  `;
}

function timeView(iso: string, now: number, testid: string): DirectiveResult {
  const relative = relativeTime(iso, now);
  return guard(
    [iso, relative],
    () => html`<time datetime=${iso} title=${absoluteTime(iso)} data-testid=${testid}>${relative}</time>`,
  );
}
