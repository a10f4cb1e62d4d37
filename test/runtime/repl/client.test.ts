// The client without a terminal: --eval, pipes, JSON, exit codes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCommand } from '../../../src/runtime/cli/internal.ts';
import { loadConfig } from '../../../src/app/internal.ts';
import {
  type Application,
  attachTo,
  type Ran,
  runClient,
  startApplication,
  temporaryFolder,
} from './application.ts';

const folder = temporaryFolder();
let application: Application;

beforeAll(async () => {
  application = await startApplication(folder.path);
});
afterAll(async () => {
  await application.kill();
  folder.remove();
});

function run(args: readonly string[], options: Parameters<typeof runClient>[1] = {}): Promise<Ran> {
  return runClient(args, { ...options, env: { DATA_DIR: folder.path, ...options.env } });
}

describe('--eval', () => {
  test('prints what the code comes to, without colours, and ends with 0', async () => {
    const ran = await run(['--eval', "members('notes')"]);
    expect(ran).toEqual({
      code: 0,
      out: 'PID      JOINED  NAME  LABEL\n<0.4.0>       1        listens to notes\n',
      err: '',
    });
  });

  test('waits for promises; prints texts as they are and nothing for undefined', async () => {
    expect(await run(['-e', "await new Promise((done) => setTimeout(done, 5, 'a\"b'))"])).toEqual({
      code: 0,
      out: 'a"b\n',
      err: '',
    });
    expect(await run(['-e', "call('counter', 'add', 2)"])).toEqual({ code: 0, out: '2\n', err: '' });
    expect(await run(['-e', 'let x = 1'])).toEqual({ code: 0, out: '', err: '' });
  });

  test.each([
    ["info('<0.99.0>')", '** process <0.99.0> is not alive'],
    ["exit('<0.99.0>', 'kill')", '** process <0.99.0> is not alive'],
    ["send('nobody', 1)", "** no process is registered as 'nobody'; registered() lists the names"],
    ["call('nobody', 'x')", "** no process is registered as 'nobody'; registered() lists the names"],
    ["pid('12')", "** '12' is not a pid; a pid looks like <0.12.0>"],
    ["pid('<7.12.0>')", '** <7.12.0> belongs to a node that is not known here'],
    ["members('nope')", "** no group 'nope' in nova_scope; groups() lists those that have members"],
    [
      "members(['room', 2], 'rooms')",
      "** no group [ 'room', 2 ] in rooms; groups() lists those that have members",
    ],
    ["groups('nope')", "** no pg scope 'nope' runs on this node; scopes() lists those that do"],
    ["leave('notes')", "** this REPL has not joined 'notes'"],
    ["unwatch('notes')", "** 'notes' is not watched"],
    ["help('nope')", "** there is no helper 'nope'; help() lists them"],
    ['exit(self())', '** exit(pid, reason) needs both; to leave the REPL type .exit'],
    ["processes({sort: 'size'})", '** processes can be sorted by pid, name, label, mailbox, handled, age'],
    ['info(1)', "** name a process by its pid, such as '<0.12.0>', or by its registered name"],
    ['while (true) {}', '** it ran for 2000 ms without an await, and was stopped'],
  ])('%s is one clear line', async (code, line) => {
    const { connection } = await attachTo(application, { interactive: false });
    expect(await connection.evaluate(code)).toMatchObject({ status: 'error', text: line });
    connection.close();
  });

  test('what fails goes to stderr and makes it 1', async () => {
    const ran = await run(['--eval', "info('nobody')"]);
    expect(ran).toEqual({
      code: 1,
      out: '',
      err: "** no process is registered as 'nobody'; registered() lists the names\n",
    });
  });

  test('an error comes with its stack, but not with that of the REPL', async () => {
    const { code, out, err } = await run(['--eval', 'function f() { throw new RangeError("no") }\nf()']);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err.replace(/<[\d.]+>/g, '<pid>').replace(/:\d+(?=\)?$)/gm, '')).toBe(
      'Uncaught RangeError: no\n    at f (REPL<pid>#1:1)\n    at REPL<pid>#1:2\n',
    );
  });

  test('a syntax error shows where', async () => {
    const { code, err } = await run(['--eval', 'const = 1']);
    expect(code).toBe(1);
    expect(err).toBe('Uncaught:\nconst = 1\n      ^\n\nSyntaxError: Unexpected token\n');
    expect((await run(['--eval', 'f(1,'])).err).toContain('SyntaxError: Unexpected end of input');
    expect((await run(['--eval', "import fs from 'fs'"])).err).toContain("use `await import('...')` here");
  });

  test('--timeout gives up', async () => {
    const ran = await run(['--eval', 'await new Promise(() => {})', '--timeout', '200']);
    expect(ran).toEqual({ code: 1, out: '', err: 'no result within 200 ms\n' });
  });

  test('what the code prints goes where it would', async () => {
    expect(await run(['--eval', "console.log('to', 'out'); console.error('to err'); 3"])).toEqual({
      code: 0,
      out: 'to out\n3\n',
      err: 'to err\n',
    });
  });

  test('FORCE_COLOR colours also without a terminal', async () => {
    expect((await run(['--eval', '1'], { env: { FORCE_COLOR: '1' } })).out).toBe('\u001B[33m1\u001B[39m\n');
  });
});

