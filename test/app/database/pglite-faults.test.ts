// The embedded database when its process or its disk fails: calls fail with a reason, it comes back by itself, and nothing
// that was answered is lost.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { inspect } from 'node:util';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Database, DatabaseUnavailableError, openDatabase } from '../../../src/app/database/internal.ts';
import { firstPage } from '../support/first-page.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { buildFailingDisk, mountSmallDisk } from '../support/disk.ts';
import { requirePart } from '../../support/parts.ts';
import { startProgram, temporaryFolder, watch } from './support.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const gcc = requirePart('gcc');
const tmpfs = requirePart('tmpfs');

/** Data without notes, made once. */
let template: string;
/** What makes the disk fail, see disk.c. */
let shim: string;
beforeAll(async () => {
  template = join(mkdtempSync(join(tmpdir(), 'troupe-template-')), 'data');
  const database = openDatabase({ kind: 'pglite', folder: template, queryTimeoutMs: 5_000 });
  await database.opened();
  await database.close();
  if (!gcc.missing) shim = buildFailingDisk(dirname(template));
});
afterAll(() => rmSync(dirname(template), { recursive: true, force: true }));

function dataFolder(parent = temporaryFolder()): string {
  const folder = join(parent, 'data');
  cpSync(template, folder, { recursive: true });
  return folder;
}

async function openReady(folder: string, options: { queryTimeoutMs?: number } = {}): Promise<Database> {
  const database = openDatabase({
    kind: 'pglite',
    folder,
    queryTimeoutMs: 20_000,
    retryMaxMs: 250,
    ...options,
  });
  onTestFinished(() => database.close());
  await database.opened();
  expect(database.state).toBe('ready');
  return database;
}

const note = (title: string, body = 'b') => ({ title, body, author: 'a' });
const make = async (database: Database, title: string, body?: string) =>
  await createNoteRepository(database).create(note(title, body));
const titles = async (database: Database) =>
  (await firstPage(createNoteRepository(database))).map(({ title }) => title).toReversed();

/** A statement that takes PGlite longer than any test. */
const spin = (database: Database) =>
  database.run((db) => db.execute(sql`select count(*) from generate_series(1, 1000000000000)`));

/** The process of the database on a folder. */
function serverPid(folder: string): number {
  const found = readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      const words = readFileSync(join('/proc', name, 'cmdline'), 'utf8').split('\0');
      return words.includes(folder) && words.some((word) => word.includes('pglite-server'));
    } catch {
      return false; // it has ended meanwhile
    }
  });
  expect(found).toHaveLength(1);
  return Number(found[0]);
}

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

/** Turns of the event loop while something is under way. */
async function turnsDuring(work: Promise<unknown>): Promise<number> {
  const settled = work.then(
    () => 'settled',
    () => 'settled',
  );
  const turn = () => new Promise<string>((resolve) => setImmediate(resolve, 'turn'));
  for (let turns = 0; ; turns++) {
    if ((await Promise.race([settled, turn()])) === 'settled') return turns;
  }
}

/** Makes notes of 50,000 characters until one fails; answers the titles of those that were made, and the failure. */
async function makeUntilFailure(
  database: Database,
  start = 0,
): Promise<{ made: string[]; failure: unknown }> {
  const made: string[] = [];
  for (let count = start; ; count++) {
    try {
      const body = Array.from({ length: 50_000 }, () => String.fromCharCode(97 + Math.random() * 26)).join(
        '',
      );
      made.push((await make(database, `note ${count}`, body)).title);
    } catch (failure) {
      return { made, failure };
    }
  }
}

