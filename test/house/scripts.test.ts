// The scripts do what the README and CONTRIBUTING.md say: each is run in a small checkout with stand-ins for its tools.
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCheckout, type Checkout } from '../support/checkout.ts';

let checkout: Checkout;
beforeEach(() => {
  checkout = createCheckout();
});
afterEach(() => checkout.remove());

/** A stand-in that notes that it was called. */
const noting = (name: string, exitCode = 0) =>
  `import { appendFileSync } from 'node:fs';
  appendFileSync('calls', '${name} ' + process.argv.slice(2).join(' ') + '\\n');
  process.exitCode = ${exitCode};`;
const calls = () => {
  const path = join(checkout.folder, 'calls');
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
};
const called = () => calls().map((line) => line.split(' ')[0]);
/** The tools that make dist/, in their order: the compiler, and vite for each of the two pages. */
const BUILD = ['tsc', 'vite', 'vite'];
/** Stand-ins of what builds: each writes the file that it was asked for. */
/** In place of the embedded database: makes its data folder, and the file of its lock. */
const TEMPLATE = `import { mkdirSync, writeFileSync } from 'node:fs';
mkdirSync(process.argv[2]);
writeFileSync(process.argv[2] + '.pid', '');`;

const withBuilders = (main: string) => {
  checkout.write('src/app/main.ts', '');
  checkout.tool(
    'tsc',
    `${noting('tsc')}
    import { mkdirSync, writeFileSync } from 'node:fs';
    const out = process.argv[process.argv.indexOf('--outDir') + 1];
    if (process.argv.includes('--outDir')) {
      mkdirSync(out + '/app/database', { recursive: true });
      writeFileSync(out + '/app/main.js', ${JSON.stringify(main)});
      writeFileSync(out + '/app/database/pglite-server.js', ${JSON.stringify(TEMPLATE)});
    }`,
  );
  checkout.tool('vite', noting('vite'));
};

describe('build', () => {
  test('replaces dist as a whole and leaves nothing else', async () => {
    withBuilders('');
    checkout.write('dist/removed.js', '');
    expect(await checkout.run('build.mjs')).toMatchObject({ exitCode: 0 });
    expect(readdirSync(join(checkout.folder, 'dist')).toSorted()).toEqual(['.built', 'app']);
    expect(readdirSync(checkout.folder).filter((name) => name.startsWith('dist'))).toEqual(['dist']);
  });

  test('keeps the dist that is there when it fails', async () => {
    withBuilders('');
    checkout.tool('vite', noting('vite', 3));
    checkout.write('dist/kept.js', '');
    const { exitCode, stderr } = await checkout.run('build.mjs');
    expect(exitCode).toBe(1);
    expect(stderr).toBe('build failed: vite ended with exit code 3\n');
    expect(readdirSync(checkout.folder).filter((name) => name.startsWith('dist'))).toEqual(['dist']);
    expect(readdirSync(join(checkout.folder, 'dist'))).toEqual(['kept.js']);
  });

  test('removes what a killed build has left, but not that of a running one', async () => {
    withBuilders('');
    checkout.write('dist.999999999/x.js', '');
    checkout.write(`dist.${process.pid}/x.js`, '');
    await checkout.run('build.mjs');
    expect(readdirSync(checkout.folder).filter((name) => name.startsWith('dist.'))).toEqual([
      `dist.${process.pid}`,
    ]);
  });

  test('says what to do where the tools are not installed', async () => {
    const { exitCode, stderr } = await checkout.run('build.mjs');
    expect(exitCode).toBe(1);
    expect(stderr).toBe('the build needs tsc, which is not installed: run npm ci (without --omit=dev)\n');
  });
});

