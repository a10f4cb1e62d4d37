// The command `troupe`, by exit code and output; what a read-only REPL refuses; another node through the one that is attached to.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { child, createNode, defineServer, defineSupervisor, type Node, pubsub } from 'troupe';
import { inspectServer } from 'troupe/inspect';
import { type RunningRepl, startRepl } from 'troupe/repl';
import { createMemoryNetwork, settle } from 'troupe/testing';
import { readCommand, usage } from '../../../src/runtime/cli/internal.ts';
import { attach } from '../../../src/runtime/repl/internal.ts';
import {
  type Application,
  cleanEnv,
  type Ran,
  startApplication,
  temporaryFolder,
} from '../repl/application.ts';

const root = join(import.meta.dirname, '../../..');
const folder = temporaryFolder();
const socket = join(folder.path, 'read-only.sock');
const network = createMemoryNetwork();
let here: Node;
let other: Node;
let repl: RunningRepl;
/** Attached to with more rights. */
let application: Application;

const counter = defineServer({
  name: 'counter',
  init: () => ({ count: 7 }),
  call: { add: (state, by: number) => (state.count += by) },
  info: () => undefined,
});
const tree = defineSupervisor({ name: 'shop', children: [child(counter, [], { id: 'till', name: 'till' })] });

beforeAll(async () => {
  here = createNode({ name: 'here@test', carrier: network.carrier('here@test') });
  other = createNode({ name: 'other@test', carrier: network.carrier('other@test') });
  await here.start(tree, [], { name: 'shop' });
  await other.start(counter, [], { name: 'far' });
  await other.start(inspectServer, [], { name: 'troupe_inspect' });
  for (const node of [here, other]) pubsub.start(node);
  await here.connect('other@test');
  pubsub.join(other, 'news', other.whereis('far') as never);
  await settle([here, other]);
  repl = await startRepl(here, { socket, readOnly: true });
  application = await startApplication(folder.path);
});
afterAll(async () => {
  await application.kill();
  await repl.stop();
  await Promise.all([here.stop(), other.stop()]);
  folder.remove();
});

/** Runs the command, attached to the read-only REPL unless told otherwise. */
async function troupe(args: readonly string[], on = socket): Promise<Ran> {
  const all = ['--import', 'tsx', 'src/runtime/cli/main.ts', ...args];
  const running = spawn(process.execPath, all, { cwd: root, env: cleanEnv({ DATA_DIR: join(on, '..') }) });
  let out = '';
  let err = '';
  running.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  running.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  running.stdin.end();
  const [code] = (await once(running, 'close')) as [number | null];
  return { code, out, err };
}

const asked = (...args: string[]): Promise<Ran> => troupe([...args, '--socket', socket]);
const json = async (...args: string[]): Promise<unknown> => {
  const { code, out, err } = await asked(...args, '--json');
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
};

