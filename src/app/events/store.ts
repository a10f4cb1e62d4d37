// The store of durable channels in the database of the application: PostgreSQL, on a server or embedded.
//
// - An append takes the next position from the row of its channel and locks that until the commit: positions are in commit order, without
//   gaps (docs/adr/0033). It also notifies listeners; the server delivers that at the commit, and only then.
// - The epoch changes with the history: it combines a random text in the table with the identity of the database: the server's cluster,
//   its timeline, the database and the table. So a backup restored elsewhere, or on a new timeline, has another epoch, and so has an
//   embedded database whose folder was copied, and a standby that was promoted, which may lack the last events. It misses rows of the
//   table, and disks, that somebody puts back by hand.
// - Each statement says which server has answered it, on which timeline and from which table. Connections may lead to another server, or a
//   backup be restored, at any moment, and nobody is told: what was learnt of one is not used for another.
// - A read is one statement, so that it sees one moment.
import { createHash } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { ChannelStore, EventPage, Extent, NewEvent, ReadLimit, StoredEvent, TrimLimit } from 'troupe';
import type { Database, Queryable, SqlRunner } from '../database/database.ts';
import { channelEvents, channelHeads } from './schema.ts';

/** The topic of the notifications of appends: the payload is the channel and the position, with a colon between them. */
const eventsTopic = 'troupe_channel_events';

/** Events that one statement trims. */
const TRIM_MAX = 1_000;

/** A server that has answered: when it was started, its timeline, and its table. */
interface ServerRow extends Record<string, unknown> {
  readonly server: string;
}

interface ExtentRow extends ServerRow {
  readonly epoch: string;
  readonly head: string;
  readonly first: string;
}

interface EventRow extends ExtentRow {
  readonly position: string | null;
  readonly topic: string;
  readonly payload: string;
}

/** Keeps the events of channels in a database. */
export class DatabaseEvents implements ChannelStore<SqlRunner> {
  readonly #database: Database;
  /** The identity of the database, and the server that it was read from. */
  #identity: Identity | undefined = undefined;

  constructor(database: Database) {
    this.#database = database;
  }

  async append(transaction: SqlRunner, event: NewEvent): Promise<StoredEvent> {
    const { channel, topic, payload } = event;
    const [row] = await transaction.run((db) =>
      rows<{ position: string; epoch: string } & ServerRow>(
        db,
        sql`with head as (
          insert into ${channelHeads} (channel, position) values (${channel}, 1)
          on conflict (channel) do update set position = channel_heads.position + 1
          returning epoch, position
        )
        insert into ${channelEvents} (channel, position, topic, payload)
        select ${channel}, position, ${topic}, ${payload} from head
        returning position, (select epoch from head) as epoch, ${server},
          pg_notify(${eventsTopic}, ${channel} || ':' || position)`,
      ),
    );
    if (row === undefined) throw new Error('an append returned no row');
    // On the caller's connection: a transaction that waited for another one could wait for a call that waits for it.
    return { ...event, epoch: await this.#epochOf(row, transaction), position: Number(row.position) };
  }

  async read(channel: string, after: number, { events: most, bytes }: ReadLimit): Promise<EventPage> {
    const found = await this.#database.run((db) =>
      rows<EventRow>(
        db,
        sql`select heads.epoch, heads.position as head, ${first}, ${server}, events.position, events.topic, events.payload
        from ${channelHeads} as heads left join lateral (
          select position, topic, payload, sum(octet_length(payload)) over (order by position) - octet_length(payload) as before
          from (
            select position, topic, payload from ${channelEvents} as next
            where next.channel = ${channel} and next.position > ${after} order by position limit ${most}
          ) as next
        ) as events on events.before < ${bytes}
        where heads.channel = ${channel} order by events.position`,
      ),
    );
    const [row] = found;
    if (row === undefined) return { ...(await this.extent(channel)), events: [] };
    const extent = await this.#extentOf(row);
    const { epoch } = extent;
    const events = found.flatMap(({ position, topic, payload }) =>
      position === null ? [] : [{ channel, epoch, position: Number(position), topic, payload }],
    );
    return { ...extent, events };
  }

