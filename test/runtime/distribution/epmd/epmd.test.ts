// Epmd with itself: who serves, who asks, what happens when the one that serves ends, and what cannot be had.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  encodeLookupAnswer,
  encodeRegisterAnswer,
  entryOf,
  Epmd,
} from '../../../../src/runtime/distribution/epmd/internal.ts';
import { freePort } from '../../../support/erl.ts';
import { Raw, answerTo, outsideAddress, recorded, registering, scripted, startProgram } from './helpers.ts';

const FAILED = { code: 'TROUPE_LISTEN_FAILED' };

test('many nodes are looked up at a time without a warning of Node.js', async () => {
  const warned = vi.fn<(warning: Error) => void>();
  process.on('warning', warned);
  onTestFinished(() => void process.off('warning', warned));
  const { epmd } = recorded({ port: await freePort(), mode: 'client' });
  const lookups = Array.from({ length: 20 }, (_, index) => epmd.resolve(`node${index}@127.0.0.1`));
  await Promise.allSettled(lookups);
  expect(warned).not.toHaveBeenCalled();
});

describe('registering', () => {
  test('the first serves, the others ask it, and all are found', async () => {
    const port = await freePort();
    const first = recorded({ port });
    const second = recorded({ port });
    await first.epmd.register('first', 5_001, true);
    await second.epmd.register('second', 5_002, false);
    expect(first.states).toStrictEqual(['serving', 'registered']);
    expect(second.states).toStrictEqual(['registered']);
    for (const { epmd } of [first, second]) {
      expect(await epmd.resolve('first@127.0.0.1')).toStrictEqual({ host: '127.0.0.1', port: 5_001 });
      expect(await epmd.resolve('second@localhost')).toStrictEqual({ host: 'localhost', port: 5_002 });
      expect(await epmd.resolve('third@127.0.0.1')).toBeUndefined();
      expect(await epmd.names()).toStrictEqual([
        { name: 'first', port: 5_001 },
        { name: 'second', port: 5_002 },
      ]);
      expect(await epmd.names('localhost')).toHaveLength(2);
    }
  });

  test('when many start at once, one serves', async () => {
    const port = await freePort();
    const all = Array.from({ length: 10 }, () => recorded({ port }));
    await Promise.all(all.map(({ epmd }, index) => epmd.register(`node${index}`, 6_000 + index, true)));
    expect(all.filter(({ states }) => states.includes('serving'))).toHaveLength(1);
    const found = await Promise.all(
      all.flatMap(({ epmd }) => all.map((_, index) => epmd.resolve(`node${index}@127.0.0.1`))),
    );
    expect(found.map((address) => address?.port)).toStrictEqual(
      found.map((_, index) => 6_000 + (index % 10)),
    );
  });

  test('when the one that serves closes, another takes over, and all are registered again', async () => {
    const port = await freePort();
    const first = recorded({ port });
    await first.epmd.register('first', 5_001, true);
    const others = [recorded({ port }), recorded({ port })];
    await Promise.all(others.map(({ epmd }, index) => epmd.register(`other${index}`, 6_000 + index, true)));
    await first.epmd.close();
    for (const { told } of others) {
      await told('lost');
      await told('registered');
    }
    expect(others.filter(({ states }) => states.includes('serving'))).toHaveLength(1);
    const names = await others[0]?.epmd.names();
    expect(names?.map(({ name }) => name).toSorted()).toStrictEqual(['other0', 'other1']);
    expect(first.states).toStrictEqual(['serving', 'registered']);
  });

  test('embedded is the epmd or fails, and says what else to do', async () => {
    const port = await freePort();
    const first = recorded({ port, mode: 'embedded' });
    await first.epmd.register('first', 5_001, true);
    expect(first.states).toStrictEqual(['serving', 'registered']);
    const second = recorded({ port, mode: 'embedded' });
    const error: unknown = await second.epmd
      .register('second', 5_002, true)
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ ...FAILED, reason: 'epmd_port_taken' });
    expect(String(error)).toContain(`Another epmd has port ${port}: with \`epmd: 'auto'\` it is shared.`);
    await recorded({ port, mode: 'client' }).epmd.register('third', 5_003, true);
    expect(await first.epmd.names()).toHaveLength(2);
    // What has failed can be tried again.
    await first.epmd.close();
    await second.epmd.register('second', 5_002, true);
  });

  test.skipIf(outsideAddress === undefined)('serves other machines where it is told to', async () => {
    const port = await freePort();
    const inside = recorded({ port });
    await inside.epmd.register('inside', 5_001, true);
    await expect(inside.epmd.names(outsideAddress)).rejects.toMatchObject({ reason: 'epmd_refused' });
    const open = await freePort();
    const outside = recorded({ port: open, serveOn: '0.0.0.0' });
    await outside.epmd.register('outside', 5_002, true);
    expect(await outside.epmd.names(outsideAddress)).toStrictEqual([{ name: 'outside', port: 5_002 }]);
  });

  test('client and auto with another machine never serve', async () => {
    const port = await freePort();
    await expect(recorded({ port, mode: 'client' }).epmd.register('a', 1, true)).rejects.toMatchObject({
      ...FAILED,
      reason: 'epmd_refused',
    });
    const away = recorded({ port, host: hostname(), timeoutMs: 500 });
    await expect(away.epmd.register('a', 1, true)).rejects.toMatchObject(FAILED);
    expect(away.states).toStrictEqual([]);
  });

  test.skipIf(outsideAddress === undefined)('nobody to ask and no port to serve on is an error', async () => {
    const { port, accepted } = await scripted(() => {}, outsideAddress);
    const { epmd, states } = recorded({ port, serveOn: outsideAddress ?? '' });
    await expect(epmd.register('a', 5_000, true)).rejects.toMatchObject({
      ...FAILED,
      reason: 'epmd_port_taken',
    });
    expect(states).toStrictEqual([]);
    expect(accepted()).toBe(0);
  });

  test('a name that is taken is asked for again until it is free', async () => {
    const port = await freePort();
    const server = recorded({ port });
    await server.epmd.register('server', 5_001, true);
    const before = new Raw(port).send(registering('again'));
    await before.bytes(6);
    const again = recorded({ port, retryMs: 80 });
    const registered = again.epmd.register('again', 5_002, true);
    before.socket.destroy();
    await registered;
    expect(again.states).toStrictEqual(['registered']);
  });

  test('a name that stays taken is an error', async () => {
    const port = await freePort();
    await recorded({ port }).epmd.register('name', 5_001, true);
    let asked = 0;
    const { port: proxied } = await scripted((socket) => {
      asked++;
      socket.on('data', () => socket.end(encodeRegisterAnswer(6, undefined)));
    });
    await expect(recorded({ port }).epmd.register('name', 5_002, true)).rejects.toMatchObject({
      ...FAILED,
      reason: 'epmd_taken',
    });
    await expect(recorded({ port: proxied }).epmd.register('name', 5_002, true)).rejects.toMatchObject(
      FAILED,
    );
    expect(asked).toBe(9);
  });

  test('goes on although it fails again and again, and tells each error once', async () => {
    let mode: 'accept' | 'refuse' | 'close' = 'accept';
    let asked = 0;
    const { port } = await scripted((socket) => {
      asked++;
      if (mode === 'close') return void socket.destroy();
      const answer = encodeRegisterAnswer(6, mode === 'accept' ? 7 : undefined);
      socket.on('data', () => {
        socket.write(answer);
        if (mode !== 'accept') socket.end();
      });
      current = socket;
    });
    let current: Socket | undefined;
    const { epmd, states, errors, told } = recorded({ port, retryMs: 5 });
    await epmd.register('name', 5_001, true);
    mode = 'refuse';
    current?.destroy();
    const before = asked;
    await told('failed');
    await vi.waitFor(() => expect(asked).toBeGreaterThan(before + 3), { interval: 5 });
    mode = 'close';
    await told('failed');
    mode = 'accept';
    await told('registered');
    expect(states).toStrictEqual(['registered', 'lost', 'failed', 'failed', 'registered']);
    const kinds = errors.map((error) => (error as { kind?: string } | undefined)?.kind);
    expect(kinds).toStrictEqual([undefined, 'ended', 'taken', 'ended', undefined]);
  });

  test('what epmd says after its answer ends the registration', async () => {
    let last: Socket | undefined;
    const { port } = await scripted((socket) => {
      socket.once('data', () => socket.write(encodeRegisterAnswer(6, 7)));
      last = socket;
    });
    const { epmd, states, told } = recorded({ port });
    await epmd.register('name', 5_001, true);
    last?.write('more');
    await told('lost');
    await told('registered');
    expect(states).toStrictEqual(['registered', 'lost', 'registered']);
  });

  test('registers one node', async () => {
    const { epmd } = recorded({ port: await freePort() });
    await epmd.register('a', 1, true);
    await expect(epmd.register('b', 2, true)).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
  });

  test('refuses invalid names and ports', async () => {
    const { epmd } = recorded({ port: await freePort() });
    for (const name of ['', 'a@b', 'é', 'x'.repeat(300)]) {
      await expect(epmd.register(name, 1, true)).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
    }
    await expect(epmd.register('a', 0, true)).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
  });
});

