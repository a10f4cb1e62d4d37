// Disks that fail and disks that are small, for tests of what the application does then.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { requirePart } from '../../support/parts.ts';

/** Compiles disk.c into a folder; answers what to preload. */
export function buildFailingDisk(folder: string): string {
  const library = join(folder, 'disk.so');
  const source = join(import.meta.dirname, 'disk.c');
  const options = ['-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'];
  const { status, stderr } = spawnSync(requirePart('gcc').path, options, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return library;
}

/** Makes a folder a disk of its own, until the test ends. */
export function mountSmallDisk(folder: string, megabytes: number): void {
  const options = ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder];
  const { status, stderr } = spawnSync(requirePart('tmpfs').path, options, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  onTestFinished(() => void spawnSync('umount', ['--lazy', folder]));
}
