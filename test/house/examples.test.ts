// Every TypeScript example of README.md and docs/ compiles, runs, and gives the values that it says it gives.
// How examples are marked stands in CONTRIBUTING.md.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { extractExamples, toProgram } from '../support/examples/extract.ts';
import { compileExamples, type Programs } from '../support/examples/programs.ts';
import { listFiles } from '../support/tidy/source.ts';

const RUN_LIMIT_MS = 20_000;
const root = join(import.meta.dirname, '../..');

describe('the examples of the documents', () => {
  const examples = listFiles(root)
    .filter(({ path }) => path === 'README.md' || /^docs\/.*\.md$/.test(path))
    .flatMap(({ path, text }) => extractExamples(path, text));
  let programs: Programs;
  beforeAll(async () => {
    programs = await compileExamples(root, `examples-${process.pid}`, examples);
  });
  afterAll(() => programs.remove());

  test('compile', () => {
    expect(programs.errors).toEqual([]);
  });

  const running = examples
    .filter(({ runs }) => runs)
    .map((example) => ({ at: `${example.document}:${example.line}`, example }));
  test.each(running)('run: $at', async ({ at, example }) => {
    const { exitCode, output } = await programs.run(example, RUN_LIMIT_MS);
    expect.soft(output, at).not.toMatch(/expected .*, but it is/);
    expect(exitCode, `${at}\n${output}`).toBe(0);
  });
});

describe('what runs the examples', () => {
  const document = (...lines: string[]) => extractExamples('docs/a.md', lines.join('\n'));

  test('finds them, their lines and their marks', () => {
    const found = document(
      'Text',
      '```ts',
      'first();',
      '```',
      '```sh',
      'ts',
      '```',
      '- item',
      '  ```ts no-run',
      '  second();',
      '  ```',
      '```ts',
      'third();',
      '```',
      'prose',
      '```ts continues',
      'fourth();',
      '```',
    );
    expect(found).toEqual([
      { document: 'docs/a.md', line: 3, runs: true, code: '\n\nfirst();' },
      { document: 'docs/a.md', line: 10, runs: false, code: `${'\n'.repeat(9)}second();` },
      { document: 'docs/a.md', line: 13, runs: true, code: `${'\n'.repeat(12)}third();\n\n\n\nfourth();` },
    ]);
  });

  test.each([
    [['```ts no-tun', '```'], 'docs/a.md:1: no such mark: no-tun'],
    [['', '```ts continues', '```'], 'docs/a.md:2: there is no example to continue'],
    [['```ts', 'a();'], 'docs/a.md:1: the fence is not closed'],
    [['```typescript', '```'], 'docs/a.md:1: write ts, not typescript'],
  ])('refuses %j', (lines, message) => {
    expect(() => document(...lines)).toThrow(message);
  });

  test.each(['if (x) { // => 1\n}', 'const { a } = b; // => 1', '// => 1', 'return 1 // => 1'])(
    'refuses to compare after %j',
    (code) => {
      const [example] = document('```ts', `function f() {\n${code}\n}`, '```');
      expect(() => toProgram(example!, './check.ts')).toThrow(/^docs\/a\.md:3: before \/\/ => there must be/);
    },
  );

  describe('when they run', () => {
    const cases: Array<{ title: string; code: string[]; exitCode: number | null; output: RegExp }> = [
      {
        title: 'right values',
        code: [
          "console.log('a', 1); // => a 1",
          "console.log('text'); // => 'text'",
          '[1, 2].map((n) => n * 2); // => [ 2, 4 ]',
          'const sum = [1, 2].reduce((a, b) => a + b); // => 3',
          'await Promise.resolve({ deep: { er: [new Map([[1, 2]])] } }); // => { deep: { er: [ Map(1) { 1 => 2 } ] } }',
          'await Promise.all([',
          '  sum,',
          ']); // => [ 3 ]',
          "new Error('some message').message; // => 'some…'",
        ],
        exitCode: 0,
        output: /^a 1\ntext\n$/,
      },
      {
        title: 'a wrong value',
        code: ['1 + 1; // => 3'],
        exitCode: 1,
        output: /^line 2: expected 3, but it is 2\n$/,
      },
      {
        title: 'a wrong line printed',
        code: ['for (const n of [1, 2]) console.log(n); // => 1'],
        exitCode: 1,
        output: /line 2: expected 1, but it is 2/,
      },
      {
        title: 'a line that is not reached',
        code: ['setTimeout(() => {', '  1; // => 1', '}, 60_000).unref();'],
        exitCode: 1,
        output: /^line 3: the program has not come here\n$/,
      },
      {
        title: 'a throw',
        code: ['', "throw new Error('thrown');"],
        exitCode: 1,
        output: /thrown[^]*docs-a\.md-2\.ts:3:/,
      },
      {
        title: 'no end',
        code: ['setInterval(() => {}, 1000);'],
        exitCode: null,
        output: /not ended after 500 ms/,
      },
    ];
    const examples = cases.map(({ code }) => document('```ts', ...code, '```')[0]!);
    let programs: Programs[];
    beforeAll(async () => {
      const compiled = examples.map((example, index) =>
        compileExamples(root, `examples-${process.pid}-${index}`, [example]),
      );
      programs = await Promise.all(compiled);
    });
    afterAll(() => {
      for (const compiled of programs) compiled.remove();
    });

    test.each(cases.map((item, index) => ({ ...item, index })))(
      '$title',
      async ({ index, exitCode, output }) => {
        expect(programs[index]!.errors).toEqual([]);
        const outcome = await programs[index]!.run(examples[index]!, exitCode === null ? 500 : RUN_LIMIT_MS);
        expect(outcome.output).toMatch(output);
        expect(outcome.exitCode).toBe(exitCode);
      },
    );

    test('a type error is reported at its line', async () => {
      const [example] = document('text', '```ts no-run', 'export const a: string = 1;', '```');
      const compiled = await compileExamples(root, `examples-${process.pid}-types`, [example!]);
      compiled.remove();
      expect(compiled.errors).toEqual([expect.stringMatching(/^docs\/a\.md:3: error TS2322/)]);
    });
  });
});
