// How many connections there may be: each takes a file descriptor, and when the system has no more of them the database, the
// log and other nodes fail with it.
import { readFileSync } from 'node:fs';

/** Descriptors that are left to others: the database and its files, nodes of a cluster, the REPL, what Node.js opens. */
const RESERVE = 256;
/** Of a limit that is small, at least this share is left. */
const RESERVE_SHARE = 0.5;
/** With more, it is memory that runs out first. */
const CONNECTIONS_MAX = 10_000;
/** Where the limit cannot be known. */
const CONNECTIONS_UNKNOWN = 1_000;

/** The most connections of a process that may open so many files; undefined when that is not known. */
export function connectionsFor(openFiles: number | undefined): number {
  if (openFiles === undefined) return CONNECTIONS_UNKNOWN;
  const reserve = Math.min(RESERVE, Math.ceil(openFiles * RESERVE_SHARE));
  return Math.max(1, Math.min(CONNECTIONS_MAX, openFiles - reserve));
}

/** How many files this process may open, as Linux tells; undefined elsewhere. */
export function openFilesLimit(): number | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return undefined; // no Linux, or /proc is not mounted
  }
  const soft = /^Max open files +(\d+|unlimited) /m.exec(text)?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Infinity : Number(soft);
}
