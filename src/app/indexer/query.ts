// Turns what somebody typed into a query of PostgreSQL's full-text search.
//
// All words must be found; each may be the beginning of a longer one. A single Latin letter begins a large part of all words:
// only the last word of a query may be one, since its rest may follow. In words of five letters and more, typing errors are
// forgiven: similar words in use match, too.
import { all, any, lexeme } from './tsvector.ts';
import { type Term, termsOf } from './words.ts';

/** Characters in a query, at most. */
export const queryMax = 200;
/** Different terms of a query that count; further ones are ignored. */
export const termsMax = 10;

/** Words shorter than this must be written without a mistake. */
const SLIPS_FROM = 5;
/** Letters for each forgiven error. */
const LETTERS_PER_SLIP = 5;
const SLIPS_MAX = 2;
const LETTERS = /^\p{L}+$/u;
/** Characters below this belong to scripts whose words have more than one. */
const GLYPHS_FROM = '\u2000';

/** A query, in the order in which it was written. */
export class NoteQuery {
  readonly #terms: readonly Term[];

  constructor(text: string) {
    const terms = [...termsOf(text.slice(0, queryMax))].flat().filter(({ forms }) => forms.length > 0);
    const distinct = new Map(terms.map((term) => [JSON.stringify(term.forms), term]));
    this.#terms = [...distinct.values()].slice(0, termsMax);
  }

  /** Such a query finds nothing. */
  get isEmpty(): boolean {
    return this.#terms.length === 0;
  }

  /** The words whose typing errors are forgiven. */
  get forgiving(): readonly string[] {
    return this.#terms.flatMap((term) => forgivingWord(term) ?? []);
  }

  /**
   * The text of a `tsquery`.
   * @param similar for words of `forgiving`, the words that match as well
   */
  toTsquery(similar?: ReadonlyMap<string, readonly string[]>): string {
    const sought = this.#terms.map((term, place): Alternatives => {
      const isLast = place === this.#terms.length - 1;
      const forms = term.forms.map((form) =>
        withoutImplied(
          form.map((text) => ({ text, isBeginning: term.mayBeBeginning && mayBeBeginning(text, isLast) })),
          implies,
        ),
      );
      const others = similar?.get(forgivingWord(term) ?? '') ?? [];
      return [...forms, ...others.map((text) => [{ text, isBeginning: false }])];
    });
    return all(
      withoutImplied(sought, (one, other) =>
        one.every((form) => other.some((words) => hasAll(form, words))),
      ).map((alternatives) =>
        any(alternatives.map((form) => all(form.map(({ text, isBeginning }) => lexeme(text, isBeginning))))),
      ),
    );
  }
}

/** A word to find, or the beginning of one. */
interface Sought {
  readonly text: string;
  readonly isBeginning: boolean;
}

/** Lists of words: any list will do, if all of its words are there. */
type Alternatives = readonly (readonly Sought[])[];

/** Whether a note with the one has the other. */
function implies(one: Sought, other: Sought): boolean {
  return other.isBeginning ? one.text.startsWith(other.text) : !one.isBeginning && one.text === other.text;
}

function hasAll(form: readonly Sought[], words: readonly Sought[]): boolean {
  return words.every((word) => form.some((one) => implies(one, word)));
}

/**
 * Drops what is implied by another entry of the list. Where one word begins another, the database would read all words with the
 * shorter beginning for each of them: this way it reads none twice.
 */
function withoutImplied<T>(list: readonly T[], doesImply: (one: T, other: T) => boolean): readonly T[] {
  const kept: T[] = [];
  for (const item of list) {
    if (kept.some((other) => doesImply(other, item))) continue;
    const rest = kept.filter((other) => !doesImply(item, other));
    kept.length = 0;
    kept.push(...rest, item);
  }
  return kept;
}

function forgivingWord({ forms, mayBeBeginning: isWord }: Term): string | undefined {
  const word = forms[0]?.[0];
  return isWord && word !== undefined && isForgiven(word) ? word : undefined;
}

/** Whether typing errors in a word are forgiven. */
function isForgiven(word: string): boolean {
  return word.length >= SLIPS_FROM && LETTERS.test(word) && word < GLYPHS_FROM;
}

/** How many typing errors in a word are forgiven. */
export function slipsIn(word: string): number {
  return Math.min(Math.round(word.length / LETTERS_PER_SLIP), SLIPS_MAX);
}

function mayBeBeginning(word: string, isLast: boolean): boolean {
  return word.length > 1 || word >= GLYPHS_FROM || isLast;
}

/** Counts letters that are missing, superfluous, wrong, or swapped with the next. */
export function distance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min(cell(last, j) + 1, cell(row, j - 1) + 1, cell(last, j - 1) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, cell(before, j - 2) + 1);
      row.push(least);
    }
    [before, last] = [last, row];
  }
  return cell(last, b.length);
}

function cell(row: readonly number[], at: number): number {
  return row[at] as number;
}
