// One form for all spellings of a word: words that differ only in case, accents, vowel signs of Arabic and Hebrew, ligatures,
// width or the set of digits are the same. It is looser than any one language wants, and never misses.
//
// Marks are removed where they are added to letters (Latin, Greek, Cyrillic, Arabic, Hebrew, Syriac), and kept where they are
// part of a word: the vowels and tones of Thai, the signs of the Indic scripts, the voicing of Japanese.

/** Marks that all scripts share count as accents, except those of Japanese (U+3099, U+309A). */
const MARKS =
  /(?![\u3099\u309A])(?=\p{M})[\p{sc=Zinh}\p{sc=Latn}\p{sc=Grek}\p{sc=Cyrl}\p{sc=Arab}\p{sc=Hebr}\p{sc=Syrc}]/gu;
/** Soft hyphens, joiners, directions: invisible. The tatweel only lengthens an Arabic word. */
const UNSEEN = /[\p{Cf}\p{Emoji_Modifier}\u0640]/gu;
/** Letters of Latin, Greek, Hebrew and Arabic, each followed by its replacement. */
const PAIRS =
  'æ ae œ oe ø o ł l đ d ð d þ th ħ h ŧ t ŋ n ı i ĸ k ς σ ך כ ם מ ן נ ף פ ץ צ ى ي ی ي ک ك ة ه ٱ ا'.split(' ');
const LETTERS = new Map(
  PAIRS.flatMap((letter, at) => (at % 2 === 0 ? [[letter, PAIRS[at + 1]]] : [])) as [string, string][],
);
const LETTER = new RegExp(`[${[...LETTERS.keys()].join('')}]`, 'gu');
const OTHER_DIGIT = /(?![0-9])\p{Nd}/gu;
const SIMPLE = /^[a-z0-9]*$/;

/** The folded form of a text; of a word without letters and digits it may be empty. */
export function fold(text: string): string {
  const lower = text.toLowerCase();
  if (SIMPLE.test(lower)) return lower;
  return text
    .normalize('NFKD')
    .replace(MARKS, '')
    .replace(UNSEEN, '')
    .toUpperCase() // ß becomes SS: the lower case of the upper case is the same for all cases
    .toLowerCase()
    .normalize('NFKD') // İ became i and a dot
    .replace(MARKS, '')
    .replace(LETTER, (letter) => LETTERS.get(letter) ?? letter)
    .replace(OTHER_DIGIT, digitOf)
    .normalize('NFC');
}

/** The digits of a script are consecutive, and begin at a code point that ends in 0 or 6. */
function digitOf(digit: string): string {
  const code = digit.codePointAt(0) as number;
  const row = code - (code % 16);
  return String(/\p{Nd}/u.test(String.fromCodePoint(row)) ? code - row : code - row - 6);
}
