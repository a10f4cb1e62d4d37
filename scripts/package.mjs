// npm run package: makes dist/package/, the library as it is published, and the tarball of it beside it.
// What is in it: the runtime's entry points with their types, the observer's page, the documents of the library, licence and changelog. The notes
// application, its dependencies and its documents are not. See docs/adr/0032-the-package.md.
import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { buildObserverPage, ensureModules, tool } from './lib/fresh.mjs';
import { packageDocuments } from './lib/package-docs.mjs';
import { Failure, root, run, say, script } from './lib/run.mjs';

/** What each npm dependency of the runtime is to who installs the package. */
const DEPENDENCIES = ['acorn'];
const OPTIONAL_PEERS = ['fastify', '@fastify/websocket', '@opentelemetry/api'];
const DESCRIPTION =
  "Erlang's processes, servers, supervisors and process groups for Node.js, across nodes of Node.js and BEAM";

await script(async () => {
  await ensureModules();
  const fresh = join(root, '.tmp', `package-${process.pid}`);
  try {
    mkdirSync(fresh, { recursive: true });
    const manifest = readManifest();
    await compile(fresh, manifest);
    dropUnusedTypes(join(fresh, 'package'), manifest);
    const folder = join(fresh, 'package');
    await buildObserverPage(join(folder, 'dist/runtime/observer/page'));
    writeFileSync(join(folder, 'package.json'), `${JSON.stringify(published(manifest), null, 2)}\n`);
    for (const file of ['LICENSE', 'CHANGELOG.md']) cpSync(join(root, file), join(folder, file));
    for (const { path, text } of packageDocuments(manifest)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const code = await run('npm', ['pack', folder, '--pack-destination', fresh, '--silent'], {
      quiet: true,
    });
    if (code !== 0) throw new Failure(`npm pack ended with exit code ${code}`);
    const tarball = `${manifest.name}-${manifest.version}.tgz`;
    mkdirSync(join(root, 'dist'), { recursive: true });
    rmSync(join(root, 'dist/package'), { recursive: true, force: true });
    renameSync(folder, join(root, 'dist/package'));
    renameSync(join(fresh, tarball), join(root, 'dist', tarball));
    say(`package: dist/${tarball}`);
    return 0;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
});

/**
 * What is used of package.json.
 * @typedef {object} Manifest
 * @property {string} name
 * @property {string} version
 * @property {string[]} keywords
 * @property {string} license
 * @property {string} author
 * @property {Record<string, string>} dependencies
 * @property {Record<string, string>} devDependencies
 * @property {{ node: string }} engines
 * @property {Record<string, string>} bin
 * @property {Record<string, string | { types: string, default: string }>} exports
 */

/** @returns {Manifest} */
function readManifest() {
  return JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
}

/**
 * The package.json that is published.
 * @param {Manifest} manifest
 */
function published(manifest) {
  const { name, version, keywords, license, author, engines, exports, bin } = manifest;
  /** @param {string[]} names */
  const ranges = (names) =>
    Object.fromEntries(
      names.map((each) => {
        const range = manifest.dependencies[each] ?? manifest.devDependencies[each];
        if (range === undefined) throw new Failure(`package.json has no dependency ${each}`);
        return [each, range];
      }),
    );
  return {
    name,
    version,
    description: DESCRIPTION,
    keywords,
    license,
    author,
    type: 'module',
    sideEffects: false,
    exports,
    bin,
    files: ['dist', 'docs', 'CHANGELOG.md'],
    engines,
    dependencies: ranges(DEPENDENCIES),
    peerDependencies: ranges(OPTIONAL_PEERS),
    peerDependenciesMeta: Object.fromEntries(OPTIONAL_PEERS.map((each) => [each, { optional: true }])),
  };
}

/**
 * Compiles what the entry points need, twice: JavaScript without comments, indented with tabs, and declarations with comments. Both
 * together are less than a third of what one run with source maps makes.
 * @param {string} fresh
 * @param {Manifest} manifest
 */
async function compile(fresh, { exports }) {
  const entries = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [] : [target.default.replace('./dist/', 'src/').replace(/\.js$/, '.ts')],
  );
  const shared = {
    rootDir: join(root, 'src'),
    outDir: join(fresh, 'package/dist'),
    sourceMap: false,
    inlineSources: false,
    typeRoots: [join(root, 'node_modules/@types')],
  };
  const passes = {
    code: { declaration: false, removeComments: true },
    types: { declaration: true, emitDeclarationOnly: true, stripInternal: true },
  };
  for (const [name, options] of Object.entries(passes)) {
    const config = {
      extends: relative(fresh, join(root, 'tsconfig.build.json')),
      compilerOptions: { ...shared, ...options },
      include: [],
      files: [...entries, 'src/runtime/cli/main.ts'].map((path) => join(root, path)),
    };
    const file = join(fresh, `tsconfig.${name}.json`);
    writeFileSync(file, JSON.stringify(config));
    const code = await run(tool('tsc'), ['-p', file]);
    if (code !== 0) throw new Failure(`package failed: tsc ended with exit code ${code}`);
  }
  await indentWithTabs(join(fresh, 'package/dist'));
  const types = Object.values(exports).flatMap((target) =>
    typeof target === 'string' ? [] : [target.types],
  );
  removeUnreachable(
    join(fresh, 'package/dist'),
    types.map((path) => join(fresh, 'package', path)),
  );
}

/**
 * Removes the declarations that no entry point leads to: of a folder whose code has one public function, the compiler writes those of
 * every file.
 * @param {string} folder
 * @param {string[]} entries
 */
function removeUnreachable(folder, entries) {
  const reached = new Set(entries);
  for (const path of reached) {
    for (const [, specifier = ''] of readFileSync(path, 'utf8').matchAll(
      /\b(?:from|import)\b[ (]*['"](\.[^'"]+)['"]/g,
    ))
      reached.add(join(dirname(path), specifier.replace(/\.[jt]s$/, '.d.ts')));
  }
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, name);
    if (name.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
  }
}

/**
 * Removes the declarations that none of the entry points leads to: nobody can import what they declare.
 * @param {string} folder of the package
 * @param {Manifest} manifest
 */
function dropUnusedTypes(folder, { exports }) {
  const reached = new Set(
    Object.values(exports).flatMap((target) =>
      typeof target === 'string' ? [] : [join(folder, target.types)],
    ),
  );
  for (const path of reached) {
    const imports = readFileSync(path, 'utf8').matchAll(/(?:from|import\()\s*['"](\.[^'"]+)\.[jt]s['"]/g);
    for (const [, target = ''] of imports) reached.add(join(dirname(path), `${target}.d.ts`));
  }
  for (const name of readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' })) {
    const path = join(folder, 'dist', name);
    if (name.endsWith('.d.ts') && !reached.has(path)) rmSync(path);
  }
}

/**
 * Writes the JavaScript in a folder anew: four spaces a level, as the compiler writes, are an eighth of it.
 * @param {string} folder
 */
async function indentWithTabs(folder) {
  const { transformWithOxc } = await import('vite'); // not before it is installed
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.js')) continue;
    const path = join(folder, name);
    const { code } = await transformWithOxc(readFileSync(path, 'utf8'), path, {
      target: 'es2023',
      sourcemap: false,
    });
    writeFileSync(path, code);
  }
}