describe('without epmd', () => {
  test('addresses are asked first, in every mode, and need nobody', async () => {
    const addresses = { 'far@away': { host: '10.1.2.3', port: 9_000 }, 'odd name': { host: 'h', port: 1 } };
    for (const mode of ['auto', 'client', 'embedded', false] as const) {
      const { epmd } = recorded({ mode, addresses, port: 1 });
      expect(await epmd.resolve('far@away')).toStrictEqual({ host: '10.1.2.3', port: 9_000 });
      expect(await epmd.resolve('odd name')).toStrictEqual({ host: 'h', port: 1 });
    }
  });

  test('every node listens on the fixed port of its host', async () => {
    const { epmd, states } = recorded({ mode: false, fixedPort: 9_100 });
    await epmd.register('me', 9_100, true);
    expect(await epmd.resolve('other@127.0.0.2')).toStrictEqual({ host: '127.0.0.2', port: 9_100 });
    expect(states).toStrictEqual([]);
  });

  test('and without a fixed port, nobody is found', async () => {
    const { epmd } = recorded({ mode: false });
    expect(await epmd.resolve('other@127.0.0.2')).toBeUndefined();
    expect(await epmd.resolve('toString@127.0.0.2')).toBeUndefined();
    await expect(epmd.resolve('toString')).rejects.toMatchObject({ code: 'TROUPE_BAD_ARGUMENT' });
  });
});

