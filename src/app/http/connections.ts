// How many connections there may be. Each takes a file descriptor, and without descriptors the database, the log and other nodes
// fail as well.
import { readFileSync } from 'node:fs';

/** Descriptors that are left to others: the database and its files, nodes of a cluster, the REPL, what Node.js opens. */
const RESERVE = 256;
/** Of a small limit, at least this share is left. */
const RESERVE_SHARE = 0.5;
/** With more, memory runs out first. */
const CONNECTIONS_MAX = 10_000;
/** Where the limit is unknown. */
const CONNECTIONS_UNKNOWN = 1_000;

/** The most connections of a process. @param openFiles how many files it may open; undefined when that is unknown */
export function connectionsFor(openFiles: number | undefined): number {
  if (openFiles === undefined) return CONNECTIONS_UNKNOWN;
  const reserve = Math.min(RESERVE, Math.ceil(openFiles * RESERVE_SHARE));
  return Math.max(1, Math.min(CONNECTIONS_MAX, openFiles - reserve));
}

/** How many files this process may open, on Linux; undefined elsewhere. */
export function openFilesLimit(): number | undefined {
  let text: string;
  try {
    text = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return undefined; // not Linux, or /proc is not mounted
  }
  const soft = /^Max open files +(\d+|unlimited) /m.exec(text)?.[1];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Infinity : Number(soft);
}
