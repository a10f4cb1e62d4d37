// How results are written: tables, JSON, errors, completions.
import { describe, expect, test } from 'vitest';
import { inspectNode } from 'troupe/inspect';
import { createNode, TroupeError } from 'troupe';
import {
  complete,
  cut,
  Fault,
  Inbox,
  presentRows,
  type Shell,
  showError,
  showUncaught,
  showValue,
  textTable,
  toJson,
  visible,
} from '../../../src/runtime/repl/internal.ts';

const PLAIN = { columns: 0, colour: false, unicode: true };

describe('JSON', () => {
  const circular: { self?: unknown; list: unknown[] } = { list: [] };
  circular.self = circular;
  circular.list.push(circular);
  const shared = { x: 1 };
  const node = createNode({ name: 'json@test' });

  test.each<[string, unknown, unknown]>([
    ['texts', 'a"\n', 'a"\n'],
    ['numbers', [1, -0.5, NaN, Infinity, -Infinity, -0], [1, -0.5, 'NaN', 'Infinity', '-Infinity', 0]],
    ['undefined', [undefined, { a: undefined }], [null, { a: null }]],
    ['null and booleans', [null, true], [null, true]],
    ['bigints', 2n ** 70n, '1180591620717411303424'],
    ['dates', [new Date(0), new Date(NaN)], ['1970-01-01T00:00:00.000Z', null]],
    ['maps and sets', new Map<unknown, unknown>([[{ a: 1 }, new Set([1])]]), [[{ a: 1 }, [1]]]],
    ['bytes', [Buffer.from('ab'), new Float64Array([0.5])], [[97, 98], [0.5]]],
    ['cycles', circular, { self: '[Circular]', list: ['[Circular]'] }],
    ['what is there twice', [shared, shared], [{ x: 1 }, { x: 1 }]],
    ['pids', node.initPid, node.initPid.toString()],
    ['symbols and functions', [Symbol('s'), function f() {}], ['Symbol(s)', '[Function: f]']],
    ['regular expressions', /a/g, '/a/g'],
    ['promises', Promise.resolve(1), 'Promise { 1 }'],
    ['boxed values', [new String('s'), Object(1)], ["[String: 's']", '[Number: 1]']],
    ['null objects', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
    ['sparse arrays', Array(2), [null, null]],
    ['toJSON', { toJSON: () => ({ b: 2n }) }, { b: '2' }],
    [
      'getters that throw',
      {
        get a() {
          throw new Error('no');
        },
      },
      '[cannot be read: Error: no]',
    ],
    ['a revoked proxy', revoked(), expect.stringMatching(/^\[cannot be read/)],
  ])('%s', (_what, value, written) => {
    expect(JSON.parse(toJson(value))).toEqual(written);
  });

  test('errors, with what they carry', () => {
    const error = new TroupeError('TROUPE_NOPROC', 'What.', {
      reason: ['x', node.initPid],
      cause: new Error('below'),
    });
    expect(JSON.parse(toJson(error))).toEqual({
      name: 'TroupeError',
      message: error.message,
      code: 'TROUPE_NOPROC',
      reason: ['x', node.initPid.toString()],
      cause: { name: 'Error', message: 'below' },
    });
    expect(JSON.parse(toJson(new AggregateError([new Error('a')], 'b')))).toMatchObject({
      errors: [{ message: 'a' }],
    });
  });

  test('a value that is too deep is cut', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 100; i++) deep = [deep];
    expect(toJson(deep)).toBe(`${'['.repeat(64)}"[Array]"${']'.repeat(64)}`);
    expect(() => toJson(Array.from({ length: 2_000_001 }))).toThrow(Fault);
  });

  function revoked(): unknown {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  }
});

