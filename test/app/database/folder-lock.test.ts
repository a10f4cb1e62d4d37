// The lock of a folder: one holder at a time, whatever happens to the holders.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FolderInUseError } from '../../../src/app/database/errors.ts';
import { lockFolder } from '../../../src/app/database/folder-lock.ts';
import { freeze } from '../../support/freeze.ts';
import { startProgram, temporaryFolder, type Program } from './support.ts';

async function startLockers(count: number, folder: string): Promise<Program[]> {
  const programs = Array.from({ length: count }, () => startProgram('lock-program.ts', folder));
  for (const program of programs) expect(await program.line()).toBe('started');
  return programs;
}

/** Lets all try at the same time; answers what each was told. */
async function race(programs: Program[]): Promise<Array<{ program: Program; outcome: string }>> {
  for (const program of programs) program.say('try');
  return await Promise.all(programs.map(async (program) => ({ program, outcome: await program.line() })));
}

describe('one process', () => {
  test('takes the lock again after it let it go', async () => {
    const folder = join(temporaryFolder(), 'lock');
    for (let round = 0; round < 3; round++) {
      const lock = await lockFolder(folder);
      await lock.release();
    }
    const lock = await lockFolder(folder);
    const held = readdirSync(folder);
    expect(held).toHaveLength(2);
    expect(held).toEqual(expect.arrayContaining(['4', expect.stringMatching(/^[0-9a-f]{16}\.socket$/)]));
    await lock.release();
    expect(readdirSync(folder)).toEqual(['4']);
  });

  test('does not take it twice', async () => {
    const folder = join(temporaryFolder(), 'lock');
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toMatchObject({ code: 'FOLDER_IN_USE', pid: process.pid });
    await lock.release();
    await lock.release();
    await (await lockFolder(folder)).release();
  });

  test('locks one folder and not its neighbour', async () => {
    const parent = temporaryFolder();
    const [a, b] = [join(parent, 'a'), join(parent, 'b')];
    const lock = await lockFolder(a);
    await (await lockFolder(b)).release();
    await expect(lockFolder(a)).rejects.toBeInstanceOf(FolderInUseError);
    await lock.release();
  });
});

describe('a second process', () => {
  test('is refused while the first lives, also while it is stopped, and gets it when it was killed', async () => {
    const folder = join(temporaryFolder(), 'lock');
    const [holder, other] = await startLockers(2, folder);
    holder!.say('try');
    expect(await holder!.line()).toBe('held');
    other!.say('try');
    expect(await other!.line()).toBe(`refused ${holder!.pid}`);

    freeze(holder!.pid);
    await expect(lockFolder(folder)).rejects.toBeInstanceOf(FolderInUseError);
    other!.say('try');
    expect(await other!.line()).toBe(`refused ${holder!.pid}`);

    await holder!.signal('SIGKILL');
    other!.say('try');
    expect(await other!.line()).toBe('held');
    await expect(lockFolder(folder)).rejects.toMatchObject({ pid: other!.pid });
  });

  test('gets it when the number of the dead holder has gone to another process', async () => {
    const folder = join(temporaryFolder(), 'lock');
    mkdirSync(folder);
    writeFileSync(join(folder, '7'), JSON.stringify({ pid: process.pid, socket: 'gone.socket' }));
    const lock = await lockFolder(folder);
    expect(JSON.parse(readFileSync(join(folder, '8'), 'utf8'))).toMatchObject({ pid: process.pid });
    await lock.release();
  });
});

describe('a race', () => {
  test('of processes has one winner; the others learn who it is; and so again after each was killed', async () => {
    const folder = join(temporaryFolder(), 'lock');
    let programs = await startLockers(5, folder);
    while (programs.length > 0) {
      const outcomes = await race(programs);
      const winners = outcomes.filter(({ outcome }) => outcome === 'held').map(({ program }) => program);
      expect(winners).toHaveLength(1);
      const [winner] = winners;
      const losers = outcomes.filter(({ program }) => program !== winner);
      expect(losers.map(({ outcome }) => outcome)).toEqual(losers.map(() => `refused ${winner!.pid}`));
      await winner!.signal('SIGKILL');
      programs = losers.map(({ program }) => program);
    }
  });

  test('never has two holders, however calls and releases interleave', async () => {
    const folder = join(temporaryFolder(), 'lock');
    let holders = 0;
    let turns = 0;
    const contend = async () => {
      while (turns < 100) {
        const lock = await lockFolder(folder).catch((error: unknown) => {
          if (error instanceof FolderInUseError) return undefined;
          throw error;
        });
        if (lock === undefined) continue;
        turns++;
        expect(++holders).toBe(1);
        await new Promise(setImmediate);
        holders--;
        await lock.release();
      }
    };
    await Promise.all(Array.from({ length: 8 }, contend));
    expect(readdirSync(folder)).toHaveLength(1);
  });
});

describe('the folder', () => {
  test('may have a long path', async () => {
    const folder = join(temporaryFolder(), 'x'.repeat(120), 'lock');
    mkdirSync(join(folder, '..'));
    const lock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toBeInstanceOf(FolderInUseError);
    await lock.release();
    await (await lockFolder(folder)).release();
    expect(readdirSync(folder)).toEqual(['2']);
  });

  test('is swept of what dead processes left', async () => {
    const folder = join(temporaryFolder(), 'lock');
    await (await lockFolder(folder)).release();
    for (const name of ['a.socket', 'b.claim']) writeFileSync(join(folder, name), '');
    const lock = await lockFolder(folder);
    expect(readdirSync(folder)).toHaveLength(2);
    await lock.release();
  });

  test('is left alone when it is not one of a lock', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'diary'), 'dear');
    await expect(lockFolder(folder)).rejects.toThrow(`${folder} is not the folder of a lock`);
    writeFileSync(join(folder, '1'), '{"name":"claim"}');
    await expect(lockFolder(folder)).rejects.toThrow('not a claim of a lock: {"name":"claim"}');
    expect(readdirSync(folder)).toEqual(['1', 'diary']);
  });

  test('needs a parent', async () => {
    await expect(lockFolder(join(temporaryFolder(), 'missing', 'lock'))).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});