describe.skipIf(process.platform !== 'linux')('a process', () => {
  test('that was killed is started again, with what was answered', async () => {
    const folder = dataFolder();
    const database = await openReady(folder);
    const { next } = watch(database);
    await make(database, 'before');
    process.kill(serverPid(folder), 'SIGKILL');
    expect(await next('unavailable')).toMatchObject({
      attempt: 1,
      reason: `PGlite in ${folder} was lost: its process ended with SIGKILL`,
    });
    // It is the state of a process, which the observer and the REPL show.
    expect(inspect(database)).toMatch(/'unavailable'.*its process ended with SIGKILL/s);
    await expect(titles(database)).rejects.toMatchObject({ reason: 'unreachable', retryAfterMs: 1_000 });
    await next('ready');
    expect(inspect(database)).toContain("'ready'");
    await make(database, 'after');
    expect(await titles(database)).toEqual(['before', 'after']);
  });

  test('that was killed in the middle of a transaction is not said to have been slow', async () => {
    const folder = dataFolder();
    const database = await openReady(folder);
    const { next } = watch(database);
    const pid = serverPid(folder);
    process.kill(pid, 'SIGSTOP');
    const cutOff = database.transaction(async (transaction) => {
      await transaction.run((db) => db.execute(sql`select 1`));
    });
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate); // it is sent meanwhile
    process.kill(pid, 'SIGKILL');
    while (isAlive(pid)); // so that the end of the connection and of the process are seen in the same turn
    await expect(cutOff).rejects.toMatchObject({ reason: 'unreachable' });
    expect(await next('unavailable')).toMatchObject({
      reason: `PGlite in ${folder} was lost: its process ended with SIGKILL`,
    });
    await next('ready');
  });

  test('that spins holds nothing up here, and is ended and started again when a call is late', async () => {
    const folder = dataFolder();
    const database = await openReady(folder, { queryTimeoutMs: 1_000 });
    const { next } = watch(database);
    const pid = serverPid(folder);
    const stuck = spin(database);
    expect(await turnsDuring(stuck)).toBeGreaterThan(100);
    await expect(stuck).rejects.toMatchObject({ name: 'DatabaseUnavailableError', reason: 'timeout' });
    expect(await next('unavailable')).toMatchObject({
      reason: `PGlite in ${folder} was lost: it did not answer a call within 1000 ms`,
    });
    await next('ready');
    expect(isAlive(pid)).toBe(false);
    await make(database, 'after');
  });

  test('does not outlive its owner, even in the middle of a statement, and leaves the folder to the next', async () => {
    const folder = dataFolder();
    const owner = startProgram('pglite-program.ts', folder);
    expect(await owner.line()).toBe('{"state":"ready"}');
    owner.say('kept');
    await owner.line();
    owner.say('spin');
    expect(await owner.line()).toBe('spinning');
    const pid = serverPid(folder);
    await owner.signal('SIGKILL');
    const database = await openReady(folder);
    expect(isAlive(pid)).toBe(false);
    expect(await titles(database)).toEqual(['kept']);
  });

  test('takes no notice of the signals that a terminal sends to all', async () => {
    const folder = dataFolder();
    const database = await openReady(folder);
    const { events } = watch(database);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(serverPid(folder), signal);
    await make(database, 'after');
    expect(events).toEqual([]);
  });

  test('without a file descriptor left is started again', async () => {
    const folder = dataFolder();
    const database = await openReady(folder);
    const { next } = watch(database);
    await make(database, 'before');
    spawnSync('prlimit', ['--pid', String(serverPid(folder)), '--nofile=8:']);
    const work = database.run((db) => db.execute(sql`create table another (id int primary key)`));
    await expect(work).rejects.toMatchObject({ name: 'DatabaseUnavailableError' });
    expect(await next('unavailable')).toMatchObject({
      reason: expect.stringContaining('this process has no file descriptor left (EMFILE'),
    });
    await next('ready');
    await make(database, 'after');
    expect(await titles(database)).toEqual(['before', 'after']);
  });
});

test.skipIf(tmpfs.missing)('a disk that is full, and has room again', async () => {
  const disk = temporaryFolder();
  mountSmallDisk(disk, 96);
  const database = await openReady(dataFolder(disk));
  const { next } = watch(database);
  await make(database, 'first');
  const filler = join(disk, 'filler');
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(filler, Buffer.alloc(bavail * bsize - 1_000_000));
  const { made, failure } = await makeUntilFailure(database);
  expect(failure).toMatchObject({ name: 'DatabaseUnavailableError' });
  const full = expect.stringContaining('the disk is full (ENOSPC');
  expect(await next('unavailable')).toMatchObject({ attempt: 1, reason: full });
  await expect(titles(database)).rejects.toMatchObject({ name: 'DatabaseUnavailableError' });
  rmSync(filler);
  await next('ready');
  await make(database, 'last');
  const kept = await titles(database);
  expect(kept).toEqual(expect.arrayContaining(['first', ...made, 'last']));
});

