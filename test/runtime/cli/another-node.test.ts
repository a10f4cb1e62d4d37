// A REPL whose code runs on another node: only where that node lets others in, and as there.
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { createNode, type Node } from 'troupe';
import { inspectServer } from 'troupe/inspect';
import { type RunningRepl, startRepl } from 'troupe/repl';
import { createMemoryNetwork, settle } from 'troupe/testing';
import { attach, type ClientConnection } from '../../../src/runtime/repl/internal.ts';
import { temporaryFolder } from '../repl/application.ts';

const folder = temporaryFolder();
const socket = join(folder.path, 'here.sock');
const network = createMemoryNetwork();
let here: Node;
let other: Node;
let repl: RunningRepl;
let there: RunningRepl | undefined;
const connections: ClientConnection[] = [];

beforeAll(async () => {
  here = createNode({ name: 'here@test', carrier: network.carrier('here@test') });
  other = createNode({ name: 'other@test', carrier: network.carrier('other@test') });
  await other.start(inspectServer, [], { name: 'troupe_inspect' });
  await here.connect('other@test');
  repl = await startRepl(here, { socket });
});
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  await there?.stop();
  there = undefined;
});
afterAll(async () => {
  await repl.stop();
  await Promise.all([here.stop(), other.stop()]);
  folder.remove();
});

async function letIn(options: { readonly readOnly?: boolean } = {}): Promise<RunningRepl> {
  there = await startRepl(other, { socket: join(folder.path, 'other.sock'), remote: true, ...options });
  return there;
}

interface Client {
  readonly run: (code: string) => Promise<string>;
  readonly printed: string[];
  readonly ended: Promise<string>;
  readonly connection: ClientConnection;
}

async function client(how: { readonly readOnly?: boolean; readonly on?: string } = {}): Promise<Client> {
  const { readOnly = false, on = socket } = how;
  const hello = { columns: 0, colour: false, unicode: true, json: false, interactive: false };
  const connection = await attach(on, { ...hello, readOnly, target: 'other@test' });
  connections.push(connection);
  const printed: string[] = [];
  const ended = new Promise<string>((resolve) => {
    connection.use({
      onPrint: (_stream, text) => printed.push(text),
      onEnd: ({ message }) => {
        resolve(message);
      },
    });
  });
  const run = async (code: string): Promise<string> => {
    const { status, text } = await connection.evaluate(code);
    return status === 'ok' ? text : `! ${text}`;
  };
  return { run, printed, ended, connection };
}

const REFUSED =
  /^! \*\* this REPL only answers questions.*; to evaluate on other@test, its REPL must be started with remote: true$/;

test('a node lets nobody in unless it is told to, and the refusal says how', async () => {
  const { run, connection } = await client();
  expect(connection.node).toBe('other@test');
  expect(await run('1 + 1')).toMatch(REFUSED);
  expect(await run("send('init', 1)")).toMatch(/there is no question 'send' here.*remote: true$/);
  expect(await run('nodes()')).toMatch(/other@test +asked/);
});

test('code runs on the other node, with its prints, errors and completions', async () => {
  await letIn();
  const { run, printed, connection } = await client();
  expect(connection.node).toBe('other@test');
  expect(await run('node.name')).toBe('other@test');
  expect(await run('const a = await Promise.resolve(20)')).toBe('');
  expect(await run('a + 1')).toBe('21');
  expect(await run("throw new RangeError('no')")).toMatch(/^! Uncaught RangeError: no/);
  expect(await run("for (let n = 0; n < 500; n++) console.log(n); 'x'.repeat(200_000).length")).toBe(
    '200000',
  );
  expect(printed.join('')).toBe(Array.from({ length: 500 }, (_, n) => `${n}\n`).join(''));
  expect((await run("'y'.repeat(300_000)")).length).toBe(300_000);
  expect((await connection.complete('localM')).names).toEqual(['localMembers']);
  const waiting = run('new Promise(() => {})');
  connection.cancel();
  expect(await waiting).toMatch(/^! \*\* given up/);
});

test('a read-only REPL is one on either side, and so is a client', async () => {
  await letIn();
  const asking = await client({ readOnly: true });
  expect(await asking.run('1 + 1')).toMatch(REFUSED);
  expect((await asking.connection.complete('process.env.')).names).toEqual([]);
  const on = join(folder.path, 'read-only.sock');
  const readOnly = await startRepl(here, { socket: on, readOnly: true });
  expect(await (await client({ on })).run('1 + 1')).toMatch(REFUSED);
  for (const connection of connections.splice(0)) connection.close();
  await readOnly.stop();
  await there?.stop();
  await letIn({ readOnly: true });
  expect(await (await client()).run('1 + 1')).toMatch(/^! \*\* this REPL only answers questions/);
});

test('it ends with its client, and nothing is left behind', async () => {
  await letIn();
  const before = [here.processes().length, other.processes().length];
  const { connection, run } = await client();
  const pid = await run('self()');
  expect(other.processes().map(String)).toContain(pid);
  connection.close();
  while (
    here.processes().length > (before[0] as number) ||
    other.processes().length > (before[1] as number)
  ) {
    // oxlint-disable-next-line no-await-in-loop
    await new Promise(setImmediate);
  }
  await settle([here, other]);
});

test('the client is told when the REPL there ends, or the node is gone', async () => {
  const stopping = await letIn();
  const one = await client();
  await stopping.stop();
  expect(await one.ended).toBe('the application has ended this REPL');
  await letIn();
  const two = await client();
  network.cut('here@test', 'other@test');
  expect(await two.ended).toBe('the other node, or the REPL there, is gone');
  network.heal('here@test', 'other@test');
  await here.connect('other@test');
});

test('a pid of another node is looked at, and traced, there', async () => {
  const busy = other.spawnWith({ label: 'far away' }, async (self) => {
    for (;;) await self.receive(); // oxlint-disable-line no-await-in-loop
  });
  const hello = { columns: 0, colour: false, unicode: true, json: false, interactive: false };
  const local = await startRepl(here, {
    socket: join(folder.path, 'local.sock'),
    variables: { far: here.pid(busy.toString()) },
  });
  const connection = await attach(local.socket as string, hello);
  connections.push(connection);
  connection.use({ onPrint: () => undefined, onEnd: () => undefined });
  expect(await connection.evaluate('(await i(far)).label')).toMatchObject({ status: 'ok', text: 'far away' });
  const traced = connection.evaluate('(await trace(far, { limit: 1 })).reason');
  const over = traced.then(() => true);
  const tick = async (): Promise<void> => {
    other.send(busy, 'tick');
    await new Promise(setImmediate);
  };
  // oxlint-disable-next-line no-await-in-loop
  while ((await Promise.race([over, tick()])) !== true);
  expect(await traced).toMatchObject({ status: 'ok', text: 'limit' });
  other.exit(busy, 'kill');
  await local.stop();
});
