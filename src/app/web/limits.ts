// The limits of the page, each with the reason for its value. Those on fields mirror the server's, so that a fault
// is shown while it is typed; the server checks them again. Nothing is cut off at a limit: typed text is kept, and the
// form says what is too long.

/** Characters (Unicode code points) in each field of a note. */
export const FIELD_MAX = { title: 200, body: 100_000, author: 100 } as const;

/** Notes asked for at a time; the server sends fewer when they are long. */
export const PAGE_NOTES = 100;

/** Notes, and characters in them, after which no further page of the list is read: the search finds the older ones. */
export const LISTED_MAX = { notes: 5_000, characters: 32 * 1024 ** 2 } as const;

/** What events may let the list grow to before the oldest notes give way, down to LISTED_MAX. */
export const KEPT_MAX = { notes: 6_000, characters: 40 * 1024 ** 2 } as const;

/** Notes, and characters in them, after which no further page of a result is read. */
export const FOUND_MAX = { notes: 1_000, characters: 16 * 1024 ** 2 } as const;

/** Pages of one result, at most: a page can be empty. */
export const FOUND_PAGES_MAX = 50;

/** Links in a note that can be followed; further ones are text. */
export const LINKS_MAX = 200;

/** Characters in a search; the server's limit too. */
export const QUERY_MAX = 200;

/** A body longer than this, in characters or in lines, is cut until its reader asks for all of it. */
export const FOLD_CHARACTERS = 1_200;
export const FOLD_LINES = 14;

/**
 * Ids of deleted notes that are remembered, so that slower answers and events cannot bring them back. The oldest go first,
 * but none while an answer is on its way.
 */
export const TOMBSTONES_MAX = 1_000;

/** Notes of which is known how often they have arrived, to light up. Those that arrived first are forgotten first. */
export const ARRIVALS_MAX = 200;

/** Messages that the panel shows, at most. */
export const MESSAGES_MAX = 50;

/** How long the undoing of a deletion is offered, in milliseconds; the server allows it for an hour, unless its settings say otherwise. */
export const UNDO_OFFERED_MS = 600_000;

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

/** How long before a result is asked for again that may lack notes that are still being indexed, in milliseconds. */
export const INDEXING_PAUSE_MS = 5_000;

/** How often shown times are brought up to date, in milliseconds: while connected, and during a countdown. */
export const TICK_MS = 15_000;
export const COUNTDOWN_TICK_MS = 1_000;
