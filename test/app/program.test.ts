// The program itself: its arguments and settings, what it says when it cannot start, and that nothing is lost when it is
// killed. How it stops is in program-stop.test.ts.
import { once } from 'node:events';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { root } from '../../scripts/lib/run.mjs';
import { connectionsFor } from '../../src/app/http/internal.ts';
import { openRaw } from './support/client.ts';
import { requirePart } from '../support/parts.ts';
import { startPostgres } from '../support/postgres.ts';
import {
  buildProgram,
  type DataFolders,
  makeNote,
  prepareDataFolders,
  startProgram,
  temporaryFolder,
  titlesAt,
} from './support/program.ts';

// Each test starts several processes, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 300_000 });

let folders: DataFolders;

beforeAll(async () => {
  await buildProgram();
  folders = await prepareDataFolders();
});
afterAll(() => folders.remove());

/** Where nobody listens: a port that was free a moment ago. */
async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

describe('arguments', () => {
  test('--help says how it is used', async () => {
    const { code, stdout, stderr } = await startProgram({ args: ['--help'] }).ended;
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^Usage: node dist\/app\/main\.js\n/);
  });

  test('a wrong one is named, with exit code 2', async () => {
    for (const args of [['--port=1'], ['serve']]) {
      const { code, stdout, stderr } = await startProgram({ args }).ended;
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(args[0]?.split('=', 1)[0]);
      expect(stderr).toContain('Usage: node dist/app/main.js');
    }
  });
});

test('however many connect, there are descriptors for the database, and the log tells once of those refused', async () => {
  const files = 600;
  const program = startProgram({
    env: { DATA_DIR: folders.make() },
    command: [
      'bash',
      '-c',
      `ulimit -n ${files} && exec "$0" "$1"`,
      process.execPath,
      join(root, 'dist/app/main.js'),
    ],
  });
  const port = await program.port;
  const first = await openRaw(port);
  const others = await Promise.all(Array.from({ length: files }, () => openRaw(port)));
  let refused = 0;
  await new Promise<void>((resolve) => {
    const most = connectionsFor(files);
    for (const { rest } of others) {
      void rest.then(() => {
        if (++refused === 1 + others.length - most) resolve();
      });
    }
  });
  const body = JSON.stringify({ title: 'stored', body: 'b', author: 'a' });
  const head = `content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`;
  first.write(`POST /api/notes HTTP/1.1\r\nhost: localhost\r\n${head}${body}`);
  expect(await first.rest).toContain(' 201 Created');
  for (const { socket } of others) socket.destroy();
  expect(await titlesAt(port)).toEqual(['stored']);
  program.signal('SIGTERM');
  const { code, stdout } = await program.ended;
  expect(code).toBe(0);
  expect(lines(stdout).filter((line) => line.includes('a connection was refused'))).toHaveLength(1);
});

test('settings that cannot be used are all told at once, and no password with them', async () => {
  const env = {
    PORT: '80800',
    HOST: 'http://here',
    LOG_LEVEL: 'loud',
    DATABASE_URL: 'mysql://ada:s3cret@db/notes',
    SHUTDOWN_TIMEOUT_MS: '1',
  };
  const { code, stdout, stderr } = await startProgram({ env }).ended;
  expect([code, stdout]).toEqual([1, '']);
  for (const name of Object.keys(env)) expect(stderr).toContain(`\n  ${name} `);
  expect(lines(stderr)).toHaveLength(1 + Object.keys(env).length);
  expect(stderr).not.toContain('s3cret');
});

