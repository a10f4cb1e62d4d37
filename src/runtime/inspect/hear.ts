// Hears what is broadcast on the channels of a node, without being a member, and the calls that traced processes make.
//
// A node has one tap, which this file shares among those who listen. What other nodes broadcast arrives as messages to the members
// of this node: while somebody listens, the node's router has a `receive` of its own that looks at them first.
import { Broadcast, type Node, pubsub } from '../index.ts';
import type { Signal } from '../process/carrier.ts';
import type { Process } from '../process/process.ts';
import type { Router } from '../process/router.ts';
import type { Tap, TracedCall } from '../process/info.ts';

/** A message of a channel that reaches members of this node, or is sent to others. */
export interface Heard {
  readonly channel: string;
  readonly message: unknown;
  /** How many members of this node get it, and how many of other nodes. */
  readonly local: number;
  readonly remote: number;
  /** How much of a message this is: a BEAM node sends it to each member separately. */
  readonly share: number;
}

/** Somebody who listens. */
export interface Listener {
  /** Gets what is broadcast. */
  readonly broadcast?: (heard: Heard) => void;
  /** Gets the calls of processes that have the flag `TRACED`. */
  readonly called?: (caller: Process, call: TracedCall) => void;
}

const hubs = new WeakMap<Node, Hub>();

/** Begins to listen. @returns a function that ends it */
export function hear(node: Node, listener: Listener): () => void {
  const hub = hubs.get(node) ?? new Hub(node);
  hub.listeners.add(listener);
  return () => {
    hub.listeners.delete(listener);
    if (hub.listeners.size === 0) hub.close();
  };
}

class Hub implements Tap {
  readonly listeners = new Set<Listener>();
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
    hubs.set(node, this);
    node.tap = this;
    const router = node.router as { receive: Router['receive'] };
    // A property of the object hides the method of its class until `close` deletes it.
    const { receive } = Object.getPrototypeOf(router) as Router;
    router.receive = (peer, signal) => {
      this.#arrived(signal);
      receive.call(node.router, peer, signal);
    };
  }

  close(): void {
    hubs.delete(this.#node);
    this.#node.tap = null;
    Reflect.deleteProperty(this.#node.router, 'receive');
  }

  called(caller: Process, call: TracedCall): void {
    for (const listener of this.listeners) listener.called?.(caller, call);
  }

  broadcast(channel: string, message: unknown, local: number, remote: number): void {
    this.#tell({ channel, message, local, remote, share: 1 });
  }

  #arrived(signal: Signal): void {
    if (signal.op !== 'sendMany' && signal.op !== 'send') return;
    const { message } = signal;
    if (!(message instanceof Broadcast)) return;
    const local = signal.op === 'sendMany' ? signal.to.length : 1;
    const members = pubsub.getLocalMembers(this.#node, message.channel).length;
    const share = signal.op === 'sendMany' || members === 0 ? 1 : 1 / members;
    this.#tell({ channel: message.channel, message, local, remote: 0, share });
  }

  #tell(heard: Heard): void {
    for (const listener of this.listeners) listener.broadcast?.(heard);
  }
}
