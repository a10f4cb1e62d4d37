// Makes folders that are for the user of this process only.
//
// Not with the option `recursive` of `mkdir`: where the system answers ENOENT though the parent is there, as in /proc, Node.js 20
// tries for ever, in one call that no signal ends.
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const PRIVATE_FOLDER = 0o700;

/**
 * Makes the folder, and those above it that are missing; does nothing where it is already.
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
