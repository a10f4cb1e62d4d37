// Guards what the compiler, the linter and the formatter do not. Each rule is tried on a small example that breaks it and
// one that keeps it, then on the repository. Of the rules that the linter has only the examples are tried. A failure names the
// file and the line.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { docFaults, headerFaults, lengthFaults, listenFaults, wordFaults } from '../support/tidy/code.ts';
import { lintFaults } from '../support/tidy/lint.ts';
import { importFaults } from '../support/tidy/imports.ts';
import { linkFaults } from '../support/tidy/links.ts';
import { isCode, listFiles, type Fault, type SourceFile } from '../support/tidy/source.ts';

const root = join(import.meta.dirname, '../..');
const files = listFiles(root);

interface Rule {
  readonly title: string;
  readonly faults: (file: SourceFile) => Fault[];
  readonly applies: (path: string) => boolean;
  /** Each breaks the rule at the line given. */
  readonly bad: ReadonlyArray<[path: string, text: string, line: number]>;
  readonly good: ReadonlyArray<[path: string, text: string]>;
}

const inSource = (path: string) => path.startsWith('src/') && isCode(path);
const isTypeScript = (path: string) => /^(src|test|fuzz|attack|torture|bench|examples)\/.*\.ts$/.test(path);
const inRuntime = (path: string) => path.startsWith('src/runtime/') && isCode(path);
/** What opens ports besides the main file: the socket of the REPL, carriers, and the socket that can be a lock. */
const LISTENERS = [
  'src/app/main.ts',
  'src/runtime/repl/',
  'src/runtime/distribution/',
  'src/app/database/folder-lock.ts',
];

/** Keeps the examples of forbidden words from being found in this file. */
const spelled = (...parts: string[]): string => parts.join('');