describe('a program that cannot start says why in one line, and ends with 1:', () => {
  test('the port is in use', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    try {
      const env = { PORT: String(port), DATA_DIR: folders.make() };
      const { code, stderr } = await startProgram({ env }).ended;
      expect(lines(stderr)).toEqual([
        `cannot listen on 127.0.0.1 port ${port}: another program listens there: stop it, or set PORT`,
      ]);
      expect(code).toBe(1);
    } finally {
      other.close();
    }
  });

  test('the address is not of this machine', async () => {
    const { code, stderr } = await startProgram({ env: { HOST: '192.0.2.1', DATA_DIR: folders.make() } })
      .ended;
    expect(lines(stderr)).toEqual([
      'cannot listen on 192.0.2.1 port 0: this machine does not have that address: set HOST',
    ]);
    expect(code).toBe(1);
  });

  test('the data folder cannot be made', async () => {
    const file = join(temporaryFolder(), 'file');
    writeFileSync(file, '');
    for (const DATA_DIR of [join(file, 'data'), '/proc/none/data']) {
      const { code, stdout, stderr } = await startProgram({ env: { DATA_DIR } }).ended;
      expect([code, stdout]).toEqual([1, '']);
      expect(lines(stderr)).toEqual([
        expect.stringMatching(
          /^the data folder \/.*\/data cannot be made: E.*; set DATA_DIR to another one$/,
        ),
      ]);
    }
  });

  test('another process has the data folder, which goes on unharmed', async () => {
    const env = { DATA_DIR: folders.make() };
    const first = startProgram({ env });
    const port = await first.port;
    await makeNote(port, 'before');
    const second = await startProgram({ env }).ended;
    expect([second.code, second.stdout]).toEqual([1, '']);
    expect(lines(second.stderr)).toEqual([
      `the data folder ${env.DATA_DIR}/pglite is in use by process ${first.pid}: stop that process, or set DATA_DIR to ` +
        'another folder, or DATABASE_URL to a PostgreSQL server',
    ]);
    await makeNote(port, 'after');
    expect(await titlesAt(port)).toEqual(['after', 'before']);
    expect(await titlesAt(port, 'before')).toEqual(['before']);
    first.signal('SIGTERM');
    expect(await first.ended).toMatchObject({ code: 0, stderr: '' });
  });

  test('what it makes is for its user only, whatever the shell allows', async () => {
    const DATA_DIR = join(temporaryFolder(), 'data');
    const before = process.umask(0);
    const env = { DATABASE_URL: `postgres://127.0.0.1:${await closedPort()}/none`, DATA_DIR };
    const program = startProgram({ env });
    process.umask(before);
    await program.port;
    const made = ['.', ...readdirSync(DATA_DIR, { recursive: true, encoding: 'utf8' })];
    expect(made).toContain('repl.sock');
    for (const name of made) expect([name, statSync(join(DATA_DIR, name)).mode & 0o077]).toEqual([name, 0]);
    program.signal('SIGTERM');
    expect(await program.ended).toMatchObject({ code: 0 });
  });

  test('another process has the data folder, and both have a server for the notes', async () => {
    const url = `postgres://ada:s3cret@127.0.0.1:${await closedPort()}/notes`;
    const env = { DATA_DIR: temporaryFolder(), DATABASE_URL: url };
    const first = startProgram({ env });
    const port = await first.port;
    const second = await startProgram({ env }).ended;
    expect(second.code).toBe(1);
    expect(second.stdout).not.toContain('the REPL');
    expect(lines(second.stderr)).toEqual([
      `the REPL cannot listen on ${env.DATA_DIR}/repl.sock: another process listens there; two applications cannot share a ` +
        'data folder',
    ]);
    expect(await fetch(`http://127.0.0.1:${port}/readyz`)).toMatchObject({ status: 503 });
    first.signal('SIGTERM');
    const { code, stdout, stderr } = await first.ended;
    expect(code).toBe(0);
    expect(stdout).toContain('the database is away');
    expect(stdout + stderr + second.stdout + second.stderr).not.toContain('s3cret');
  });
});

const part = requirePart('postgres');

test.skipIf(part.missing)(
  'a server that it can never use ends the start, and it says what to do',
  async () => {
    const server = await startPostgres();
    try {
      const { url } = await server.createDatabase();
      const DATABASE_URL = url.replace(/:[^:/]+@/, ':not-it@');
      const { code, stderr, stdout } = await startProgram({
        env: { DATA_DIR: temporaryFolder(), DATABASE_URL },
      }).ended;
      expect(code).toBe(1);
      expect(lines(stderr)).toEqual([
        expect.stringMatching(
          /^PostgreSQL at 127\.0\.0\.1:\d+, database ".*" cannot be used: password authentication failed for user ".*" \(28P01\): set the right user and password in DATABASE_URL$/,
        ),
      ]);
      expect(stdout + stderr).not.toContain('not-it');
    } finally {
      await server.remove();
    }
  },
);

test('on a terminal it logs for people, and ends its start with the address to open', async () => {
  const main = `"${process.execPath}" "${join(root, 'dist/app/main.js')}"`;
  const program = startProgram({
    env: { DATA_DIR: folders.make(), TERM: 'xterm' },
    command: ['script', '-qec', main, '/dev/null'],
  });
  const [, pid, port] = await program.printed(
    /INFO\S* \((\d+)\): \S*ready: open http:\/\/127\.0\.0\.1:(\d+)/,
  );
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);
  process.kill(Number(pid), 'SIGTERM');
  const { code, stdout } = await program.ended;
  expect(code).toBe(0);
  expect(stdout).toContain('\u001b[32mINFO\u001b[39m');
  expect(stdout).not.toContain('"level"');
});

test('nothing is lost when the program is killed, and the next one takes over its folder', async () => {
  const env = { DATA_DIR: folders.make() };
  let made = 0;
  for (let round = 0; round < 2; round++) {
    const program = startProgram({ env });
    const port = await program.port;
    const expected = Array.from({ length: made }, (_, n) => `note ${n}`);
    expect((await titlesAt(port)).toReversed()).toEqual(expected);
    expect((await titlesAt(port, 'note')).toSorted()).toEqual(expected.toSorted());
    const before = made;
    while (made < before + 10) await makeNote(port, `note ${made++}`);
    program.signal('SIGKILL');
    expect(await program.ended).toMatchObject({ code: null, signal: 'SIGKILL' });
  }
});

test('the page is served, with its files and under its policy', async () => {
  const program = startProgram({ env: { DATA_DIR: folders.make() } });
  const base = `http://127.0.0.1:${await program.port}`;
  const page = await fetch(base);
  expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'self';/);
  expect(page.headers.get('cache-control')).toBe('no-cache');
  const html = await page.text();
  expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style="|onload=/);
  const files = [...html.matchAll(/(?:src|href)="\.(\/assets\/[^"]+)"/g)].map(([, path]) => path ?? '');
  expect(files.length).toBeGreaterThanOrEqual(2);
  for (const path of files) {
    const { status, headers } = await fetch(`${base}${path}`);
    expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  }
});
