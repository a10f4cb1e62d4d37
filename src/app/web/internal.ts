// What the tests use of this folder. Nothing in src/ imports it.
export { type Api, createApi } from './api.ts';
export { type App, startApp } from './app.ts';
export { firstProblem } from './checks.ts';
export { excerptOf } from './excerpt.ts';
export { type Piece, piecesOf } from './links.ts';
export {
  ARRIVALS_MAX,
  FIELD_MAX,
  FOLD_CHARACTERS,
  FOLD_LINES,
  FOUND_MAX,
  INDEXING_PAUSE_MS,
  KEPT_MAX,
  LINKS_MAX,
  LISTED_MAX,
  PAGE_NOTES,
  RELOAD_BASE_MS,
  RELOAD_CAP_MS,
  REQUERY_PAUSE_MS,
  RESYNC_SPREAD_MS,
  TOMBSTONES_MAX,
  TYPING_PAUSE_MS,
} from './limits.ts';
export { createMemory, type Store } from './memory.ts';
export { parseEvent } from './messages.ts';
export {
  type Change,
  type Failure,
  type Field,
  type Note,
  type NoteDraft,
  type NotePage,
  type NoteText,
  type Outcome,
} from './model.ts';
export {
  beginReading,
  believe,
  emptyReplica,
  endReading,
  newestFirst,
  put,
  putAnswer,
  putStored,
  remove,
  removeAnswered,
  type Replica,
  takePage,
} from './replica.ts';
export { listed, rowsOf } from './rows.ts';
export { type Edit, initialState, type PageEvent, reduce, standingOf, type State } from './state.ts';
export { absoluteTime, relativeTime } from './time.ts';
export { sentences } from './wording.ts';
