// What `npm run package` makes is what its users get: the tarball is installed in empty folders, and compiled against, bundled and run
// there. TypeScript, Bun, Deno and the releases of Node.js come from npm once and are kept; what a machine cannot get is skipped with
// the reason, or with CI=true is a failure where npm answers.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { prepareFromNpm, prepareNode, prepareRuntime } from '../../scripts/lib/nodes.mjs';
import {
  asInstalledHere,
  createProject,
  execute,
  type Project,
  registryAnswers,
} from '../support/package/project.ts';

const UNPACKED_MAX_BYTES = 1_500_000;
const RUN_LIMIT_MS = 60_000;
const INSTALL_LIMIT_MS = 400_000;
const root = join(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string;
  exports: Record<string, string | { types: string }>;
};
const ENTRIES = Object.keys(manifest.exports).filter((key) => key !== './package.json');

/** Of what could not be had: skips the test, or fails it. */
async function need<Found extends object>(
  found: Found | { reason: string },
  { skip }: TestContext,
): Promise<Found> {
  if (!('reason' in found)) return found;
  if (process.env['CI'] === 'true' && (await registryAnswers())) throw new Error(found.reason);
  process.stderr.write(`test skipped: ${found.reason}\n`);
  return skip(found.reason);
}

let bare: Project | { reason: string };
let full: Project | { reason: string };

beforeAll(async () => {
  const made = await execute(process.execPath, [join(root, 'scripts/package.mjs')], root, RUN_LIMIT_MS);
  if (made.exitCode !== 0) throw new Error(`npm run package failed:\n${made.stderr}`);
  const tarball = join(root, `dist/troupe-${manifest.version}.tgz`);
  const peers = ['fastify', '@fastify/websocket', '@opentelemetry/api', '@types/node', '@types/ws'];
  bare = await createProject([tarball]);
  full = await createProject([tarball, ...peers.map(asInstalledHere)]);
}, INSTALL_LIMIT_MS);

afterAll(() => {
  for (const project of [bare, full]) if ('remove' in project) project.remove();
});

