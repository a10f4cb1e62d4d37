// What the tests use of this folder. Nothing in src/ imports it.
export { Calls, type Session, type SessionSource } from './calls.ts';
export {
  type Database,
  type DatabaseCall,
  type DatabaseEvent,
  type DatabaseSettings,
  type DatabaseState,
  type DatabaseStatus,
  openDatabase,
  type Queryable,
  type RunOptions,
  type SqlRunner,
} from './database.ts';
export {
  DatabaseOpenError,
  DatabaseQueryError,
  DatabaseUnavailableError,
  FolderInUseError,
} from './errors.ts';
export { explain } from './faults.ts';
export { tableNames } from './fitness.ts';
export { lockFolder } from './folder-lock.ts';
export { Gate, GateFullError } from './gate.ts';
export { migrationLockKey } from './migrations.ts';
export { openPglite } from './pglite.ts';
export { PostgresListener } from './postgres-listener.ts';
export { describeTarget, parsePostgresUrl, PostgresUrlError, tlsOptions } from './postgres-url.ts';
export { type PostgresSettings } from './postgres.ts';
export { MessageReader, simpleQuery } from './wire.ts';