const rules: Rule[] = [
  {
    title: 'dependencies point one way',
    faults: importFaults,
    applies: isTypeScript,
    bad: [
      ['src/runtime/process/a.ts', "import { x } from '../otp/server.ts';", 1],
      ['src/runtime/process/a.ts', "\nimport type { X } from '../pg/pg.ts';", 2],
      ['src/runtime/process/a.ts', "export * from '../../app/main.ts';", 1],
      ['src/runtime/process/a.ts', "type A = import('../otp/server.ts').A;", 1],
      ['src/runtime/process/a.ts', "const a = await import('../fastify/index.ts');", 1],
      ['src/runtime/otp/a.ts', "import { nanoid } from 'nanoid';", 1],
      ['src/runtime/otp/a.ts', "import fs from 'fs';", 1],
      ['src/runtime/otp/a.ts', "import { pg } from '../pg/pg.ts';", 1],
      ['src/runtime/pg/a.ts', "import { x } from '../distribution/etf/encode.ts';", 1],
      ['src/runtime/distribution/etf/a.ts', "import { x } from '../messages.ts';", 1],
      ['src/runtime/distribution/etf/a.ts', "import { x } from '../../otp/gen.ts';", 1],
      ['src/runtime/errors.ts', "export { x } from './otp/server.ts';", 1],
      ['src/runtime/errors.ts', "import type { Pid } from './terms/identifiers.ts';", 1],
      ['src/runtime/terms/a.ts', "import type { Process } from '../process/process.ts';", 1],
      ['src/runtime/terms/a.ts', "import { x } from '../telemetry.ts';", 1],
      ['src/runtime/telemetry.ts', "import type { X } from './process/messages.ts';", 1],
      ['src/runtime/index.ts', "export { x } from './fastify/index.ts';", 1],
      ['src/runtime/extra/a.ts', "import { x } from '../errors.ts';", 1],
      ['src/app/main.ts', "import { x } from '../runtime/terms/pid.ts';", 1],
      ['src/app/main.ts', "import { x } from '../runtime/index.ts';", 1],
      ['src/runtime/pg/a.ts', "import { x } from './internal.ts';", 1],
      ['src/app/notes/a.ts', "import { x } from './internal.ts';", 1],
      ['test/runtime/pg/a.test.ts', "import { x } from '../../../src/runtime/pg/scope.ts';", 1],
      ['test/app/a.test.ts', "import type { X } from '../../src/app/config.ts';", 1],
      ['fuzz/a.ts', "import { x } from '../src/runtime/pg/scope.ts';", 1],
    ],
    good: [
      ['src/runtime/process/a.ts', "import { x } from './b.ts';\nimport { y } from '../errors.ts';"],
      [
        'src/runtime/process/a.ts',
        "// import { x } from '../otp/server.ts';\nimport { z } from 'node:util';",
      ],
      ['src/runtime/distribution/etf/a.ts', "import { x } from '../../terms/atom.ts';"],
      ['src/runtime/distribution/a.ts', "import { x } from './etf/reader.ts';"],
      ['src/runtime/pg/a.ts', "import type { Carrier } from '../process/carrier.ts';"],
      [
        'src/runtime/pg/a.ts',
        "import { x } from '../otp/server.ts';\nimport { y } from '../process/pid.ts';",
      ],
      [
        'src/runtime/fastify/index.ts',
        "import fastifyWebsocket from '@fastify/websocket';\nimport { x } from '../pg/pg.ts';",
      ],
      ['src/app/notes/a.ts', "import { x } from 'troupe';\nimport { y } from 'fastify';"],
      [
        'test/runtime/pg/a.test.ts',
        "import { x } from '../../../src/runtime/pg/internal.ts';\nimport { y } from '../support/a.ts';",
      ],
    ],
  },
  {
    title: 'files stay short',
    faults: lengthFaults,
    applies: (path) => /\.(css|html|md)$/.test(path),
    bad: [['src/a.css', '/**/\n'.repeat(501), 500]],
    good: [['src/a.css', '/**/\n'.repeat(500)]],
  },
  {
    title: 'files say what they are',
    faults: headerFaults,
    applies: (path) => /^(src|scripts|bench)\/.*\.(ts|mjs|css)$/.test(path),
    bad: [['src/a.ts', "import { b } from './b.ts';\n// What it is.", 1]],
    good: [
      ['src/a.ts', '// What it is.\nexport {};'],
      ['scripts/a.mjs', '#!/usr/bin/env node\n/* What it is. */'],
      ['src/a.css', '/* What it is. */'],
    ],
  },
  {
    title: 'what the runtime exports is documented',
    faults: docFaults,
    applies: inRuntime,
    bad: [
      ['src/runtime/a.ts', 'export const a = 1;', 1],
      ['src/runtime/a.ts', '/** A. */\nexport const a = 1;\nexport function b() {}', 3],
      ['src/runtime/a.ts', '// not a doc comment\nexport class A {}', 2],
      ['src/runtime/a.ts', '/* not a doc comment */\nexport type A = 1;', 2],
      ['src/runtime/a.ts', '/** Of x. */\nconst x = 1;\nexport interface A {}', 3],
      ['src/runtime/a.ts', 'const a = 1;\nexport { a };', 1],
    ],
    good: [
      ['src/runtime/a.ts', '/** A. */\nexport const a = 1;'],
      [
        'src/runtime/a.ts',
        '/** A. */\nexport function a(x: 1): 1;\nexport function a(x: 2): 2;\nexport function a(x: 1 | 2) { return x; }',
      ],
      ['src/runtime/a.ts', '/** A. */\nconst a = 1;\nconst b = 2;\nexport { a };'],
      [
        'src/runtime/a.ts',
        "export { a } from './b.ts';\nexport type * from './c.ts';\nconst own = 'export const b = 1;';",
      ],
    ],
  },
  {
    title: 'only the main file opens ports',
    faults: listenFaults,
    applies: (path) => inSource(path) && !LISTENERS.some((prefix) => path.startsWith(prefix)),
    bad: [['src/app/a.ts', 'await app.listen({ port: 0 });', 1]],
    good: [['src/app/a.ts', "await client.query('listen x');"]],
  },
  {
    title: 'nothing is left undone, silenced or bound to one machine',
    faults: wordFaults,
    applies: () => true,
    bad: [
      ['docs/a.md', spelled('One.\nTO', 'DO: two.'), 2],
      ['docs/a.md', spelled('See /', 'home/me/file.'), 1],
    ],
    good: [['docs/a.md', 'https://example.org/home/page and ~/work/here are fine']],
  },
  {
    title: 'links lead somewhere',
    faults: (file) =>
      linkFaults(
        file,
        (path) => existsSync(join(root, path)),
        (path) => readFileSync(join(root, path), 'utf8'),
      ),
    applies: (path) => path.endsWith('.md'),
    bad: [
      ['docs/a.md', 'One\n[two](no-such-file.md)', 2],
      ['docs/a.md', '[one](../LICENSE "title") ![two](../no.png)', 1],
      ['docs/a.md', '# Heading\n[one](#headings)', 2],
      ['docs/a.md', '[one]: ../no-such-folder/', 1],
      ['docs/a.md', '[one](../CONTRIBUTING.md#no-such-heading)', 1],
      ['docs/a.md', '[one](/absolute.md)', 1],
    ],
    good: [
      [
        'docs/a.md',
        '[one](../LICENSE) [two](https://example.org/x#y) [three](../src/) [four](mailto:a@example.org)',
      ],
      [
        'docs/a.md',
        '# Why `pg`, and *what*?\n[one](#why-pg-and-what)\n# Why `pg`, and what?\n[two](#why-pg-and-what-1)',
      ],
      ['docs/a.md', '```md\n[one](no-such-file.md)\n```\n`[two](no-such-file.md)`'],
    ],
  },
];

