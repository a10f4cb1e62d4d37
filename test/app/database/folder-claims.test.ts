// The claims on a folder: of those who try after the same dead claim one gets it, and who was too slow does not.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  claimAfter,
  makeClaimFolder,
  newestClaim,
  sweep,
  type Claim,
} from '../../../src/app/database/folder-claims.ts';
import { temporaryFolder } from './support.ts';

async function makeFolder(): Promise<string> {
  const folder = join(temporaryFolder(), 'lock');
  await makeClaimFolder(folder, 'nobody');
  return folder;
}

const nothingElse = () => false;

/** A process that claims, sweeps, and dies. */
async function comeAndGo(folder: string, text: string): Promise<Claim> {
  const claim = await claimAfter(folder, await newestClaim(folder), text);
  if (claim === undefined) throw new Error('the claim was not to be had');
  await sweep(folder, claim, nothingElse);
  return claim;
}

test('the folder is made once, by whomever', async () => {
  const parent = temporaryFolder();
  const folder = join(parent, 'lock');
  await Promise.all(['a', 'b', 'c', 'd'].map((text) => makeClaimFolder(folder, text)));
  expect(readdirSync(parent)).toEqual(['lock']);
  const first = await newestClaim(folder);
  expect(first).toEqual({ number: 0, text: expect.stringMatching(/^[abcd]$/) });
  await comeAndGo(folder, 'one');
  await makeClaimFolder(folder, 'e');
  expect(await newestClaim(folder)).toEqual({ number: 1, text: 'one' });
});

test('of many who claim after the same one, one succeeds', async () => {
  const folder = await makeFolder();
  const dead = await newestClaim(folder);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const claims = await Promise.all(names.map((text) => claimAfter(folder, dead, text)));
  const winners = claims.filter((claim) => claim !== undefined);
  expect(winners).toHaveLength(1);
  expect(await newestClaim(folder)).toEqual(winners[0]);
  expect(readdirSync(folder)).toEqual(['0', '1']);
});

test('who is slow gets nothing, however far the others went, and leaves nothing behind', async () => {
  for (let others = 1; others <= 4; others++) {
    const folder = await makeFolder();
    const dead = await newestClaim(folder);
    for (let n = 1; n <= others; n++) await comeAndGo(folder, `other ${n}`);
    const newest = await newestClaim(folder);
    expect(await claimAfter(folder, dead, 'slow')).toBe(undefined);
    expect(await newestClaim(folder)).toEqual(newest);
    expect(readdirSync(folder)).toEqual([String(newest.number)]);
  }
});

test('who is slow gets nothing when those who went further were killed while they swept', async () => {
  const folder = await makeFolder();
  const dead = await newestClaim(folder);
  for (const name of ['one', 'two', 'three']) await claimAfter(folder, await newestClaim(folder), name);
  // The first to go is the lowest: what is left of an interrupted sweep is without a gap.
  rmSync(join(folder, '0'));
  expect(await claimAfter(folder, dead, 'slow')).toBe(undefined);
  rmSync(join(folder, '1'));
  expect(await claimAfter(folder, dead, 'slow')).toBe(undefined);
  expect(readdirSync(folder)).toEqual(['2', '3']);
});

test('a sweep leaves the claim of the holder and what is not a leftover', async () => {
  const folder = await makeFolder();
  for (const name of ['one', 'two']) await claimAfter(folder, await newestClaim(folder), name);
  for (const name of ['x.claim', 'x.old', 'x.new']) writeFileSync(join(folder, name), '');
  await sweep(folder, await newestClaim(folder), (name) => name.endsWith('.old'));
  expect(readdirSync(folder).toSorted()).toEqual(['2', 'x.new']);
  expect(readFileSync(join(folder, '2'), 'utf8')).toBe('two');
});

test('a folder without claims is not one of a lock', async () => {
  const folder = join(temporaryFolder(), 'lock');
  mkdirSync(folder);
  await expect(newestClaim(folder)).rejects.toThrow(`${folder} is not the folder of a lock: move it away`);
});

test('contenders that look, claim and die in any order never hold the same number, nor go back', async () => {
  const step = fc.record({ who: fc.nat(3), what: fc.constantFrom('look', 'claim', 'sweep') });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const folder = await makeFolder();
      const seen: Claim[] = [];
      const held: Claim[] = [];
      const holding: Array<Claim | undefined> = [];
      for (const [index, { who, what }] of steps.entries()) {
        const dead = seen[who];
        const holder = holding[who];
        if (what === 'look') seen[who] = await newestClaim(folder);
        if (what === 'claim' && dead !== undefined) {
          const claim = await claimAfter(folder, dead, `${who} at ${index}`);
          if (claim !== undefined) held.push(claim);
          holding[who] = claim ?? holder;
        }
        // Only the newest holder can be alive: each claim tells that the one before is dead.
        if (what === 'sweep' && holder !== undefined && holder === held.at(-1)) {
          await sweep(folder, holder, nothingElse);
        }
      }
      expect(held.map(({ number }) => number)).toEqual(held.map((_, index) => index + 1));
      expect(await newestClaim(folder)).toEqual(held.at(-1) ?? { number: 0, text: 'nobody' });
    }),
    { numRuns: 50 },
  );
});