describe('tables', () => {
  const columns = [{ heading: 'NAME' }, { heading: 'COUNT', numeric: true }, { heading: 'TEXT' }];

  test('are aligned, numbers to the right', () => {
    const rows = [
      ['a', '1', 'x'],
      ['longer', '1000', ''],
    ];
    expect(textTable(columns, rows, PLAIN)).toBe('NAME    COUNT  TEXT\na           1  x\nlonger   1000');
  });

  test.each([20, 30, 40, 60])('fit into %i columns, by cutting the widest', (width) => {
    const rows = [
      ['n'.repeat(50), '12345', 't'.repeat(30)],
      ['short', '1', 'short'],
    ];
    const lines = textTable(columns, rows, { ...PLAIN, columns: width }).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(
      Math.max(width, 8 + 2 + 5 + 2 + 8),
    );
    expect(lines[1]).toContain('…');
    expect(lines[1]).toContain('12345');
  });

  test('wide characters take two places, combining ones none', () => {
    expect(
      textTable(
        [{ heading: 'A' }, { heading: 'B' }],
        [
          ['日本', 'x'],
          ['e\u0301', 'y'],
        ],
        PLAIN,
      ).split('\n'),
    ).toEqual(['A     B', '日本  x', 'e\u0301     y']);
    expect(cut('日本語', 5, PLAIN)).toBe('日本…');
    expect(cut('abcdef', 5, { unicode: false })).toBe('ab...');
  });

  test('cells cannot control the terminal', () => {
    expect(visible('a\u001B[2J\n\t\u202E\u009B')).toBe(String.raw`a\u001b[2J\n\t\u202e\u009b`);
    expect(textTable([{ heading: 'A' }], [['\u001B[31m']], PLAIN)).toBe(
      String.raw`A` + '\n' + String.raw`\u001b[31m`,
    );
  });

  test('only the first hundred rows are shown, all are data', () => {
    const rows = presentRows(
      Array.from({ length: 102 }, (_, i) => i),
      [{ heading: 'N' }],
      (row) => [String(row)],
      'none',
    );
    expect(showValue(rows, PLAIN).split('\n').slice(-2)).toEqual(['99', '… 2 more']);
    expect(rows).toHaveLength(102);
    expect(
      showValue(
        presentRows([], [], () => [], 'none'),
        PLAIN,
      ),
    ).toBe('none');
  });
});

describe('errors', () => {
  test('of helpers and of the runtime are one line', () => {
    expect(showError(new Fault('what\u001B'), PLAIN)).toBe(String.raw`** what\u001b`);
    expect(showUncaught(new Fault('what'), PLAIN)).toBe('** (uncaught) what');
    expect(showError(new TroupeError('TROUPE_NOPROC', 'It is gone.'), PLAIN)).toMatch(
      /^\*\* It is gone\..*\[TROUPE_NOPROC\]$/,
    );
  });

  test('others have their stack, cause and properties', () => {
    const shown = showError(Object.assign(new Error('a', { cause: new Error('b') }), { code: 'E' }), PLAIN);
    expect(shown).toMatch(/^Uncaught Error: a\n +at /);
    expect(shown).toContain("code: 'E'");
    expect(shown).toContain('[cause]: Error: b');
    expect(showError('text', PLAIN)).toBe("Uncaught 'text'");
    expect(showError(undefined, PLAIN)).toBe('Uncaught undefined');
  });
});

describe('completion', () => {
  const node = createNode({ name: 'complete@test' });
  let got = false;
  const variables = {
    alpha: {
      beta: { gamma: 1 },
      'not a name': 1,
      get trap(): unknown {
        got = true;
        return { inside: 1 };
      },
    },
    proxy: new Proxy(
      {},
      {
        ownKeys: () => {
          got = true;
          return ['x'];
        },
      },
    ),
    text: 'text',
    nothing: null,
  };
  const shell: Shell = {
    self: undefined as never,
    node,
    inbox: new Inbox(),
    signal: () => new AbortController().signal,
    announce: () => undefined,
    own: <T>(code: T) => code,
    inspector: inspectNode(node),
    json: false,
    interactive: true,
    peers: undefined,
  };
  const names = (line: string): readonly string[] => complete(line, variables, shell).names;

  test.each<[string, string[]]>([
    ['alp', ['alpha']],
    ['1 + alpha.be', ['alpha.beta']],
    ['alpha?.beta.ga', ['alpha?.beta.gamma']],
    ['alpha.beta.ga', ['alpha.beta.gamma']],
    ['text.toUpper', ['text.toUpperCase']],
    ['process.vers', ['process.version', 'process.versions']],
    ['nothing.x', []],
    ['nobody.x', []],
    ['alpha.trap.', []],
    ['proxy.', []],
    ['alpha.not', []],
    ["info('ini", ['init']],
    ["info('<", [node.initPid.toString()]],
    ["pid('ini", []],
    ["'some text alp", []],
    ['f(alpha)', []],
  ])('%j', (line, expected) => {
    expect(names(line)).toEqual(expected);
    expect(got).toBe(false);
  });

  test('shows a client that may only ask nothing but its questions', () => {
    for (const line of ['process.env.', 'proc', 'globalTh', 'alpha.']) {
      expect(complete(line, variables, shell, true).names).toEqual([]);
    }
    expect(complete('alp', variables, shell, true)).toEqual({ names: ['alpha'], on: 'alp' });
  });

  test('replaces what was begun', () => {
    expect(complete('x = alpha.be', variables, shell)).toEqual({ names: ['alpha.beta'], on: 'alpha.be' });
    expect(complete('', variables, shell).names).toEqual(Object.keys(variables));
    expect(names('aw')).toEqual(['await']);
    expect(names('globalTh')).toEqual(['globalThis']);
    expect(names('')).not.toContain('globalThis');
  });
});