describe('questions', () => {
  test('ps, info, tree, nodes, load and peers answer as tables and as JSON', async () => {
    const table = await asked('ps', '--match', 'counter');
    expect(table.code).toBe(0);
    expect(table.out).toMatch(
      /^PID +NAME +LABEL +STATUS +MAILBOX +OLDEST +HANDLED +MSG\/S +BUSY\n<0\.2\.0> +till +counter/,
    );
    expect(await json('ps', '--sort', 'name', '--limit', '1')).toMatchObject([
      { pid: '<0.0.0>', name: 'init' },
    ]);
    expect(await json('info', 'till')).toMatchObject({
      node: 'here@test',
      name: 'till',
      state: '{ count: 7 }',
    });
    expect((await asked('tree')).out).toMatch(/shop <0\.1\.0> \(one_for_one\)\n.*till <0\.2\.0>/);
    expect(await json('nodes')).toMatchObject([{ node: 'here@test', self: true }, { node: 'other@test' }]);
    expect(await json('load')).toMatchObject({ node: 'here@test', blocked: [] });
    expect(await json('peers')).toEqual([]);
  });

  test('scopes, groups, members and channels show what is on which node', async () => {
    expect(await json('scopes')).toMatchObject([{ scope: 'nova_scope', groups: 1 }]);
    expect(await json('groups')).toEqual([
      { group: 'news', members: 1, local: 0, nodes: { 'other@test': 1 } },
    ]);
    expect(await json('members', 'news')).toMatchObject([{ node: 'other@test', count: 1 }]);
    expect(await json('channels')).toMatchObject([{ channel: 'news', members: 1, local: 0 }]);
    expect(await asked('groups', 'none')).toMatchObject({ code: 1, out: '' });
  });

  test('top shows the load and a table', async () => {
    const ran = await asked('top', '--every', '1', '--limit', '2');
    expect(ran.out).toMatch(/^here@test: \d+ processes, .*\nPID +NAME/);
    expect(ran.code).toBe(0);
  });

  test('trace and watch print messages until a limit', async () => {
    const ticks = setInterval(() => {
      here.send('till', 'tick');
    }, 5);
    try {
      const lines = (await asked('trace', 'till', '--limit', '2', '--json')).out.trim().split('\n');
      expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
        { direction: 'in', kind: 'message', text: "'tick'" },
        { direction: 'in', kind: 'message', text: "'tick'" },
        { reason: 'limit', reported: 2 },
      ]);
      const chart = await asked('trace', 'till', '--limit', '1', '--chart');
      expect(chart.out).toContain('sequenceDiagram\n  participant p0 as ?');
    } finally {
      clearInterval(ticks);
    }
  });

  test('--node asks another node, which answers as itself', async () => {
    expect(await json('info', 'far', '--node', 'other@test')).toMatchObject({
      node: 'other@test',
      name: 'far',
    });
    expect(await json('groups', '--node', 'other@test')).toMatchObject([{ group: 'news', local: 1 }]);
    expect((await asked('tree', '--node', 'other@test')).out).toContain('troupe_inspect');
    const none = await asked('ps', '--node', 'none@test');
    expect(none).toMatchObject({ code: 1, out: '' });
    expect(none.err).toMatch(/^\*\* .*none@test/);
  });
});

describe('a command line', () => {
  test.each([
    [['nothing'], "there is no command 'nothing'", 'troupe --help'],
    [['ps', '--limit', 'x'], '--limit is a whole number', 'troupe ps --help'],
    [['members'], 'members takes <group> [scope]', 'troupe members --help'],
    [['tree', 'x'], 'tree takes no argument', 'troupe tree --help'],
    [['trace'], 'trace takes a process, or --channel', 'troupe trace --help'],
    [['ps', '--node', 'x'], '--node has the form name@host', 'troupe ps --help'],
    [['ps', '--timeout', '-1'], expect.stringContaining('--timeout'), 'troupe ps --help'],
    [['ps', '--sort', 'size'], expect.stringMatching(/^--sort is one of pid, name, /), 'troupe ps --help'],
    [['--socket', 'x', 'ps'], 'the command comes first: troupe ps …', 'troupe --help'],
    [['--wrong'], "Unknown option '--wrong'", 'troupe --help'],
    [['ps', '--limit'], "Option '--limit <value>' argument missing", 'troupe ps --help'],
  ])('%j is wrong', (args, problem, help) => {
    expect(readCommand(args, {})).toEqual({ kind: 'wrong', problem, help });
  });

  test('what is wrong is told on stderr, with 2', async () => {
    expect(await troupe(['ps', '--limit', 'x'])).toEqual({
      code: 2,
      out: '',
      err: '--limit is a whole number\ntroupe ps --help lists the options\n',
    });
  });

  test('--help works everywhere', async () => {
    const all = await troupe(['--help']);
    expect(all).toEqual({ code: 0, out: usage(), err: '' });
    const names = [...all.out.matchAll(/^ {2}([a-z]+) .* {2}/gm)].map(([, name]) => name as string);
    const wanted = [
      'repl',
      'eval',
      'ps',
      'tree',
      'groups',
      'members',
      'nodes',
      'peers',
      'top',
      'watch',
      'trace',
    ];
    expect(names).toEqual(expect.arrayContaining(wanted));
    for (const name of names.filter((each) => each !== 'troupe')) {
      const help = readCommand([name, '-h'], {}) as { readonly text: string };
      expect(help.text).toMatch(new RegExp(`^Usage: troupe ${name} .*\\[options\\]\n`));
    }
  });

  test('only eval and repl may do more than ask, and not with --read-only', () => {
    const readOnly = (...args: string[]) => readCommand(args, {}) as { readonly readOnly: boolean };
    expect(readOnly('eval', '1')).toMatchObject({ readOnly: false, code: '1', timeoutMs: 30_000 });
    expect(readOnly('eval', '1', '--read-only')).toMatchObject({ readOnly: true });
    expect(readOnly()).toMatchObject({ readOnly: false, code: undefined });
    expect(readOnly('ps')).toMatchObject({ readOnly: true, code: 'ps({})' });
    expect(readOnly('watch', "it's")).toMatchObject({
      readOnly: true,
      code: 'watch("it\'s")',
      timeoutMs: undefined,
    });
  });

  test('a program that is not there is told with 1', async () => {
    const ran = await troupe(['ps', '--socket', join(folder.path, 'none.sock')]);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toContain('no program with a REPL runs here');
  });
});