describe('asking', () => {
  /** Short where nothing comes, long where the end of the other side is to come first. */
  const [SHORT, LONG] = [30, 20_000];
  const resolving = (port: number, timeoutMs = LONG) =>
    recorded({ port, timeoutMs }).epmd.resolve('a@127.0.0.1');
  const failed = (reason: string) => ({ code: 'TROUPE_CONNECT_FAILED', reason });

  test('somebody who is not there', async () => {
    const port = await freePort();
    await expect(resolving(port)).rejects.toMatchObject(failed('epmd_refused'));
    await expect(recorded({ port }).epmd.names('no-such-host.invalid')).rejects.toMatchObject(
      failed('epmd_unreachable'),
    );
  });

  test('somebody who does not answer', async () => {
    const { port } = await scripted(() => {});
    await expect(resolving(port, SHORT)).rejects.toMatchObject(failed('epmd_timeout'));
    await expect(recorded({ port, timeoutMs: SHORT }).epmd.register('a', 1, true)).rejects.toMatchObject(
      FAILED,
    );
  });

  test('somebody who ends, or breaks off, before the answer is whole', async () => {
    const whole = encodeLookupAnswer(entryOf('a', 5_000, false));
    const ending = await scripted((socket) => socket.end(whole.subarray(0, -1)));
    await expect(resolving(ending.port)).rejects.toMatchObject(failed('epmd_ended'));
    const resetting = await scripted((socket) => socket.once('data', () => socket.resetAndDestroy()));
    await expect(resolving(resetting.port)).rejects.toMatchObject(failed('epmd_ended'));
  });

  test('somebody who is no epmd, or answers without end', async () => {
    const other = await scripted((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await expect(resolving(other.port)).rejects.toMatchObject(failed('epmd_bad_answer'));
    const endless = await scripted((socket) => {
      const lines = Buffer.alloc(100_000, 'name a at port 1\n');
      const more = () => void socket.write(lines, () => setImmediate(() => !socket.destroyed && more()));
      more();
    });
    const { epmd } = recorded({ port: endless.port });
    await expect(epmd.names()).rejects.toMatchObject(failed('epmd_bad_answer'));
    await expect(epmd.register('a', 1, true)).rejects.toMatchObject(FAILED);
  });

  test('reads an answer in pieces of one byte', async () => {
    const { port } = await scripted((socket) => {
      socket.setNoDelay(true);
      socket.once('data', () => {
        const left = [...encodeLookupAnswer(entryOf('a', 5_000, false))];
        const next = () => {
          const byte = left.shift();
          if (byte !== undefined && !socket.destroyed)
            socket.write(Buffer.of(byte), () => setImmediate(next));
        };
        next();
      });
    });
    expect(await recorded({ port }).epmd.resolve('a@127.0.0.1')).toStrictEqual({
      host: '127.0.0.1',
      port: 5_000,
    });
  });

  test('who has registered no port does not listen', async () => {
    const { port } = await scripted((socket) => socket.end(encodeLookupAnswer(entryOf('a', 0, false))));
    expect(await resolving(port)).toBeUndefined();
  });

  test('a node of this machine, by its host name, is asked for at the own epmd', async () => {
    const port = await freePort();
    const { epmd } = recorded({ port });
    await epmd.register('a', 5_000, true);
    for (const host of [hostname(), hostname().toUpperCase()]) {
      expect(await epmd.resolve(`a@${host}`)).toStrictEqual({ host, port: 5_000 });
    }
  });
});

describe('closing', () => {
  test('ends what is being asked, and what is being registered', async () => {
    let asked = 0;
    const { port } = await scripted(() => void asked++);
    const { epmd } = recorded({ port });
    const waiting = Promise.allSettled([
      epmd.resolve('a@127.0.0.1'),
      epmd.names(),
      epmd.register('b', 5_000, true),
    ]);
    await vi.waitFor(() => expect(asked).toBe(3), { interval: 5 });
    await epmd.close();
    const codes = ['TROUPE_CONNECT_FAILED', 'TROUPE_CONNECT_FAILED', 'TROUPE_LISTEN_FAILED'];
    expect(await waiting).toMatchObject(
      codes.map((code) => ({ status: 'rejected', reason: { code, reason: 'epmd_closed' } })),
    );
  });

  test('ends the pause before the next attempt', async () => {
    const { port } = await scripted((socket) => {
      socket.on('data', () => socket.end(encodeRegisterAnswer(6, undefined)));
    });
    const { epmd } = recorded({ port, retryMs: 600_000 });
    const outcome = epmd.register('b', 5_000, true).catch((error: unknown) => error);
    await answerTo(port, Buffer.of(0, 1, 110));
    await epmd.close();
    expect(await outcome).toMatchObject(FAILED);
  });

  test('gives name and port back, and can be done twice and at any time', async () => {
    const port = await freePort();
    const server = recorded({ port });
    await server.epmd.register('server', 5_000, true);
    const node = recorded({ port });
    await node.epmd.register('node', 5_001, true);
    await node.epmd.close();
    await vi.waitFor(async () => expect(await server.epmd.names()).toHaveLength(1), { interval: 5 });
    const late = recorded({ port });
    const outcome = late.epmd.register('late', 5_002, true).catch((error: unknown) => error);
    await late.epmd.close();
    expect(await outcome).toMatchObject(FAILED);
    const starting = new Epmd({ port: await freePort(), mode: 'embedded' }, { state() {} });
    const serving = starting.register('starting', 5_003, true).catch((error: unknown) => error);
    await starting.close();
    expect(await serving).toMatchObject(FAILED);
    await server.epmd.close();
    await server.epmd.close();
    expect(server.states).toStrictEqual(['serving', 'registered']);
    await expect(server.epmd.resolve('a@127.0.0.1')).rejects.toMatchObject({ reason: 'epmd_closed' });
    await expect(node.epmd.register('node', 5_001, true)).rejects.toMatchObject(FAILED);
    await recorded({ port, mode: 'embedded' }).epmd.register('again', 5_004, true);
  });
});

describe('a process', () => {
  test('ends by itself although it serves, or is registered', async () => {
    const port = await freePort();
    const { epmd } = recorded({ port });
    await epmd.register('server', 5_000, true);
    for (const options of [{ port }, { port: await freePort() }]) {
      const program = startProgram({ ...options, stays: false });
      expect(await once(program.child, 'exit')).toStrictEqual([0, null]);
      expect(program.lines).toContain('registered');
    }
  });

  test('that served and is killed is followed by another', async () => {
    const port = await freePort();
    const program = startProgram({ port, stays: true });
    await program.printed('registered');
    const nodes = [recorded({ port }), recorded({ port })];
    for (const [index, { epmd }] of nodes.entries()) await epmd.register(`node${index}`, 5_000, true);
    expect(await nodes[0]?.epmd.names()).toHaveLength(3);
    program.child.kill('SIGKILL');
    for (const { told } of nodes) {
      await told('lost');
      await told('registered');
    }
    expect(await nodes[1]?.epmd.names()).toHaveLength(2);
  });
});

describe('options', () => {
  test('take the port from the environment', async () => {
    const port = await freePort();
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv('ERL_EPMD_PORT', String(port));
    await recorded({}).epmd.register('a', 5_000, true);
    expect(await recorded({ port }).epmd.names()).toStrictEqual([{ name: 'a', port: 5_000 }]);
    vi.stubEnv('ERL_EPMD_PORT', 'x');
    expect(() => recorded({})).toThrow('ERL_EPMD_PORT must be a whole number from 1 to 65535');
  });

  test('are checked', () => {
    const bad = [
      { mode: 'both' as 'auto' },
      { host: '' },
      { serveOn: '' },
      { port: 0 },
      { port: 65_536 },
      { fixedPort: 1.5 },
      { addresses: { 'a@b': { host: '', port: 1 } } },
      { addresses: { 'a@b': { host: 'b', port: 0 } } },
      { retryMs: 0 },
      { retryMs: 600_001 },
      { timeoutMs: Infinity },
    ];
    for (const options of bad) {
      expect(() => new Epmd(options, { state() {} })).toThrow(
        expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }),
      );
    }
  });
});
