// Runs calls the same way on every database: a bounded number at a time, each on a session (one connection) of its own and
// within its time. The time starts again when the call gets its turn: a session is given up only for its own slowness, not
// for that of earlier calls.
//
// - A late call fails at once: it leaves the line, or its session is discarded. Nothing continues for a caller that has seen
//   the failure, except a statement that the server already has. The error says whether that is possible (`maybeDone`).
// - A transaction is `begin` and `commit` on the session of the call. It never outlives its session: a session whose
//   connection is gone accepts no further statement (see `postgres-connection.ts`).
import type { DatabaseCall, DatabaseLoad, Queryable, RunOptions, SqlRunner } from './database.ts';
import { DatabaseQueryError, DatabaseUnavailableError, type UnavailableReason } from './errors.ts';
import { explain } from './faults.ts';
import { Gate, GateFullError } from './gate.ts';
import { RETRY_AFTER_MS } from './status.ts';

/** One connection, for one call at a time. */
export interface Session {
  readonly db: Queryable;
  /** Runs a statement without parameters. Returns its command tag, such as `COMMIT`. */
  command(text: string): Promise<string | undefined>;
}

/** Provides sessions. */
export interface SessionSource {
  /** The source bounds its own waits. @throws DatabaseUnavailableError when no session is available */
  acquire(): Promise<Session>;
  release(session: Session): void;
  /** Ensures that the session of a late call is not used again. `release` follows. */
  discard(session: Session): void;
  /** Reports that the connection failed, or did not answer, during a call. */
  suspect(message: string): void;
}

export interface CallLimits {
  /** Calls that run at a time. */
  readonly activeMax: number;
  /** Further calls that may wait. */
  readonly waitingMax: number;
  /** How long a call may wait for its turn, and how long it may then take, including the wait for a session. */
  readonly timeoutMs: number;
}

export class Calls implements SqlRunner {
  readonly #source: SessionSource;
  readonly #gate: Gate;
  readonly #timeoutMs: number;
  readonly #listeners = new Set<(call: DatabaseCall) => void>();
  #succeeded = 0;
  #failed = 0;

  constructor(source: SessionSource, { activeMax, waitingMax, timeoutMs }: CallLimits) {
    this.#source = source;
    this.#gate = new Gate({ insideMax: activeMax, waitingMax });
    this.#timeoutMs = timeoutMs;
  }

  run<T>(work: (db: Queryable) => PromiseLike<T>, { timeoutMs }: RunOptions = {}): Promise<T> {
    const done = async (session: Session, late: AbortSignal) => await unlessAborted(work(session.db), late);
    return this.#timed('call', () => this.#carryOut(done, timeoutMs));
  }

