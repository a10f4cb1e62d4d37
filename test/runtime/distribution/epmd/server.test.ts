// The epmd of this process, as bytes on its connections.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  decodeLookupAnswer,
  decodeNamesAnswer,
  decodeRegisterAnswer,
  encodeRequest,
  entryOf,
  EpmdServer,
  type EpmdServerOptions,
  NameTable,
  type Request,
} from '../../../../src/runtime/distribution/epmd/internal.ts';
import { freePort } from '../../../support/erl.ts';
import { Raw, answerTo, outsideAddress, registering } from './helpers.ts';

const NAMES: Request = { kind: 'names' };
/** A user that owns nothing. */
const NOBODY = 65_534;

async function serve(options: Partial<EpmdServerOptions> = {}): Promise<number> {
  const port = await freePort();
  const server = new EpmdServer({ host: '127.0.0.1', port, ...options });
  await server.listen();
  onTestFinished(() => server.close());
  return port;
}

/** Registers a name and keeps it. */
async function registered(
  port: number,
  name: string | Buffer,
  from?: string,
): Promise<{ raw: Raw; creation: number }> {
  const raw = new Raw(port, '127.0.0.1', from).send(registering(name));
  const answer = decodeRegisterAnswer(await raw.bytes(6));
  expect(answer?.accepted).toBe(true);
  return { raw, creation: answer?.creation ?? 0 };
}

async function isRefused(port: number, name: string | Buffer, from?: string): Promise<boolean> {
  const raw = new Raw(port, '127.0.0.1', from).send(registering(name));
  return decodeRegisterAnswer(await raw.all())?.accepted === false;
}

async function namesOf(port: number): Promise<string[]> {
  return decodeNamesAnswer(await answerTo(port, NAMES)).map(({ name }) => name);
}

/** Waits until a name is free again: the server has seen the end of its connection. */
async function freed(port: number, name: string): Promise<void> {
  while ((await namesOf(port)).includes(name)) await new Promise((resolve) => setImmediate(resolve));
}

describe('answers', () => {
  test('a registration, a lookup and a list, and forgets a name with its connection', async () => {
    const port = await serve();
    expect(await answerTo(port, NAMES)).toStrictEqual(Buffer.of(0, 0, port >> 8, port & 255));
    const { raw } = await registered(port, 'alice');
    await registered(port, 'bob');
    expect(await namesOf(port)).toStrictEqual(['alice', 'bob']);
    const found = decodeLookupAnswer(await answerTo(port, { kind: 'lookup', name: Buffer.from('alice') }));
    expect(found?.entry).toStrictEqual({ ...entryOf('alice', 5_000, false), lowest: 5 });
    raw.socket.end();
    await raw.closed;
    await freed(port, 'alice');
    expect(await namesOf(port)).toStrictEqual(['bob']);
    expect(await answerTo(port, { kind: 'lookup', name: Buffer.from('alice') })).toStrictEqual(
      Buffer.of(119, 1),
    );
  });

  test('with a creation that is new for each registration, small for an old node', async () => {
    const port = await serve();
    const { raw, creation } = await registered(port, 'alice');
    expect(creation).toBeGreaterThan(3);
    raw.socket.destroy();
    await freed(port, 'alice');
    const again = await registered(port, 'alice');
    expect(again.creation).toBe(creation + 1);
    const old = new Raw(port).send(registering('old', 5));
    const answer = await old.bytes(4);
    expect([...answer.subarray(0, 3)]).toStrictEqual([121, 0, 0]);
    expect([1, 2, 3]).toContain(answer[3]);
  });

  test('requests in any pieces', async () => {
    const port = await serve();
    await registered(port, 'alice');
    const request = encodeRequest({ kind: 'lookup', name: Buffer.from('alice') });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 6 }),
        async (sizes) => {
          const raw = new Raw(port);
          for (let at = 0, piece = 0; at < request.length; piece++) {
            const size = sizes[piece % sizes.length] ?? 1;
            raw.socket.write(request.subarray(at, at + size));
            at += size;
            await new Promise((resolve) => setImmediate(resolve));
          }
          expect(decodeLookupAnswer(await raw.all())?.entry?.port).toBe(5_000);
        },
      ),
      { numRuns: 20 },
    );
  });
});

describe('refuses', () => {
  test('a name that is taken, too long, or unreadable, and goes on', async () => {
    const port = await serve();
    await registered(port, 'alice');
    expect(await isRefused(port, 'alice')).toBe(true);
    for (const name of ['x'.repeat(300), '', 'a\0b', 'a at port 1\nname b', Buffer.of(0xc0)]) {
      expect(await isRefused(port, name)).toBe(true);
    }
    await registered(port, 'x'.repeat(255));
    expect(await answerTo(port, registering('alice', 5))).toStrictEqual(Buffer.of(121, 1, 0, 99));
    expect(await namesOf(port)).toStrictEqual(['alice', 'x'.repeat(255)]);
  });

  test.skipIf(outsideAddress === undefined)(
    'who registers from elsewhere, but answers what is asked',
    async () => {
      const port = await serve({ host: '0.0.0.0' });
      await registered(port, 'alice');
      const raw = new Raw(port, outsideAddress).send(registering('mallory'));
      expect(await raw.all()).toHaveLength(0);
      const asking = new Raw(port, outsideAddress).send(encodeRequest(NAMES));
      expect(decodeNamesAnswer(await asking.all())).toStrictEqual([{ name: 'alice', port: 5_000 }]);
    },
  );

  test('whatever else is sent, by ending that connection only', async () => {
    const port = await serve();
    const { raw } = await registered(port, 'alice');
    const bad = [
      'GET / HTTP/1.1\r\n\r\n', // read as a length that is too large
      '\0\x01d', // dump
      '\0\x01k', // kill
      '\0\x06salice', // stop
      '\0\0', // nothing
      '\0\x05x\0\0\0\0', // a registration that ends too early
      '\0\x01nn', // more than one request
    ];
    for (const text of bad) expect(await answerTo(port, Buffer.from(text, 'latin1'))).toHaveLength(0);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 2, maxLength: 1_200 }), async (garbage) => {
        const one = new Raw(port);
        one.socket.end(garbage);
        await one.closed;
      }),
      { numRuns: 50 },
    );
    expect(raw.socket.closed).toBe(false);
    expect(await namesOf(port)).toStrictEqual(['alice']);
  });

  test('anything on a connection that holds a name', async () => {
    const port = await serve();
    const { raw } = await registered(port, 'alice');
    raw.send(encodeRequest(NAMES));
    expect(await raw.all()).toHaveLength(6);
    await freed(port, 'alice');
  });
});

