// Everything the page knows, and `reduce`, the only way it changes: reduce(state, event) gives the next state and
// touches nothing else. What an event means stands in reducers/, one file per part of the page; what follows from it
// outside (requests, storage, the socket) is the business of app.ts, which looks at the state before and after.
import type { ConnectionStatus } from './connection.ts';
import { ROWS_STEP } from './limits.ts';
import type { Failure, Field, Note, NoteDraft, NoteList, NoteText } from './model.ts';
import { deletionHandlers } from './reducers/deletion.ts';
import { draftHandlers } from './reducers/draft.ts';
import { editHandlers } from './reducers/edits.ts';
import { listHandlers } from './reducers/list.ts';
import { pageHandlers } from './reducers/page.ts';
import { noSearch, searchHandlers } from './reducers/search.ts';
import { emptyReplica } from './replica.ts';
import type { Replica } from './replica.ts';

export type State = Readonly<{
  /** Milliseconds since the epoch, as of the last tick. */
  now: number;
  connection: ConnectionStatus;
  /** The connection was lost, and the list has not been read since. */
  lagging: boolean;
  replica: Replica;
  list: ListState;
  search: SearchState;
  draft: Draft;
  edits: ReadonlyMap<number, Edit>;
  deletion: Deletion | null;
  /** Ids of long notes that are shown whole. */
  unfolded: ReadonlySet<number>;
  /** How often each note has arrived while the page watched; a change lets it light up. */
  arrivals: ReadonlyMap<number, number>;
  /** How many notes are shown at most. */
  rowsMax: number;
  /** What a screen reader is told next; `turn` tells equal words apart. */
  announcement: Readonly<{ text: string; turn: number }>;
  /** The id of the element to be given the focus after the next drawing; `turn` makes it happen once. */
  focus: Readonly<{ target: string; turn: number }>;
  /** False when the browser refuses to keep drafts over a reload. */
  keepsDrafts: boolean;
}>;

/** The list: `turn` numbers the readings, and only the answer to the latest counts. */
export type ListState = Readonly<{
  phase: 'unread' | 'ready';
  reading: boolean;
  turn: number;
  failure: Failure | null;
}>;

/**
 * The search: `order` holds the ids found in the server's order, or null while nothing is sought or no answer has come;
 * `places` where in the rows the notes stood that were being edited when the answer came. They are held there until then.
 */
export type SearchState = Readonly<{
  query: string;
  turn: number;
  pending: boolean;
  order: readonly number[] | null;
  places: ReadonlyMap<number, number>;
  results: ReadonlyMap<number, Note>;
  failure: Failure | null;
}>;

/** The form for a new note. `sending` is what the server was sent; `checked` that missing fields are pointed out. */
export type Draft = NoteDraft &
  Readonly<{ sending: NoteDraft | null; checked: boolean; failure: Failure | null; added: Note | null }>;

/** A change to a note that is being typed, or was set aside with `open: false`. */
export type Edit = NoteText &
  Readonly<{
    id: number;
    /** The version that the typed text is a change of. */
    base: Note;
    open: boolean;
    sending: NoteText | null;
    checked: boolean;
    failure: Failure | null;
    /** A newer version from elsewhere that the writer has not decided about. */
    theirs: Note | null;
    /** What the writer had typed before taking the version from elsewhere. */
    mine: NoteText | null;
    /** The note was deleted elsewhere. */
    gone: boolean;
  }>;

/** The question whether a note is to be deleted. */
export type Deletion = Readonly<{
  note: Note;
  sending: boolean;
  failure: Failure | null;
  /** The id of the element that has the focus once the note is gone. */
  focusAfter: string;
}>;

/** Every event and what it carries besides its type. */
type EventMap = {
  // Time, the connection, the browser.
  ticked: { now: number };
  connection_changed: { status: ConnectionStatus };
  storage_refused: object;
  // The list. `turn` is the state's `list.turn` after the reading started.
  reading_started: object;
  reading_finished: { turn: number; list: NoteList };
  reading_failed: { turn: number; failure: Failure };
  note_created: { note: Note };
  note_updated: { note: Note };
  note_deleted: { id: number };
  fold_toggled: { id: number };
  more_shown: object;
  // The search. `turn` is the state's `search.turn` after it started.
  query_changed: { query: string };
  search_started: object;
  search_finished: { turn: number; notes: readonly Note[] };
  search_failed: { turn: number; failure: Failure };
  // The new note.
  draft_changed: { field: Field; value: string };
  draft_submitted: object;
  draft_saved: { note: Note };
  draft_failed: { failure: Failure };
  // Changes to a note.
  edit_started: { note: Note };
  edit_changed: { id: number; field: keyof NoteText; value: string };
  edit_cancelled: { id: number };
  edit_discarded: { id: number };
  edit_submitted: { id: number };
  edit_saved: { id: number; note: Note };
  edit_failed: { id: number; failure: Failure };
  edit_kept_mine: { id: number };
  edit_took_theirs: { id: number };
  edit_swapped: { id: number };
  // Deletion.
  deletion_asked: { note: Note };
  deletion_cancelled: object;
  deletion_submitted: object;
  deletion_done: { id: number };
  deletion_failed: { id: number; failure: Failure };
};

export type EventType = keyof EventMap;
export type PageEvent<Type extends EventType = EventType> = {
  [T in Type]: { type: T } & EventMap[T];
}[Type];
export type Handlers<Type extends EventType = EventType> = {
  readonly [T in Type]: (state: State, event: PageEvent<T>) => State;
};

const handlers: Handlers = {
  ...pageHandlers,
  ...listHandlers,
  ...searchHandlers,
  ...draftHandlers,
  ...editHandlers,
  ...deletionHandlers,
};

/** The next state. Pure; the same object when the event changes nothing. */
export function reduce<Type extends EventType>(state: State, event: PageEvent<Type>): State {
  return handlers[event.type](state, event);
}

/** What was kept from an earlier visit or from before a reload. */
export type Remembered = Readonly<{ draft: NoteDraft; edits: readonly Edit[] }>;

/** The state of a page that has just been opened, at `now` milliseconds since the epoch. */
export function initialState(now: number, remembered: Remembered): State {
  return {
    now,
    connection: { phase: 'connecting' },
    lagging: false,
    replica: emptyReplica,
    list: { phase: 'unread', reading: false, turn: 0, failure: null },
    search: noSearch,
    draft: { ...remembered.draft, sending: null, checked: false, failure: null, added: null },
    edits: new Map(remembered.edits.map((edit) => [edit.id, edit])),
    deletion: null,
    unfolded: new Set(),
    arrivals: new Map(),
    rowsMax: ROWS_STEP,
    announcement: { text: '', turn: 0 },
    focus: { target: '', turn: 0 },
    keepsDrafts: true,
  };
}
