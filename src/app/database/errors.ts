// The errors of the database. A caller needs to tell three apart: try again later, this statement is wrong, there is no
// database to be had. None carries the values of a statement: what users wrote does not belong in a log.

/**
 * Why the database cannot serve a call now: it has not been opened yet, it cannot be reached, it did not answer in
 * time, too many calls wait for it or it takes no further connection, it was closed.
 */
export type UnavailableReason = 'starting' | 'unreachable' | 'timeout' | 'busy' | 'closed';

/** The database cannot serve a call now. Whether the call was carried out is unknown when the reason is `timeout`, or when the connection broke during it. */
export class DatabaseUnavailableError extends Error {
  override readonly name = 'DatabaseUnavailableError';
  readonly code = 'DATABASE_UNAVAILABLE';
  readonly reason: UnavailableReason;
  /** When trying again may help. */
  readonly retryAfterMs: number;

  constructor(reason: UnavailableReason, message: string, retryAfterMs: number) {
    super(message);
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
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

/** The database cannot be opened, and trying again will not help. */
export class DatabaseOpenError extends Error {
  override readonly name = 'DatabaseOpenError';
  readonly code = 'DATABASE_OPEN';
}

/** Another process holds a folder; see `folder-lock.ts`. */
export class FolderInUseError extends Error {
  override readonly name = 'FolderInUseError';
  readonly code = 'FOLDER_IN_USE';
  /** The process that holds it. In another container the number is that container's. */
  readonly pid: number;

  constructor(message: string, pid: number) {
    super(message);
    this.pid = pid;
  }
}
