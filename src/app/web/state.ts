// Everything the page knows, and `reduce`, the only way it changes: reduce(state, event) gives the next state and
// touches nothing else. What an event means stands in reducers/, one file per part of the page; what follows from it
// outside (requests, storage, the socket) is the business of app.ts, which looks at the state before and after.
import type { ClientState } from 'troupe/client';
import type { Change, Failure, Field, Note, NoteDraft, NotePage, NoteText } from './model.ts';
import { deletionHandlers } from './reducers/deletion.ts';
import { draftHandlers } from './reducers/draft.ts';
import { editHandlers } from './reducers/edits.ts';
import { listHandlers } from './reducers/list.ts';
import { pageHandlers } from './reducers/common.ts';
import { happeningHandlers, notWatched } from './reducers/happening.ts';
import { openedHandlers } from './reducers/opened.ts';
import { noSearch, searchHandlers } from './reducers/search.ts';
import { undoHandlers } from './reducers/undo.ts';
import { type Replica, emptyReplica } from './replica.ts';

/** Where the connection stands. `retryAt` is in milliseconds since the epoch; `attempt` counts losses in a row. */
export type ConnectionStatus =
  | Readonly<{ phase: 'connecting' }>
  | Readonly<{ phase: 'online' }>
  | Readonly<{ phase: 'waiting'; retryAt: number; attempt: number }>;

export type State = Readonly<{
  /** Milliseconds since the epoch, as of the last tick. */
  now: number;
  connection: ConnectionStatus;
  /** The connection has been live: whatever happens from then on is told, after a loss, too, so that an answer asked for now is no older. */
  following: boolean;
  /** The connection was lost, and what was missed has not come yet. */
  lagging: boolean;
  replica: Replica;
  list: ListState;
  search: SearchState;
  draft: Draft;
  edits: ReadonlyMap<number, Edit>;
  deletion: Deletion | null;
  undo: Undo | null;
  opened: Opened | null;
  happening: Happening;
  /** The dialog that lists the keys is open. */
  help: boolean;
  /** Keys without Ctrl do something. */
  shortcuts: boolean;
  /** Ids of long notes that are shown whole. */
  unfolded: ReadonlySet<number>;
  /** How often notes have arrived while the page watched, the last ARRIVALS_MAX; a change lets one light up. */
  arrivals: ReadonlyMap<number, number>;
  /** The id of the last note shown when more was asked for by hand, until the answer comes; null else. */
  moreAfter: number | null;
  /** What a screen reader is told next; `turn` tells equal words apart. */
  announcement: Readonly<{ text: string; turn: number }>;
  /** The id of the element to be given the focus after the next drawing; `turn` makes it happen once. */
  focus: Readonly<{ target: string; turn: number }>;
  /** False when the browser refuses to keep drafts over a reload. */
  keepsDrafts: boolean;
}>;

/**
 * Whether what is shown is what the server has, but for events on their way: `fresh` when all of it was asked for while
 * the page followed the changes, and nothing has cast doubt on it since; `coming` while that answer is on its way.
 */
export type Freshness = 'stale' | 'coming' | 'fresh';

/**
 * The list. A reading goes down from page to page: `all` of what is shown from the top, or `more` from where that ends.
 * `turn` numbers the readings, and only the answers to the latest count.
 */
export type ListState = Readonly<{
  phase: 'unread' | 'ready';
  reading: 'all' | 'more' | null;
  turn: number;
  /** How far the reading has come: pages have answered for the ids from here on. */
  frontier: number;
  /** The reading is done when it answers for this id. */
  goal: number;
  freshness: Freshness;
  failure: Failure | null;
  /** Why no more was to be had. */
  moreFailure: Failure | null;
}>;

/**
 * The search: `order` holds the ids found in the server's order, or null while nothing is sought or no answer has come;
 * `places` where in the rows the notes stood that were being edited when the answer came, for they are held there.
 */
