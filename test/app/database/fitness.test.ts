// A server that answers and yet has not what the service needs: it takes no changes, a table is gone, a right is missing.
import postgres from 'postgres';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Database, openDatabase, tableNames } from '../../../src/app/database/internal.ts';
import { createNoteRepository } from '../../../src/app/notes/internal.ts';
import { requirePart } from '../../support/parts.ts';
import { type TestPostgres, startPostgres } from '../../support/postgres.ts';
import { watch } from './support.ts';

const part = requirePart('postgres');
const note = { title: 't', body: 'b', author: 'a' };

describe.skipIf(part.missing)('a server', () => {
  let server: TestPostgres;
  let url: string;
  let admin: postgres.Sql;

  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server.remove());
  beforeEach(async () => {
    ({ url } = await server.createDatabase());
    const client = postgres(url, { max: 1, onnotice: () => {} });
    onTestFinished(() => client.end());
    admin = client;
  });
  const name = () => new URL(url).pathname.slice(1);

  async function open(at = url): Promise<Database> {
    const database = openDatabase({
      kind: 'postgres',
      url: at,
      poolMax: 3,
      connectTimeoutMs: 10_000,
      queryTimeoutMs: 10_000,
      retryMaxMs: 100,
    });
    onTestFinished(() => database.close());
    await database.opened();
    return database;
  }
  const change = (database: Database) => createNoteRepository(database).create(note);
  const refused = { name: 'DatabaseUnavailableError', reason: 'unreachable', maybeDone: false };

  test('is expected to have the tables that the migrations make', async () => {
    await open();
    const rows = await admin`select table_name from information_schema.tables where table_schema = 'public'`;
    expect(rows.map((row) => String(row['table_name'])).toSorted()).toEqual([...tableNames].toSorted());
  });

  test('that stops to take changes is away, with what to do, until it takes them again', async () => {
    const database = await open();
    const { next } = watch(database);
    await admin.unsafe(`alter database ${name()} set default_transaction_read_only = on`);
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = ${name()}`;
    let reason = '';
    while (!reason.includes('takes no changes'))
      ({ reason } = { reason: '', ...(await next('unavailable')) });
    expect(reason).toContain('default_transaction_read_only');
    await expect(change(database)).rejects.toMatchObject(refused);
    await admin`set default_transaction_read_only = off`;
    await admin.unsafe(`alter database ${name()} reset default_transaction_read_only`);
    await next('ready');
    expect(await change(database)).toMatchObject(note);
  });

  test('whose connections alone take no changes gets others', async () => {
    const database = await open();
    const { events } = watch(database);
    await database.run((db) => db.execute('set default_transaction_read_only = on'));
    await expect(change(database)).rejects.toMatchObject(refused);
    expect(await change(database)).toMatchObject(note);
    expect(events).toEqual([]);
  });

  test('that has become a standby, as a service may find it at its start, is named as one', async () => {
    await open();
    const standby = await server.standby();
    onTestFinished(() => standby.remove());
    const database = await open(standby.at(url));
    const { next } = watch(database);
    expect(database.state).toBe('unavailable');
    await expect(change(database)).rejects.toThrow('the server is a standby');
    // However often it asks, it keeps no connection.
    for (let attempt = 0; attempt < 5; attempt++) await next('unavailable');
    const there = postgres(standby.at(url), { max: 1, onnotice: () => {} });
    onTestFinished(() => there.end());
    const [row] =
      await there`select count(*)::int as count from pg_stat_activity where application_name = 'troupe' and datname = ${name()}`;
    expect(row?.['count']).toBeLessThan(5);
    await standby.promote();
    await next('ready');
    expect(await change(database)).toMatchObject(note);
  }, 60_000);

  test('whose table is gone is away until it is restored', async () => {
    const database = await open();
    const { next } = watch(database);
    await admin`alter table channel_heads rename to elsewhere`;
    await expect(database.run((db) => db.execute('select * from channel_heads'))).rejects.toMatchObject(
      refused,
    );
    expect(await next('unavailable')).toMatchObject({
      reason: expect.stringContaining('the table channel_heads is gone'),
    });
    await admin`alter table elsewhere rename to channel_heads`;
    await next('ready');
    expect(await change(database)).toMatchObject(note);
  });

  test('that takes a right away is away until it gives it back', async () => {
    await open();
    const role = `clerk_${name()}`;
    await admin.unsafe(
      `create role ${role} login password 'clerk';
       grant select, insert, update, delete on all tables in schema public to ${role};
       grant usage on schema drizzle to ${role}; grant select on all tables in schema drizzle to ${role}`,
    );
    const database = await open(url.replace(/\/\/.*@/, `//${role}:clerk@`));
    expect(database.state).toBe('ready');
    const { next } = watch(database);
    await admin.unsafe(`revoke insert on notes from ${role}`);
    await expect(change(database)).rejects.toMatchObject(refused);
    expect(await next('unavailable')).toMatchObject({
      reason: expect.stringContaining('has not the right to insert on notes'),
    });
    await admin.unsafe(`grant insert on notes to ${role}`);
    await next('ready');
    expect(await change(database)).toMatchObject(note);
  });
});
