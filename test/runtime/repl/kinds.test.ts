// Every way in which code of a REPL can fail: the line or a later print says so, and the application goes on.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  type Application,
  attachTo,
  startApplication,
  temporaryFolder,
  type TestClient,
} from './application.ts';

const folder = temporaryFolder();
let application: Application;
let ended: boolean;
const clients: TestClient[] = [];

async function start(): Promise<void> {
  application = await startApplication(folder.path);
  ended = false;
  application.process.once('exit', () => (ended = true));
}
beforeAll(start);
afterEach(async () => {
  for (const { connection } of clients.splice(0)) connection.close();
  if (!ended) return;
  const output = application.output();
  await start();
  throw new Error(`the application has ended:\n${output}`);
});
afterAll(async () => {
  await application.kill();
  folder.remove();
});

async function client(how?: Parameters<typeof attachTo>[1]): Promise<TestClient> {
  const attached = await attachTo(application, how);
  clients.push(attached);
  return attached;
}

/** Imports under a name of its own. */
const use = (module: string): string =>
  `const ${module.replace(/\W/g, '_')} = await import('node:${module}');`;

/** By what fails: code whose line succeeds with 0, and what is printed afterwards. */
const LATER: readonly (readonly [what: string, code: string, printed: string])[] = [
  [
    'a program that is not there',
    `${use('child_process')} child_process.spawn('/no/such/program')`,
    'ENOENT',
  ],
  ['one that may not be run', `${use('child_process')} child_process.spawn('/etc/passwd')`, 'EACCES'],
  [
    'one that is killed by a signal of abort',
    `${use('child_process')} child_process.spawn('sleep', ['60'], { signal: AbortSignal.timeout(1) })`,
    'AbortError',
  ],
  [
    'the input of one that has ended',
    `${use('child_process')} const c = child_process.spawn('true'); c.stdin.write('x'.repeat(1e7))`,
    'ncaught',
  ],
  [
    'the callback of one',
    `${use('child_process')} child_process.exec('true', () => { throw 'the fault' })`,
    'the fault',
  ],
  ['a refused connection', `${use('net')} net.connect(1, '127.0.0.1')`, 'ECONNREFUSED'],
  ['one by name', `${use('net')} net.connect(1, 'localhost')`, 'ECONNREFUSED'],
  ['one to a socket that is not there', `${use('net')} net.connect('/no/such/socket')`, 'ENOENT'],
  [
    'one that is made in a callback',
    `${use('net')} ${use('fs')} fs.stat('/', () => { net.connect(1, '127.0.0.1') })`,
    'ECONNREFUSED',
  ],
  [
    'one that is made after a wait',
    `${use('net')} const { setTimeout: sleep } = await import('node:timers/promises'); void (async () => { await sleep(20); net.connect(1, '127.0.0.1') })()`,
    'ECONNREFUSED',
  ],
  [
    'one that is made by a timer',
    `${use('net')} setTimeout(() => { net.connect(1, '127.0.0.1') }, 5)`,
    'ECONNREFUSED',
  ],
  [
    'one that is made by a timer of Node.js',
    `${use('net')} const t = await import('node:timers'); t.setTimeout(() => { net.connect(1, '127.0.0.1') }, 20)`,
    'ECONNREFUSED',
  ],
  [
    'one of a process',
    `${use('net')} spawn(async (self) => { await self.receive(undefined, { after: 5 }); net.connect(1, '127.0.0.1') })`,
    'ECONNREFUSED',
  ],
  [
    'a connection that is reset',
    `${use('net')} const s = net.createServer((c) => { c.resetAndDestroy(); s.close() }).listen(0, '127.0.0.1', () => { net.connect(s.address().port, '127.0.0.1') })`,
    'ECONNRESET',
  ],
  [
    'a port that is taken',
    `${use('net')} const one = net.createServer().listen(0, '127.0.0.1', () => { net.createServer().listen(one.address().port, '127.0.0.1', 1); setTimeout(() => one.close(), 50) })`,
    'EADDRINUSE',
  ],
  [
    'a handler of a server',
    `${use('http')} const h = http.createServer(() => { h.close(); throw 'the fault' }).listen(0, '127.0.0.1', () => { http.get(h.address()).on('error', () => {}); }); setTimeout(() => h.closeAllConnections(), 100)`,
    'the fault',
  ],
  ['a request over HTTP', `${use('http')} http.get('http://127.0.0.1:1/')`, 'ECONNREFUSED'],
  ['a request over HTTPS', `${use('https')} https.get('https://localhost:1/')`, 'ECONNREFUSED'],
  ['a request with fetch', "fetch('http://127.0.0.1:1/')", 'fetch failed'],
  ['a session of HTTP/2', `${use('http2')} http2.connect('http://127.0.0.1:1')`, 'ECONNREFUSED'],
  ['a connection with TLS', `${use('tls')} tls.connect(1, '127.0.0.1')`, 'ECONNREFUSED'],
  ['a datagram', `${use('dgram')} dgram.createSocket('udp4').bind(1, '192.0.2.1')`, 'EADDRNOTAVAIL'],
  [
    'a socket of a package',
    "const { default: WebSocket } = await import('ws'); new WebSocket('ws://127.0.0.1:1')",
    'ECONNREFUSED',
  ],
  [
    'a name that cannot be looked up',
    `${use('dns')} dns.lookup('a.invalid', (e) => { throw e })`,
    'ENOTFOUND',
  ],
  [
    'a callback of a lookup',
    `${use('dns')} dns.lookup('127.0.0.1', () => { throw 'the fault' })`,
    'the fault',
  ],
  ['a file that is not there, as a stream', `${use('fs')} fs.createReadStream('/no/such/file')`, 'ENOENT'],
  ['one to write', `${use('fs')} fs.createWriteStream('/no/such/file').write('x')`, 'ENOENT'],
  [
    'a callback of a file',
    `${use('fs')} fs.readFile('/no/such/file', () => { throw 'the fault' })`,
    'the fault',
  ],
  ['a promise of a file', `${use('fs/promises')} fs_promises.readFile('/no/such/file')`, 'ENOENT'],
  [
    'a watcher of a file',
    `${use('fs')} const w = fs.watch('/tmp', () => {}); process.nextTick(() => w.emit('error', new RangeError('the fault')))`,
    'the fault',
  ],
  ['a stream of nothing', `${use('stream')} new stream.Readable().resume()`, 'ERR_METHOD_NOT_IMPLEMENTED'],
  [
    'a stream of what it cannot hold',
    `${use('stream')} stream.Readable.from([null]).on('data', () => {})`,
    'ERR_STREAM_NULL_VALUES',
  ],
  [
    'a stream that is destroyed',
    `${use('stream')} new stream.PassThrough().destroy(new Error('the fault'))`,
    'the fault',
  ],
  [
    'a stream of a generator',
    `${use('stream')} stream.Readable.from((async function* () { throw 'the fault' })()).resume()`,
    'the fault',
  ],
  [
    'a write after the end',
    `${use('stream')} const p = new stream.PassThrough(); p.end(); p.write('x')`,
    'write after end',
  ],
  [
    'bytes that are not compressed',
    `${use('zlib')} zlib.createGunzip().end('x'.repeat(100))`,
    'incorrect header',
  ],
  ['a callback of zlib', `${use('zlib')} zlib.gzip('x', () => { throw 'the fault' })`, 'the fault'],
  [
    'a callback of crypto',
    `${use('crypto')} crypto.randomBytes(8, () => { throw 'the fault' })`,
    'the fault',
  ],
  [
    'a worker',
    `${use('worker_threads')} new worker_threads.Worker("throw new Error('the fault')", { eval: true })`,
    'the fault',
  ],
  [
    'a worker that is not there',
    `${use('worker_threads')} new worker_threads.Worker('/no/such/worker.js')`,
    'MODULE_NOT_FOUND',
  ],
  [
    'a message of a worker',
    `${use('worker_threads')} new worker_threads.Worker("require('worker_threads').parentPort.postMessage(1)", { eval: true }).on('message', () => { throw 'the fault' })`,
    'the fault',
  ],
  [
    'a message port',
    "const ports = new MessageChannel(); ports.port1.onmessage = () => { ports.port1.close(); throw 'the fault' }; ports.port2.postMessage(1)",
    'the fault',
  ],
  [
    'a signal that times out',
    "AbortSignal.timeout(1).addEventListener('abort', () => { throw 'the fault' })",
    'the fault',
  ],
  [
    'a handler of an EventTarget',
    "const target = new EventTarget(); target.addEventListener('x', () => { throw 'the fault' }); target.dispatchEvent(new Event('x'))",
    'the fault',
  ],
  [
    'a handler that is async',
    "const events = new (await import('node:events')).EventEmitter(); events.on('x', async () => { throw 'the fault' }); events.emit('x')",
    'the fault',
  ],
  [
    'an event that nobody hears, later',
    "const { EventEmitter } = await import('node:events'); process.nextTick(() => new EventEmitter().emit('error', 'the fault'))",
    'the fault',
  ],
  ['a tick that throws a text', "process.nextTick(() => { throw 'the fault' })", 'the fault'],
  ['one that throws nothing', 'process.nextTick(() => { throw undefined })', 'Uncaught undefined'],
  ['one that throws null', 'process.nextTick(() => { throw null })', 'Uncaught null'],
  [
    'one that throws a function of no prototype',
    'process.nextTick(() => { throw Object.setPrototypeOf(() => 1, null) })',
    'ncaught',
  ],
  [
    'one of Node.js: an immediate',
    "(await import('node:timers')).setImmediate(() => { throw 'the fault' })",
    'the fault',
  ],
  [
    'one of Node.js: a timer',
    "(await import('node:timers')).setTimeout(() => { throw 'the fault' }, 1)",
    'the fault',
  ],
  [
    'one of Node.js: an interval',
    "const i = (await import('node:timers')).setInterval(() => { clearInterval(i); throw 'the fault' }, 1)",
    'the fault',
  ],
  ['one of Node.js: a microtask', "globalThis.queueMicrotask(() => { throw 'the fault' })", 'the fault'],
  [
    'an immediate, a tick and a microtask',
    "setImmediate(() => process.nextTick(() => queueMicrotask(() => { throw 'the fault' })))",
    'the fault',
  ],
  [
    'a timer of a promise',
    "import('node:timers/promises').then((t) => t.setTimeout(1)).then(() => { throw 'the fault' })",
    'the fault',
  ],
  ['a promise of promises', "Promise.all([1, Promise.reject('the fault')]).finally(() => {})", 'the fault'],
  ['a thenable', "Promise.resolve({ then() { throw 'the fault' } })", 'the fault'],
  [
    'an async iterator',
    "void (async () => { for await (const _ of (async function* () { yield 1; throw 'the fault' })()); })()",
    'the fault',
  ],
  [
    'a finalizer',
    `const v8 = await import('node:v8'); const vm = await import('node:vm'); v8.setFlagsFromString('--expose-gc'); var registry = new FinalizationRegistry(() => { throw 'the fault' }); registry.register({}, 1); setTimeout(vm.runInNewContext('gc'), 5)`,
    'the fault',
  ],
  [
    'an error whose stack throws',
    "process.nextTick(() => { throw Object.defineProperty(new Error('x'), 'stack', { get() { throw 'no' } }) })",
    'ncaught',
  ],
  [
    'a proxy that throws',
    "Promise.reject(new Proxy(new Error('x'), { get() { throw 'no' }, getPrototypeOf() { throw 'no' } }))",
    'ncaught',
  ],
  [
    'one that is shown by what throws what throws',
    "Promise.reject({ [Symbol.for('nodejs.util.inspect.custom')]() { throw { toString() { throw 1 } } } })",
    '[cannot be shown]',
  ],
  [
    'one that is shown without end',
    "Promise.reject({ [Symbol.for('nodejs.util.inspect.custom')]() { for (;;); } })",
    'cannot be shown',
  ],
  ['a timer without end', 'setTimeout(() => { for (;;); }, 1)', 'without an await, and was stopped'],
  ['an error of two million characters', "Promise.reject('x'.repeat(2e6))", 'x'],
  ['a text of 30 million characters', "console.log('x'.repeat(3e7))", '(cut)'],
  [
    'a listener of warnings',
    "process.once('warning', () => { throw 'the fault' }); process.emitWarning('w')",
    'the fault',
  ],
  [
    'a listener of the last exit',
    "process.once('beforeExit', () => {}); process.nextTick(() => { throw 'the fault' })",
    'the fault',
  ],
];

