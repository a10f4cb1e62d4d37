// Takes the lock of a file each time a line comes in, and says what came of it. Ends with its input.
import { createInterface } from 'node:readline';
import { FolderInUseError, lockFolder } from '../../../src/app/database/internal.ts';

const [, , path = '', waitMs = '0'] = process.argv;

async function tryLock(): Promise<string> {
  try {
    await lockFolder(path, process.pid, Number(waitMs));
    return 'held';
  } catch (error) {
    if (error instanceof FolderInUseError) return `refused ${error.pid}`;
    throw error;
  }
}

process.stdout.write('started\n');
for await (const _ of createInterface(process.stdin)) process.stdout.write(`${await tryLock()}\n`);