describe.skipIf(gcc.missing)('a disk', () => {
  test('that fails for a while', async () => {
    const folder = dataFolder();
    const mark = join(dirname(folder), 'eio');
    vi.stubEnv('LD_PRELOAD', shim);
    vi.stubEnv('TROUPE_TEST_FOLDER', folder);
    vi.stubEnv('TROUPE_TEST_EIO', mark);
    onTestFinished(() => void vi.unstubAllEnvs());
    const database = await openReady(folder);
    const { next } = watch(database);
    await make(database, 'before');
    writeFileSync(mark, '');
    await expect(make(database, 'never')).rejects.toMatchObject({ name: 'DatabaseUnavailableError' });
    const failed = expect.stringContaining('the disk has failed (EIO');
    expect(await next('unavailable')).toMatchObject({ attempt: 1, reason: failed });
    expect(await next('unavailable')).toMatchObject({ attempt: 2, reason: failed });
    rmSync(mark);
    await next('ready');
    await make(database, 'after');
    expect(await titles(database)).toEqual(['before', 'after']);
  });

  test('that loses its power has all that was answered', async () => {
    const parent = temporaryFolder();
    const folder = join(parent, 'data');
    const synced = join(parent, 'synced', 'data');
    mkdirSync(dirname(synced));
    vi.stubEnv('LD_PRELOAD', shim);
    vi.stubEnv('TROUPE_TEST_FOLDER', folder);
    vi.stubEnv('TROUPE_TEST_SYNCED', synced);
    onTestFinished(() => void vi.unstubAllEnvs());
    const database = await openReady(folder); // made here: that, too, must be on the disk
    const made: string[] = [];
    for (let count = 0; count < 30; count++) made.push((await make(database, `note ${count}`)).title);
    process.kill(serverPid(folder), 'SIGKILL');
    const after = await openReady(synced);
    expect(await titles(after)).toEqual(made);
  });
});

describe.skipIf(process.platform !== 'linux')('a folder that is there no longer', () => {
  const GONE = /the folder was removed or moved away$/;
  const MISSING = /its data is gone; restore it, or restart the service/;

  test('takes nothing more, is not made anew, and goes on when it is back', async () => {
    const folder = dataFolder();
    const database = await openReady(folder);
    const { next } = watch(database);
    await make(database, 'before');
    renameSync(folder, `${folder}.away`);
    await expect(make(database, 'lost')).rejects.toBeInstanceOf(DatabaseUnavailableError);
    expect(await next('unavailable')).toMatchObject({ reason: expect.stringMatching(GONE) });
    expect(await next('unavailable')).toMatchObject({ reason: expect.stringMatching(MISSING) });
    expect(existsSync(folder)).toBe(false);
    renameSync(`${folder}.away`, folder);
    await next('ready');
    // What was written and not answered may be there or not, as after any broken connection.
    expect((await titles(database)).filter((title) => title !== 'lost')).toEqual(['before']);
    await make(database, 'after');
  });

  test('is not replaced by an empty one in its place, as under a disk that is not mounted', async () => {
    const folder = dataFolder();
    const database = await openReady(folder);
    const { next } = watch(database);
    renameSync(folder, `${folder}.away`);
    mkdirSync(folder);
    await expect(make(database, 'lost')).rejects.toBeInstanceOf(DatabaseUnavailableError);
    expect(await next('unavailable')).toMatchObject({ reason: expect.stringMatching(GONE) });
    expect(await next('unavailable')).toMatchObject({ reason: expect.stringMatching(MISSING) });
    expect(readdirSync(folder)).toEqual([]);
  });

  test('with its files removed takes nothing more', async () => {
    const folder = dataFolder();
    const database = await openReady(folder);
    const { next } = watch(database);
    rmSync(dirname(folder), { recursive: true });
    await expect(make(database, 'lost')).rejects.toBeInstanceOf(DatabaseUnavailableError);
    await next('unavailable');
    expect(await next('unavailable')).toMatchObject({ reason: expect.stringMatching(MISSING) });
    expect(existsSync(dirname(folder))).toBe(false);
  });
});
