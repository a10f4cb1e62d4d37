// One note alone, at an address of its own, and what the keyboard leads to.
import type { Handlers, State } from '../state.ts';
import { openedNote, rowsOf } from '../rows.ts';
import { focusOn } from './common.ts';

export const openedHandlers: Handlers<
  | 'note_opened'
  | 'look_up_failed'
  | 'changes_read'
  | 'row_stepped'
  | 'focus_wanted'
  | 'help_switched'
  | 'shortcuts_switched'
> = {
  note_opened(state, { id }) {
    if (id === (state.opened?.id ?? null)) return state;
    if (id === null) {
      const row = rowsOf({ ...state, opened: null }).find((each) => each.id === state.opened?.id);
      return focusOn({ ...state, opened: null }, row === undefined ? 'list-heading' : `note-${row.id}`);
    }
    const note = state.replica.notes.get(id) ?? state.search.results.get(id) ?? null;
    const opened = { id, note, missing: false, failure: null, changes: null };
    return focusOn({ ...state, opened }, 'list-heading');
  },

  look_up_failed: (state, { id, failure }) =>
    state.opened?.id === id ? { ...state, opened: { ...state.opened, failure } } : state,

  changes_read: (state, { id, changes }) =>
    state.opened?.id === id ? { ...state, opened: { ...state.opened, changes } } : state,

  row_stepped(state, { from, by }) {
    const rows = rowsOf(state);
    const at = rows.findIndex(({ id }) => id === from);
    const to = at < 0 ? rows[0] : (rows[at + by] ?? rows[at]);
    return to === undefined ? state : focusOn(state, `note-${to.id}`);
  },

  focus_wanted: (state, { target }) => focusOn(state, target),

  help_switched: (state, { open }) => (state.help === open ? state : { ...state, help: open }),

  shortcuts_switched: (state, { on }) => ({ ...state, shortcuts: on }),
};

/** Keeps what is known of the opened note when an event or an answer has told of it. */
export function withOpened(state: State): State {
  const { opened } = state;
  const note = openedNote(state);
  if (opened === null || note === null || (note === opened.note && !opened.missing)) return state;
  return { ...state, opened: { ...opened, note, missing: false, failure: null } };
}
