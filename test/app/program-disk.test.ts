// The program on disks that are full or take no sockets: it lives, says why, comes back and stops.
import { randomBytes } from 'node:crypto';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { buildFailingDisk, mountSmallDisk } from './support/disk.ts';
import { buildProgram, makeNote, startProgram, temporaryFolder, titlesAt } from './support/program.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

const gcc = requirePart('gcc');
const tmpfs = requirePart('tmpfs');

beforeAll(buildProgram);

const post = (port: number, title: string) =>
  fetch(`http://127.0.0.1:${port}/api/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title, body: randomBytes(60_000).toString('base64'), author: 'a' }),
  });
const status = async (port: number, path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status;

/** Fills a disk, of which the service takes some meanwhile. */
function fill(disk: string, file: string): void {
  const { bavail, bsize } = statfsSync(disk);
  try {
    writeFileSync(file, Buffer.alloc(bavail * bsize));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

describe.skipIf(tmpfs.missing)('a full disk', () => {
  test('is answered with 503 as long as it is full, and the program lives and stops', async () => {
    const disk = temporaryFolder();
    mountSmallDisk(disk, 120);
    const program = startProgram({ env: { DATA_DIR: join(disk, 'data') } });
    const port = await program.port;
    await makeNote(port, 'first');
    const filler = join(disk, 'filler');
    const { bavail, bsize } = statfsSync(disk);
    writeFileSync(filler, Buffer.alloc(bavail * bsize - 1_000_000));

    let answered = 1;
    let response = await post(port, 'more');
    for (; response.status === 201; response = await post(port, 'more')) answered++;
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/);
    await program.printed(/the disk is full \(ENOSPC/);
    expect(await status(port, '/livez')).toBe(200);
    expect(await status(port, '/readyz')).toBe(503);

    rmSync(filler);
    do response = await post(port, 'last');
    while (response.status === 503);
    expect(response.status).toBe(201);
    expect((await titlesAt(port)).length).toBeGreaterThanOrEqual(answered + 1);
    fill(disk, filler);
    do response = await post(port, 'too much');
    while (response.status === 201);
    program.signal('SIGTERM');
    expect((await program.ended).code).toBe(0);
  });
});

test.skipIf(gcc.missing)('a data folder that takes no sockets has no REPL, and all else', async () => {
  const folder = temporaryFolder();
  const env = {
    DATA_DIR: join(folder, 'data'),
    LD_PRELOAD: buildFailingDisk(folder),
    TROUPE_TEST_NO_SOCKETS: '1',
  };
  const program = startProgram({ env });
  const port = await program.port;
  await program.printed(/there is no REPL: the REPL cannot listen on .*repl\.sock: listen EPERM/);
  await makeNote(port, 'made');
  const second = await startProgram({ env }).ended;
  expect([second.code, second.stderr]).toEqual([
    1,
    expect.stringContaining(`is in use by process ${program.pid}`),
  ]);
  program.signal('SIGTERM');
  expect((await program.ended).code).toBe(0);
});
