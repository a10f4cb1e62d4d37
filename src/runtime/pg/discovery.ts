/**
 * Finds the scope processes of other nodes.
 *
 * When a node comes up, its scope is asked for by name, and a monitor is kept on that name: a scope that is started later,
 * or again, would not find a node that is hidden from it. A scope that is not there is asked for again after a while, twice
 * as long each time, for as long as the node is connected; one that has ended, at once.
 */
import { type ExitReason, type MonitorTarget } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import type { Ref } from '../terms/identifiers.ts';
import type { TimerRef } from '../process/timers.ts';
import { discover } from './protocol.ts';

/** How long a scope that was not there is waited for at first, in milliseconds. */
const FIRST_RETRY_MS = 1_000;
/** How long it is waited for at most. */
const LAST_RETRY_MS = 30_000;

/** The message that a scope process sends to itself when it is time to ask again. */
export class AskAgain {
  readonly node: string;

  constructor(node: string) {
    this.node = node;
  }
}

/** What is known of the search on one node. */
interface Search {
  ref: Ref | undefined;
  timer: TimerRef | undefined;
  retryMs: number;
}

/** The search for the scope processes of other nodes. */
export class Discovery {
  readonly #self: Process;
  readonly #scope: string;
  readonly #searches = new Map<string, Search>();

  constructor(self: Process, scope: string) {
    this.#self = self;
    this.#scope = scope;
  }

  /** A node is connected. */
  start(node: string): void {
    if (node === this.#self.node.name) return;
    this.stop(node);
    if (this.#self.node.router.connection(node)?.hasNames === false) return;
    this.#searches.set(node, { ref: undefined, timer: undefined, retryMs: FIRST_RETRY_MS });
    this.ask(node);
  }

  /** A node is not connected any more. */
  stop(node: string): void {
    const search = this.#searches.get(node);
    if (search === undefined) return;
    search.timer?.cancel();
    if (search.ref !== undefined) this.#self.demonitor(search.ref);
    this.#searches.delete(node);
  }

  /** Asks the scope of a node to tell its members, once. @returns false when the node is not connected. */
  hail(node: string): boolean {
    // A message must not make a connection that was lost meanwhile.
    if (this.#self.node.router.connection(node) === undefined) return false;
    this.#self.send({ name: this.#scope, node }, discover(this.#self.pid));
    return true;
  }

  /** Asks the scope of a node, and sees to it that it is asked again when it has ended or is not there. */
  ask(node: string): void {
    const search = this.#searches.get(node);
    if (search === undefined || !this.hail(node)) return;
    search.timer = undefined;
    search.ref = this.#self.monitor({ name: this.#scope, node });
  }

  /** A monitor on a name fired. @returns false when it is none of the search. */
  ended(ref: Ref, target: MonitorTarget, reason: ExitReason): boolean {
    const search = this.#searches.get(target.node);
    if (search === undefined || search.ref !== ref) return false;
    search.ref = undefined;
    if (reason === 'noproc') {
      search.timer = this.#self.sendAfter(search.retryMs, this.#self.pid, new AskAgain(target.node));
      search.retryMs = Math.min(search.retryMs * 2, LAST_RETRY_MS);
    } else if (reason !== 'noconnection') {
      search.retryMs = FIRST_RETRY_MS;
      this.ask(target.node);
    }
    return true;
  }
}
