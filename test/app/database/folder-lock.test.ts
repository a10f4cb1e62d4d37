// The lock of a folder: one holder at a time, whatever happens to the holders and to the file, where there is a program
// for the kernel's lock, and where there is none.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { FolderInUseError, lockFolder } from '../../../src/app/database/internal.ts';
import { freeze } from '../../support/freeze.ts';
import { startProgram, temporaryFolder, type Program } from './support.ts';

/** How long to wait for a lock that its holder keeps. */
const WAIT_MS = 300;
/** How long to wait for a lock that is free, or about to be: on a busy machine the program that takes it starts slowly. */
const LONG_WAIT_MS = 60_000;

const take = (path: string, waitMs = LONG_WAIT_MS) => lockFolder(path, process.pid, waitMs);

async function startLockers(count: number, path: string, waitMs = WAIT_MS): Promise<Program[]> {
  const programs = Array.from({ length: count }, () => startProgram('lock-program.ts', path, String(waitMs)));
  for (const program of programs) expect(await program.line()).toBe('started');
  return programs;
}

/** Lets all try at the same time; answers what each was told. */
async function race(programs: Program[]): Promise<Array<{ program: Program; outcome: string }>> {
  for (const program of programs) program.say('try');
  return await Promise.all(programs.map(async (program) => ({ program, outcome: await program.line() })));
}

describe.each([
  ['with the kernel’s lock of a file', undefined],
  ['without a program for it', '/nonexistent'],
])('%s', (_name, path) => {
  beforeEach(() => {
    if (path === undefined) return;
    vi.stubEnv('PATH', path);
    onTestFinished(() => void vi.unstubAllEnvs());
  });

  describe('one process', () => {
    test('takes the lock again after it let it go', async () => {
      const file = join(temporaryFolder(), 'lock');
      for (let round = 0; round < 3; round++) {
        const lock = await take(file);
        await lock.release();
        await lock.release();
      }
      expect(readdirSync(join(file, '..'))).toEqual(['lock']);
    });

    test('does not take it twice', async () => {
      const file = join(temporaryFolder(), 'lock');
      const lock = await take(file);
      await expect(take(file, WAIT_MS)).rejects.toMatchObject({ code: 'FOLDER_IN_USE', pid: process.pid });
      await lock.release();
      await (await take(file)).release();
    });

    test('locks one folder and not its neighbour', async () => {
      const parent = temporaryFolder();
      const [a, b] = [join(parent, 'a'), join(parent, 'b')];
      const lock = await take(a);
      await (await take(b)).release();
      await expect(take(a, WAIT_MS)).rejects.toBeInstanceOf(FolderInUseError);
      await lock.release();
    });
  });

  describe('a second process', () => {
    test('is refused while the first lives, also while it is stopped, and gets it when it was killed', async () => {
      const file = join(temporaryFolder(), 'lock');
      const [holder, other] = await startLockers(2, file);
      holder!.say('try');
      expect(await holder!.line()).toBe('held');
      other!.say('try');
      expect(await other!.line()).toBe(`refused ${holder!.pid}`);
      freeze(holder!.pid);
      await expect(take(file, WAIT_MS)).rejects.toMatchObject({ pid: holder!.pid });
      await holder!.signal('SIGKILL');
      await (await take(file)).release();
    });

    test('waits for one that is on its way out', async () => {
      const file = join(temporaryFolder(), 'lock');
      const lock = await take(file);
      const [other] = await startLockers(1, file, LONG_WAIT_MS);
      other!.say('try');
      await lock.release();
      expect(await other!.line()).toBe('held');
    });
  });

  test('a race of processes has one winner, and so again after each was killed', async () => {
    const file = join(temporaryFolder(), 'lock');
    let programs = await startLockers(4, file, 1_000);
    while (programs.length > 0) {
      const outcomes = await race(programs);
      const [winner, ...more] = outcomes.filter(({ outcome }) => outcome === 'held');
      expect(more).toEqual([]);
      const losers = outcomes.filter(({ program }) => program !== winner!.program);
      expect(losers.map(({ outcome }) => outcome)).toEqual(
        losers.map(() => `refused ${winner!.program.pid}`),
      );
      await winner!.program.signal('SIGKILL');
      programs = losers.map(({ program }) => program);
    }
  });

  test.each(['', '12', 'not a number', `${process.pid}\n`, '1\n'])(
    'a file that a holder left behind with %j in it keeps nobody out',
    async (text) => {
      const file = join(temporaryFolder(), 'lock');
      writeFileSync(file, text);
      const lock = await take(file);
      expect(readFileSync(file, 'utf8')).toBe(`${process.pid}\n`);
      await lock.release();
    },
  );

  test('the path may be long, and its folder must be there', async () => {
    const file = join(temporaryFolder(), 'x'.repeat(120), 'lock');
    await expect(take(file, WAIT_MS)).rejects.toMatchObject({ code: 'ENOENT' });
    mkdirSync(join(file, '..'));
    await (await take(file)).release();
  });
});