  async extent(channel: string): Promise<Extent> {
    const row = (await this.#readExtent(channel)) ?? (await this.#begin(channel));
    return await this.#extentOf(row);
  }

  async trim(channel: string, { keep, maxAgeMs }: TrimLimit): Promise<boolean> {
    const seconds = maxAgeMs / 1_000;
    // Trimming removes a prefix of the history: everything before the first event that stays.
    const trimmed = await this.#database.run((db) =>
      rows(
        db,
        sql`delete from ${channelEvents} where channel = ${channel} and position in (
          select position from ${channelEvents} as old where channel = ${channel} and position < coalesce(
            (select min(position) from ${channelEvents} as young where channel = ${channel}
              and created_at >= clock_timestamp() - make_interval(secs => ${seconds}::float8)
              and position > (select position from ${channelHeads} where channel = ${channel}) - ${keep}::bigint),
            (select position + 1 from ${channelHeads} where channel = ${channel}))
          order by position limit ${TRIM_MAX}
        ) returning position`,
      ),
    );
    return trimmed.length === TRIM_MAX;
  }

  watch(channel: string, listener: (position: number | undefined) => void): () => void {
    const stop = this.#database.onNotify?.(eventsTopic, (payload) => {
      if (payload === '') return listener(undefined); // some may have been missed
      const at = payload.lastIndexOf(':');
      if (payload.slice(0, at) === channel) listener(Number(payload.slice(at + 1)) || undefined);
    });
    return stop ?? (() => undefined);
  }

  async #readExtent(channel: string): Promise<ExtentRow | undefined> {
    const [row] = await this.#database.run((db) =>
      rows<ExtentRow>(
        db,
        sql`select epoch, position as head, ${first}, ${server} from ${channelHeads} as heads where channel = ${channel}`,
      ),
    );
    return row;
  }

  /** Creates the row of a channel that has had no event. */
  async #begin(channel: string): Promise<ExtentRow> {
    await this.#database.run((db) => db.insert(channelHeads).values({ channel }).onConflictDoNothing());
    const row = await this.#readExtent(channel);
    if (row === undefined) throw new Error(`the channel '${channel}' has lost its row`);
    return row;
  }

  async #extentOf(row: ExtentRow): Promise<Extent> {
    const epoch = await this.#epochOf(row, this.#database);
    return { epoch, head: Number(row.head), first: Number(row.first) };
  }

  /** @throws Error when another server answers in between: it is to be read again */
  async #epochOf(row: ServerRow & { readonly epoch: string }, runner: SqlRunner): Promise<string> {
    let identity = this.#identity;
    if (identity?.server !== row.server) {
      identity = await identify(runner, this.#database.folderIdentity);
      this.#identity = identity;
    }
    if (identity.server !== row.server) throw new Error('another server has taken over the database');
    return createHash('sha256').update(`${row.epoch} ${identity.text}`).digest('base64url').slice(0, 22);
  }
}

const first = sql`coalesce((select min(position) from ${channelEvents} as kept where kept.channel = heads.channel), heads.position + 1) as first`;

/**
 * The timeline is that of what is written now: the last checkpoint, which `pg_control_checkpoint` knows, is still of the old one for a moment
 * after a promotion.
 */
const timeline = sql`case when pg_is_in_recovery() then '' else left(pg_walfile_name(pg_current_wal_lsn()), 8) end`;
/** With the table: a backup that is restored into a running server makes it anew, with the rows of then. */
const table = sql`to_regclass('channel_heads')::oid`;
const server = sql`pg_postmaster_start_time()::text || ' ' || ${timeline} || ' ' || ${table} as server`;

interface Identity {
  readonly text: string;
  readonly server: string;
}

/** Distinguishes this database from a copy. A role without the right to read all of it gets a weaker identity. */
async function identify(runner: SqlRunner, folder: string | undefined): Promise<Identity> {
  const [allowed] = await runner.run((db) =>
    rows<{ allowed: boolean }>(
      db,
      sql`select has_function_privilege('pg_catalog.pg_control_system()', 'execute') as allowed`,
    ),
  );
  const cluster =
    allowed?.allowed === true ? sql`(select system_identifier::text from pg_control_system())` : sql`''`;
  const [row] = await runner.run((db) =>
    rows<{ identity: string } & ServerRow>(
      db,
      sql`select ${cluster} || '.' || ${timeline}
        || '.' || (select oid from pg_database where datname = current_database())
        || '.' || ${table} as identity, ${server}`,
    ),
  );
  if (row === undefined) throw new Error('the database does not say which it is');
  return { text: `${row.identity}.${folder ?? ''}`, server: row.server };
}

/** The rows of a statement in plain SQL, which determines their type. */
async function rows<Row extends Record<string, unknown>>(
  db: Queryable,
  query: ReturnType<typeof sql>,
): Promise<readonly Row[]> {
  return [...(await db.execute(query))] as unknown as readonly Row[];
}
