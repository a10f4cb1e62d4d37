// How the program ends: by a signal, by a second one, when clients or the database do not let it, and when its supervision
// tree has given up. That it ended in time is told by its exit code: 1 when it had to cut something short.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { root } from '../../scripts/lib/run.mjs';
import { requirePart } from '../support/parts.ts';
import { startPostgres } from '../support/postgres.ts';
import { openClient, openRaw, UPGRADE } from './support/client.ts';
import {
  buildProgram,
  type DataFolders,
  makeNote,
  prepareDataFolders,
  startProgram,
  temporaryFolder,
  titlesAt,
} from './support/program.ts';

const note = JSON.stringify({ title: 'Title', body: 'Body', author: 'Ada' });
/** The head of a request that says when it has arrived. */
const HEAD =
  'POST /api/notes HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-type: application/json\r\n' +
  `content-length: ${note.length}\r\n\r\n`;
const FOR_EVER = { SHUTDOWN_TIMEOUT_MS: '600000' };

// Each test starts several processes, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

let folders: DataFolders;

beforeAll(async () => {
  await buildProgram();
  folders = await prepareDataFolders();
});
afterAll(() => folders.remove());

/** A request whose body has not come. */
async function unfinished(port: number) {
  const raw = await openRaw(port, HEAD);
  await raw.until('100 Continue\r\n\r\n');
  return raw;
}

/** A WebSocket client that says nothing, not even to a close. */
async function silent(port: number) {
  const raw = await openRaw(port, UPGRADE);
  await raw.until('\r\n\r\n');
  return raw;
}

describe('a signal', () => {
  test('ends it with 0: requests under way are finished, connections closed with 1001, nothing is lost', async () => {
    const env = { DATA_DIR: folders.make() };
    const program = startProgram({ env: { ...env, ...FOR_EVER } });
    const port = await program.port;
    const client = await openClient(`ws://127.0.0.1:${port}/notifications`);
    const [request, quiet] = [await unfinished(port), await silent(port)];
    program.signal('SIGTERM');
    await program.printed(/SIGTERM: stopping/);
    expect(await client.closed).toEqual({
      code: 1001,
      reason: expect.stringMatching(/^going away; retry=\d+$/) as string,
    });
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`);
    expect([ready.status, await ready.json()]).toMatchObject([503, { service: 'stopping' }]);
    request.write(note);
    expect(await request.rest).toMatch(/^HTTP\/1.1 201 /m);
    expect(await program.ended).toMatchObject({ code: 0, stderr: '' });
    await quiet.rest;
    const again = startProgram({ env });
    expect(await titlesAt(await again.port)).toEqual(['Title']);
    again.signal('SIGINT');
    expect(await again.ended).toMatchObject({ code: 0, stderr: '' });
  });

  test('ends it with 0 although clients do not let go', async () => {
    const program = startProgram({ env: { DATA_DIR: folders.make(), SHUTDOWN_TIMEOUT_MS: '6000' } });
    const port = await program.port;
    const request = await unfinished(port);
    const clients = [await silent(port), await openRaw(port), await openRaw(port, 'GET / HTTP/1.1\r\nx: y')];
    request.write('{"ti');
    program.signal('SIGHUP');
    expect(await program.ended).toMatchObject({ code: 0, stderr: '' });
    await Promise.all([request, ...clients].map(({ rest }) => rest));
  });

  test('a second one ends it at once, with 1', async () => {
    const program = startProgram({ env: { DATA_DIR: folders.make(), ...FOR_EVER } });
    const request = await unfinished(await program.port);
    program.signal('SIGTERM');
    await program.printed(/SIGTERM: stopping/);
    program.signal('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 1, stderr: 'SIGTERM: ending at once\n' });
    await request.rest;
  });

  test('while it starts ends it with 0 too, and the next start finds everything in order', async () => {
    const env = { DATA_DIR: join(temporaryFolder(), 'data'), ...FOR_EVER };
    const program = startProgram({ env });
    while (!existsSync(join(env.DATA_DIR, 'pglite'))) await nextTurn();
    program.signal('SIGTERM');
    const { code, stdout } = await program.ended;
    expect(code).toBe(0);
    expect(stdout).not.toContain('Server listening');
    const again = startProgram({ env });
    await makeNote(await again.port, 'first');
  });
});

const part = requirePart('postgres');

test.skipIf(part.missing)(
  'a database that answers nothing cannot keep it longer than it may take',
  async () => {
    const server = await startPostgres();
    try {
      const { url } = await server.createDatabase();
      const env = {
        DATA_DIR: temporaryFolder(),
        DATABASE_URL: url,
        SHUTDOWN_TIMEOUT_MS: '1000',
        LOG_LEVEL: 'debug',
      };
      const program = startProgram({ env });
      const port = await program.port;
      await makeNote(port, 'a');
      server.pause();
      const asked = fetch(`http://127.0.0.1:${port}/api/notes`).catch((error: Error) => error.message);
      await program.printed(/"method":"GET","url":"\/api\/notes".*"incoming request"/);
      program.signal('SIGTERM');
      const { code, stderr } = await program.ended;
      expect([code, stderr]).toEqual([1, 'not stopped after 1000 ms; ending all the same\n']);
      expect(await asked).toBe('fetch failed');
    } finally {
      await server.remove();
    }
  },
);

test('a supervision tree that has given up ends it with 1, and it says so', async () => {
  const env = { DATA_DIR: folders.make() };
  const program = startProgram({ env });
  const client = await openClient(`ws://127.0.0.1:${await program.port}/notifications`);
  // It is away for a moment when it has been killed.
  const kill = `for (let n = 0; n < 1000; n++) {
    try { exit('note_indexer', 'kill') } catch {}
    await new Promise(setImmediate);
  }`;
  const repl = startProgram({
    env,
    command: [process.execPath, join(root, 'dist/runtime/cli/main.js')],
    args: ['--eval', kill],
  });
  expect(await client.closed).toMatchObject({ code: 1001 });
  const { code, stdout } = await program.ended;
  expect(code).toBe(1);
  expect(stdout).toContain('a supervisor gives up: its children restarted too often');
  expect(stdout).toContain('the supervision tree has ended: shutdown');
  await repl.ended;
});
