/**
 * What a process consists of besides its mailbox: its status, its flags, what only some processes need, and what remains of
 * it after its end.
 *
 * Everything that few processes need is in `Extra`, so that an idle process stays small.
 */
import type { AsyncResource } from 'node:async_hooks';
import type { MailboxPolicy } from './behaviour.ts';
import type { ExitReason } from './messages.ts';
import type { RemoteLink } from './peer.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Waiter } from './receive.ts';

// ---- status and flags ----

/** @internal The states of a process; a message wakes those up to RECEIVING. */
export const IDLE = 0;
/** @internal */ export const RECEIVING = 1;
/** @internal */ export const QUEUED = 2;
/** @internal */ export const RUNNING = 3;
/** @internal */ export const AWAITING = 4;
/** @internal */ export const EXITED = 5;

/** @internal Bits of `flags`. */
export const TRAP_EXIT = 1;
/** @internal */ export const STARTED = 2;
/** @internal */ export const BOUNDED = 4;
/** @internal Its mailbox has grown past the high-water mark. */
export const OVER_MARK = 8;
/** @internal Its behaviour has `fromPeer`, and wants it asked. */
export const ASKS_FROM = 16;
/** @internal A trace wants to know of its calls. */
export const TRACED = 32;

/** @internal Stands for the head of an empty mailbox; no message can be it. */
export const EMPTY: unique symbol = Symbol('empty');

// ---- what only some processes need ----

/** @internal What a process waits for besides a message, until it ends: the answer of a call. */
export interface Pending {
  /** Called when the process ends; takes it out of `pending`. */
  ownerExited(): void;
}

/** @internal The rarely used half of a process. */
export class Extra {
  /** Registered name; a process has at most one. */
  name: string | undefined = undefined;
  label: string | undefined = undefined;
  abort: AbortController | undefined = undefined;
  /** The async context that it was spawned with, or null for none. */
  context: AsyncResource | null = null;
  /** Why the process ended. Most end with `normal` and need no object for it. */
  exitReason: ExitReason = 'normal';
  /** The receive that waits, or null. */
  waiter: Waiter | null = null;
  /** The call that was started last and waits for its answer, or null; it leads to the others. */
  pending: Pending | null = null;
  /** How many receives may still answer from the mailbox at once, before others have their turn. */
  credit = 0;
  mailbox: { readonly limit: number; readonly policy: MailboxPolicy } | undefined = undefined;
  /** Where its output goes, when another node has said so. See `erlang:group_leader/0`. */
  groupLeader: Pid | undefined = undefined;
  /** Messages that the bound of the mailbox dropped. */
  dropped = 0;
  /** When the callback of a behaviour that is under way returned its promise, by the coarse clock; stale otherwise. */
  awaitingSince = 0;
  /** Links to processes of other nodes, by the key of their pid. */
  remoteLinks: Map<string, RemoteLink> | undefined = undefined;
}

// ---- how processes ended ----

/** The exit reasons other than `normal`, for as long as something holds the pid. */
const reasons = new WeakMap<Pid, ExitReason>();

/** @internal Keeps why a process ended, for code that holds its pid. */
export function keepExitReason(pid: Pid, reason: ExitReason): void {
  reasons.set(pid, reason);
}

/** @internal Why a process of this node ended, for code that holds the pid that its spawn returned. */
export function exitReasonOf(pid: Pid): ExitReason {
  return reasons.has(pid) ? reasons.get(pid) : 'normal';
}
