// What the two sides of the embedded database, `pglite-process.ts` and `pglite-server.ts`, have agreed on.

/** The descriptor of the connection, and the one that closes when the process that started the database ends. */
export const CLIENT_FD = 3;
export const PARENT_FD = 4;

/** The argument that says that the folder has been opened before. */
export const HAS_DATA = 'has-data';

/** The database has failed: started again it may work. */
export const EXIT_BROKEN = 3;
/** The folder cannot be used: only the operator can do something about it. */
export const EXIT_UNUSABLE = 4;
