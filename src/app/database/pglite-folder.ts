// The data folder of the embedded database: locked, made when it is missing, and closed to other users.
//
// A folder is made from a template, which the build has: to make one from nothing takes PGlite seconds and three times the
// memory. Without a template (the sources, run as they are) that is what it does. What was not made to its end, and so
// has nothing in it yet, is marked beside it and made anew; a folder counts as made when all of it is on the disk.
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  fchmodSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FolderInUseError } from './errors.ts';
import { lockFolder } from './folder-lock.ts';

const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;
const OTHERS = 0o077;

/** Where the build puts the template: beside this file. */
const template = fileURLToPath(new URL('template', import.meta.url));

export interface DataFolder {
  /** To be called when the database has been opened for the first time. */
  finish(): void;
}

/**
 * Locks the folder, as long as this process lives, and makes it ready to be opened.
 * @param hasData whether it has been opened before, so that it is not made anew when nothing is there: its disk may be away
 * @throws Error that says what to do
 */
export async function prepareFolder(folder: string, hasData: boolean): Promise<DataFolder> {
  if (hasData && !existsSync(join(folder, 'PG_VERSION'))) {
    throw new Error(
      'cannot be opened: its data is gone; bring it back to where it was, or start the service again to begin with an empty one',
    );
  }
  mkdirSync(dirname(folder), { recursive: true, mode: PRIVATE_FOLDER });
  try {
    await lockFolder(`${folder}.pid`, process.ppid);
  } catch (error) {
    if (!(error instanceof FolderInUseError)) throw error;
    const holder = error.pid === 0 ? 'another process' : `process ${error.pid}`;
    throw new Error(
      `is in use by ${holder}: stop that process, or set DATA_DIR to another folder, or DATABASE_URL to a PostgreSQL server`,
      { cause: error },
    );
  }
  if (await isHeldByOlder(folder)) {
    throw new Error('is in use by an older version of this service: stop that one first');
  }
  const mark = `${folder}.unfinished`;
  if (existsSync(mark)) rmSync(folder, { recursive: true, force: true });
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    closeToOthers(folder);
    if (!existsSync(join(folder, 'PG_VERSION'))) {
      throw new Error(
        'cannot be opened: it holds something else than data of PostgreSQL; set DATA_DIR to another folder',
      );
    }
    removeOwnLock(folder);
    return { finish: () => {} };
  }
  writeFileSync(mark, '');
  mkdirSync(folder, { recursive: true, mode: PRIVATE_FOLDER });
  if (existsSync(template)) cpSync(template, folder, { recursive: true });
  closeToOthers(folder);
  removeOwnLock(folder);
  return {
    finish() {
      settle(folder);
      sync(dirname(folder));
      rmSync(mark);
      sync(dirname(folder));
    },
  };
}

/** Versions before the lock of the kernel listen on a socket in a folder beside this one, and know nothing of that lock. */
async function isHeldByOlder(folder: string): Promise<boolean> {
  const sockets = `${folder}.lock`;
  if (!existsSync(sockets)) return false;
  for (const name of readdirSync(sockets)) {
    if (name.endsWith('.socket') && (await isListening(join(sockets, name)))) return true;
  }
  return false;
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** PostgreSQL's own lock of a folder means nothing here, and one that was cut off would keep it from starting. */
function removeOwnLock(folder: string): void {
  rmSync(join(folder, 'postmaster.pid'), { force: true });
}

/** What is in a folder that only its owner can enter is closed, whatever its own mode. */
function closeToOthers(folder: string): void {
  if ((statSync(folder).mode & OTHERS) === 0) return;
  try {
    chmodSync(folder, PRIVATE_FOLDER);
  } catch (error) {
    throw new Error(
      `cannot be used: other users can enter it, and it belongs to another one; make it yours and of mode 0700, or set DATA_DIR`,
      { cause: error },
    );
  }
}

/** Closes a folder with all that is in it to others, and brings it to the disk. */
function settle(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) settle(path);
    else sync(path, PRIVATE_FILE);
  }
  sync(folder, PRIVATE_FOLDER);
}

function sync(path: string, mode?: number): void {
  const fd = openSync(path, 'r');
  try {
    if (mode !== undefined) fchmodSync(fd, mode);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
