// What becomes of an edit when its note changes, or goes, while it is typed. The typed text is never replaced: either
// the change does not matter to it, or the writer is asked.
import { isNewer, sameText } from '../model.ts';
import type { Note } from '../model.ts';
import type { Edit } from '../state.ts';

/** The edit after the page has learnt of this version of its note. */
export function meetNote(edit: Edit, note: Note): Edit {
  if (edit.gone || !isNewer(note, edit.base)) return edit;
  const typed = sameText(note, edit);
  const sent = edit.sending !== null && sameText(note, edit.sending); // our own change, before its answer
  if (typed || sent || sameText(note, edit.base)) return { ...edit, base: note, theirs: null };
  return edit.open ? { ...edit, theirs: note } : edit; // one that was set aside is asked about when it is resumed
}

/** The edit after the page has learnt that its note is deleted; shown again if it was set aside. */
export function meetGone(edit: Edit): Edit {
  return edit.gone ? edit : { ...edit, gone: true, open: true, theirs: null };
}

/** Whether the edit holds anything that would be lost with it. */
export function isDirty(edit: Edit): boolean {
  return !sameText(edit, edit.base) || edit.mine !== null;
}
