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
      tokenize: wordsOf,
      prefix: mayBeBeginning,
      fuzzy: (word) => (word.length < FUZZY_FROM ? false : 0.2),
      boost: { title: 2 },
    });
    return results.slice(0, resultsMax).map((result) => result.id as number);
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
