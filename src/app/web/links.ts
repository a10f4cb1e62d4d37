// The links in a text that a person wrote. Only absolute addresses of http and https become links, and only such as lead where they seem
// to: none with a user name in front of the host, none with characters that are not seen. All else stays text. A view sets the
// pieces as text and attribute, never as markup.
import { LINKS_MAX } from './limits.ts';

/** A piece of a text: plain, or a link to an address. */
export type Piece = string | Readonly<{ text: string; href: string }>;

/** A longer address stays text. */
const ADDRESS_MAX = 2_000;
const ADDRESS = /(?<![\p{L}\p{N}_])https?:\/\/[^\s\p{C}<>"'`“”]+/giu;
/** What ends a sentence or a quotation, and hardly an address. */
const CLOSING = /[.,:;!?…*_~|’»\])}]/;
const OPENING: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };

/**
 * The pieces of the beginning of a text, which make it up again. The work is bounded by the length of that beginning.
 * @param length how much of the text is shown; a link that reaches beyond leads to its whole address
 */
export function piecesOf(text: string, length = text.length): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  let links = 0;
  for (const { 0: found, index } of text.slice(0, length + ADDRESS_MAX).matchAll(ADDRESS)) {
    if (index >= length || links === LINKS_MAX) break;
    if (found.length > ADDRESS_MAX) continue;
    const address = withoutClosing(found);
    const href = hrefOf(address);
    if (href === undefined) continue;
    if (index > end) pieces.push(text.slice(end, index));
    end = Math.min(index + address.length, length);
    pieces.push({ text: text.slice(index, end), href });
    links += 1;
  }
  if (end < length) pieces.push(text.slice(end, length));
  return pieces;
}

/** Without what closes the sentence or the bracket that the address stands in. */
function withoutClosing(address: string): string {
  const open = new Map<string, number>();
  for (const character of address) open.set(character, (open.get(character) ?? 0) + 1);
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address.charAt(end - 1);
    if (!CLOSING.test(last)) break;
    const opening = OPENING[last];
    if (opening !== undefined && (open.get(opening) ?? 0) >= (open.get(last) ?? 0)) break;
    open.set(last, (open.get(last) ?? 0) - 1);
  }
  return address.slice(0, end);
}

/** The address to follow; undefined for what is none, or is not what it seems. */
function hrefOf(address: string): string | undefined {
  if (!URL.canParse(address)) return undefined;
  const { protocol, username, password, href } = new URL(address);
  if (protocol !== 'http:' && protocol !== 'https:') return undefined;
  return username === '' && password === '' ? href : undefined;
}
