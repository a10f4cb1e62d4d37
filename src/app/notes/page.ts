// A page of notes: the contract between the routes, the list of the repository and the search.
//
// A page holds whole notes, at most `limit`, and ends with the first note that brings it to `maxBytes`, so that no answer is
// larger than that plus one note. `next` and `after` are opaque outside the module that wrote them.
import type { Note } from './note.ts';

/** Notes on one page, at most. */
export const pageNotesMax = 500;
/** Characters of a cursor, at most; the service writes shorter ones. */
export const cursorMax = 1_000;

/** The requested part of a list. */
export interface PageRequest {
  /** Notes on the page, at most; a whole number from 1 to `pageNotesMax`. */
  readonly limit: number;
  /** Bytes of title, body and author in UTF-8 after which no further note is added. */
  readonly maxBytes: number;
  /** The `next` of the page before; the first page when left out. */
  readonly after?: string;
}

/** One page. */
export interface NotePage {
  readonly notes: readonly Note[];
  /** Requests the next page; undefined on the last one. */
  readonly next: string | undefined;
}

/** A page of what a query finds, the best first. */
export interface SearchPage extends NotePage {
  /** True while older notes are still being indexed, so that some may be missing. */
  readonly indexing: boolean;
}

/** An `after` that this list did not write. */
export class BadCursorError extends Error {
  override readonly name = 'BadCursorError';
}

/** The search, wherever the notes are. */
export interface NoteSearch {
  /**
   * Finds notes; every change that was answered before the call is seen.
   * @throws BadCursorError for a `page.after` that no answer to this query can have had
   * @throws DatabaseUnavailableError as `SqlRunner.run`
   */
  search(query: string, page: PageRequest): Promise<SearchPage>;
}

/** @throws RangeError for limits out of range */
export function assertPage({ limit, maxBytes }: PageRequest): void {
  assertWithin('limit', limit, pageNotesMax);
  assertWithin('maxBytes', maxBytes, Number.MAX_SAFE_INTEGER);
}

function assertWithin(name: string, value: number, max: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= max) return;
  throw new RangeError(`${name} must be a whole number from 1 to ${max}, not ${value}`);
}