  transaction<T>(work: (transaction: SqlRunner) => PromiseLike<T>): Promise<T> {
    return this.#timed('transaction', () =>
      this.#carryOut((session, late) =>
        inTransaction(session, work, late, () => this.#source.discard(session)),
      ),
    );
  }

  /** Calls the listener with each call that ends. Returns a function that unsubscribes it. */
  onCall(listener: (call: DatabaseCall) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  get load(): DatabaseLoad {
    const { inside: running, waiting } = this.#gate;
    return { running, waiting, succeeded: this.#succeeded, failed: this.#failed };
  }

  /** Resolves when no call is running. */
  idle(): Promise<void> {
    return this.#gate.empty();
  }

  async #timed<T>(kind: DatabaseCall['kind'], carryOut: () => Promise<T>): Promise<T> {
    if (this.#listeners.size === 0) return await carryOut();
    const begun = performance.now();
    const tell = (outcome: DatabaseCall['outcome']): void => {
      const call = { kind, outcome, seconds: (performance.now() - begun) / 1_000 };
      for (const listener of this.#listeners) listener(call);
    };
    try {
      const result = await carryOut();
      tell('succeeded');
      return result;
    } catch (error) {
      tell('failed');
      throw error;
    }
  }

  /** @param work ends soon after its signal is aborted */
  async #carryOut<T>(
    work: (session: Session, late: AbortSignal) => Promise<T>,
    timeoutMs = this.#timeoutMs,
  ): Promise<T> {
    const limit = new AbortController();
    const abort = (reason: UnavailableReason, what: string, ms: number) =>
      setTimeout(() => limit.abort(unavailable(reason, `${what} within ${ms} ms`)), ms);
    let timer = abort('busy', 'no connection was free', this.#timeoutMs);
    const progress = { isSent: false };
    try {
      const leave = await this.#gate.enter(limit.signal);
      clearTimeout(timer);
      timer = abort('timeout', 'the database did not answer', timeoutMs);
      // `leave` follows the work itself, not the answer: a late call keeps its place until its session is free.
      const done = this.#onSession(work, limit.signal, progress).finally(leave);
      const result = await unlessAborted(done, limit.signal);
      this.#succeeded++;
      return result;
    } catch (error) {
      this.#failed++;
      throw this.#translate(error, progress.isSent);
    } finally {
      clearTimeout(timer);
    }
  }

  async #onSession<T>(
    work: (session: Session, late: AbortSignal) => Promise<T>,
    late: AbortSignal,
    progress: { isSent: boolean },
  ): Promise<T> {
    const session = await this.#source.acquire();
    const onLate = () => this.#source.discard(session);
    late.addEventListener('abort', onLate, { once: true });
    try {
      late.throwIfAborted();
      progress.isSent = true;
      return await work(session, late);
    } catch (error) {
      // The server decides about what was sent before the connection broke; the session is useless from then on.
      // One that takes no changes may lead to a server that was the primary before a failover.
      const { kind } = explain(error);
      if (kind === 'connection' || kind === 'unfit') this.#source.discard(session);
      throw error;
    } finally {
      late.removeEventListener('abort', onLate);
      this.#source.release(session);
    }
  }

  /** @param isSent whether statements may have reached the server */
  #translate(error: unknown, isSent: boolean): unknown {
    if (error instanceof GateFullError) {
      return unavailable('busy', `too many database calls: ${error.message}`);
    }
    if (error instanceof DatabaseUnavailableError) {
      if (error.reason !== 'timeout') return error;
      this.#source.suspect(error.message);
      return unavailable('timeout', error.message, isSent);
    }
    const fault = explain(error);
    switch (fault.kind) {
      case 'connection':
        this.#source.suspect(fault.message);
        return unavailable('unreachable', `the connection broke: ${fault.message}`, isSent);
      case 'unfit':
        this.#source.suspect(fault.message);
        return unavailable('unreachable', `${fault.message} (${fault.sqlState})`);
      case 'busy':
      case 'timeout':
        return unavailable(fault.kind, fault.message);
      case 'query':
        return new DatabaseQueryError(fault.sqlState ?? '', fault.message);
      case 'other':
        return fault.error;
    }
  }
}

async function inTransaction<T>(
  session: Session,
  work: (transaction: SqlRunner) => PromiseLike<T>,
  late: AbortSignal,
  discard: () => void,
): Promise<T> {
  const transaction = new TransactionRunner(session.db);
  await session.command('begin');
  let result: T;
  try {
    result = await unlessAborted(work(transaction), late);
  } catch (error) {
    transaction.end();
    await rollback(session, discard);
    throw error;
  }
  transaction.end();
  // PostgreSQL answers a commit after a failed statement with ROLLBACK, and no error.
  if ((await session.command('commit')) === 'COMMIT') return result;
  throw new DatabaseQueryError('25P02', 'a statement of the transaction had failed: it was rolled back');
}

/** If the connection is gone, the server has rolled back already, and the first error says more. */
async function rollback(session: Session, discard: () => void): Promise<void> {
  try {
    await session.command('rollback');
  } catch (error) {
    discard();
    if (explain(error).kind !== 'connection') throw error;
  }
}

class TransactionRunner implements SqlRunner {
  readonly #db: Queryable;
  #ended = false;

  constructor(db: Queryable) {
    this.#db = db;
  }

  async run<T>(work: (db: Queryable) => PromiseLike<T>): Promise<T> {
    if (this.#ended) throw new Error('the transaction has ended: its runner takes no further statement');
    return await work(this.#db);
  }

  end(): void {
    this.#ended = true;
  }
}

/** Settles as the promise does, unless the signal aborts first. */
function unlessAborted<T>(promise: PromiseLike<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    promise.then(
      (value) => {
        signal.removeEventListener('abort', onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener('abort', onAbort);
        reject(error);
      },
    );
  });
}

function unavailable(
  reason: UnavailableReason,
  message: string,
  maybeDone = false,
): DatabaseUnavailableError {
  return new DatabaseUnavailableError(reason, message, RETRY_AFTER_MS, maybeDone);
}
