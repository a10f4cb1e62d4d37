// The claims on a folder that one process at a time may hold; `folder-lock.ts` knows which of them are alive.
//
// A claim is a numbered file with a text that is unlike every other's; the highest number counts. Who knows that it is
// dead links a claim of his own, complete with its text, to the next number: only one can. Claims are removed in
// ascending order, and a removed one never comes back, so a new claim is the first of its number exactly if the dead one
// is still there afterwards; if not, others have come and gone meanwhile, and the claim does not count. One claim always
// remains, and the first, number 0, which nobody holds, comes into being together with the folder. So nothing here needs
// a lock of its own, and a process may stop at any point.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Claim {
  readonly number: number;
  readonly text: string;
}

/** Each round is lost only to another process that went further, so a few are enough. */
const ROUNDS_MAX = 100;
const DRAFT = /\.claim$/;

/**
 * Makes the folder with its first claim, unless it is there.
 * @param text of claim 0
 */
export async function makeClaimFolder(folder: string, text: string): Promise<void> {
  if (existsSync(folder)) return; // it came with its first claim, or is not one of a lock
  const draft = await mkdtemp(`${folder}-`);
  await writeFile(join(draft, '0'), text, { mode: 0o600 });
  // Renaming replaces no folder that has something in it.
  if (await succeeds(rename(draft, folder), ['ENOTEMPTY', 'EEXIST'])) return;
  await rm(draft, { recursive: true, force: true });
}

/** The claim that counts. */
export async function newestClaim(folder: string): Promise<Claim> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const number = claimNumbers(await readdir(folder)).at(-1);
    if (number === undefined) throw new Error(`${folder} is not the folder of a lock: move it away`);
    const text = await readClaim(folder, number);
    if (text !== undefined) return { number, text };
  }
  throw new Error(`${folder} could not be read: other processes changed it ${ROUNDS_MAX} times meanwhile`);
}

/** Claims the folder after a claim that is dead; answers nothing when another process was faster. */
export async function claimAfter(folder: string, dead: Claim, text: string): Promise<Claim | undefined> {
  const draft = join(folder, `${randomBytes(8).toString('hex')}.claim`);
  const claim: Claim = { number: dead.number + 1, text };
  const path = join(folder, String(claim.number));
  try {
    await writeFile(draft, text, { flag: 'wx', mode: 0o600 });
    // ENOENT: the holder of a later claim has swept the draft away.
    if (!(await succeeds(link(draft, path), ['EEXIST', 'ENOENT']))) return undefined;
  } finally {
    await rm(draft, { force: true });
  }
  if ((await readClaim(folder, dead.number)) === dead.text) return claim;
  await rm(path, { force: true });
  return undefined;
}

/**
 * Removes, for the holder of a claim, the lower claims and the other files that match. What belongs to a process that
 * is on its way to a claim goes too: it started from a lower one, finds that it is late, and starts again.
 */
export async function sweep(
  folder: string,
  holder: Claim,
  leftovers: (name: string) => boolean,
): Promise<void> {
  const names = await readdir(folder);
  for (const number of claimNumbers(names).filter((lower) => lower < holder.number)) {
    await rm(join(folder, String(number)), { force: true });
  }
  for (const name of names.filter((other) => DRAFT.test(other) || leftovers(other))) {
    await rm(join(folder, name), { force: true });
  }
}

function claimNumbers(names: readonly string[]): number[] {
  return names
    .filter((name) => /^[0-9]{1,15}$/.test(name))
    .map(Number)
    .toSorted((a, b) => a - b);
}

async function readClaim(folder: string, number: number): Promise<string | undefined> {
  try {
    return await readFile(join(folder, String(number)), 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whether it was done; false when it failed with one of the codes. */
async function succeeds(work: Promise<void>, codes: readonly string[]): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && codes.includes(String(error.code))) return false;
    throw error;
  }
}
