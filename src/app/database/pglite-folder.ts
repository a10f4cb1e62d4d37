// The data folder of the embedded database: locked, created when missing, and closed to other users.
//
// A folder is created from a template in the build: creating one from nothing takes PGlite seconds and three times the memory,
// and happens only without a template (the sources, before a build). An unfinished folder, which holds no notes yet, is marked
// beside it and created again; a folder counts as finished when all of it is on the disk.
import {
  chmodSync,
  cpSync,
  type Dirent,
  existsSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { open } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makePrivateFolder } from '../private-folder.ts';
import { FolderInUseError } from './errors.ts';
import { lockFolder } from './folder-lock.ts';

const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;
const OTHERS = 0o077;
const SYNCS_AT_ONCE = 16;

/** Where the build puts the template: beside this file; the sources use the one in the build. */
const template = ['template', '../../../dist/app/database/template']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path));

export interface DataFolder {
  /** Call it when the database has been opened for the first time. */
  finish(): Promise<void>;
}

/**
 * Locks the folder for the life of this process, and prepares it for opening.
 * @param hasData whether it has been opened before: then a missing folder is not created again, since its disk may be away
 * @throws Error that says what to do
 */
export async function prepareFolder(folder: string, hasData: boolean): Promise<DataFolder> {
  if (hasData && !existsSync(join(folder, 'PG_VERSION'))) {
    throw new Error(
      'cannot be opened: its data is gone; restore it, or restart the service to begin with an empty one',
    );
  }
  makePrivateFolder(dirname(folder));
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
        'cannot be opened: it holds something other than data of PostgreSQL; set DATA_DIR to another folder',
      );
    }
    removeOwnLock(folder);
    return { finish: () => Promise.resolve() };
  }
  writeFileSync(mark, '');
  makePrivateFolder(folder);
  if (template !== undefined) cpSync(template, folder, { recursive: true });
  closeToOthers(folder);
  removeOwnLock(folder);
  return {
    async finish() {
      await settle(folder);
      await sync(dirname(folder));
      rmSync(mark);
      await sync(dirname(folder));
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

/** PostgreSQL's own lock file means nothing here, and a truncated one would keep it from starting. */
function removeOwnLock(folder: string): void {
  rmSync(join(folder, 'postmaster.pid'), { force: true });
}

/** The content of a folder that only its owner can enter is closed, whatever its own modes. */
function closeToOthers(folder: string): void {
  if ((statSync(folder).mode & OTHERS) === 0) return;
  try {
    chmodSync(folder, PRIVATE_FOLDER);
  } catch (error) {
    throw new Error(
      `cannot be used: it belongs to another user, and others can enter it; make it yours with mode 0700, or set DATA_DIR`,
      { cause: error },
    );
  }
}

/** Closes a folder and its content to others, and syncs it to the disk: several files at a time, which is many times faster. */
async function settle(folder: string): Promise<void> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const paths = entries.map((entry) => [join(entry.parentPath, entry.name), modeOf(entry)] as const);
  const lane = async (): Promise<void> => {
    for (let next = paths.pop(); next !== undefined; next = paths.pop()) await sync(...next);
  };
  await Promise.all(Array.from({ length: SYNCS_AT_ONCE }, lane));
  await sync(folder, PRIVATE_FOLDER);
}

function modeOf(entry: Dirent): number {
  return entry.isDirectory() ? PRIVATE_FOLDER : PRIVATE_FILE;
}

async function sync(path: string, mode?: number): Promise<void> {
  const file = await open(path, 'r');
  try {
    if (mode !== undefined) await file.chmod(mode);
    await file.sync();
  } finally {
    await file.close();
  }
}
