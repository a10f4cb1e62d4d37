/**
 * The scope under the channels of a node, which is there whenever it is needed.
 *
 * It starts with the first use, and again when it has ended, with the members that it had on this node and that are still
 * alive. In Nova a scope that dies stays dead, and nobody on its node hears or is heard until the node is started anew.
 *
 * Limits: after 10 restarts within 10 s it waits 1 s before the next, unless somebody uses a channel; a restart that
 * fails, because another process has the name, is tried again every second. With the node it ends for good.
 */
import { TroupeError } from '../errors.ts';
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/identifiers.ts';
import { TimerEntry } from '../process/timers.ts';
import { telemetry } from '../telemetry.ts';
import { NOVA_SCOPE } from './naming.ts';
import { findScope, type Scope, startScope } from './scope.ts';

export { NOVA_SCOPE } from './naming.ts';

/** How many restarts may follow each other at once within the period. */
const MAX_RESTARTS = 10;
/** The period, in milliseconds. */
const RESTART_PERIOD_MS = 10_000;
/** How long a further restart waits, in milliseconds. */
const RESTART_PAUSE_MS = 1_000;

const restarted = telemetry('troupe:pubsub:restarted');
const restartFailed = telemetry('troupe:pubsub:restart_failed');

type LostMembers = ReadonlyArray<readonly [group: unknown, pids: readonly Pid[]]>;

/** Keeps the scope of one node running; it is the timer of a restart that waits, too. */
class Keeper extends TimerEntry {
  readonly #node: Node;
  #scope: Scope | null = null;
  /** What had been joined when the scope ended. */
  #lost: LostMembers = [];
  /** When it was restarted lately, by the clock of the node. */
  #restarts: number[] = [];

  constructor(node: Node) {
    super();
    this.#node = node;
  }

  /** The scope, started when it does not run. */
  get scope(): Scope {
    return this.#scope ?? this.#start();
  }

  override expired(): void {
    this.#restart();
  }

  #start(): Scope {
    const node = this.#node;
    const scope = findScope(node, NOVA_SCOPE) ?? startScope(node, NOVA_SCOPE);
    scope.onExit = (members) => {
      this.#scope = null;
      this.#lost = members;
      // Not at once: the node may be about to end all its processes.
      queueMicrotask(() => {
        this.#restartSoon();
      });
    };
    this.#scope = scope;
    for (const [group, pids] of this.#lost) scope.join(group, pids);
    this.#lost = [];
    return scope;
  }

  #restartSoon(): void {
    const now = this.#node.clock.now();
    this.#restarts = this.#restarts.filter((at) => at > now - RESTART_PERIOD_MS);
    if (this.#restarts.length < MAX_RESTARTS) this.#restart();
    else this.#pause();
  }

  #restart(): void {
    if (this.#scope !== null) return;
    this.#restarts.push(this.#node.clock.now());
    try {
      const { pid } = this.#start();
      if (restarted.hasSubscribers) restarted.publish({ node: this.#node.name, pid });
    } catch (error) {
      if (error instanceof TroupeError && error.code === 'TROUPE_NODE_STOPPED') return;
      if (restartFailed.hasSubscribers) restartFailed.publish({ node: this.#node.name, error });
      this.#pause();
    }
  }

  #pause(): void {
    if (this.timerQueue === null) this.#node.timers.start(this, RESTART_PAUSE_MS);
  }
}

const keepers = new WeakMap<Node, Keeper>();

/** The scope of the channels of a node. */
export function novaScope(node: Node): Scope {
  let keeper = keepers.get(node);
  if (keeper === undefined) {
    keeper = new Keeper(node);
    keepers.set(node, keeper);
  }
  return keeper.scope;
}
