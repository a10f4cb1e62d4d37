// Steps that several reducers share.
import type { State } from '../state.ts';

/** Has a screen reader told `text`. */
export function say(state: State, text: string): State {
  return { ...state, announcement: { text, turn: state.announcement.turn + 1 } };
}

/** Has the element with the id `target` given the focus; the list's heading when there is no such element. */
export function focusOn(state: State, target: string): State {
  return { ...state, focus: { target, turn: state.focus.turn + 1 } };
}

/** Has a note light up. */
export function light(state: State, ids: Iterable<number>): State {
  const arrivals = new Map(state.arrivals);
  for (const id of ids) arrivals.set(id, (arrivals.get(id) ?? 0) + 1);
  return { ...state, arrivals };
}