describe('what is installed', () => {
  test('is one package, and the one that the REPL needs', async (context) => {
    const { installed } = await need(bare, context);
    expect(installed().toSorted()).toEqual(['node_modules/acorn', 'node_modules/troupe']);
  });

  test('is small', async (context) => {
    const { folder } = await need(bare, context);
    const bytes = files(join(folder, 'node_modules/troupe')).reduce(
      (sum, path) => sum + statSync(path).size,
      0,
    );
    expect(bytes).toBeLessThan(UNPACKED_MAX_BYTES);
  });

  test('is the runtime, and nothing of the service or of the tests', async (context) => {
    const { folder } = await need(bare, context);
    const home = join(folder, 'node_modules/troupe');
    const kinds = new Set(
      files(home).map((path) =>
        path
          .slice(home.length + 1)
          .split('/')
          .slice(0, 2)
          .join('/'),
      ),
    );
    const documents = [...kinds].filter((path) => path.startsWith('docs/'));
    expect([...kinds].filter((path) => !path.startsWith('docs/')).toSorted()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist/runtime',
      'package.json',
    ]);
    expect(documents).toEqual(expect.arrayContaining(['docs/errors.md', 'docs/differences-from-otp.md']));
    expect(documents).not.toContain('docs/http-api.md');
  });

  test('has documents whose links lead somewhere', async (context) => {
    const { folder } = await need(bare, context);
    const home = join(folder, 'node_modules/troupe');
    const pages = files(home).filter((path) => path.endsWith('.md'));
    const served = `https://unpkg.com/troupe@${manifest.version}/`;
    const dead = pages.flatMap((page) =>
      [
        ...readFileSync(page, 'utf8').matchAll(
          /\]\((?!https?:|mailto:|#)([^)\s#]+)|\]\((https:\/\/unpkg[^)\s#]+)/g,
        ),
      ]
        .map(([, path, url]) =>
          url === undefined ? join(dirname(page), path!) : join(home, url.slice(served.length)),
        )
        .filter((path) => !existsSync(path))
        .map((path) => `${page}: ${path}`),
    );
    expect(dead).toEqual([]);
    expect(readFileSync(join(home, 'README.md'), 'utf8')).toContain(`](${served}docs/errors.md)`);
    // A registry's page has no folder that a relative link could lead into.
    expect(readFileSync(join(home, 'README.md'), 'utf8')).not.toMatch(/\]\((?!https?:|#)[\w.]/);
  });

  test('can be required', async (context) => {
    const { run } = await need(bare, context);
    const names = ENTRIES.filter((entry) => !['./fastify', './observer', './otel'].includes(entry)).map(
      (entry) => entry.replace('.', 'troupe'),
    );
    const program = `const names = ${JSON.stringify(names)};
      console.log(names.filter((name) => typeof require(name) !== 'object'), typeof require('troupe').createNode);`;
    const { exitCode, stdout, stderr } = await run(
      process.execPath,
      ['--input-type=commonjs', '-e', program],
      RUN_LIMIT_MS,
    );
    expect([exitCode, stdout], `its errors:\n${stderr}`).toEqual([0, '[] function\n']);
  });

  test('can be bundled', { timeout: INSTALL_LIMIT_MS }, async (context) => {
    const { folder, write, run } = await need(bare, context);
    write(
      'bundled.js',
      `import { createNode } from 'troupe';
      const node = createNode();
      node.spawn(async (self) => console.log('got', await self.receive()));
      node.send(node.spawn(async (self) => console.log('got', await self.receive())), 'a message');`,
    );
    const install = { install: true };
    const prepared = await prepareFromNpm('esbuild-0.28', 'esbuild@0.28', 'esbuild/bin/esbuild', install);
    const esbuild = await need(prepared, context);
    const outfile = join(folder, 'bundle.mjs');
    const args = ['bundled.js', '--bundle', '--platform=node', '--format=esm', `--outfile=${outfile}`];
    expect(await run(esbuild.path, args, RUN_LIMIT_MS)).toMatchObject({ exitCode: 0 });
    const { stdout, stderr } = await run(process.execPath, [outfile], RUN_LIMIT_MS);
    expect(stdout, `its errors:\n${stderr}`).toBe('got a message\n');
    // Only what is used of the package is in it.
    expect(/one_for_all|gen_server/.exec(readFileSync(outfile, 'utf8'))).toBe(null);
  });

  test('has a command that attaches to a program', async (context) => {
    const { folder, run } = await need(bare, context);
    const command = join(folder, 'node_modules/.bin/troupe');
    expect(await run(command, ['--version'], RUN_LIMIT_MS)).toMatchObject({
      exitCode: 0,
      stdout: `${manifest.version}\n`,
    });
    const help = await run(command, ['--help'], RUN_LIMIT_MS);
    expect(help.stdout).toMatch(/^Usage: troupe <command> \[options\]\n/);
    const wrong = await run(command, ['--wrong'], RUN_LIMIT_MS);
    expect(wrong).toMatchObject({ exitCode: 2, stdout: '' });
    expect(wrong.stderr).toMatch(/\ntroupe --help lists the options\n$/);
  });
});

describe('the types', () => {
  const COMPILER_OPTIONS = {
    target: 'es2022',
    lib: ['es2023'],
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ['node'],
    outDir: 'out',
  };

  test.for(['5.4', '5.9', 'newest'])(
    'compile with TypeScript %s',
    { timeout: INSTALL_LIMIT_MS },
    async (version, context) => {
      const { copy, write, run } = await need(full, context);
      const compiler =
        version === 'newest'
          ? { path: join(root, 'node_modules/typescript/bin/tsc') }
          : await need(
              await prepareFromNpm(`typescript-${version}`, `typescript@${version}`, 'typescript/bin/tsc', {
                install: true,
              }),
              context,
            );
      copy('types.ts');
      copy('smoke.ts');
      // Every entry point is imported whole, so that all of its declarations are checked.
      const imports = ENTRIES.map(
        (entry, index) => `export * as all${index} from '${entry.replace('.', 'troupe')}';`,
      );
      write('all.ts', imports.join('\n'));
      write(
        'tsconfig.json',
        JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files: ['all.ts', 'types.ts', 'smoke.ts'] }),
      );
      const { stdout } = await run(
        process.execPath,
        [compiler.path, '-p', '.', '--pretty', 'false'],
        RUN_LIMIT_MS,
      );
      // What other packages declare is not ours to check.
      const ours = stdout
        .split('\n')
        .filter((line) => /^(?!node_modules\/)|^node_modules\/troupe\//.test(line) && /error TS/.test(line));
      expect(ours).toEqual([]);
    },
  );

  test('show nothing internal', async (context) => {
    const { folder } = await need(bare, context);
    const home = join(folder, 'node_modules/troupe/dist');
    const declarations = files(home).filter((path) => path.endsWith('.d.ts'));
    expect(declarations.filter((path) => readFileSync(path, 'utf8').includes('@internal'))).toEqual([]);
    expect(readFileSync(join(home, 'runtime/process/node.d.ts'), 'utf8')).not.toMatch(
      /\b(router|scheduler)\b.*:/,
    );
  });
});

describe('processes, a supervised server, a cluster of two nodes and a WebSocket in Fastify', () => {
  const install = { install: true };
  const runtimes: Array<[title: string, prepare: () => ReturnType<typeof prepareNode>, args: string[]]> = [
    ...['20', '22', '24', '26'].map((release): [string, () => ReturnType<typeof prepareNode>, string[]] => [
      `Node.js ${release}`,
      () => prepareNode(release, install),
      [],
    ]),
    ['Bun 1.4', () => prepareRuntime('bun', '1.4', install), ['run']],
    ['Deno 2.9', () => prepareRuntime('deno', '2.9', install), ['run', '--allow-all', '--no-remote']],
  ];

  test.for(runtimes)('work on %s', { timeout: INSTALL_LIMIT_MS }, async ([, prepare, args], context) => {
    const { copy, write, run } = await need(full, context);
    const { path } = await need(await prepare(), context);
    copy('smoke.ts');
    write(
      'tsconfig.smoke.json',
      JSON.stringify({
        compilerOptions: {
          target: 'es2022',
          module: 'nodenext',
          types: ['node'],
          noCheck: true,
          outDir: 'ran',
        },
        files: ['smoke.ts'],
      }),
    );
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const compiled = await run(process.execPath, [tsc, '-p', 'tsconfig.smoke.json'], RUN_LIMIT_MS);
    expect(compiled).toMatchObject({ exitCode: 0, stdout: '' });
    const { exitCode, stdout, stderr } = await run(path, [...args, 'ran/smoke.js'], RUN_LIMIT_MS);
    expect(exitCode, `its errors:\n${stderr}`).toBe(0);
    expect(JSON.parse(stdout)).toEqual({
      processes: [3, 2, 1],
      restarted: 1,
      heard: 'over the wire',
      webSocket: ['SHOUTED', { members: 1 }, 'to every socket'],
    });
  });
});

/** The files below a folder. */
function files(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
