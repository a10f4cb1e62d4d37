// The documents of the package: the README's sections on the library, and the pages of docs/ that are about it.
// On the page that a registry shows, a relative link leads nowhere, so the README's links are absolute there; inside docs/ they stay
// relative. A link to a file that is not in the package becomes plain text.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Failure, root } from './run.mjs';

/** The sections of README.md that the package's README has, in this order, after what stands before the first of all. */
const SECTIONS = ['Install', 'A tour in ten examples', 'Beside Erlang', 'Speed', 'More'];
/** Pages and folders about the notes service and about this repository. */
const NOT_IN_PACKAGE = [
  'docs/ARCHITECTURE.md',
  'docs/adr/',
  'docs/http-api.md',
  'docs/index.md',
  'docs/service.md',
  'docs/guide/clustering.md',
  'docs/guide/deployment.md',
  'docs/guide/metrics.md',
];
/** Serves the files of what is published. */
const FILES_HOST = 'https://unpkg.com';

/**
 * @param {{ name: string, version: string }} manifest
 * @returns {Array<{ path: string, text: string }>}
 */
export function packageDocuments({ name, version }) {
  const pages = listPages('docs').filter((path) => !NOT_IN_PACKAGE.some((out) => path.startsWith(out)));
  const included = new Set([...pages, 'README.md', 'LICENSE', 'CHANGELOG.md']);
  const absolute = (/** @type {string} */ path) => `${FILES_HOST}/${name}@${version}/${path}`;
  return [
    { path: 'README.md', text: relink(librarySections(read('README.md')), 'README.md', included, absolute) },
    ...pages.map((path) => ({ path, text: relink(read(path), path, included) })),
  ];
}

/** @param {string} path */
function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
function listPages(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return /^(node_modules|\.|api$)/.test(entry.name) ? [] : listPages(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** @param {string} readme */
function librarySections(readme) {
  const [opening = '', ...sections] = readme.split(/^(?=## )/m);
  const chosen = SECTIONS.map((title) => {
    const section = sections.find((text) => text.startsWith(`## ${title}\n`));
    if (section === undefined) throw new Failure(`README.md has no section "${title}"`);
    return section;
  });
  const text = [opening, ...chosen].join('');
  // What is said of the repository alone ends the last section.
  return text.replace(/^In the repository:\n\n(- .*\n)+\n/m, '');
}

/**
 * Points the links of a page at what the package has.
 * @param {string} text
 * @param {string} from the page's path
 * @param {ReadonlySet<string>} included
 * @param {(path: string) => string} [absolute] what to link with, in place of a relative path
 */
function relink(text, from, included, absolute) {
  return text.replaceAll(
    /(?<!!)\[([^\]]+)\]\(((?!https?:|mailto:|#)[^)\s#]+)(#[^)\s]+)?\)/g,
    (all, label, target, anchor = '') => {
      const path = join(dirname(from), target).replaceAll('\\', '/');
      if (!existsSync(join(root, path))) return all; // an example of a link, in code
      if (!included.has(path)) return label;
      return `[${label}](${absolute?.(path) ?? relative(dirname(from), path)}${anchor})`;
    },
  );
}
