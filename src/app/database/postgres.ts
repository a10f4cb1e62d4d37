// The database of a PostgreSQL server. Opening it means migrating, then connecting; a trial connection beside the others finds out
// whether it is lost, and whether the server is still fit for the service. A server that accepts no further connection is not lost.
import type { Database } from './database.ts';
import { DatabaseOpenError } from './errors.ts';
import { explain, hopelessness } from './faults.ts';
import { unfitness } from './fitness.ts';
import { migratePostgres } from './migrations.ts';
import { PostgresListener } from './postgres-listener.ts';
import { PostgresPool } from './postgres-pool.ts';
import { describeTarget, parsePostgresUrl } from './postgres-url.ts';
import { ReopeningDatabase } from './reopening.ts';

export interface PostgresSettings {
  readonly kind: 'postgres';
  /** See `postgres-url.ts`. */
  readonly url: string;
  /** Connections at a time, not counting those for migrations, trials and notifications. */
  readonly poolMax: number;
  readonly connectTimeoutMs: number;
  /** How long the server may take for one statement. A whole call may take half a second more. */
  readonly queryTimeoutMs: number;
  /** The longest wait between two attempts to open the database. */
  readonly retryMaxMs: number;
  /** Calls that may wait for a connection; 1,000 when left out. */
  readonly waitingMax?: number;
  /** How long the migrations may take, including the wait for another instance; one minute when left out. */
  readonly migrationTimeoutMs?: number;
  /** How long `close` waits for calls to end; 5 s when left out. */
  readonly closeTimeoutMs?: number;
}

const WAITING_MAX = 1_000;
const MIGRATION_TIMEOUT_MS = 60_000;
/** The server's own limit is shorter, so that a slow statement costs its call and not the connection. */
const GRACE_MS = 500;

/** Opens a server's database; it is `starting` when this returns. */
export function openPostgres(settings: PostgresSettings): Database {
  const { url, connectTimeoutMs, queryTimeoutMs, poolMax, retryMaxMs, closeTimeoutMs } = settings;
  const { waitingMax = WAITING_MAX, migrationTimeoutMs = MIGRATION_TIMEOUT_MS } = settings;
  const description = describeTarget(parsePostgresUrl(url));
  const parameters = {
    statement_timeout: queryTimeoutMs,
    idle_in_transaction_session_timeout: queryTimeoutMs + 2 * GRACE_MS,
  };
  return new ReopeningDatabase(
    (onLost) => {
      const pool = new PostgresPool({ url, connectTimeoutMs, parameters }, onLost);
      const listener = new PostgresListener({ url, connectTimeoutMs, parameters: {} }, retryMaxMs);
      return {
        kind: 'postgres',
        description,
        async open(closing, onMigrated) {
          try {
            onMigrated(
              await migratePostgres({ url, connectTimeoutMs, timeoutMs: migrationTimeoutMs }, closing),
            );
            const unfit = await pool.tryConnection(unfitness);
            if (unfit !== undefined) throw new Error(unfit);
            pool.release(await pool.acquire());
          } catch (error) {
            const hopeless = hopelessness(error);
            if (hopeless === undefined) throw error;
            throw new DatabaseOpenError(`${description} cannot be used: ${hopeless}`, { cause: error });
          }
        },
        acquire: () => pool.acquire(),
        release: (session) => pool.release(session),
        discard: (session) => pool.discard(session),
        whyLost: () => tryConnection(pool),
        cut: () => pool.cut(),
        end() {
          listener.end();
          return pool.end();
        },
        onNotify: (topic, heard) => listener.onNotify(topic, heard),
        onDeaf: (told) => listener.onDeaf(told),
      };
    },
    { activeMax: poolMax, waitingMax, timeoutMs: queryTimeoutMs + GRACE_MS, retryMaxMs, closeTimeoutMs },
  );
}

async function tryConnection(pool: PostgresPool): Promise<string | undefined> {
  try {
    return await pool.tryConnection(unfitness);
  } catch (error) {
    const { kind, message } = explain(error);
    return kind === 'busy' ? undefined : message;
  }
}