export type SearchState = Readonly<{
  query: string;
  turn: number;
  pending: boolean;
  order: readonly number[] | null;
  places: ReadonlyMap<number, number>;
  results: ReadonlyMap<number, Note>;
  /** Asks for the page that follows what was found; null when there is none, or none is to be had. */
  next: string | null;
  /** More matches than are shown, ever. */
  cut: boolean;
  /** How many results are wanted at least, as far as there are; the first page in any case. */
  goal: number;
  /** A further page is on its way. */
  more: boolean;
  /** Some notes may not be found yet, since the server is still indexing. */
  indexing: boolean;
  freshness: Freshness;
  /** How many deletions were known when it was asked for. */
  deletionsAsked: number;
  failure: Failure | null;
  moreFailure: Failure | null;
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

/** The one note that is shown alone, at an address of its own. */
export type Opened = Readonly<{
  id: number;
  /** The last version that is known; null while none is. */
  note: Note | null;
  /** The server has said that there is no such note. */
  missing: boolean;
  failure: Failure | null;
  /** Its last changes, the newest first; null while they are not known. */
  changes: readonly Change[] | null;
}>;

/** What the server tells of the processes behind the page. */
export type Happening = Readonly<{
  open: boolean;
  /** The connection's own process; `hidden` when the server does not tell. */
  own: OwnProcess | 'hidden' | null;
  /** Whether who looks can reach the observer. */
  observer: boolean;
  members: Members | null;
  /** The newest first, MESSAGES_MAX at most. */
  messages: readonly Arrival[];
  /** What the client of the channel says of itself. */
  client: ClientState;
  position: string | null;
}>;

export type OwnProcess = Readonly<{ pid: string; node: string; channel: string; full: boolean }>;
export type Members = Readonly<{
  nodes: readonly Readonly<{
    node: string;
    count: number;
    members: readonly Readonly<{ pid: string; name?: string }>[];
  }>[];
  nodeCount: number;
}>;
/** A message of the channel; `number` counts them. */
export type Arrival = Readonly<{
  number: number;
  at: number;
  channel: string;
  sender: string;
  topic: string;
  payload: string;
}>;

/** The offer to undo the last deletion that was made here. */
export type Undo = Readonly<{
  note: Note;
  /** Unsaved changes of the note, which come back with it. */
  edit: Edit | null;
  /** When it was made, in milliseconds since the epoch. */
  since: number;
  sending: boolean;
  failure: Failure | null;
}>;

/** Every event and what it carries besides its type. */
type EventMap = {
  // Time, the connection, the browser.
  ticked: { now: number };
  connection_changed: { status: ConnectionStatus };
  storage_refused: object;
  doubted: object; // changes have been missed: everything is read again
  // The list. `turn` is the state's `list.turn` after the reading started.
  reading_started: { part: 'all' | 'more' };
  page_read: { turn: number; page: NotePage };
  reading_failed: { turn: number; failure: Failure };
  note_created: { note: Note; stored: boolean };
  note_updated: { note: Note; stored: boolean };
  note_deleted: { id: number };
  // What came of asking for one note; `asked` is how many deletions were known then, `version` which version was.
  note_looked_up: { id: number; note: Note | null; asked: number; version: string | undefined };
  fold_toggled: { id: number };
  more_wanted: { byHand: boolean };
  // The search. `turn` is the state's `search.turn` after it started.
  query_changed: { query: string };
  search_started: { part: 'all' | 'more' };
  search_finished: { turn: number; found: NotePage };
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
  edit_failed: { id: number; failure: Failure; version: string | undefined };
  edit_kept_mine: { id: number };
  edit_took_theirs: { id: number };
  edit_swapped: { id: number };
  // One note alone; null for the list.
  note_opened: { id: number | null };
  look_up_failed: { id: number; failure: Failure };
  changes_read: { id: number; changes: readonly Change[] };
  // The keyboard.
  row_stepped: { from: number | null; by: 1 | -1 };
  focus_wanted: { target: string };
  help_switched: { open: boolean };
  shortcuts_switched: { on: boolean };
  // What is happening.
  happening_switched: { open: boolean };
  happening_told: { told: Told; now: number };
  client_moved: { client: ClientState; position: string | null };
  // Deletion.
  deletion_asked: { note: Note };
  deletion_cancelled: object;
  deletion_submitted: object;
  deletion_done: { id: number; version: string | undefined };
  deletion_failed: { id: number; failure: Failure; version: string | undefined };
  undo_submitted: object;
  undo_dismissed: object;
  undo_done: { note: Note; asked: number };
  undo_failed: { id: number; failure: Failure };
};

/** What a watching page is told. */
export type Told =
  | Readonly<{ kind: 'connection'; own: OwnProcess | 'hidden'; observer: boolean }>
  | Readonly<{ kind: 'members'; members: Members }>
  | Readonly<{ kind: 'message'; message: Omit<Arrival, 'number' | 'at'> }>;

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
  ...undoHandlers,
  ...openedHandlers,
  ...happeningHandlers,
};

/** The next state. Pure; the same object when the event changes nothing. */
export function reduce<Type extends EventType>(state: State, event: PageEvent<Type>): State {
  return handlers[event.type](state, event);
}

/** Where the page stands: `live` when its list, and a result that is shown, is what the server has. */
export type Standing = 'connecting' | 'updating' | 'live' | 'waiting';

export function standingOf({ connection, list, search }: State): Standing {
  if (connection.phase !== 'online') return connection.phase;
  // What the server refused to search for is not on its way; the page says so elsewhere.
  const found = search.order === null || search.freshness === 'fresh' || search.failure?.kind === 'refused';
  return list.freshness === 'fresh' && found ? 'live' : 'updating';
}

/** What was kept from an earlier visit or from before a reload. */
export type Remembered = Readonly<{ draft: NoteDraft; edits: readonly Edit[]; shortcuts: boolean }>;

/** The state of a page that has just been opened, at `now` milliseconds since the epoch. */
export function initialState(now: number, remembered: Remembered): State {
  return {
    now,
    connection: { phase: 'connecting' },
    following: false,
    lagging: false,
    replica: emptyReplica,
    list: {
      phase: 'unread',
      reading: null,
      turn: 0,
      frontier: 0,
      goal: 0,
      freshness: 'stale',
      failure: null,
      moreFailure: null,
    },
    search: noSearch,
    draft: { ...remembered.draft, sending: null, checked: false, failure: null, added: null },
    edits: new Map(remembered.edits.map((edit) => [edit.id, edit])),
    deletion: null,
    undo: null,
    opened: null,
    happening: notWatched,
    help: false,
    shortcuts: remembered.shortcuts,
    unfolded: new Set(),
    arrivals: new Map(),
    moreAfter: null,
    announcement: { text: '', turn: 0 },
    focus: { target: '', turn: 0 },
    keepsDrafts: true,
  };
}
