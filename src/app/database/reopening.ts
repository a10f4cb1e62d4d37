// A database that goes away and comes back, whatever is behind it: a server, or the process of the embedded one.
//
// - When opening fails, the database is `unavailable`, says why, and tries again forever, with growing waits. It recovers
//   without a restart. Only a fault at the first attempt that the operator alone can fix is final: a DatabaseOpenError.
// - While it is `ready`, every sign of trouble (a connection that closes, a call that breaks or is not answered) makes it
//   ask whether the database is lost. If so, everything is cut, so that running calls fail at once, as new ones do.
// - A single failed call does not mean a loss, nor does a database that accepts no further call.
import { RETRY_AFTER_MS, retryMs, WithStatus } from './status.ts';
import { type CallLimits, Calls, type Session, type SessionSource } from './calls.ts';
import type { Database, DatabaseCall, DatabaseLoad, Queryable, RunOptions, SqlRunner } from './database.ts';
import { DatabaseOpenError, DatabaseUnavailableError } from './errors.ts';
import { explain } from './faults.ts';
import { within } from './gate.ts';
import type { Migrated } from './migrations.ts';

/** What is behind a database. */
export interface Engine {
  readonly kind: Database['kind'];
  /** For the operator; never contains a password. */
  readonly description: string;
  /**
   * Migrates the tables and connects. Called again after a failure, and after `cut`.
   * @param closing ends it early
   * @param onMigrated told what was applied, if anything was, also where connecting fails then
   * @throws DatabaseOpenError when trying again is useless
   */
  open(closing: AbortSignal, onMigrated: (migrated: Migrated | undefined) => void): Promise<void>;
  /** A session that no other call has. Its waits are bounded. */
  acquire(): Promise<Session>;
  release(session: Session): void;
  /** Ensures that a doubtful session is not used again. `release` follows. */
  discard(session: Session): void;
  /** Asked after a sign of trouble. @returns why the database is lost; undefined when it is there */
  whyLost(): Promise<string | undefined>;
  /** Cuts all sessions. */
  cut(): void;
  /** Closes in order, for a bounded time; no session is in use. */
  end(): Promise<void>;
  /** See `Database`. */
  readonly folderIdentity?: string | undefined;
  onNotify?(topic: string, listener: (payload: string) => void): () => void;
  onDeaf?(listener: (reason: string) => void): () => void;
}

export interface ReopeningSettings extends CallLimits {
  /** The longest wait between two attempts to open the database. */
  readonly retryMaxMs: number;
  /** How long `close` waits for calls to end; 5 s when left out. */
  readonly closeTimeoutMs?: number | undefined;
}

const CLOSE_TIMEOUT_MS = 5_000;

export class ReopeningDatabase extends WithStatus implements Database {
  readonly kind: Database['kind'];
  readonly description: string;
  readonly #engine: Engine;
  readonly #settings: ReopeningSettings;
  readonly #calls: Calls;
  readonly #closing = new AbortController();
  #opening: Promise<void>;
  #failures = 0;
  /** What was applied since it was ready, and has not been told. */
  #migrated: Migrated | undefined;
  #retry: NodeJS.Timeout | undefined;
  #question: 'none' | 'asked' | 'again' = 'none';
  #closed: Promise<void> | undefined;
  /** Aborts when calls accepted before `close` no longer run. */
  #ended = false;

  /** @param makeEngine gets what the engine calls when a connection is gone that it did not end */
  constructor(makeEngine: (onLost: () => void) => Engine, settings: ReopeningSettings) {
    super();
    const engine = makeEngine(() => this.#suspect());
    this.kind = engine.kind;
    this.description = engine.description;
    this.#engine = engine;
    this.#settings = settings;
    const source: SessionSource = {
      acquire: () => this.#acquire(),
      release: (session) => engine.release(session),
      discard: (session) => engine.discard(session),
      suspect: () => this.#suspect(),
    };
    this.#calls = new Calls(source, settings);
    this.#opening = this.#open();
  }

  async run<T>(work: (db: Queryable) => PromiseLike<T>, options?: RunOptions): Promise<T> {
    this.status.assertReady();
    return await this.#calls.run(work, options);
  }

  async transaction<T>(work: (transaction: SqlRunner) => PromiseLike<T>): Promise<T> {
    this.status.assertReady();
    return await this.#calls.transaction(work);
  }

  get load(): DatabaseLoad {
    return this.#calls.load;
  }

  get folderIdentity(): string | undefined {
    return this.#engine.folderIdentity;
  }

  onCall(listener: (call: DatabaseCall) => void): () => void {
    return this.#calls.onCall(listener);
  }

  onNotify(topic: string, listener: (payload: string) => void): () => void {
    return this.#engine.onNotify?.(topic, listener) ?? (() => undefined);
  }

  onDeaf(listener: (reason: string) => void): () => void {
    return this.#engine.onDeaf?.(listener) ?? (() => undefined);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.status.closed();
    clearTimeout(this.#retry);
    this.#closing.abort();
    await within(this.#settings.closeTimeoutMs ?? CLOSE_TIMEOUT_MS, this.#calls.idle());
    this.#ended = true;
    await this.#engine.end();
    await this.#opening;
  }

  /** Never rejects. */
  async #open(): Promise<void> {
    try {
      await this.#engine.open(this.#closing.signal, (migrated) => {
        this.#migrated ??= migrated;
      });
    } catch (error) {
      if (!(error instanceof DatabaseOpenError))
        this.#openLater(`${this.description} cannot be used: ${explain(error).message}`);
      else if (this.status.state === 'starting') this.status.failed(error);
      else this.#openLater(error.message); // its cause says less
      return;
    }
    this.#failures = 0;
    const migrated = this.#migrated;
    this.#migrated = undefined;
    this.status.ready(migrated);
  }

  #openLater(reason: string): void {
    if (this.#closed !== undefined) return;
    this.#failures++;
    const retryInMs = retryMs(this.#failures, this.#settings.retryMaxMs);
    this.#retry = setTimeout(() => {
      this.#opening = this.#open();
    }, retryInMs);
    this.status.unavailable(reason, this.#failures, retryInMs);
  }

  async #acquire(): Promise<Session> {
    // The state may have changed while the call waited for its turn.
    if (this.#ended || this.status.state === 'unavailable') this.status.assertReady();
    try {
      return await this.#engine.acquire();
    } catch (error) {
      const { kind, message } = explain(error);
      if (kind === 'busy') throw new DatabaseUnavailableError('busy', message, RETRY_AFTER_MS);
      this.#suspect();
      const reason = `${this.description} cannot be reached: ${message}`;
      throw new DatabaseUnavailableError('unreachable', reason, RETRY_AFTER_MS);
    }
  }

  #suspect(): void {
    if (this.status.state !== 'ready') return;
    if (this.#question === 'none') void this.#ask();
    else this.#question = 'again';
  }

  /** One question at a time; a sign of trouble during it asks for another, since the answer may be from just before. */
  async #ask(): Promise<void> {
    let loss: string | undefined;
    do {
      this.#question = 'asked';
      loss = await this.#engine.whyLost();
    } while (loss === undefined && this.#isAskedAgain());
    this.#question = 'none';
    if (loss === undefined || this.status.state !== 'ready') return;
    this.#engine.cut();
    this.#openLater(`${this.description} was lost: ${loss}`);
  }

  #isAskedAgain(): boolean {
    return this.#question === 'again' && this.status.state === 'ready';
  }
}
