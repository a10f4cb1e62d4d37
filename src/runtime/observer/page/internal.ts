// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { App } from './app.ts';
export { age, bytes, duration, percent, rate } from './format.ts';
export {
  ANSWER_MS,
  LIFELINES_MAX,
  LOAD_POINTS_MAX,
  LOOK_EVERY_MS,
  MATCH_MAX,
  OPEN_MAX,
  OPENED_CHILDREN_MAX,
  OVERSCAN_ROWS,
  RETRY_BASE_MS,
  RETRY_CAP_MS,
  ROW_PX,
  SEEN_MAX,
  SILENCE_MS,
  SPARK_POINTS,
  TRACE_EVENTS_MAX,
  WINDOW_MAX_ROWS,
} from './limits.ts';
export { viewsOf } from './looking.ts';
export { reduce } from './reduce.ts';
export { hashOf, HOME, parseRoute, type Route } from './route.ts';
export { ServerLink } from './server.ts';
export { type Connection, initialState, type PageEvent, type State } from './state.ts';
export {
  changeTable,
  drawnOrder,
  drawnRows,
  followActive,
  rowAt,
  seenRows,
  slotsOf,
  type Span,
  type Table,
  wantedRows,
} from './table.ts';
export { lifelines } from './view/trace.ts';
