// The PostgreSQL of the tests does what its users rely on: fresh databases, outages, nothing left behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requirePart } from '../support/parts.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';

describe.skipIf(requirePart('postgres').missing)('the PostgreSQL of the tests', () => {
  let server: TestPostgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());

  const answer = async (url: string): Promise<unknown> => {
    const sql = postgres(url, { max: 1, connect_timeout: 1 });
    try {
      const [row] = await sql`select current_database() as name`;
      return row?.['name'];
    } finally {
      await sql.end({ timeout: 0 });
    }
  };

  test('gives each caller a database of its own and takes it away', async () => {
    const [one, other] = await Promise.all([server.createDatabase(), server.createDatabase()]);
    expect(await answer(one.url)).not.toBe(await answer(other.url));
    await other.drop();
    await expect(answer(other.url)).rejects.toThrow(/does not exist/);
    await one.drop();
  });

  test('refuses connections while it is stopped and has its data when it is back', async () => {
    const database = await server.createDatabase();
    await server.stop();
    await expect(answer(database.url)).rejects.toThrow(/ECONNREFUSED/);
    await server.start();
    expect(await answer(database.url)).toMatch(/^test_/);
    await database.drop();
  });

  test('answers nothing while it is paused', async () => {
    const database = await server.createDatabase();
    const sql = postgres(database.url, { max: 1 });
    await sql`select 1`;
    server.pause();
    const late = sql`select 2 as value`.execute();
    await expect(answer(database.url)).rejects.toThrow(/CONNECT_TIMEOUT/);
    server.resume();
    expect((await late)[0]?.['value']).toBe(2);
    await sql.end();
    await database.drop();
  });
});

describe.skipIf(requirePart('postgres').missing || process.platform !== 'linux')('a killed owner', () => {
  test('takes its PostgreSQL along', async () => {
    const support = new URL('../support/postgres.ts', import.meta.url).href;
    const program = `const { startPostgres } = await import('${support}');
      console.log((await startPostgres()).port); setInterval(() => {}, 1000);`;
    const owner = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = await once(owner.stdout, 'data');
    const sql = postgres(`postgres://troupe:wrong@127.0.0.1:${Number(String(line))}/postgres`, { max: 1 });
    await expect(sql`select 1`).rejects.toThrow(/password authentication failed/);
    owner.kill('SIGKILL');
    await once(owner, 'exit');
    await expect
      .poll(() => sql`select 1`.catch((error: { code: string }) => error.code))
      .toBe('ECONNREFUSED');
    await sql.end();
  });
});
