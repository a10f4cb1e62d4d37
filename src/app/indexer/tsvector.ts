// The texts that PostgreSQL's full-text search reads: the words of a note as a `tsvector`, those of a query as a `tsquery`.
//
// A `tsvector` holds 1 MB of words, a word 2 kB: `words.ts` bounds a word, and here the number of words is bounded. A title
// counts more than the rest: only its words have a position, since the weight of a word is kept with its positions.
import { type Term, termsOf } from './words.ts';

/** Different words of a note that are indexed; those of the title come first, those of the body last. */
export const wordsMax = 20_000;

/** The texts of a note. */
export interface Text {
  readonly title: string;
  readonly body: string;
  readonly author: string;
}

/** The words of one note. */
export class NoteWords {
  /** Each with whether it is in the title. */
  readonly #words = new Map<string, boolean>();

  /** Collects the words of a note. Others can get their turn between its steps. */
  *collect({ title, author, body }: Text): Generator<void, void, undefined> {
    for (const text of [title, author, body]) {
      for (const terms of termsOf(text)) {
        for (const term of terms) this.#add(term, text === title);
        if (this.#words.size >= wordsMax) return;
        yield;
      }
    }
  }

  /** The words, each once. */
  get words(): Iterable<string> {
    return this.#words.keys();
  }

  /** The text of a `tsvector`. */
  toString(): string {
    const parts: string[] = [];
    for (const [word, isInTitle] of this.#words) parts.push(isInTitle ? `${quoted(word)}:1A` : quoted(word));
    return parts.join(' ');
  }

  #add({ forms, tail }: Term, isInTitle: boolean): void {
    for (const form of forms) for (const word of form) this.#addWord(word, isInTitle);
    if (tail !== undefined) this.#addWord(tail, isInTitle);
  }

  #addWord(word: string, isInTitle: boolean): void {
    if (this.#words.size < wordsMax && !this.#words.has(word)) this.#words.set(word, isInTitle);
  }
}

/** A word, or the beginning of one, in a `tsquery`. */
export function lexeme(word: string, isBeginning: boolean): string {
  return isBeginning ? `${quoted(word)}:*` : quoted(word);
}

export function all(parts: readonly string[]): string {
  return joined(parts, ' & ');
}

export function any(parts: readonly string[]): string {
  return joined(parts, ' | ');
}

function joined(parts: readonly string[], operator: string): string {
  return parts.length === 1 ? (parts[0] as string) : `(${parts.join(operator)})`;
}

function quoted(word: string): string {
  return `'${word.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`;
}
