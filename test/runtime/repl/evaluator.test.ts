// What can be typed: the evaluator with its transformation, against what the same program does as a script.
import { createContext, runInContext } from 'node:vm';
import * as fc from 'fast-check';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { Evaluator, Maker, transform } from '../../../src/runtime/repl/internal.ts';

const open: Evaluator[] = [];

function evaluator(): Evaluator {
  const made = new Evaluator(
    {
      scriptName: 'REPL<0.0.0>',
      maker: new Maker('REPL<0.0.0>'),
      uncaught: (error) => {
        throw error;
      },
    },
    1_000,
  );
  open.push(made);
  return made;
}

afterEach(() => {
  vi.useRealTimers();
  for (const each of open.splice(0)) each.close();
});

/** Runs inputs one after the other. @returns the value of the last */
async function run(inputs: readonly string[], repl = evaluator()): Promise<unknown> {
  let value: unknown;
  for (const input of inputs) {
    const evaluation = repl.run(input);
    if (evaluation.kind !== 'running') throw evaluation.error;
    // oxlint-disable-next-line no-await-in-loop
    value = await evaluation.value;
  }
  return value;
}

describe('what one input declares, the next one finds', () => {
  test.each<[string[], unknown]>([
    [['const a = 1', 'a'], 1],
    [['let a = 1, b = a + 1', 'b'], 2],
    [['let a', 'typeof a'], 'undefined'],
    [['var a = 3', 'var a', 'a'], 3],
    [['let a = 3', 'let a', 'a'], undefined],
    [
      ['const { a, b: [c, ...d], ...e } = { a: 1, b: [2, 3, 4], f: 5 }', '[a, c, d, e]'],
      [1, 2, [3, 4], { f: 5 }],
    ],
    [['const { a = 7 } = {}', 'a'], 7],
    [['function f(x) { return x + 1 }', 'f(1)'], 2],
    [['async function f() { return await 5 }', 'f()'], 5],
    [
      ['function* g() { yield 1; yield 2 }', '[...g()]'],
      [1, 2],
    ],
    [['class A { #x = 4; x() { return this.#x } }', 'new A().x()'], 4],
    [['class A {}', 'class B extends A {}', 'new B() instanceof A'], true],
    [['const f = () => 1', 'f.name'], 'f'],
    [['function f() {}', 'f.name'], 'f'],
    [
      ['for (var i = 0, n; i < 3; i++) n = i', '[i, n]'],
      [3, 2],
    ],
    [['for (var k in { x: 1 });', 'k'], 'x'],
    [['for (var [p, q] of [[1, 2]]);', 'p + q'], 3],
    [['if (true) { var inner = 6 }', 'inner'], 6],
    [['{ let hidden = 1; }', 'typeof hidden'], 'undefined'],
    [['x = 5', 'x += 2', 'x++', 'x'], 8],
    [['[y, z] = [1, 2]', 'z'], 2],
    [['function set() { later = 9 }', 'set()', 'later'], 9],
    [['const a = await new Promise((done) => setTimeout(done, 1, 4))', 'a * (await 2)'], 8],
    [['for await (const each of [1, Promise.resolve(2)]) sum = (globalThis.undefined, each)', 'sum'], 2],
    [['f(); function f() { called = true }', 'called'], true],
    [['const a = 1 // comment', 'a /* b */ + 1 // c'], 2],
    [['const a = 1;;', 'a;'], 1],
    [['(1, 2)'], 2],
    [['`a${1}`'], 'a1'],
    [['{ a: 1, b: { c: 2 } }'], { a: 1, b: { c: 2 } }],
    [['{}'], {}],
    [['{ a: 1 };'], undefined],
    [[''], undefined],
    [['// nothing'], undefined],
    [["'use strict'"], 'use strict'],
    [['(await import("node:path")).posix.sep'], '/'],
    [['(await import("./test/runtime/repl/module.mjs")).found'], 'beside the tests'],
    [['label: for (;;) { break label }', '1'], 1],
    [
      ['const { a } = { a: 1 }, b = 2', '[a, b]'],
      [1, 2],
    ],
    [['var a = 1; { var a = 2 }', 'a'], 2],
    [['const f = function () { var local = 1; return local }', 'f() + (typeof local === "undefined")'], 2],
    [['try { throw 1 } catch (error) { var caught = error }', 'caught'], 1],
    [['switch (1) { case 1: var chosen = "one" }', 'chosen'], 'one'],
    [['const o = { m() { return this.v }, v: 3 }', 'o.m()'], 3],
    [['let i = 0; while (i < 10) i++', 'i'], 10],
  ])('%j', async (inputs, value) => {
    expect(await run(inputs)).toEqual(value);
  });

  test('nothing becomes a global, and globals can be covered', async () => {
    const repl = evaluator();
    await run(['leaked = 1', 'URL = 2', 'const Buffer = 3', 'function fetch() {}'], repl);
    expect('leaked' in globalThis).toBe(false);
    expect(new URL('http://x').host).toBe('x');
    expect(await run(['[URL, Buffer, typeof Map]'], repl)).toEqual([2, 3, 'function']);
    expect(await run(['typeof leaked'])).toBe('undefined');
  });

  test('values are made by the constructors of the application', async () => {
    const made = await run([
      '[[], {}, new Error("x"), new Map(), (() => { try { null.x } catch (e) { return e } })()]',
    ]);
    const [array, object, error, map, thrown] = made as unknown[];
    expect(array).toBeInstanceOf(Array);
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype);
    expect(error).toBeInstanceOf(Error);
    expect(map).toBeInstanceOf(Map);
    expect(thrown).toBeInstanceOf(TypeError);
  });
});

