// npm run docs: makes dist/docs/, the site: the pages of docs/, the examples, and the reference made of the doc comments. What builds it is
// installed in docs/node_modules, so that the repository's own `npm ci` does not pay for it. Dead links fail the build.
//   npm run docs -- --base /troupe/   for a site below a path of its host
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ensureModules } from './lib/fresh.mjs';
import {
  addressOf,
  readPage,
  relink,
  sections,
  siteConfig,
  sourceOf,
  titleOf,
  writtenPages,
} from './lib/site.mjs';
import { Failure, root, run, say, script } from './lib/run.mjs';

const NPM_LIMIT_MS = 5 * 60_000;
const BUILD_LIMIT_MS = 10 * 60_000;

await script(async () => {
  await ensureModules();
  await installTools();
  const source = join(root, '.tmp', `site-${process.pid}`);
  try {
    rmSync(source, { recursive: true, force: true });
    mkdirSync(join(source, '.vitepress'), { recursive: true });
    symlinkSync(join(root, 'docs/node_modules'), join(source, 'node_modules'));
    await step('typedoc', referenceArguments(source));
    const missing = entries().find(({ page }) => !existsSync(join(source, 'api', `${page}.md`)));
    if (missing !== undefined)
      throw new Failure(`TypeDoc made no api/${missing.page}.md for ${missing.text}`);
    const pages = writtenPages();
    for (const [path, text] of pages) {
      mkdirSync(dirname(join(source, path)), { recursive: true });
      writeFileSync(join(source, sourceOf(path)), relink(path, text, pages));
    }
    writeFileSync(
      join(source, '.vitepress/config.mjs'),
      `export default ${JSON.stringify(
        siteConfig(
          pages,
          entries().map(({ text, page }) => ({ text, link: `/api/${page}` })),
        ),
        null,
        2,
      )};\n`,
    );
    mkdirSync(join(source, 'public'));
    writeFileSync(join(source, 'public/llms.txt'), shortIndex(pages));
    writeFileSync(join(source, 'public/llms-full.txt'), [...pages.values()].join('\n\n'));
    await step('vitepress', ['build', source, '--outDir', join(source, 'built'), ...process.argv.slice(2)]);
    const target = join(root, 'dist/docs');
    rmSync(target, { recursive: true, force: true });
    cpSync(join(source, 'built'), target, { recursive: true });
    say('docs: dist/docs; npx vite preview --outDir dist/docs serves it');
    return 0;
  } finally {
    rmSync(source, { recursive: true, force: true });
  }
});

/** Installs what builds the site, when it is missing or older than its lock file says. */
async function installTools() {
  const lock = readFileSync(join(root, 'docs/package-lock.json'), 'utf8');
  const stamp = join(root, 'docs/node_modules/.installed-lock.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  say('docs: npm ci in docs/');
  const args = ['ci', '--prefix', join(root, 'docs'), '--no-audit', '--no-fund', '--loglevel=error'];
  const code = await run('npm', args, { limitMs: NPM_LIMIT_MS, env: { npm_config_omit: '' } });
  if (code !== 0) throw new Failure(`npm ci in docs/ failed with exit code ${code}`);
  writeFileSync(stamp, lock);
}

/**
 * The entry points of package.json, with their source and the page that TypeDoc makes of it.
 * @returns {Array<{ text: string, source: string, page: string }>}
 */
function entries() {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.entries(exports).flatMap(([name, target]) => {
    if (typeof target === 'string') return [];
    const path = target.default.replace('./dist/runtime/', '').replace(/\.js$/, '');
    const page = name === '.' ? 'index/overview' : path.replace(/\/index$/, '');
    return [{ text: name.replace('.', 'troupe'), source: `src/runtime/${path}.ts`, page }];
  });
}

/** @param {string} source */
function referenceArguments(source) {
  /** @type {Record<string, string>} */
  const options = {
    plugin: 'typedoc-plugin-markdown',
    out: join(source, 'api'),
    name: 'API',
    readme: 'none',
    entryFileName: 'overview',
    router: 'module',
    hideBreadcrumbs: 'true',
    hidePageHeader: 'true',
    useCodeBlocks: 'true',
    disableSources: 'true',
    excludeInternal: 'true',
    excludePrivate: 'true',
    tsconfig: join(root, 'tsconfig.json'),
    skipErrorChecking: 'true',
    logLevel: 'Error',
  };
  const paths = entries().map(({ source: path }) => path);
  return [...paths, ...Object.entries(options).flatMap(([option, value]) => [`--${option}`, value])];
}

/**
 * @param {'typedoc' | 'vitepress'} name
 * @param {string[]} args
 */
async function step(name, args) {
  const env = { NODE_OPTIONS: '', NO_COLOR: '1' };
  const code = await run(join(root, 'docs/node_modules/.bin', name), args, {
    quiet: true,
    limitMs: BUILD_LIMIT_MS,
    env,
  });
  if (code !== 0) throw new Failure(`docs failed: ${name} ended with exit code ${code}`);
}

/**
 * llms.txt: what there is to read, each with its first sentence.
 * @param {Map<string, string>} pages
 */
function shortIndex(pages) {
  const lines = ['# Troupe', '', `> ${readPage(pages, 'index.md').summary}`];
  for (const { title, paths } of sections(pages)) {
    lines.push('', `## ${title}`, '');
    for (const path of paths) {
      const { summary } = readPage(pages, path);
      lines.push(`- [${titleOf(pages, path)}](/${addressOf(path)}): ${summary}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
