// What the browser keeps for the page: the author's name, and whether single keys do something, for good; the new note and unsaved changes for the life of the
// tab, so that they outlive a reload. Kept text is checked when it is read, for anything may stand in a storage, and
// what does not fit is passed over. A storage that refuses (private browsing, quota) is reported, never fatal.
import { type Note, type NoteDraft, type NoteText, isNote } from './model.ts';
import { isDirty } from './reducers/edits.ts';
import type { Edit, Remembered, State } from './state.ts';

/** What the page needs of a browser's storage. */
export type Store = { getItem(key: string): string | null; setItem(key: string, value: string): void };

export type Memory = {
  recall(): Remembered;
  /** Keeps what differs from the state before; false when the browser refused. */
  keep(state: State, before: State): boolean;
};

const AUTHOR_KEY = 'troupe.notes.author';
const SHORTCUTS_KEY = 'troupe.notes.shortcuts';
const DRAFT_KEY = 'troupe.notes.draft';
const EDITS_KEY = 'troupe.notes.edits';

/** A memory in these storages; null stands for one that the browser does not give. */
export function createMemory(session: Store | null, local: Store | null): Memory {
  return {
    recall() {
      const draft = readText(session?.getItem(DRAFT_KEY)) ?? { title: '', body: '' };
      const edits = readEdits(session?.getItem(EDITS_KEY));
      const shortcuts = local?.getItem(SHORTCUTS_KEY) !== 'off';
      return { draft: { ...draft, author: local?.getItem(AUTHOR_KEY) ?? '' }, edits, shortcuts };
    },
    keep({ draft, edits, shortcuts }, before) {
      const { title, body, author } = draft;
      const kept: boolean[] = [];
      if (author !== before.draft.author) kept.push(write(local, AUTHOR_KEY, author));
      if (shortcuts !== before.shortcuts) kept.push(write(local, SHORTCUTS_KEY, shortcuts ? 'on' : 'off'));
      if (title !== before.draft.title || body !== before.draft.body) {
        kept.push(write(session, DRAFT_KEY, JSON.stringify({ title, body })));
      }
      if (edits !== before.edits) kept.push(write(session, EDITS_KEY, JSON.stringify(keptEdits(edits))));
      return kept.every(Boolean);
    },
  };
}

function write(store: Store | null, key: string, value: string): boolean {
  if (store === null) return false;
  try {
    store.setItem(key, value);
    return true;
  } catch {
    return false; // full or forbidden; the caller tells the writer
  }
}

function keptEdits(edits: ReadonlyMap<number, Edit>): object[] {
  return [...edits.values()]
    .filter(isDirty)
    .map(({ base, title, body, open, mine }) => ({ base, title, body, open, mine }));
}

function readEdits(text: string | null | undefined): readonly Edit[] {
  const value = parse(text);
  return Array.isArray(value) ? value.flatMap(readEdit) : [];
}

function readEdit(value: unknown): Edit[] {
  if (typeof value !== 'object' || value === null || !('base' in value) || !isNote(value.base)) return [];
  const text = textOf(value);
  if (text === null) return [];
  const base: Note = value.base;
  const open = !('open' in value) || value.open !== false;
  const mine = 'mine' in value ? textOf(value.mine) : null;
  return [
    {
      ...text,
      id: base.id,
      base,
      open,
      mine,
      sending: null,
      checked: false,
      failure: null,
      theirs: null,
      gone: false,
    },
  ];
}

function readText(text: string | null | undefined): NoteText | null {
  return textOf(parse(text));
}

function textOf(value: unknown): Pick<NoteDraft, 'title' | 'body'> | null {
  if (typeof value !== 'object' || value === null || !('title' in value) || !('body' in value)) return null;
  const { title, body } = value;
  return typeof title === 'string' && typeof body === 'string' ? { title, body } : null;
}

function parse(text: string | null | undefined): unknown {
  if (text === null || text === undefined) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null; // written by something else; passed over as the header says
  }
}
