// The log of a program whose output takes no lines: a full disk, a pipe that nobody reads, a reader that has gone.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { root } from '../../scripts/lib/run.mjs';
import { LogOutput } from '../../src/app/internal.ts';
import { buildProgram, type DataFolders, makeNote, prepareDataFolders } from './support/program.ts';

const fault = (code: string) => Object.assign(new Error(`${code}: no`), { code });

describe('lines', () => {
  /** An output that does with each write what `step` says. */
  function outputWith(step: (data: Buffer) => number) {
    let text = '';
    const output = new LogOutput(-1, (data) => {
      const count = step(data);
      text += data.subarray(0, count).toString();
      return count;
    });
    return { output, text: () => text };
  }

  test('are written in order, whatever part of one the output takes at a time', () => {
    const { output, text } = outputWith((data) => Math.min(3, data.length));
    for (const line of ['one\n', 'the second\n', 'ä\n']) output.write(line);
    expect(text()).toBe('one\nthe second\nä\n');
  });

  test('that a full disk refuses are lost and counted, and one line says so as soon as there is room', () => {
    let full = true;
    const { output, text } = outputWith((data) => {
      if (full) throw fault('ENOSPC');
      return data.length;
    });
    output.write('one\n');
    output.write('two\n');
    full = false;
    output.write('three\n');
    output.write('four\n');
    const [three, missing, four, end] = text().split('\n');
    expect([three, four, end]).toEqual(['three', 'four', '']);
    expect(JSON.parse(missing ?? '')).toMatchObject({
      level: 40,
      count: 2,
      msg: 'lines of the log are missing: ENOSPC: no',
    });
  });

  test('that a full pipe does not take wait, up to a megabyte, and are written when it is read', () => {
    let full = true;
    const { output, text } = outputWith((data) => {
      if (full) throw fault('EAGAIN');
      return data.length;
    });
    const line = `${'x'.repeat(999)}\n`;
    for (let count = 0; count < 2_000; count++) output.write(line);
    full = false;
    output.flush();
    const lines = text().trimEnd().split('\n');
    expect(lines).toHaveLength(1_048 + 1);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ count: 2_000 - 1_048 });
  });

  test('that nobody takes do not keep the end', () => {
    const { output, text } = outputWith(() => {
      throw fault('EAGAIN');
    });
    output.write('one\n');
    output.flush();
    expect(text()).toBe('');
  });
});

describe('a program serves, and ends with 0, though its log goes', () => {
  let folders: DataFolders;
  beforeAll(async () => {
    await buildProgram();
    folders = await prepareDataFolders();
  }, 120_000);
  afterAll(() => folders.remove());

  /** A port that was free a moment ago: the program cannot tell which one it has. */
  async function freePort(): Promise<number> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    return port;
  }

  const statusOf = (port: number): Promise<number> =>
    fetch(`http://127.0.0.1:${port}/readyz`).then(
      ({ status }) => status,
      () => 0,
    );

  async function run(stdout: number | 'pipe', use: (port: number) => Promise<void>): Promise<void> {
    const port = await freePort();
    const child = spawn(process.execPath, [join(root, 'dist/app/main.js')], {
      env: {
        PATH: process.env['PATH'],
        PORT: String(port),
        LOG_LEVEL: 'trace',
        DATA_DIR: folders.make(),
      },
      stdio: ['ignore', stdout, 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'exit');
    await vi.waitUntil(async () => (await statusOf(port)) === 200, { timeout: 50_000 });
    await use(port);
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }

  test.skipIf(process.platform !== 'linux')(
    'to a full disk',
    async () => {
      const full = openSync('/dev/full', 'w');
      onTestFinished(() => closeSync(full));
      await run(full, async (port) => {
        expect(await makeNote(port, 'kept')).toMatchObject({ title: 'kept' });
      });
    },
    60_000,
  );

  test('to a pipe that nobody reads', async () => {
    await run('pipe', async (port) => {
      // More lines than a pipe and the buffers of this test hold.
      for (let round = 0; round < 100; round++)
        await Promise.all(Array.from({ length: 20 }, () => statusOf(port)));
      expect(await makeNote(port, 'kept')).toMatchObject({ title: 'kept' });
    });
  }, 120_000);
});
