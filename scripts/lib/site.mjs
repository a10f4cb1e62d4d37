// The pages of the site, their order, and how VitePress shows them.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Failure, root } from './run.mjs';

/** The order of the pages; those of docs/adr follow their own index. A page of docs/ that is missing here fails the build. */
const ORDER = {
  'Getting started': ['getting-started.md'],
  Guide: [
    'guide/processes.md',
    'guide/servers.md',
    'guide/supervisors.md',
    'guide/groups.md',
    'guide/durable-channels.md',
    'guide/websockets.md',
    'guide/nodes.md',
    'erlang.md',
    'terms.md',
    'guide/testing.md',
    'guide/inspecting.md',
    'guide/observer.md',
    'repl.md',
    'guide/deployment.md',
  ],
  Reference: ['differences-from-otp.md', 'errors.md', 'telemetry.md'],
  'The notes service': ['service.md', 'http-api.md', 'guide/clustering.md', 'guide/metrics.md'],
  'How it is made': ['ARCHITECTURE.md', 'adr/README.md'],
};

/**
 * The Markdown of the site by path: that of docs/, and a page for each example. The reference is made by TypeDoc.
 * @returns {Map<string, string>}
 */
export function writtenPages() {
  /** @type {Map<string, string>} */
  const pages = new Map();
  for (const path of listPages('')) pages.set(path, readFileSync(join(root, 'docs', path), 'utf8'));
  for (const name of readdirSync(join(root, 'examples')).toSorted()) {
    if (!name.endsWith('.ts')) continue;
    const text = readFileSync(join(root, 'examples', name), 'utf8');
    const title = name.replace(/\.ts$/, '').replaceAll('-', ' ');
    const about = /^(?:\/\/ .*\n)+/.exec(text)?.[0].replaceAll(/^\/\/ /gm, '') ?? '';
    const code = text.slice(/^(?:\/\/ .*\n)+/.exec(text)?.[0].length ?? 0);
    const other = join(root, 'examples', name.replace(/\.ts$/, '.exs'));
    const elixir = existsSync(other) ? `\n\`\`\`elixir\n${readFileSync(other, 'utf8')}\`\`\`\n` : '';
    pages.set(
      `examples/${name.replace(/\.ts$/, '.md')}`,
      `# Example: ${title}\n\n${about}\n\`\`\`ts\n${code}\`\`\`\n${elixir}`,
    );
  }
  pages.set('examples/README.md', readFileSync(join(root, 'examples/README.md'), 'utf8'));
  const known = new Set(Object.values(ORDER).flat());
  for (const path of pages.keys()) {
    if (!known.has(path) && path !== 'index.md' && !/^(adr|examples)\//.test(path)) {
      throw new Failure(`docs/${path} is not in the order of pages: scripts/lib/site.mjs`);
    }
  }
  return pages;
}

/**
 * @param {string} folder within docs/
 * @returns {string[]}
 */
function listPages(folder) {
  return readdirSync(join(root, 'docs', folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : listPages(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/**
 * The sections of the sidebar.
 * @param {Map<string, string>} pages
 */
export function sections(pages) {
  const examples = [...pages.keys()].filter((path) => path.startsWith('examples/')).toSorted();
  return Object.entries({ ...ORDER, Examples: examples }).map(([title, paths]) => ({ title, paths }));
}

/**
 * A page's heading.
 * @param {Map<string, string>} pages
 * @param {string} path
 */
export function titleOf(pages, path) {
  return readPage(pages, path)
    .title.replace(/^Example: /, '')
    .replaceAll('`', '');
}

/**
 * @param {Map<string, string>} pages
 * @param {string} path
 */
export function readPage(pages, path) {
  const text = pages.get(path);
  const [, title, opening] = /^# (.+)\n+([^#][^]*?)?(?:\n\n|\n?$(?![^]))/m.exec(text ?? '') ?? [];
  if (title === undefined) throw new Failure(`docs/${path} has no heading`);
  const prose = (opening ?? '')
    .replaceAll(/\[([^\]]+)\]\([^)]*\)/g, '$1')
    .replaceAll(/\s+/g, ' ')
    .trim();
  return { title, summary: /^.*?\.(?= [A-Z`]|$)/.exec(prose)?.[0] ?? prose };
}

/**
 * What VitePress reads a page from: it knows an index by another name.
 * @param {string} path
 */
export function sourceOf(path) {
  return path.replace(/README\.md$/, 'index.md');
}

/**
 * Where the site has a page.
 * @param {string} path
 */
export function addressOf(path) {
  return sourceOf(path).replace(/\.md$/, '.html');
}

/**
 * Points the links that leave docs/ to pages of the site; a link to a file that is not on it becomes plain text.
 * @param {string} from
 * @param {string} text
 * @param {Map<string, string>} pages
 */
export function relink(from, text, pages) {
  return text.replaceAll(
    /\[([^\]]+)\]\(((?!https?:|mailto:|#)[^)\s#]+)(#[^)\s]+)?\)/g,
    (all, label, target, anchor = '') => {
      if (target.startsWith('api/') || target.startsWith('../api/')) return all;
      const folder = from.startsWith('examples/') ? 'examples' : join('docs', dirname(from));
      const file = join(folder, target);
      const path = relative('docs', file).replace(/^\.\.\/(examples\/.+?)(?:\.ts|\.md)$/, '$1.md');
      if (pages.has(path)) return `[${label}](${relative(dirname(from), sourceOf(path))}${anchor})`;
      return existsSync(join(root, file)) ? label : all;
    },
  );
}

/**
 * What VitePress is told.
 * @param {Map<string, string>} pages
 * @param {Array<{ text: string, link: string }>} reference the pages of the entry points
 */
export function siteConfig(pages, reference) {
  /** @param {string[]} paths */
  const links = (paths) =>
    paths.map((path) => ({ text: titleOf(pages, path), link: `/${addressOf(path).replace(/\.html$/, '')}` }));
  const sidebar = sections(pages).map(({ title, paths }) => ({ text: title, items: links(paths) }));
  return {
    title: 'Troupe',
    description: "Erlang's processes, servers, supervisors and process groups for Node.js",

    cleanUrls: false,
    themeConfig: {
      nav: [
        { text: 'Guide', link: '/getting-started' },
        { text: 'API', link: '/api/overview' },
      ],
      sidebar: [...sidebar, { text: 'API', items: reference }],
      search: { provider: 'local' },
      outline: 'deep',
    },
  };
}
