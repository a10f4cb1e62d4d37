// The service under torture with its database: three instances on one PostgreSQL, or one with a PGlite of its own, and what their
// tables say in the end.
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { sql } from 'drizzle-orm';
import { type Database, openDatabase } from '../src/app/database/internal.ts';
import { DatabaseBacklog, Vocabulary } from '../src/app/indexer/internal.ts';
import { wronglyIndexed } from '../test/app/support/wrongly-indexed.ts';
import { startPostgres, type TestPostgres } from '../test/support/postgres.ts';
import { EVENTS, NOTES, type Stored } from './check.ts';
import { dataFolder, freePort, Instance, Proxy } from './service.ts';

export interface Service {
  readonly instances: readonly Instance[];
  readonly proxies: readonly Proxy[];
  readonly postgres: TestPostgres | undefined;
  /** Reads the tables; the service may be ended for it. */
  read(): Promise<Stored>;
  remove(): Promise<void>;
}

const INSTANCES = 3;
/** The longest wait for the indexer. */
const INDEX_LIMIT_MS = 90_000;
const KEEP = { NOTIFICATIONS_KEEP: '1000000' };

export async function onPostgres(): Promise<Service> {
  // A crash of the server keeps what was answered.
  const server = await startPostgres({ synchronous_commit: 'on' });
  const folders = Array.from({ length: INSTANCES }, dataFolder);
  const distribution = await Promise.all(folders.map(() => freePort()));
  const proxies = await Promise.all(distribution.map((port) => Proxy.to(port)));
  const { url } = await server.createDatabase();
  const nodeOf = (index: number) => `torture${index}@127.0.0.1`;
  const instances: Instance[] = [];
  for (const [index, { path }] of folders.entries()) {
    const others = [...folders.keys()].filter((other) => other !== index);
    const env = {
      ...KEEP,
      DATA_DIR: join(path, 'data'),
      DATABASE_URL: url,
      DATABASE_RETRY_MAX_MS: '500',
      TROUPE_NODE: nodeOf(index),
      TROUPE_COOKIE: 'cookie-of-the-torture',
      TROUPE_SEEDS: others.map(nodeOf).join(','),
      TROUPE_EPMD: 'off',
      TROUPE_DIST_PORT: String(distribution[index]),
      TROUPE_ADDRESSES: others
        .map((other) => `${nodeOf(other)}=127.0.0.1:${(proxies[other] as Proxy).port}`)
        .join(','),
      TROUPE_NET_TICKTIME_MS: '4000',
    };
    instances.push(new Instance(await freePort(), env));
  }
  const remove = async () => {
    await Promise.all(instances.map((instance) => instance.kill()));
    for (const proxy of proxies) proxy.close();
    for (const folder of folders) folder.remove();
    await server.remove();
  };
  try {
    for (const instance of instances) await instance.start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    instances,
    proxies,
    postgres: server,
    async read() {
      const limits = { poolMax: 2, connectTimeoutMs: 10_000, queryTimeoutMs: 60_000, retryMaxMs: 500 };
      const database = openDatabase({ kind: 'postgres', url, ...limits });
      try {
        await database.opened();
        return await readTables(database, () => pause(100)); // the service indexes
      } finally {
        await database.close();
      }
    },
    remove,
  };
}

export async function onPglite(): Promise<Service> {
  const home = dataFolder();
  const data = join(home.path, 'data');
  const instance = new Instance(await freePort(), { ...KEEP, DATA_DIR: data });
  const remove = async () => {
    await instance.kill();
    home.remove();
  };
  try {
    await instance.start();
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    instances: [instance],
    proxies: [],
    postgres: undefined,
    async read() {
      await instance.kill();
      const folder = join(data, 'pglite');
      const database = openDatabase({ kind: 'pglite', folder, queryTimeoutMs: 60_000 });
      try {
        await database.opened();
        // It was killed: what it has left is for the next indexer.
        const backlog = new DatabaseBacklog(database, new Vocabulary(database), () => {});
        return await readTables(database, () => backlog.step());
      } finally {
        await database.close();
      }
    },
    remove,
  };
}

/** @param wait for an indexer, or works as one */
async function readTables(database: Database, wait: () => Promise<unknown>): Promise<Stored> {
  const rows = async <Row>(query: string): Promise<Row[]> => [
    ...((await database.run((db) => db.execute(sql.raw(query)))) as unknown as Iterable<Row>),
  ];
  const [events, notes] = [
    await rows<Stored['events'][number]>(EVENTS),
    await rows<Stored['notes'][number]>(NOTES),
  ];
  // What is wrong now stays wrong: only marked notes are indexed.
  const { wrong } = await wronglyIndexed(database);
  const end = performance.now() + INDEX_LIMIT_MS;
  let index = await wronglyIndexed(database);
  while (index.marked > 0 && performance.now() < end) {
    await wait();
    index = await wronglyIndexed(database);
  }
  return { events, notes, index: { ...index, wrong: [...new Set([...wrong, ...index.wrong])] } };
}