describe('--json', () => {
  test('processes() and members() are data', async () => {
    const { code, out } = await run(['--json', '--eval', "processes({match: 'counter'})"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual([
      expect.objectContaining({ pid: '<0.3.0>', name: 'counter', status: 'waiting', mailbox: 0 }),
    ]);
    expect(JSON.parse((await run(['--json', '-e', "members('notes')"])).out)).toEqual(['<0.4.0>']);
  });

  test('tree() is nested', async () => {
    const { out } = await run(['--json', '-e', 'tree()']);
    const tree = JSON.parse(out) as { name: string; children: Array<{ label: string; children: unknown[] }> };
    expect(tree.name).toBe('init');
    expect(tree.children[0]).toMatchObject({
      label: 'fixture',
      type: 'supervisor',
      strategy: 'one_for_one',
      children: [
        { id: 'rooms' },
        { id: 'counter', pid: '<0.3.0>' },
        { id: 'listener' },
        { id: 'repl_server' },
      ],
    });
  });

  test('a failure prints no JSON, and undefined is null', async () => {
    expect(await run(['--json', '-e', "members('nope')"])).toMatchObject({ code: 1, out: '' });
    expect(await run(['--json', '-e', 'undefined'])).toEqual({ code: 0, out: 'null\n', err: '' });
  });
});

describe('lines from standard input', () => {
  test('each is awaited before the next one; one that goes on is put together', async () => {
    const input = [
      'const a = await new Promise((done) => setTimeout(done, 30, 20))',
      'a + 1',
      'function twice(x) {',
      '  return x * 2',
      '}',
      '',
      'twice(a)',
    ].join('\n');
    expect(await run([], { input })).toEqual({ code: 0, out: '21\n40\n', err: '' });
  });

  test('a line that fails does not keep the next one from running, but makes it 1', async () => {
    const ran = await run([], { input: "members('nope')\n1 + 1\n" });
    expect(ran).toMatchObject({ code: 1, out: '2\n' });
    expect(ran.err).toContain("** no group 'nope'");
  });

  test('an incomplete last line is reported', async () => {
    const ran = await run([], { input: '1\nf(\n' });
    expect(ran).toMatchObject({ code: 1, out: '1\n' });
    expect(ran.err).toContain('SyntaxError: Unexpected end of input');
  });

  test('--json prints one line for each', async () => {
    expect((await run(['--json'], { input: '1n\n[self()].length\n' })).out).toBe('"1"\n1\n');
  });

  test('an empty input is not a failure', async () => {
    expect(await run([], { input: '' })).toEqual({ code: 0, out: '', err: '' });
  });
});

describe('the command line', () => {
  test('--help and --version', async () => {
    const help = await run(['--help']);
    expect(help).toMatchObject({ code: 0, err: '' });
    for (const option of ['--eval', '--json', '--timeout', '--socket', 'DATA_DIR'])
      expect(help.out).toContain(option);
    const { version } = JSON.parse(
      readFileSync(join(import.meta.dirname, '../../../package.json'), 'utf8'),
    ) as {
      version: string;
    };
    expect(await run(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  test.each([
    [['--nope'], /--nope/],
    [['--eval'], /eval/],
    [['file.js'], /file\.js/],
    [['--timeout', '-1'], /timeout/],
    [['--timeout', '1e3', '--eval', '1'], /--timeout is a whole number of milliseconds/],
    [['--socket', ''], /--socket/],
  ])('%j is a mistake: 2', async (args, problem) => {
    const { code, out, err } = await run(args);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(err).toMatch(problem);
    expect(err.split('\n').at(-2)).toBe('troupe --help lists the options');
  });

  test('--socket says where the application is', async () => {
    const ran = await run(['--socket', application.socket, '-e', '1'], { env: { DATA_DIR: '/nowhere' } });
    expect(ran).toEqual({ code: 0, out: '1\n', err: '' });
  });

  test('no application: one line and 1', async () => {
    const empty = temporaryFolder();
    const { code, out, err } = await run(['-e', '1'], { env: { DATA_DIR: empty.path } });
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toBe(
      `no program with a REPL runs here: there is no socket at ${empty.path}/repl.sock (start the program; startRepl or replServer of troupe/repl makes the socket; DATA_DIR or --socket says where to look)\n`,
    );
    empty.remove();
  });

  test('the folder without DATA_DIR is that of the application', () => {
    const asked = readCommand([], {});
    expect(asked).toMatchObject({ kind: 'attach', socket: join(loadConfig({}).dataDir, 'repl.sock') });
    expect(readCommand([], { DATA_DIR: '' })).toEqual(asked);
  });
});
