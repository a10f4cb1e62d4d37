// The program that the embedded database runs in: PGlite on one data folder, for one client, which speaks PostgreSQL's
// protocol on descriptor 3. `pglite-process.ts` starts it; its arguments are the folder, and HAS_DATA if it must not create
// one.
//
// - It runs no event loop while it serves: it reads, lets PGlite work and writes, each to completion. So no step of a session
//   is ever half done here, and an answered commit is on the disk.
// - It ends with its client: when the client says goodbye (exit code 0), and when descriptor 4 closes, which only the end of the
//   process on the other side can cause. A thread watches that one, since PGlite may be in a long statement.
// - It also ends at the first fault of a file: `pglite-files.ts`. The reason is the last line on stderr, and the exit code says
//   whether trying again may help.
// - It holds the lock of the folder. Signals that a terminal or a service manager sends to all processes do not end it:
//   the client decides.
import { readSync, writeSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm';
import { DatabaseFiles, fileFault } from './pglite-files.ts';
import { prepareFolder } from './pglite-folder.ts';
import { CLIENT_FD, EXIT_BROKEN, EXIT_UNUSABLE, HAS_DATA, PARENT_FD } from './pglite-exit.ts';
import { MessageReader, simpleQuery } from './wire.ts';

/** A checkpoint follows after this many bytes of the write-ahead log: PGlite makes none on its own. */
const CHECKPOINT_BYTES = 32 * 1024 * 1024;
const READ_BYTES = 64 * 1024;

/** In addition to the settings that PGlite starts PostgreSQL with. */
const SETTINGS = [
  'fsync=on',
  'wal_sync_method=fsync', // PGlite's fdatasync does nothing
  'shared_buffers=16MB', // PGlite touches all of it; the system caches files as well
  'max_files_per_process=64', // of descriptors, which PostgreSQL cannot count here
  'log_min_messages=fatal',
];

const [, , folder = '', hasData] = process.argv;
/** PostgreSQL's last message. */
let lastWords = '';

process.umask(0o077);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
endWithParent();
const opened = await open();
try {
  await serve(opened);
} catch (error) {
  end(EXIT_BROKEN, error instanceof Error ? error.message : String(error));
}

async function open(): Promise<{ database: PGlite; files: DatabaseFiles }> {
  try {
    const prepared = await prepareFolder(folder, hasData === HAS_DATA);
    const files = new DatabaseFiles(folder, (fault) => end(EXIT_BROKEN, fault));
    const database = await PGlite.create({
      fs: files,
      extensions: { pg_trgm },
      startParams: [
        ...PGlite.defaultStartParams.filter((parameter) => parameter !== '-F'),
        ...SETTINGS.flatMap((setting) => ['-c', setting]),
      ],
      onStderr,
    });
    await prepared.finish();
    return { database, files };
  } catch (error) {
    const fault = fileFault(error);
    if (fault !== undefined) end(EXIT_BROKEN, fault);
    const message = error instanceof Error ? error.message : String(error);
    end(EXIT_UNUSABLE, /^(is|cannot) /.test(message) ? message : `cannot be opened: ${lastWords || message}`);
  }
}

function onStderr(line: string): boolean {
  lastWords = line;
  // PostgreSQL is about to end. PGlite would continue without it.
  if (/\bPANIC:/.test(line)) end(EXIT_BROKEN, line);
  return false;
}

/** Answers the client until it says goodbye; does not return. */
async function serve({ database, files }: { database: PGlite; files: DatabaseFiles }): Promise<never> {
  const reader = new MessageReader();
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  const carryOut = (message: Uint8Array, onRawData: (bytes: Uint8Array) => void): Promise<void> =>
    database.execProtocolRawStream(message, { syncToFs: false, onRawData });
  for (;;) {
    const length = readSync(CLIENT_FD, buffer);
    if (length === 0) return await close(database);
    reader.push(buffer.subarray(0, length));
    for (let message = reader.take(); message !== undefined; message = reader.take()) {
      if (message.kind === 'terminate') return await close(database);
      if (message.kind === 'startup') writeAll(await database.execProtocolRaw(message.bytes));
      else await carryOut(message.bytes, writeAll);
    }
    if (reader.isEmpty && files.walBytes() >= CHECKPOINT_BYTES && !database.isInTransaction()) {
      await carryOut(simpleQuery('checkpoint'), () => {});
      files.walBytes(true);
    }
  }
}

async function close(database: PGlite): Promise<never> {
  await database.close();
  process.exit(0);
}

function writeAll(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(CLIENT_FD, bytes, at);
}

function endWithParent(): void {
  const program = `
    const { Socket } = require('node:net');
    new Socket({ fd: ${PARENT_FD}, readable: true, writable: false })
      .on('error', () => {})
      .on('close', () => process.kill(process.pid, 'SIGKILL'))
      .resume();`;
  const watcher = new Worker(program, { eval: true, execArgv: [] });
  watcher.on('error', (error) => end(EXIT_BROKEN, error.message));
}

function end(code: number, message: string): never {
  writeSync(2, `\n${message.replace(/\s+/g, ' ').trim()}\n`);
  process.exit(code);
}
