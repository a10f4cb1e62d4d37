// The server that removes deleted notes for good: it works in turns, outlives what goes wrong, and keeps to its limit.
import { afterEach, expect, test } from 'vitest';
import { createNode, type Node } from 'troupe';
import { DatabaseUnavailableError } from '../../../src/app/database/internal.ts';
import { deletedNotesServer } from '../../../src/app/notes/internal.ts';

const limit = { maxAgeMs: 1_000, keep: 5 };
let node: Node;
afterEach(() => node.stop());

/** Starts it on notes that answer so, one after another; the promise resolves when all have been asked for. */
async function start(answers: (boolean | Error)[]) {
  node = createNode();
  const asked: unknown[] = [];
  const failed: unknown[] = [];
  let done = (): void => {};
  const over = new Promise<void>((resolve) => (done = resolve));
  const purge = (given: unknown): Promise<boolean> => {
    asked.push(given);
    const answer = answers.shift() ?? false;
    if (answers.length === 0) done();
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const server = await node.start(deletedNotesServer, [
    { notes: { purge }, limit, onFailed: (error) => failed.push(error) },
  ]);
  return { server, asked, failed, over };
}

test('goes on while there is more, within its limit', async () => {
  const { server, asked, over } = await start([true, true, false]);
  server.cast('look');
  await over;
  expect(asked).toEqual([limit, limit, limit]);
});

test('leaves it to the next time when the database is away, and reports what else goes wrong', async () => {
  const refused = new Error('no space');
  const { server, asked, failed, over } = await start([
    new DatabaseUnavailableError('unreachable', 'away', 10),
    refused,
    false,
  ]);
  for (let n = 0; n < 3; n++) server.cast('look');
  await over;
  await server.stop();
  expect(asked).toHaveLength(3);
  expect(failed).toEqual([refused]);
});
