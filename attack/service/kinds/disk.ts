// A disk that is full, and has room again: a small file system of its own, filled beside the database.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Kind } from '../kind.ts';
import { ask } from '../lib/api.ts';

const SIZE = '160m';
const FULL_MS = 6_000;
const TRIES_MAX = 240;
const AGAIN_MS = 250;
/** Random letters: the database compresses what repeats. */
const incompressible = (): string =>
  Array.from({ length: 90_000 }, () => String.fromCharCode(97 + Math.random() * 26)).join('');

let folder: string | undefined;

function mount(): { dataDir: string } {
  folder = mkdtempSync(join(tmpdir(), 'troupe-disk-'));
  const { status, stderr } = spawnSync('mount', [
    '-t',
    'tmpfs',
    '-o',
    `size=${SIZE},mode=0700`,
    'tmpfs',
    folder,
  ]);
  if (status !== 0) throw new Error(`a file system for the attack cannot be mounted: ${stderr.toString()}`);
  return { dataDir: join(folder, 'data') };
}

function unmount(): void {
  if (folder === undefined) return;
  spawnSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true, force: true });
  folder = undefined;
}

/** Takes all room there is. */
function fillUp(path: string): void {
  try {
    writeFileSync(path, Buffer.alloc(500_000_000));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

export const disk: Kind = {
  name: 'disk',
  title: 'a disk that is full, and then is not (root on Linux)',
  missing: () =>
    process.platform === 'linux' && process.getuid?.() === 0
      ? undefined
      : 'it takes root on Linux to mount a file system',
  prepare: mount,
  cleanUp: unmount,
  mayRefuse: 'requests',
  async play(service, _scale, broken) {
    const filler = join(folder ?? '', 'filler');
    fillUp(filler);
    const end = performance.now() + FULL_MS;
    let isRefused = false;
    while (performance.now() < end && service.ended === undefined) {
      const { status } = await ask(service, 'POST', '/api/notes', {
        title: 't',
        body: incompressible(),
        author: 'a',
      });
      if (status === 503) isRefused = true;
      else if (status !== 201) broken(`a write on a full disk was answered ${status}`);
      if (status !== 201) await pause(AGAIN_MS);
    }
    if (!isRefused) broken('the disk was never full');
    rmSync(filler);
    for (let attempt = 0; attempt < TRIES_MAX && service.ended === undefined; attempt++) {
      const { status } = await ask(service, 'POST', '/api/notes', {
        title: 'room again',
        body: 'b',
        author: 'a',
      });
      if (status === 201) return;
      await pause(AGAIN_MS);
    }
    broken('the disk has room again, and no note can be made');
  },
};