describe('limits', () => {
  test('connections', async () => {
    const port = await serve({ maxConnections: 2 });
    const { raw } = await registered(port, 'alice');
    await registered(port, 'bob');
    expect(await answerTo(port, NAMES)).toHaveLength(0);
    raw.socket.destroy();
    let answer: Buffer = Buffer.alloc(0);
    while (answer.length === 0) answer = await answerTo(port, NAMES);
    expect(decodeNamesAnswer(answer)).toStrictEqual([{ name: 'bob', port: 5_000 }]);
  });

  test('names', async () => {
    const port = await serve({ maxNames: 2 });
    await registered(port, 'alice');
    await registered(port, 'bob');
    expect(await isRefused(port, 'carol')).toBe(true);
  });

  test.skipIf(process.platform !== 'linux')('names of one user, whatever its addresses', async () => {
    const port = await serve({ maxNamesPerUser: 2 });
    const { raw } = await registered(port, 'alice');
    await registered(port, 'bob', '127.0.0.2');
    expect(await isRefused(port, 'carol')).toBe(true);
    expect(await isRefused(port, 'carol', '127.0.0.3')).toBe(true);
    raw.socket.end();
    await freed(port, 'alice');
    await registered(port, 'carol', '127.0.0.3');
  });

  test.skipIf(process.getuid?.() !== 0)('names of one user, which leaves others theirs', async () => {
    const port = await serve({ maxNamesPerUser: 1 });
    await registered(port, 'alice');
    expect(await isRefused(port, 'bob')).toBe(true);
    const program = `const socket = require('node:net').connect(${port}, '127.0.0.1');
      socket.write(Buffer.from('${registering('bob').toString('hex')}', 'hex'));
      socket.once('data', (data) => process.stdout.write(data.toString('hex')));
      process.stdin.on('end', () => process.exit()).resume();`;
    const child = spawn(process.execPath, ['-e', program], { uid: NOBODY, gid: NOBODY, env: {}, cwd: '/' });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [data] = (await once(child.stdout, 'data')) as [Buffer];
    expect(decodeRegisterAnswer(Buffer.from(data.toString(), 'hex'))?.accepted).toBe(true);
    expect(await isRefused(port, 'carol')).toBe(true);
    expect(await namesOf(port)).toStrictEqual(['alice', 'bob']);
  });

  test('the size of a request', async () => {
    const port = await serve();
    const lookup = (length: number) => encodeRequest({ kind: 'lookup', name: Buffer.alloc(length, 'a') });
    expect(await answerTo(port, lookup(1_023))).toStrictEqual(Buffer.of(119, 1));
    expect(await answerTo(port, lookup(1_024))).toHaveLength(0);
    expect(await answerTo(port, Buffer.of(0xff, 0xff))).toHaveLength(0);
  });

  test('how long a connection without a name lasts, whatever it does', async () => {
    const port = await serve({ requestMs: 300 });
    const { raw } = await registered(port, 'alice');
    const silent = new Raw(port);
    const slow = new Raw(port).send(Buffer.of(0, 200));
    const dripping = setInterval(() => slow.socket.writable && slow.socket.write('z'), 5);
    onTestFinished(() => clearInterval(dripping));
    const refused = new Raw(port).send(registering('alice'));
    refused.socket.pause();
    await Promise.all([silent.closed, slow.closed]);
    refused.socket.resume();
    await refused.closed;
    expect(raw.socket.closed).toBe(false);
  });

  test('creations go round without the first four', () => {
    const registry = new NameTable(10, 0xffff_fffb);
    const names = ['a', 'b', 'c'];
    expect(names.map((name) => registry.add(entryOf(name, 1, false)))).toStrictEqual([0xffff_ffff, 4, 5]);
  });
});

test('cannot listen where somebody does', async () => {
  const port = await serve();
  const second = new EpmdServer({ host: '127.0.0.1', port });
  await expect(second.listen()).rejects.toMatchObject({ kind: 'port_taken' });
  await second.close();
});

test('closing ends all connections', async () => {
  const port = await freePort();
  const server = new EpmdServer({ host: '127.0.0.1', port });
  await server.listen();
  const { raw } = await registered(port, 'alice');
  const idle = new Raw(port);
  await once(idle.socket, 'connect');
  await server.close();
  expect(await idle.all()).toHaveLength(0);
  expect(await raw.all()).toHaveLength(6);
});
