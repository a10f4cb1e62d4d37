// Makes folders that only the user of this process can enter.
//
// It does not use the option `recursive` of `mkdir`: where the system answers ENOENT although the parent exists, as in /proc,
// Node.js 20 tries forever, in one call that no signal interrupts.
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const PRIVATE_FOLDER = 0o700;

/**
 * Makes the folder and missing parents; does nothing where it exists.
 * @throws what the system says
 */
export function makePrivateFolder(folder: string): void {
  if (isFolder(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) makePrivateFolder(parent);
  try {
    mkdirSync(folder, { mode: PRIVATE_FOLDER });
  } catch (error) {
    if (!isFolder(folder)) throw error; // or another process was faster
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