describe('start', () => {
  const server = `
    process.on('SIGTERM', () => { console.log('SIGTERM'); process.exitCode = 7; clearInterval(timer); });
    process.on('SIGINT', () => { console.log('SIGINT'); });
    const timer = setInterval(() => {}, 1000);
    console.log('started');`;

  test('builds what is missing, then runs the application and ends with its exit code', async () => {
    withBuilders("console.log('ran', process.argv.slice(2)); process.exitCode = 5;");
    const { exitCode, stdout, stderr } = await checkout.run('start.mjs', ['--flag']);
    expect(exitCode).toBe(5);
    expect(stdout).toBe("ran [ '--flag' ]\n");
    expect(stderr).toBe('build: dist is missing\nstart: node dist/app/main.js\n');
  });

  test('builds again only after a source has changed, or has gone', async () => {
    withBuilders('');
    checkout.write('src/app/other.ts', '');
    await checkout.run('start.mjs');
    await checkout.run('start.mjs');
    expect(called()).toEqual(BUILD);
    rmSync(join(checkout.folder, 'src/app/other.ts'));
    const { stderr } = await checkout.run('start.mjs');
    expect(stderr).toContain('build: dist is older than the sources\n');
    expect(called()).toEqual([...BUILD, ...BUILD]);
    checkout.touch('src/app/main.ts', Date.now() / 1000 + 60);
    await checkout.run('start.mjs');
    expect(called()).toEqual([...BUILD, ...BUILD, ...BUILD]);
  });

  test('installs when the lock file is newer than node_modules', async () => {
    withBuilders('');
    checkout.tool('npm', noting('npm'));
    checkout.touch('package-lock.json', Date.now() / 1000 + 60);
    const path = `${join(checkout.folder, 'node_modules/.bin')}:${process.env['PATH']}`;
    const { stderr } = await checkout.run('start.mjs', [], { PATH: path });
    expect(stderr).toContain('npm ci: node_modules is older than package-lock.json\n');
    expect(calls()[0]).toBe('npm ci --no-audit --no-fund --loglevel=error');
  });

  test('passes signals on', async () => {
    withBuilders(server);
    const { child, printed, ended } = checkout.start('start.mjs');
    await printed('started');
    child.kill('SIGINT');
    child.kill('SIGINT'); // as with Ctrl-C under npm: the terminal's and npm's, one wish
    await printed('SIGINT');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ exitCode: 7, stdout: 'started\nSIGINT\nSIGTERM\n' });
  });

  test('reads .env, but the environment wins', async () => {
    withBuilders('console.log(process.env.FIRST, process.env.SECOND);');
    checkout.write('.env', 'FIRST=file\nSECOND=file\n');
    expect(await checkout.run('start.mjs', [], { SECOND: 'environment' })).toMatchObject({
      stdout: 'file environment\n',
    });
  });

  test.each([
    ['TROUPE_COOKIE=secret\n', 0o644, 'TROUPE_COOKIE'],
    ['DATABASE_URL=postgres://me:secret@host/notes\n', 0o640, 'DATABASE_URL'],
    ['DATABASE_URL=postgres://me@host/notes\nTROUPE_COOKIE=\n', 0o644, undefined],
    ['TROUPE_COOKIE=secret\n', 0o600, undefined],
  ])('warns of secrets in .env that others can read: %j %i', async (text, mode, named) => {
    withBuilders('');
    checkout.write('.env', text);
    chmodSync(join(checkout.folder, '.env'), mode);
    const { exitCode, stderr } = await checkout.run('start.mjs');
    expect(exitCode).toBe(0);
    const warning = `warning: others can read .env, which holds ${named}: run \`chmod 600 .env\``;
    const warnings = stderr.split('\n').filter((line) => line.startsWith('warning'));
    expect(warnings).toEqual(named === undefined ? [] : [warning]);
    expect(stderr).not.toContain('secret');
  });

  test('ends with the code of a signal that ended the application', async () => {
    withBuilders("process.kill(process.pid, 'SIGKILL');");
    expect(await checkout.run('start.mjs')).toMatchObject({ exitCode: 137 });
  });
});

describe('repl', () => {
  test('prints nothing of its own and hands over arguments and exit code', async () => {
    withBuilders('');
    await checkout.run('build.mjs');
    checkout.write('dist/runtime/cli/main.js', 'console.log(process.argv.slice(2)); process.exitCode = 4;');
    const outcome = await checkout.run('repl.mjs', ['--eval', '1 + 1', '--json']);
    expect(outcome).toEqual({ exitCode: 4, stdout: "[ '--eval', '1 + 1', '--json' ]\n", stderr: '' });
  });
});

