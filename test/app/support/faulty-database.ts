// A database whose calls a test can hold, fail, or fail after they have been carried out. Several applications can use one
// after another: the database behind it is the test's to close.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Database,
  type DatabaseCall,
  type DatabaseState,
  DatabaseUnavailableError,
  openDatabase,
  type Queryable,
  type RunOptions,
  type SqlRunner,
} from '../../../src/app/database/internal.ts';

export interface OpenedDatabase {
  readonly database: Database;
  /** Closes it and removes its data. */
  remove(): Promise<void>;
}

/** Opens a PGlite of its own, for all the tests of a file: that takes seconds. */
export async function openPgliteForTests(): Promise<OpenedDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'troupe-pglite-'));
  const database = openDatabase({ kind: 'pglite', folder: join(folder, 'pglite'), queryTimeoutMs: 20_000 });
  await database.opened();
  return {
    database,
    async remove() {
      await database.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What happens to the next calls: `before` they are carried out, and `after`. What it throws is what the caller gets. */
export interface Fault {
  readonly before?: () => Promise<void> | void;
  readonly after?: () => Promise<void> | void;
}

export class FaultyDatabase implements Database {
  readonly kind: Database['kind'];
  readonly description = 'a database with faults';
  readonly #inner: Database;
  /** None when undefined. */
  fault: Fault | undefined;
  /** What `state` says, when not what it is. */
  pretended: DatabaseState | undefined;

  /** @param kind what it passes for: instances share a server's database, and no other */
  constructor(inner: Database, kind: Database['kind'] = 'pglite') {
    this.#inner = inner;
    this.kind = kind;
  }

  get state(): DatabaseState {
    return this.pretended ?? this.#inner.state;
  }

  get retryAfterMs(): number {
    return this.#inner.retryAfterMs;
  }

  async run<T>(work: (db: Queryable) => PromiseLike<T>, options?: RunOptions): Promise<T> {
    const { fault } = this;
    await fault?.before?.();
    const result = await this.#inner.run(work, options);
    await fault?.after?.();
    return result;
  }

  async transaction<T>(work: (transaction: SqlRunner) => PromiseLike<T>): Promise<T> {
    const { fault } = this;
    await fault?.before?.();
    const result = await this.#inner.transaction(work);
    await fault?.after?.();
    return result;
  }

  opened(): Promise<void> {
    return this.#inner.opened();
  }

  onCall(listener: (call: DatabaseCall) => void): () => void {
    return this.#inner.onCall?.(listener) ?? (() => {});
  }

  onEvent(): () => void {
    return () => {};
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** The error of a database that is away. */
export function away(maybeDone = false): DatabaseUnavailableError {
  return new DatabaseUnavailableError('unreachable', 'PostgreSQL at nowhere was lost', 1_500, maybeDone);
}

/** A place where calls stop until they are let go. */
export function barrier(): { reached: Promise<void>; wait: () => Promise<void>; release: () => void } {
  let arrive = (): void => {};
  let release = (): void => {};
  const reached = new Promise<void>((resolve) => (arrive = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const wait = (): Promise<void> => {
    arrive();
    return released;
  };
  return { reached, wait, release };
}