/** The rules of the house that oxlint has: each example shows that one is switched on, and for which files. */
const linted: ReadonlyArray<Pick<Rule, 'title' | 'faults' | 'bad' | 'good'>> = [
  {
    title: 'files stay short',
    faults: lintFaults(['max-lines']),
    bad: [['src/a.ts', '//\n'.repeat(501), 501]],
    good: [['src/a.ts', '//\n'.repeat(500)]],
  },
  {
    title: 'exports have names',
    faults: lintFaults(['no-default-export']),
    bad: [['src/a.ts', '\nexport default 1;', 2]],
    good: [
      ['src/a.ts', 'export const a = 1;'],
      ['vitest.config.ts', 'export default 1;'],
    ],
  },
  {
    title: 'the runtime does not print, but for failures that nobody listens to',
    faults: lintFaults(['no-console']),
    bad: [
      ['src/runtime/a.ts', '//\nconsole.log(1);', 2],
      ['src/runtime/a.ts', 'const log = console.error;', 1],
      ['src/runtime/a.ts', "console['log'](1);", 1],
    ],
    good: [
      ['src/runtime/a.ts', "// console.log(1)\nconst a = 'console.log(1)';"],
      ['src/runtime/process/report.ts', 'console.error(1);'],
    ],
  },
  {
    title: 'only the main file of a program and what runs programs end the process',
    faults: lintFaults(['no-restricted-properties']),
    bad: [
      ['src/app/a.ts', 'process.exit(1);', 1],
      ['src/app/a.ts', 'process.abort();', 1],
    ],
    good: [
      ['src/app/a.ts', 'process.exitCode = 1; node.exit(pid);'],
      ['src/app/main.ts', 'process.exit(1);'],
      ['src/runtime/otp/run.ts', 'process.exit(1);'],
    ],
  },
  {
    title: 'nothing is left undone, silenced or bound to one machine',
    faults: lintFaults(['no-warning-comments', 'ban-ts-comment', 'no-focused-tests', 'no-disabled-tests']),
    bad: [
      ['src/a.ts', spelled('// FIX', 'ME'), 1],
      ['src/a.ts', spelled('// @ts-', 'ignore'), 1],
      ['test/a.test.ts', spelled('// @ts-expect-', 'error'), 1],
      ['test/a.test.ts', spelled('test.', "only('a', () => {});"), 1],
      ['test/a.test.ts', spelled('test.', "skip('a', () => {});"), 1],
    ],
    good: [
      ['test/types/a.ts', spelled('// @ts-expect-', 'error')],
      ['test/a.test.ts', "test.skipIf(part.missing)('a', () => {});"],
    ],
  },
  {
    title: 'no module leads back to itself',
    faults: lintFaults(['no-cycle']),
    bad: [['src/a.ts', "import { a } from './a.ts';\nexport const b = a;", 1]],
    good: [['src/a.ts', "import type { A } from './a.ts';\nexport interface B extends A {}"]],
  },
];

describe.each(linted)('$title', ({ faults, bad, good }) => {
  test.each(bad)('a fault is seen in %s: %j', (path, text, line) => {
    expect(faults({ path, text }).map(({ at }) => at)).toContain(`${path}:${line}`);
  });

  test.each(good)('no fault is seen in %s: %j', (path, text) => {
    expect(faults({ path, text })).toEqual([]);
  });
});

describe.each(rules)('$title', ({ faults, applies, bad, good }) => {
  test.each(bad)('a fault is seen in %s: %j', (path, text, line) => {
    expect(faults({ path, text }).map(({ at }) => at)).toEqual([`${path}:${line}`]);
    expect(applies(path)).toBe(true);
  });

  test.each(good)('no fault is seen in %s: %j', (path, text) => {
    expect(faults({ path, text })).toEqual([]);
  });

  test('in the repository', () => {
    const found = files.filter(({ path }) => applies(path)).flatMap(faults);
    expect(found.map(({ at, message }) => `${at} ${message}`)).toEqual([]);
  });
});

test('the repository was read', () => {
  expect(files.map(({ path }) => path)).toEqual(
    expect.arrayContaining(['package.json', 'test/house/tidy.test.ts', '.oxlintrc.json', 'LICENSE']),
  );
});
