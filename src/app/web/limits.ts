// The limits of the page, each with the reason for its value. Those on fields mirror the server's, so that a fault
// is shown while it is typed; the server checks them again. Nothing is cut off at a limit: typed text is kept, and the
// form says what is too long.

/** Characters (Unicode code points) in each field of a note. */
export const FIELD_MAX = { title: 200, body: 100_000, author: 100 } as const;

/** Notes in one answer of the list, at most: an answer with as many may not be all of them. */
export const LIST_MAX = 500;

/** When deletions leave fewer listed notes than this, although there are older ones, the list is read again. */
export const LIST_LOW = 250;

/** Characters in a search; the server's limit too. */
export const QUERY_MAX = 200;

/** Notes shown before "Show more", and how many more each press shows. */
export const ROWS_STEP = 100;

/** A body longer than this, in characters or in lines, is folded until its reader asks for all of it. */
export const FOLD_CHARACTERS = 1_200;
export const FOLD_LINES = 14;

/** Ids of deleted notes that are remembered, so that a slower answer cannot bring them back. The oldest go first. */
export const TOMBSTONES_MAX = 1_000;

/** How long an HTTP request may take, in milliseconds. */
export const REQUEST_TIMEOUT_MS = 15_000;

/** A list or a search that failed is asked for again after at least, and at most, so many milliseconds. */
export const RELOAD_BASE_MS = 1_000;
export const RELOAD_CAP_MS = 15_000;

/** When the server asks all pages to read again, each waits for a random part of so many milliseconds. */
export const RESYNC_SPREAD_MS = 2_000;

/** How long typing must rest before a search is sent, in milliseconds. */
export const TYPING_PAUSE_MS = 200;

/** How long changes are gathered before a shown search result is asked for again, in milliseconds. */
export const REQUERY_PAUSE_MS = 250;

/** How often shown times are brought up to date, in milliseconds: while connected, and during a countdown. */
export const TICK_MS = 15_000;
export const COUNTDOWN_TICK_MS = 1_000;