describe('a read-only REPL', () => {
  const attempts = [
    "send('till', 'x')",
    "exit('till', 'kill')",
    "call('till', 'add', 1)",
    "cast('till', 'add', 1)",
    "broadcast('news', 'a', 1)",
    "join('news')",
    "suspend('till')",
    'spawn(() => 1)',
    '1 + 1',
    'node',
    'node.stop()',
    'process.exit(1)',
    "ps.constructor('return process')()",
    'ps({ limit: process.exit(1) })',
    'ps({ get limit() { return 1 } })',
    'ps({ [1]: 2 })',
    'ps(...[1])',
    'let x = 1',
    'ps(); tree()',
    "import('node:fs')",
    'ps`x`',
    '__proto__.ps()',
    'toString()',
  ];

  test('evaluates nothing, sends nothing and kills nothing, whatever the client says of itself', async () => {
    const hello = { columns: 0, colour: false, unicode: true, json: false, interactive: false };
    const connection = await attach(socket, { ...hello, readOnly: false, target: '' });
    const before = here.processInfo(here.whereis('till') as never);
    for (const attempt of attempts) {
      // oxlint-disable-next-line no-await-in-loop
      const { status, text } = await connection.evaluate(attempt);
      expect([attempt, status, text]).toEqual([
        attempt,
        'error',
        expect.stringMatching(/^\*\* (this REPL only answers questions|there is no question ')/),
      ]);
    }
    expect((await connection.evaluate("i('till')")).text).toContain('{ count: 7 }');
    connection.close();
    const after = here.processInfo(here.whereis('till') as never);
    expect([after?.pid, after?.messageQueueLength]).toEqual([before?.pid, 0]);
    expect(pubsub.getLocalMembers(here, 'news')).toEqual([]);
  });

  test.each(attempts.slice(0, 1))('troupe eval "%s" fails there', async (attempt) => {
    const ran = await asked('eval', attempt);
    expect(ran).toMatchObject({ code: 1, out: '' });
    expect(ran.err).toMatch(/^\*\* there is no question/);
  });

  test('is what --read-only makes of any other, and what every question uses', async () => {
    const on = application.socket;
    expect(await troupe(['eval', '1 + 1', '--socket', on])).toEqual({ code: 0, out: '2\n', err: '' });
    const refused = await troupe(['eval', '1 + 1', '--read-only', '--socket', on]);
    expect(refused).toMatchObject({ code: 1, out: '' });
    const far = await troupe(['eval', '1 + 1', '--node', 'other@test', '--socket', on]);
    expect(far).toMatchObject({ code: 1, out: '' });
    const scope = await troupe(['groups', 'rooms', '--socket', on, '--json']);
    expect(JSON.parse(scope.out)).toMatchObject([{ group: "[ 'room', 1 ]", members: 1 }]);
  });

  test('one that may evaluate has i(), top() and trace() too', async () => {
    const on = application.socket;
    const ran = await troupe(['eval', "(await i('counter')).state", '--socket', on]);
    expect(ran).toEqual({ code: 0, out: '{ count: 0 }\n', err: '' });
    const top = await troupe([
      'eval',
      'top({times: 1, everyMs: 1, limit: 1}).then((rows) => rows.length)',
      '--socket',
      on,
    ]);
    expect(top.out).toBe('1\n');
  });
});