describe('what is not complete, and what is wrong', () => {
  test.each([
    'f(',
    '1 +',
    'function f() {',
    '`text',
    '/* comment',
    '[1,',
    '({ a: 1',
    '{ a: 1,',
    'if (x) {',
    'class A {',
    'await',
    'x = {\n  a: [1,',
  ])('%j goes on', (input) => {
    expect(transform(input).kind).toBe('incomplete');
  });

  test.each([
    ')',
    "'text",
    'const 1 = 2',
    'a b',
    '}',
    'let a; let a',
    'return 1',
    'import x from "y"',
    'export const a = 1',
    'f(1,,2)',
    '/[/',
    'x = {]',
  ])('%j is wrong', (input) => {
    const parsed = transform(input);
    expect(parsed).toMatchObject({
      kind: 'wrong',
      error: { stack: expect.stringContaining(`${input.split('\n').at(-1)}\n`) as string },
    });
  });

  test('what this release of Node.js does not know is an error of the line', async () => {
    // Known to the parser, and not to every release.
    await expect(run(['using x = null; /[\\p{Lu}--[A-Z]]/v.nothing.at.all'])).rejects.toThrow(/./);
  });

  test('errors name the line of the input', async () => {
    const error = await run(['const a = 1\nconst b = 2\nnull.x']).catch((thrown: unknown) => thrown);
    expect((error as Error).stack).toMatch(/REPL<0\.0\.0>#1:3:/);
  });
});

describe('time', () => {
  test('a loop without end is stopped', async () => {
    const repl = new Evaluator(
      { scriptName: 'REPL<0.0.0>', maker: new Maker('REPL<0.0.0>'), uncaught: () => undefined },
      300,
    );
    await expect(run(['for (;;);'], repl)).rejects.toThrow(
      'it ran for 300 ms without an await, and was stopped',
    );
    expect(await run(['1'], repl)).toBe(1);
  });

  test('timers carry arguments and promises', async () => {
    const repl = evaluator();
    expect(await run(["await new Promise((done) => setTimeout(done, 1, 'a'))"], repl)).toBe('a');
    expect(await run(["await new Promise((done) => setImmediate(done, 'b'))"], repl)).toBe('b');
    const promised =
      "const { promisify } = await import('node:util'); [await promisify(setTimeout)(1, 'c'), await promisify(setImmediate)('d')]";
    expect(await run([promised], repl)).toEqual(['c', 'd']);
    await expect(run(['setTimeout("code")'], repl)).rejects.toThrow(TypeError);
  });

  test('timers can be cleared, and end with the REPL', async () => {
    vi.useFakeTimers({
      toFake: [
        'setTimeout',
        'setInterval',
        'setImmediate',
        'clearTimeout',
        'clearInterval',
        'clearImmediate',
      ],
    });
    const repl = evaluator();
    await run(
      [
        'const one = setTimeout(() => {}, 1e6)',
        'const two = setInterval(() => {}, 1e6)',
        'const three = setImmediate(() => {})',
      ],
      repl,
    );
    expect(vi.getTimerCount()).toBe(3);
    await run(['clearTimeout(one)'], repl);
    expect(vi.getTimerCount()).toBe(2);
    repl.close();
    expect(vi.getTimerCount()).toBe(0);
    await run(['clearInterval(two); clearImmediate(three); clearTimeout()'], repl);
  });
});

// Programs whose value and variables must be those of a script that is run in pieces.
describe('random programs', () => {
  const name = fc.constantFrom('a', 'b', 'c');
  const literal = fc.oneof(
    fc.integer({ min: 0, max: 9 }).map(String),
    name.map((each) => `typeof ${each}`),
  );
  const value = fc.oneof(
    literal,
    fc.tuple(literal, literal).map(([x, y]) => `[${x}, ${y}]`),
    fc.tuple(name, literal).map(([x, y]) => `(${x} = ${y})`),
    fc.tuple(name, literal).map(([x, y]) => `((${x}) => ${x})(${y})`),
    fc.tuple(name, literal).map(([x, y]) => `(function (${x}) { var b = ${y}; return [${x}, b] })(1)`),
  );
  const statement = fc.oneof(
    fc.tuple(name, value).map(([x, y]) => `var ${x} = ${y}`),
    fc.tuple(name, value).map(([x, y]) => `${x} = ${y};`),
    name.map((x) => `var ${x};`),
    fc.tuple(name, name, value).map(([x, y, z]) => `var [${x}, ${y} = 5] = [${z}];`),
    fc.tuple(name, value).map(([x, y]) => `for (var ${x} of [1, ${y}]);`),
    fc.tuple(name, value).map(([x, y]) => `if (true) { var ${x} = ${y} }`),
    fc.tuple(name, value).map(([x, y]) => `{ let ${x} = ${y}; ${x} = 0; }`),
    fc.tuple(name, value).map(([x, y]) => `function ${x}() { return ${y} }`),
    fc.tuple(name, value).map(([x, y]) => `try { ${x} = ${y} } catch {}`),
  );
  const inputs = fc.array(
    fc.array(statement, { minLength: 1, maxLength: 3 }).map((each) => each.join('\n')),
    { maxLength: 6 },
  );

  function thrownBy(code: () => unknown): string | undefined {
    try {
      code();
      return undefined;
    } catch (error) {
      return String(error);
    }
  }

  test('leave the same variables as a script', async () => {
    await fc.assert(
      fc.asyncProperty(inputs, async (programs) => {
        const context = createContext({});
        const repl = evaluator();
        const look =
          "JSON.stringify([typeof a, typeof b, typeof c].concat([typeof a === 'function' ? a.name : a, typeof b === 'function' ? b.name : b, typeof c === 'function' ? c.name : c]))";
        const scriptLook = `var a, b, c; ${look}`;
        for (const program of programs) {
          const expected = thrownBy(() => runInContext(program, context));
          // oxlint-disable-next-line no-await-in-loop
          expect(await run([program], repl).then(() => undefined, String)).toBe(expected);
        }
        expect(await run([scriptLook], repl)).toBe(runInContext(scriptLook, context));
      }),
      { numRuns: 200 },
    );
  });
});
