// The errors of the database. A caller needs to tell three apart: try again later, this statement is wrong, the database
// cannot be opened at all. None contains the values of a statement: what users wrote does not belong in a log.

/**
 * Why the database cannot serve a call now: it is still being opened, it cannot be reached, it did not answer in time, it is
 * too busy (too many calls wait, or it accepts no further connection), it was closed.
 */
export type UnavailableReason = 'starting' | 'unreachable' | 'timeout' | 'busy' | 'closed';

/** The database cannot serve a call now. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
  readonly code = 'DATABASE_UNAVAILABLE';
  readonly reason: UnavailableReason;
  /** When a further attempt may succeed. */
  readonly retryAfterMs: number;
  /** Whether the call may have been carried out all the same: the connection broke, or the answer was late. */
  readonly maybeDone: boolean;

  constructor(reason: UnavailableReason, message: string, retryAfterMs: number, maybeDone = false) {
    super(message);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
    this.maybeDone = maybeDone;
  }
}

/** The database refused a statement. */
export class DatabaseQueryError extends Error {
  override readonly name = 'DatabaseQueryError';
  readonly code = 'DATABASE_QUERY';
  /** PostgreSQL's error code, five characters. */
  readonly sqlState: string;

  constructor(sqlState: string, message: string) {
    super(`${message} (${sqlState})`);
    this.sqlState = sqlState;
  }
}

/** The database cannot be opened, and trying again is useless. */
export class DatabaseOpenError extends Error {
  override readonly name = 'DatabaseOpenError';
  readonly code = 'DATABASE_OPEN';
}

/** Another process holds a folder; see `folder-lock.ts`. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
  readonly code = 'FOLDER_IN_USE';
  /** The process that holds it. If it runs in another container, the number is that container's. */
  readonly pid: number;

  constructor(message: string, pid: number) {
    super(message);
    this.pid = pid;
  }
}
