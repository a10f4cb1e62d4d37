// The full-text index of the notes: what MiniSearch does, and which of two versions of a note counts.
//
// Each change of a note has a later `updatedAt` than the one before, so a version that arrives late, or twice, is known as
// such. It finds by words and their beginnings in title and body, by author, and forgives a slip of the pen in longer
// words; all words of a query must be found.
import MiniSearch from 'minisearch';
import type { Note } from '../notes/note.ts';

/** Ids in one answer, at most. */
export const resultsMax = 100;
/** Words shorter than this must be written without a mistake. */
const FUZZY_FROM = 5;

/** An index of notes. */
export class SearchIndex {
  readonly #engine = new MiniSearch<Note>({
    fields: ['title', 'body', 'author'],
    storeFields: ['updatedAt'],
  });

  /** Number of notes in it. */
  get size(): number {
    return this.#engine.documentCount;
  }

  /** Takes in a note, or a newer version of one. */
  put(note: Note): void {
    if (!this.#engine.has(note.id)) {
      this.#engine.add(note);
      return;
    }
    const { updatedAt } = this.#engine.getStoredFields(note.id) as { updatedAt: string };
    if (updatedAt < note.updatedAt) this.#engine.replace(note);
  }

  /** Takes out a note; no effect when it is not in it. */
  remove(id: number): void {
    if (this.#engine.has(id)) this.#engine.discard(id);
  }

  /** The ids of the notes that a query finds, the best first. */
  search(query: string): number[] {
    const results = this.#engine.search(query, {
      combineWith: 'AND',
      prefix: true,
      fuzzy: (term) => (term.length < FUZZY_FROM ? false : 0.2),
      boost: { title: 2 },
    });
    return results.slice(0, resultsMax).map((result) => result.id as number);
  }
}