describe('what fails later is printed', () => {
  test.each(LATER)('%s', async (_what, code, printed) => {
    const repl = await client();
    expect(await repl.run(`${code}; 0`)).toBe('0');
    await repl.prints(printed);
    expect(await repl.run('1 + 1')).toBe('2');
  });
});

/** By what fails: code whose line fails, and how. */
const AT_ONCE: readonly (readonly [what: string, code: string, told: RegExp])[] = [
  ['a text that is thrown', "throw 'the fault'", /Uncaught 'the fault'/],
  ['nothing that is thrown', 'throw undefined', /Uncaught undefined/],
  ['a rejected promise', "await Promise.reject('the fault')", /Uncaught 'the fault'/],
  ['a promise for a result', "Promise.reject('the fault')", /Uncaught 'the fault'/],
  ['a thenable for a result', "({ then() { throw 'the fault' } })", /Uncaught 'the fault'/],
  ['a getter of then', "({ get then() { throw 'the fault' } })", /Uncaught 'the fault'/],
  [
    'a proxy that throws',
    "throw new Proxy({}, { get() { throw 'no' }, getPrototypeOf() { throw 'no' } })",
    /Uncaught/,
  ],
  [
    'an event that nobody hears',
    "new (await import('node:events')).EventEmitter().emit('error', 'the fault')",
    /the fault/,
  ],
  ['a loop without end', 'for (;;);', /without an await, and was stopped/],
  ['one that makes promises', 'for (;;) Promise.resolve();', /without an await, and was stopped/],
  [
    'a result that is shown without end',
    "({ [Symbol.for('nodejs.util.inspect.custom')]() { for (;;); } })",
    /was stopped|cannot be shown/,
  ],
  ['recursion without end', '(function f() { f() })()', /Maximum call stack/],
  ['one that makes promises', '(function f() { Promise.resolve(); f() })()', /Maximum call stack/],
  ['one that makes ticks', '(function f() { process.nextTick(() => {}); f() })()', /Maximum call stack/],
  ['too long a text', "'x'.repeat(5e8) + 'x'.repeat(5e8)", /Invalid string length/],
  ['too long a result', "'x'.repeat(4e7)", /more than 33554432/],
  ['an error with too long a text', "throw new Error('x'.repeat(2e6))", /\(cut\)$/],
  ['the end of the process', 'process.exit()', /would end the application: \.exit leaves the REPL/],
  ['its end by import', "(await import('node:process')).exit(0)", /would end the application/],
  ['its end by a crash', 'process.abort()', /would end the application/],
  ['what is no module', "await import('no-such-package')", /Cannot find package/],
];

describe('what fails at once is the result', () => {
  test.each(AT_ONCE)('%s', async (_what, code, told) => {
    // To scripts texts go as they are.
    const repl = await client({ interactive: false });
    expect(await repl.run(code)).toMatch(new RegExp(`^! .*${told.source}`, 's'));
    expect(await repl.run('1 + 1')).toBe('2');
  });
});

test('what is deep, wide or hostile is shown', async () => {
  const repl = await client();
  expect(await repl.run('let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; deep')).toContain(
    '[Array]',
  );
  expect(
    await repl.run(
      "new Proxy({}, { get(_, name) { if (name !== 'then') throw 'no' }, ownKeys() { throw 'no' } })",
    ),
  ).toBe('{}');
  expect(await repl.run("({ get a() { throw 'no' } })")).toBe('{ a: [Getter] }');
});
