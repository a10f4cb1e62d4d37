// Links between the documents: every relative link leads to a file, every anchor to a heading of it.
import { posix } from 'node:path';
import type { Fault, SourceFile } from './source.ts';

/**
 * The dead relative links of a Markdown file.
 * @param exists whether there is a file or folder of that path, from the root of the repository
 * @param read the text of a Markdown file
 */
export function linkFaults(
  file: SourceFile,
  exists: (path: string) => boolean,
  read: (path: string) => string,
): Fault[] {
  return linksOf(file.text).flatMap(({ target, line }) => {
    const reason = dead(file, target, exists, read);
    return reason === undefined
      ? []
      : [{ at: `${file.path}:${line}`, message: `links to ${target}: ${reason}` }];
  });
}

function dead(
  file: SourceFile,
  target: string,
  exists: (path: string) => boolean,
  read: (path: string) => string,
): string | undefined {
  if (/^([a-z][a-z\d+.-]*:|\/\/)/i.test(target)) return undefined; // another site's
  if (target.startsWith('/')) return 'is not relative';
  const [path = '', anchor] = target.split('#').map(decodeURIComponent);
  const resolved = path === '' ? file.path : posix.normalize(posix.join(posix.dirname(file.path), path));
  if (resolved !== file.path && (resolved.startsWith('..') || !exists(resolved)))
    return `there is no ${resolved}`;
  if (anchor === undefined || !resolved.endsWith('.md')) return undefined;
  const text = resolved === file.path ? file.text : read(resolved);
  return anchorsOf(text).has(anchor) ? undefined : `${resolved} has no heading #${anchor}`;
}

/** Targets of inline links, images and reference definitions, outside of code. */
function linksOf(text: string): Array<{ target: string; line: number }> {
  return proseLines(text).flatMap((prose, index) => {
    const targets = [
      ...prose.matchAll(/\]\(\s*<?([^\s()<>]+(?:\([^\s()]*\)[^\s()<>]*)*)>?(?:\s+["'(][^)]*)?\)/g),
      ...prose.matchAll(/^\s{0,3}\[[^\]^][^\]]*\]:\s*<?([^\s<>]+)>?/g),
    ];
    return targets.map(([, target = '']) => ({ target, line: index + 1 }));
  });
}

/** The anchors of the headings, made as GitHub makes them, and explicit ones. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const lines = proseLines(text, { keepCodeSpans: true });
  for (const line of lines) {
    const heading = /^\s{0,3}#{1,6}\s+(.*?)\s*#*\s*$/.exec(line)?.[1];
    if (heading !== undefined) anchors.add(unused(slug(heading), anchors));
    for (const [, name = ''] of line.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)) anchors.add(name);
  }
  return anchors;
}

function slug(heading: string): string {
  const text = heading.replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '');
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replaceAll(' ', '-');
}

function unused(name: string, taken: ReadonlySet<string>): string {
  let candidate = name;
  for (let count = 1; taken.has(candidate); count++) candidate = `${name}-${count}`;
  return candidate;
}

/** The lines of a Markdown text, those of fenced code emptied, code spans blanked. */
function proseLines(text: string, { keepCodeSpans = false } = {}): string[] {
  let fence: string | undefined;
  return text.split('\n').map((line) => {
    const marker = /^\s*(`{3,}|~{3,})/.exec(line)?.[1];
    if (fence !== undefined) {
      if (marker !== undefined && marker.startsWith(fence) && line.trim() === marker) fence = undefined;
      return '';
    }
    if (marker !== undefined) {
      fence = marker;
      return '';
    }
    return keepCodeSpans ? line : line.replaceAll(/(`+)(?!`).*?(?<!`)\1(?!`)/g, '');
  });
}
