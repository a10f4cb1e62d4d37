// The agreement between the two sides of the embedded database, `pglite-process.ts` and `pglite-server.ts`.

/** The descriptor of the connection, and the one that closes when the process that started the database ends. */
export const CLIENT_FD = 3;
export const PARENT_FD = 4;

/** The argument that says that the folder has been opened before. */
export const HAS_DATA = 'has-data';

/** The database failed: a restart may help. */
export const EXIT_BROKEN = 3;
/** The folder cannot be used: only the operator can fix that. */
export const EXIT_UNUSABLE = 4;
