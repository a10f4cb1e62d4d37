// Cuts text into words, in any language: `Intl.Segmenter` finds them, `fold` gives them one form.
//
// - A compound (`example.com`, `snake_case`, `camelCase`, `l'homme`) is found as a whole and by its parts.
// - Chinese and Japanese are written without spaces, and where a word ends depends on its context. So a run of such characters
//   is indexed by every two neighbours, and found by any part of it. The segmenter's dictionary cuts Thai, Lao, Khmer and Burmese.
// - An emoji is a word, whatever its colour. So are c++, c#.
// - The segmenter's time for each word grows with the text it gets, so it gets small pieces. A generator yields the terms of one
//   piece at a time, so that others can get their turn in between.
import { fold } from './fold.ts';

/** Characters of a word that count (UTF-16 code units, when folded). */
export const wordMax = 64;

/** Characters of the text that the segmenter gets at a time. */
const PIECE = 1_024;

const SEGMENTER = new Intl.Segmenter('en', { granularity: 'word' });
const GLYPHS = /^[\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}]/u;
const EMOJI = /\p{Extended_Pictographic}|\p{RI}/u;
const VARIANT = /[\uFE0E\uFE0F\u20E3]/g;
const APOSTROPHES = /['\u2019\u02BC\u2018\uFF07]/g;
const JOINTS =
  /[._:'\u2019\u02BC\u2018\uFF07\uFE52\uFF0E\uFE55\uFF1A\uFE13\u00B7\u2027\u203F\u2040\u2054\uFE33\uFE34\uFE4D-\uFE4F\uFF3F,;]+|(?<=\p{Ll})(?=\p{Lu})|(?<=\p{Lu})(?=\p{Lu}\p{Ll})/gu;
const ONE_LETTER = /^[A-Za-z]$/;
const BLANK = /\s+/;

/** Something to find. */
export interface Term {
  /** Lists of words: any list will do, if all of its words are there. */
  readonly forms: readonly (readonly string[])[];
  /** Whether it may be the beginning of a word. */
  readonly mayBeBeginning: boolean;
  /** Another word that every note with this term has. */
  readonly tail?: string;
}

/** The terms of a text, piece by piece. */
export function* termsOf(text: string): Generator<readonly Term[], void, undefined> {
  const run = new Run();
  for (let from = 0; from < text.length;) {
    const until = endOfPiece(text, from);
    const piece = text.slice(from, until);
    const terms: Term[] = [];
    let next = until;
    for (const { segment, index, isWordLike } of SEGMENTER.segment(piece)) {
      const at = from + index;
      // The last word of a piece may continue: it is the first of the next.
      if (until < text.length && index > 0 && at + segment.length === until) {
        next = at;
        break;
      }
      if (isWordLike === true && GLYPHS.test(segment)) {
        run.add(fold(segment), at, at + segment.length, terms);
        continue;
      }
      run.end(terms);
      if (isWordLike === true) addWord(segment, text, at + segment.length, terms);
      else if (EMOJI.test(segment)) addPlain(segment.replace(VARIANT, ''), terms);
    }
    run.pause(terms);
    yield terms;
    from = next;
  }
  const last: Term[] = [];
  run.end(last);
  if (last.length > 0) yield last;
}

function endOfPiece(text: string, from: number): number {
  const end = from + PIECE;
  if (end >= text.length) return text.length;
  const unit = text.charCodeAt(end - 1);
  return unit >= 0xd800 && unit <= 0xdbff ? end - 1 : end;
}

function addWord(segment: string, text: string, end: number, terms: Term[]): void {
  if (ONE_LETTER.test(segment)) {
    const sign = text.startsWith('++', end) ? '++' : text.startsWith('#', end) ? '#' : '';
    if (sign !== '') terms.push({ forms: [[fold(segment) + sign]], mayBeBeginning: false });
  }
  const pieces = segment.split(JOINTS).filter((piece) => piece !== '');
  const [whole] = foldedWords(segment.replace(APOSTROPHES, ''));
  const parts = pieces.flatMap(foldedWords);
  if (whole === undefined) return;
  const isCompound = parts.length > 1 || (parts.length === 1 && parts[0] !== whole);
  terms.push({ forms: isCompound ? [[whole], parts] : [[whole]], mayBeBeginning: true });
}

function addPlain(segment: string, terms: Term[]): void {
  for (const word of foldedWords(segment)) terms.push({ forms: [[word]], mayBeBeginning: false });
}

/** A character may stand for several words, such as U+FDFA. */
function foldedWords(segment: string): string[] {
  return fold(segment)
    .split(BLANK)
    .filter((word) => word !== '')
    .map(bounded);
}

function bounded(word: string): string {
  if (word.length <= wordMax) return word;
  const unit = word.charCodeAt(wordMax - 1);
  return word.slice(0, unit >= 0xd800 && unit <= 0xdbff ? wordMax - 1 : wordMax);
}

/** Consecutive characters of Chinese or Japanese, perhaps from several pieces. */
class Run {
  #pairs: string[] = [];
  #last: string | undefined;
  #end = -1;
  /** Whether it has produced a term. */
  #isTold = false;

  add(glyphs: string, from: number, until: number, terms: Term[]): void {
    if (from !== this.#end) this.end(terms);
    for (const glyph of glyphs) {
      if (this.#last !== undefined) this.#pairs.push(this.#last + glyph);
      this.#last = glyph;
    }
    this.#end = until;
  }

  /** Yields what there is so far; the run may continue. */
  pause(terms: Term[]): void {
    if (this.#pairs.length === 0) return;
    terms.push({ forms: [this.#pairs], mayBeBeginning: false });
    this.#pairs = [];
    this.#isTold = true;
  }

  /** The last character has no neighbour, but a note must be found by it, too. */
  end(terms: Term[]): void {
    const last = this.#last;
    if (last === undefined) return;
    const isSingle = !this.#isTold && this.#pairs.length === 0;
    if (isSingle) terms.push({ forms: [[last]], mayBeBeginning: true });
    else
      terms.push({ forms: this.#pairs.length > 0 ? [this.#pairs] : [], mayBeBeginning: false, tail: last });
    this.#pairs = [];
    this.#last = undefined;
    this.#end = -1;
    this.#isTold = false;
  }
}
