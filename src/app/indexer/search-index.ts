// The full-text index of the notes: what MiniSearch does, and which of two versions of a note counts.
//
// Each change of a note has a later `updatedAt` than the one before, so a version that arrives late, or twice, is known as
// such. It finds by words and their beginnings in title, body and author, whatever their case and accents, and forgives a
// slip of the pen in longer words; all words of a query must be found.
//
// A search runs on the thread that serves everybody, so its cost is bounded: see `wordsMax` and `mayBeBeginning`.
import MiniSearch from 'minisearch';
import type { Note } from '../notes/note.ts';

/** Ids in one answer, at most. */
export const resultsMax = 100;
/** Different words of a query that count; further ones are left out. */
export const wordsMax = 10;
/** Ids of deleted notes that are remembered, so that an event which is late does not bring one back. */
export const goneMax = 1_000;
/** Words shorter than this must be written without a mistake. */
const FUZZY_FROM = 5;
const ACCENTS = /[\u0300-\u036f]/g;

const splitIntoWords = MiniSearch.getDefault('tokenize') as (text: string) => string[];

/** An index of notes. */
export class SearchIndex {
  readonly #engine = new MiniSearch<Note>({
    fields: ['title', 'body', 'author'],
    storeFields: ['updatedAt'],
    processTerm: normalize,
  });

  readonly #ids = new Set<number>();
  /** Ids of deleted notes, the oldest first, at most `goneMax`. */
  readonly #gone = new Set<number>();

  /** Number of notes in it. */
  get size(): number {
    return this.#ids.size;
  }

  /** The ids of the notes in it. */
  get ids(): ReadonlySet<number> {
    return this.#ids;
  }

  /** Takes in a note, or a newer version of one; not when it is known to be deleted. */
  put(note: Note): void {
    if (this.#gone.has(note.id)) return;
    if (!this.#ids.has(note.id)) this.#add(note);
    else if (this.#updatedAt(note.id) < note.updatedAt) this.#engine.replace(note);
  }

  /** Takes in a note as the database has it, whichever version is known. */
  set(note: Note): void {
    if (!this.#ids.has(note.id)) this.#add(note);
    else if (this.#updatedAt(note.id) !== note.updatedAt) this.#engine.replace(note);
  }

  /**
   * Takes out a note. It stays away: what several nodes tell of a note may come in another order, and an id is not given
   * again.
   */
  remove(id: number): void {
    this.#gone.add(id);
    if (this.#gone.size > goneMax) this.#gone.delete(this.#gone.values().next().value as number);
    if (this.#ids.delete(id)) this.#engine.discard(id);
  }

  /** The ids of the notes that a query finds, the best first. */
  search(query: string): number[] {
    const results = this.#engine.search(query, {
      combineWith: 'AND',
      tokenize: wordsOf,
      prefix: mayBeBeginning,
      fuzzy: (word) => (word.length < FUZZY_FROM ? false : 0.2),
      boost: { title: 2 },
    });
    return results.slice(0, resultsMax).map((result) => result.id as number);
  }

  #add(note: Note): void {
    this.#engine.add(note);
    this.#ids.add(note.id);
  }

  #updatedAt(id: number): string {
    return (this.#engine.getStoredFields(id) as { updatedAt: string }).updatedAt;
  }
}

/** One form for all ways to write a word: no case, no accents, no ligatures. */
function normalize(word: string): string {
  return word.normalize('NFKD').replace(ACCENTS, '').toLowerCase();
}

/** The different words of a query, in their order. */
function wordsOf(query: string): string[] {
  const words = new Set(splitIntoWords(query).map(normalize));
  words.delete('');
  return [...words].slice(0, wordsMax);
}

/**
 * A single Latin letter begins a large part of all words, and to look them all up is costly: only the last word of a query
 * may be one, since somebody is about to type the rest of it.
 */
function mayBeBeginning(word: string, place: number, words: readonly string[]): boolean {
  return word.length > 1 || word > '\u1fff' || place === words.length - 1;
}
