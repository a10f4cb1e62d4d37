// The search field and the list under it.
import { html, nothing } from 'lit-html';
import { repeat } from 'lit-html/directives/repeat.js';
import { QUERY_MAX } from '../limits.ts';
import { type Row, isCovered, rowsOf } from '../rows.ts';
import { fragmentOf } from '../address.ts';
import type { Opened, State } from '../state.ts';
import { counted, sentences } from '../wording.ts';
import { endView } from './end.ts';
import { noteView } from './note.ts';
import type { Actions, View } from './types.ts';

export function listView(state: State, actions: Actions): View {
  const rows = rowsOf(state);
  return html`
    <section class="list" aria-labelledby="list-heading">
      <div class="list-head">
        <h2 id="list-heading" data-testid="count" tabindex="-1">
          ${state.opened === null ? countText(state, rows.length) : 'One note'}
        </h2>
        ${
          state.opened === null
            ? nothing
            : html`<a class="back" data-testid="back" href=${fragmentOf(null)}>← All notes</a>`
        }
        ${state.lagging ? html`<p class="doubt">perhaps out of date</p>` : nothing}
        ${searchView(state, actions)}
      </div>
      ${failureView(state, actions)}
      ${
        state.opened === null && state.search.order !== null && state.search.indexing
          ? html`<p class="indexing" data-testid="indexing">${sentences.indexing}</p>`
          : nothing
      }
      ${bodyOf(state, rows, actions)} ${state.opened === null ? endView(state, actions) : nothing}
    </section>
  `;
}

function searchView({ search }: State, { send }: Actions): View {
  return html`
    <form
      class="search"
      role="search"
      @submit=${(event: Event) => event.preventDefault()}
      @keydown=${(event: KeyboardEvent) => {
        if (event.key !== 'Escape' || event.isComposing || search.query === '') return;
        event.preventDefault();
        send({ type: 'query_changed', query: '' });
      }}
    >
      <label for="search" class="unseen">Search the notes</label>
      <input
        id="search"
        data-testid="search"
        type="search"
        placeholder="Search"
        autocomplete="off"
        maxlength=${QUERY_MAX}
        aria-busy=${search.pending ? 'true' : 'false'}
        .value=${search.query}
        @input=${(event: Event) =>
          send({ type: 'query_changed', query: (event.currentTarget as HTMLInputElement).value })}
      />
    </form>
  `;
}

function countText({ list, search, replica }: State, shown: number): string {
  if (search.order !== null) {
    const all = search.next === null && !search.cut;
    return all ? `${counted(shown)} found` : `The first ${shown} notes found`;
  }
  if (list.phase === 'unread') return 'Notes';
  return replica.floor === 0 ? counted(shown) : `The ${shown} newest notes`;
}

function failureView({ list, search }: State, { tryNow }: Actions): View {
  const text =
    list.failure !== null
      ? sentences.listFailed(list.failure, list.phase)
      : search.failure !== null
        ? sentences.failed('search', search.failure)
        : null;
  if (text === null) return nothing;
  return html`
    <div class="failure" data-testid="list-error">
      <p>${text}</p>
      <button type="button" data-testid="list-retry" @click=${tryNow}>Try now</button>
    </div>
  `;
}

function bodyOf(state: State, rows: readonly Row[], actions: Actions): View {
  if (rows.length === 0)
    return state.opened === null ? emptyView(state, actions) : lackingView(state, state.opened, actions);
  return html`
    <ol class="notes" data-testid="notes" role="list" data-state=${state.list.reading ?? 'ready'}>
      ${repeat(
        rows,
        ({ id }) => id,
        (row) => noteView(row, state, actions),
      )}
    </ol>
  `;
}

/** The note of the address cannot be shown. */
function lackingView({ replica }: State, { id, missing, failure }: Opened, { tryNow }: Actions): View {
  if (missing || replica.deleted.has(id) || isCovered(replica, id)) {
    return html`
      <div class="empty" data-testid="missing">
        <p>There is no note ${id}.</p>
        <p>It was deleted, or never was. <a href=${fragmentOf(null)}>Show all notes</a></p>
      </div>
    `;
  }
  if (failure === null) return html`<p class="empty" data-testid="loading">Reading the note…</p>`;
  return html`
    <div class="failure" data-testid="note-error">
      <p>${sentences.noteFailed(failure)}</p>
      <button type="button" @click=${tryNow}>Try now</button>
    </div>
  `;
}

function emptyView({ list, replica, search }: State, { send }: Actions): View {
  if (search.order !== null) {
    return html`
      <div class="empty" data-testid="nothing-found">
        <p>Nothing matches <q>${search.query.trim()}</q>.</p>
        <button type="button" @click=${() => send({ type: 'query_changed', query: '' })}>
          Show all notes
        </button>
      </div>
    `;
  }
  if (list.phase === 'unread') {
    return list.failure === null
      ? html`<p class="empty" data-testid="loading">Reading the notes…</p>`
      : nothing;
  }
  if (replica.next !== null) return nothing; // those that were listed are gone, and older ones are about to be
  return html`
    <div class="empty" data-testid="empty">
      <p>Nothing has been written yet.</p>
      <p>Write the first note. It will appear in every browser that has this page open.</p>
    </div>
  `;
}