describe('test', () => {
  const STATIC = ['oxfmt', 'oxlint', 'tsc', 'tsc', 'tsc', 'knip', 'drizzle-kit', ...BUILD];
  const withReport = (report: object, exitCode = 0) =>
    checkout.tool(
      'vitest',
      `${noting('vitest', exitCode)}
      import { writeFileSync } from 'node:fs';
      const file = process.argv.find((arg) => arg.startsWith('--outputFile.json=')).split('=')[1];
      writeFileSync(file, ${JSON.stringify(JSON.stringify(report))});`,
    );
  const report = (passed: number, failed: number, skipped: number, testResults: object[] = []) => ({
    numPassedTests: passed,
    numFailedTests: failed,
    numPendingTests: skipped,
    numTodoTests: 0,
    testResults,
  });
  const run = (args: string[] = [], env: Record<string, string> = {}) =>
    checkout.run('test.mjs', ['--no-install-parts', ...args], env);
  beforeEach(() => {
    withBuilders('');
    for (const name of ['oxfmt', 'oxlint', 'knip', 'drizzle-kit']) checkout.tool(name, noting(name));
  });

  test('runs every check and ends with the counts', async () => {
    withReport(report(12, 0, 3));
    expect(await run()).toMatchObject({ exitCode: 0, stdout: '12 passed, 0 failed, 3 skipped\n' });
    expect(called()).toEqual([...STATIC, 'vitest']);
  });

  test('stops at the first check that fails', async () => {
    checkout.tool('oxlint', noting('oxlint', 1));
    const { exitCode, stdout, stderr } = await run();
    expect(exitCode).toBe(1);
    expect(stdout).toBe('0 passed, 1 failed, 0 skipped\n');
    expect(stderr).toContain(
      'lint: FAILED, the steps after it were not run\noxlint ended with exit code 1\n',
    );
    expect(called()).toEqual(['oxfmt', 'oxlint']);
  });

  test('with arguments runs only those tests', async () => {
    withReport(report(1, 0, 0));
    expect(await run(['test/runtime/pg'])).toMatchObject({ exitCode: 0 });
    expect(called()).toEqual(['vitest']);
    expect(calls()[0]).toMatch(/ test\/runtime\/pg$/);
  });

  describe('with --unit', () => {
    beforeEach(() => {
      withReport(report(2, 0, 0));
      checkout.write(
        'package.json',
        '{ "type": "module", "exports": { ".": { "default": "./dist/index.js" } } }',
      );
      checkout.write('src/index.ts', "export { spawn } from './os.ts';");
      checkout.write('src/os.ts', "import {\n  spawn,\n} from 'node:child_process';\nexport { spawn };");
      checkout.write('src/pure.ts', "import type { ChildProcess } from 'node:child_process';");
      checkout.write('test/a/pure.test.ts', "import '../../src/pure.ts';");
      checkout.write('test/b/pure.test.ts', "import { test } from 'vitest';");
      checkout.write('test/a/public.test.ts', "import { spawn } from 'troupe';");
      checkout.write('test/a/late.test.ts', "const { spawn } = await import('../../src/os.ts');");
      checkout.write('test/a/database.test.ts', "import postgres from 'postgres';");
    });

    test('runs what starts no other program, and nothing else', async () => {
      expect(await run(['--unit'])).toMatchObject({ exitCode: 0, stdout: '2 passed, 0 failed, 0 skipped\n' });
      expect(calls()).toEqual([
        expect.stringMatching(/^vitest run .* test\/a\/pure\.test\.ts test\/b\/pure\.test\.ts$/),
      ]);
    });

    test('with a path runs those in it', async () => {
      await run(['--unit', 'test/b', '--bail=1']);
      expect(calls()).toEqual([expect.stringMatching(/^vitest run .* --bail=1 test\/b\/pure\.test\.ts$/)]);
      expect(await run(['--unit', 'test/c'])).toMatchObject({
        exitCode: 1,
        stdout: '0 passed, 1 failed, 0 skipped\n',
      });
    });
  });

  test.each([
    ['a failed test', report(5, 2, 0), 1, '5 passed, 2 failed, 0 skipped\n'],
    [
      'a file that cannot be loaded',
      report(5, 0, 0, [{ status: 'failed', assertionResults: [] }]),
      1,
      '5 passed, 1 failed, 0 skipped\n',
    ],
    ['an error outside of the tests', report(5, 0, 0), 1, '5 passed, 1 failed, 0 skipped\n'],
    ['nothing that ran', report(0, 0, 4), 0, '0 passed, 0 failed, 4 skipped\n'],
  ])('fails for %s', async (_, outcome, exitCode, stdout) => {
    withReport(outcome, exitCode);
    expect(await run(['x'])).toMatchObject({ exitCode: 1, stdout });
  });

  test('ends with the counts when vitest leaves no report, and when it is stopped', async () => {
    checkout.tool('vitest', noting('vitest', 9));
    expect(await run(['x'])).toMatchObject({ exitCode: 1, stdout: '0 passed, 1 failed, 0 skipped\n' });
    checkout.tool('vitest', "console.log('running'); setInterval(() => {}, 1000);");
    const { child, printed, ended } = checkout.start('test.mjs', ['--no-install-parts', 'x']);
    await printed('running');
    child.kill('SIGTERM');
    expect(await ended).toMatchObject({ exitCode: 1, stdout: 'running\n0 passed, 1 failed, 0 skipped\n' });
  });

  test('with --matrix goes on with other releases; one that cannot be had is skipped with the reason', async () => {
    withReport(report(4, 0, 0));
    const env = {
      PATH: join(checkout.folder, 'bin'),
      TROUPE_OTP_CACHE: join(checkout.folder, 'otp'),
      TROUPE_NODE_CACHE: join(checkout.folder, 'nodes'),
    };
    checkout.write('bin/node', `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
    chmodSync(join(checkout.folder, 'bin/node'), 0o755);
    const { exitCode, stdout, stderr } = await run(['x', '--matrix'], env);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '4 passed, 0 failed, 0 skipped\n' });
    expect(stderr).toMatch(/^otp 29: skipped: \S.*$/m);
    expect(stderr).toMatch(/^node 22: skipped: .* has none, and nothing may be installed$/m);
    expect(calls()).toHaveLength(1);
    expect(calls()[0]).toMatch(/ x$/);
  });

  describe('where a part is missing', () => {
    /** A PATH on which there is Node.js and nothing else. */
    const bare = () => {
      checkout.write('bin/node', `#!/bin/sh\nexec '${process.execPath}' "$@"\n`);
      chmodSync(join(checkout.folder, 'bin/node'), 0o755);
      return { PATH: join(checkout.folder, 'bin') };
    };

    test.skipIf(process.getuid?.() !== 0)('installs it, as root and where there is apt-get', async () => {
      withReport(report(1, 0, 1));
      const path = bare();
      checkout.write('bin/apt-get', '#!/bin/sh\necho "$RUNLEVEL $DEBIAN_FRONTEND $*" >> calls\n');
      chmodSync(join(checkout.folder, 'bin/apt-get'), 0o755);
      const { exitCode, stderr } = await checkout.run('test.mjs', ['x'], path);
      expect(exitCode).toBe(0);
      expect(stderr).toContain('parts: apt-get update\n');
      expect(stderr).toContain('parts: apt-get install chromium-headless-shell\n');
      const [update, ...installs] = calls();
      expect(update).toBe('1 noninteractive update -o DPkg::Lock::Timeout=120');
      expect(installs).toContain(
        '1 noninteractive install -y --no-install-recommends -o DPkg::Lock::Timeout=120 chromium-headless-shell',
      );
    });

    test('says so and goes on', async () => {
      withReport(report(1, 0, 1));
      const { exitCode, stderr } = await run(['x'], bare());
      expect(stderr).toContain('parts: Erlang/OTP: missing, its tests are skipped (no erl in PATH)\n');
      expect(exitCode).toBe(0);
    });

    test('fails with CI=true', async () => {
      const { exitCode, stdout, stderr } = await run(['x'], { ...bare(), CI: 'true' });
      expect(stderr).toMatch(
        /missing: .*erl, ei, elixir, chromium, pty, netns, gcc, bash, zsh, fish, tmpfs \(with CI=true every part must be there\)/,
      );
      expect([exitCode, stdout]).toEqual([1, '0 passed, 1 failed, 0 skipped\n']);
    });
  });
});
