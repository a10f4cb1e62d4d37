// The keys that do something outside of fields. They never take a key from somebody who types: not in fields, not with Ctrl, Alt or Command,
// not while an input method composes, not beside an open dialog. Whoever needs single keys for other things, such as for speech input, can
// switch them off in the dialog that lists them.

export type Action =
  | 'write'
  | 'search'
  | 'next'
  | 'previous'
  | 'open'
  | 'edit'
  | 'delete'
  | 'undo'
  | 'happening'
  | 'help'
  | 'close';

/** The keys, in the order in which they are listed. */
export const keys: readonly Readonly<{ action: Action; names: readonly string[]; does: string }>[] = [
  { action: 'write', names: ['n'], does: 'Write a new note' },
  { action: 'search', names: ['/'], does: 'Search' },
  { action: 'next', names: ['j'], does: 'Next note' },
  { action: 'previous', names: ['k'], does: 'Previous note' },
  { action: 'open', names: ['o'], does: 'Show the note alone' },
  { action: 'edit', names: ['e'], does: 'Edit the note' },
  { action: 'delete', names: ['d'], does: 'Delete the note' },
  { action: 'undo', names: ['z'], does: 'Undo the deletion' },
  { action: 'happening', names: ['w'], does: 'What is happening' },
  { action: 'close', names: ['Escape'], does: 'Back to all notes' },
  { action: 'help', names: ['?'], does: 'This list' },
];

const actions = new Map(keys.flatMap(({ action, names }) => names.map((name) => [name, action] as const)));

/** What a key is pressed for; null for nothing of the page's. @param typing whether it goes into a field or a dialog */
export function actionOf(
  event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey' | 'isComposing' | 'defaultPrevented'>,
  typing: boolean,
): Action | null {
  if (typing || event.defaultPrevented || event.isComposing) return null;
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  return actions.get(event.key) ?? null;
}
