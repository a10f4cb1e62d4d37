/**
 * What only some processes need: kept apart so that the others stay small.
 */
import type { AsyncResource } from 'node:async_hooks';
import type { MailboxPolicy } from './behaviour.ts';
import type { ExitReason } from './messages.ts';
import type { RemoteLink } from './peer.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Waiter } from './receive.ts';

/** @internal What a process waits for besides a message, and waits for no more when it ends: the answer of a call. */
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
  /** Links to processes of other nodes, by the key of their pid. */
  remoteLinks: Map<string, RemoteLink> | undefined = undefined;
}
