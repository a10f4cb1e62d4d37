// The part of a long body that is shown until its reader asks for all of it. The work is bounded by the limits, however long
// the body is.
import { FOLD_CHARACTERS, FOLD_LINES } from './limits.ts';

/** The beginning of the body; the body itself when it is short enough to be shown whole. */
export function excerptOf(body: string): string {
  const start = body.slice(0, FOLD_CHARACTERS + 1);
  let end = 0;
  for (let line = 1; line <= FOLD_LINES; line += 1) {
    const at = start.indexOf('\n', end);
    if (at < 0) return start.length <= FOLD_CHARACTERS ? body : wholeCharacters(body, FOLD_CHARACTERS);
    end = at + 1;
  }
  return body.slice(0, end - 1);
}

/** At most so many UTF-16 code units, without half a character at the end. */
function wholeCharacters(text: string, length: number): string {
  return /[\uD800-\uDBFF]/.test(text.charAt(length - 1)) ? text.slice(0, length - 1) : text.slice(0, length);
}
