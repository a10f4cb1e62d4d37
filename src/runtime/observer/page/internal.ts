// What the tests of this folder use besides its public names. Nothing in src/ imports it, and it is not in the package.
export { age, bytes, duration, percent, rate } from './format.ts';
export { LIFELINES_MAX, MATCH_MAX, OVERSCAN_ROWS, ROW_PX, WINDOW_MAX_ROWS } from './limits.ts';
export { hashOf, HOME, parseRoute, type Route } from './route.ts';
export {
  changeTable,
  drawnRows,
  followActive,
  rowAt,
  seenRows,
  type Span,
  type Table,
  wantedRows,
} from './table.ts';
export { lifelines } from './view/trace.ts';
