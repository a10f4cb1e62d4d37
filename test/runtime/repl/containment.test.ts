// What goes wrong in code of a REPL is told to that REPL, and to nobody else; it never ends the application. What goes wrong
// in the application still does.
import { once } from 'node:events';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import {
  type Application,
  attachTo,
  startApplication,
  temporaryFolder,
  type TestClient,
} from './application.ts';

const folder = temporaryFolder();
let application: Application;

beforeAll(async () => {
  application = await startApplication(folder.path);
});
const clients: TestClient[] = [];
afterEach(() => {
  for (const { connection } of clients.splice(0)) connection.close();
  // Whatever a test did, the application runs on.
  if (application.process.exitCode !== null)
    throw new Error(`the application has ended:\n${application.output()}`);
});
async function client(how?: Parameters<typeof attachTo>[1]): Promise<TestClient> {
  const attached = await attachTo(application, how);
  clients.push(attached);
  return attached;
}

afterAll(async () => {
  await application.kill();
  folder.remove();
});

test.each([
  ['a promise that nobody waits for', "Promise.reject(new Error('the fault')); 0"],
  ['one that rejects with no error', "Promise.reject('the fault'); 0"],
  ['one of a function of the application', "broken('the fault'); 0"],
  ['one that is rejected later', "new Promise((_, no) => setTimeout(no, 5, 'the fault')); 0"],
  ['an async function', "void (async () => { await null; throw new Error('the fault') })(); 0"],
  ['one made after an await', "await null; await null; broken('the fault'); 0"],
  ['one of Node.js', "(await import('node:fs/promises')).readFile('/the fault'); 0"],
  ['one of a helper', "call('counter', 'the fault'); 0"],
  ['a timer', "setTimeout(() => { throw new Error('the fault') }, 1); 0"],
  ['a timer that throws no error', "setTimeout(() => { throw 'the fault' }, 1); 0"],
  ['an async timer', "setTimeout(async () => { await null; throw 'the fault' }, 1); 0"],
  ['an immediate', "setImmediate(() => { throw 'the fault' }); 0"],
  ['a microtask', "queueMicrotask(() => { throw 'the fault' }); 0"],
  ['a tick', "process.nextTick(() => { throw new Error('the fault') }); 0"],
  ['a callback', "(await import('node:fs')).readFile('/nope', () => { throw new Error('the fault') }); 0"],
  [
    'an event',
    "const { EventEmitter } = await import('node:events'); setImmediate(() => { new EventEmitter().emit('error', new Error('the fault')) }); 0",
  ],
  [
    'a listener of telemetry',
    "const { channel } = await import('node:diagnostics_channel'); const tell = () => { channel('troupe:process:exit').unsubscribe(tell); throw new Error('the fault') }; channel('troupe:process:exit').subscribe(tell); spawn(() => {}); 0",
  ],
])('%s', async (_what, code) => {
  const [one, two] = [await client(), await client()];
  expect(await one.run(code)).toBe('0');
  await one.prints('ncaught');
  await one.prints('the fault');
  expect(await one.run('1 + 1')).toBe('2');
  expect(two.printed).toEqual([]);
});

test('a process that is spawned crashes by itself, with the error for its reason', async () => {
  const repl = await client();
  await repl.run("const crashing = spawn(() => { throw new TypeError('own') }); monitor(crashing)");
  expect(await repl.run('(await receive()).reason instanceof TypeError')).toBe('true');
});

test('the exit of a linked process is printed and kept, and ends nothing', async () => {
  const repl = await client();
  await repl.run('const linked = spawn((self) => self.receive()); link(linked)');
  const linked = await repl.run('linked');
  await repl.run("exit(linked, 'broken')");
  await repl.prints(`** (EXIT from ${linked}) broken`);
  expect(await repl.run('flush()')).toBe(`Exit { from: ${linked}, reason: 'broken' }`);
});

test('a value that cannot be shown is reported, as JSON, too', async () => {
  const value =
    "({ [Symbol.for('nodejs.util.inspect.custom')]() { throw new Error('no') }, get a() { throw 1 } })";
  const repl = await client();
  expect(await repl.run(value)).toBe('[cannot be shown: Error: no]');
  const json = await client({ json: true });
  expect(await json.run(value)).toBe('"[cannot be read: 1]"');
});

test('a REPL that is killed says so; the others go on', async () => {
  const [one, two] = [await client(), await client()];
  await two.run(`exit('${one.connection.pid}', 'kill')`);
  expect(await one.ended).toBe(`** (EXIT from ${one.connection.pid}) killed`);
  expect(await two.run('1')).toBe('1');
  two.connection.evaluate("exit(self(), 'kill')").catch(() => undefined);
  expect(await two.ended).toBe(`** (EXIT from ${two.connection.pid}) killed`);
});

test('what a REPL that has ended leaves behind becomes a warning', async () => {
  const [one, two] = [await client(), await client()];
  const waits = 'new Promise((go) => { globalThis.release = go; })';
  await one.run(`void (async () => { await ${waits}; throw new Error('left behind') })(); 0`);
  await two.run(`const ended = monitor('${one.connection.pid}')`);
  one.connection.close();
  await two.run('await receive((message) => message.ref?.equals(ended))');
  const warned = once(application.process.stderr, 'data') as Promise<[Buffer]>;
  await two.run('globalThis.release(); delete globalThis.release');
  expect(String((await warned)[0])).toMatch(
    /ReplWarning: code of a REPL that has ended has failed: Error: left behind/,
  );
  expect(two.printed).toEqual([]);
});

test.each([
  ['a process that is not there', "(await import('node:child_process')).spawn('/no/such/program')", 'ENOENT'],
  ['a connection by name', "(await import('node:net')).connect(1, 'localhost')", 'ECONNREFUSED'],
  ['a text of a timer', "(await import('node:timers')).setTimeout(() => { throw 'left' }, 50)", 'left'],
])('so does %s when its REPL leaves at once', async (_what, code, told) => {
  const one = await client();
  const warned = new Promise<string>((resolve) => {
    application.process.stderr.on('data', (chunk: Buffer) => {
      if (chunk.includes(told)) resolve(chunk.toString());
    });
  });
  one.connection.evaluate(`${code}; exit(self(), 'kill')`).catch(() => undefined);
  expect(await warned).toContain('ReplWarning: code of a REPL that has ended has failed');
});

test.each([
  'fails.timer()',
  'fails.promise()',
  'fails.tick()',
  'fails.socket()',
  'send(fails.careless(), 1)',
])('an error of the application ends it, as ever: %s', async (code) => {
  const own = temporaryFolder();
  const failing = await startApplication(own.path);
  const repl = await attachTo(failing);
  repl.connection.evaluate(code).catch(() => undefined);
  await repl.ended;
  expect(await failing.stop()).toBe(1);
  expect(failing.output()).toMatch(/Error: (of the application|connect ECONNREFUSED)/);
  own.remove();
});
