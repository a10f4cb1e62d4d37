// The form for a new note. It is emptied only of what the server has confirmed.
import { firstProblem } from '../checks.ts';
import { put } from '../replica.ts';
import type { Draft, Handlers } from '../state.ts';
import { sentences } from '../wording.ts';
import { focusOn, light, say } from './common.ts';

export const draftHandlers: Handlers<'draft_changed' | 'draft_submitted' | 'draft_saved' | 'draft_failed'> = {
  draft_changed: (state, { field, value }) => ({
    ...state,
    draft: { ...state.draft, [field]: value, added: null },
  }),

  draft_submitted(state) {
    const { draft } = state;
    if (draft.sending !== null) return state;
    const problem = firstProblem(draft);
    if (problem !== null) {
      const next = { ...state, draft: { ...draft, checked: true, failure: null, added: null } };
      return say(focusOn(next, `new-${problem.field}`), sentences.problem(problem));
    }
    const sending = { title: draft.title, body: draft.body, author: draft.author };
    return { ...state, draft: { ...draft, sending, checked: false, failure: null, added: null } };
  },

  draft_saved(state, { note }) {
    const replica = put(state.replica, note);
    const changed = replica.notes !== state.replica.notes; // else its event was here first
    const next = { ...state, replica, draft: emptied(state.draft, note) };
    return focusOn(say(changed ? light(next, [note.id]) : next, sentences.added(note)), 'new-title');
  },

  draft_failed: (state, { failure }) =>
    say({ ...state, draft: { ...state.draft, sending: null, failure } }, sentences.failed('add', failure)),
};

function emptied(draft: Draft, added: Draft['added']): Draft {
  const sent = draft.sending;
  return {
    ...draft,
    title: draft.title === sent?.title ? '' : draft.title,
    body: draft.body === sent?.body ? '' : draft.body,
    sending: null,
    failure: null,
    added,
  };
}
