// The database behind PgBouncer, which takes no settings of the server and, in its transaction mode, gives each transaction a
// connection that others have had.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Database, openDatabase } from '../../../src/app/database/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { type TestPostgres, startPostgres } from '../../support/postgres.ts';

const missing = requirePart('postgres').missing || requirePart('pgbouncer').missing;

/** Starts PgBouncer in front of a database. @returns the address of the database there */
async function bounce(url: string, mode: 'session' | 'transaction'): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-pgbouncer-'));
  chmodSync(folder, 0o755);
  const { username, password, port } = new URL(url);
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port: own } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  writeFileSync(join(folder, 'users'), `"${username}" "${password}"\n`);
  writeFileSync(
    join(folder, 'ini'),
    `[databases]\n* = host=127.0.0.1 port=${port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${own}\n` +
      `unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = ${join(folder, 'users')}\npool_mode = ${mode}\n` +
      'default_pool_size = 3\n',
  );
  const account = process.getuid?.() === 0 ? ['-u', 'postgres'] : [];
  const bouncer = spawn(requirePart('pgbouncer').path, [...account, join(folder, 'ini')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(bouncer, 'exit');
  onTestFinished(async () => {
    bouncer.kill('SIGKILL');
    await ended;
    rmSync(folder, { recursive: true });
  });
  let said = '';
  for await (const chunk of bouncer.stderr) {
    said += String(chunk);
    if (said.includes('process up')) break;
  }
  if (!said.includes('process up')) throw new Error(`PgBouncer does not start: ${said}`);
  const through = new URL(url);
  through.port = String(own);
  return through.href;
}

function open(url: string): Database {
  const limits = { connectTimeoutMs: 5_000, queryTimeoutMs: 5_000, retryMaxMs: 1_000 };
  const database = openDatabase({ kind: 'postgres', url, poolMax: 10, ...limits });
  onTestFinished(() => database.close());
  return database;
}

describe.skipIf(missing)('behind PgBouncer', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  test.each(['session', 'transaction'] as const)(
    'pool_mode %s: several instances start and serve at once',
    async (mode) => {
      const { url } = await server.createDatabase();
      const through = await bounce(url, mode);
      // In session mode each connection needs one of the three that PgBouncer has.
      const databases = mode === 'session' ? [open(through)] : [open(through), open(through), open(through)];
      await Promise.all(databases.map((database) => database.opened()));
      expect(databases.map(({ state }) => state)).toEqual(databases.map(() => 'ready'));
      const repositories = databases.map((database) => createNoteRepository(database));
      const made = await Promise.all(
        repositories.flatMap((notes) =>
          Array.from({ length: mode === 'session' ? 2 : 20 }, (_, n) =>
            notes.create({ title: `${n}`, body: 'b', author: 'a' }),
          ),
        ),
      );
      expect(new Set(made.map(({ id }) => id)).size).toBe(made.length);
      const sql = postgres(url, { max: 1 });
      onTestFinished(() => sql.end());
      const [left] = await sql`select count(*)::int as locks from pg_locks where locktype = 'advisory'`;
      expect(left).toEqual({ locks: 0 });
    },
  );

  test('that shares connections between transactions, what it does not pass on is told of, once, and the database is ready', async () => {
    const { url } = await server.createDatabase();
    const database = open(await bounce(url, 'transaction'));
    await database.opened();
    const told: string[] = [];
    database.onDeaf?.((reason) => told.push(reason));
    database.onNotify?.('troupe_test', () => {});
    await vi.waitUntil(() => told.length > 0, { timeout: 20_000 });
    expect(told).toEqual([expect.stringContaining('the server does not notify')]);
    expect(database.state).toBe('ready');
  }, 60_000);
});
