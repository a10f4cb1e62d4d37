// Watches channels: one process joins them all, so that the broadcasts of one sender on several channels arrive in order.
// The process is linked to its owner: it ends with the owner, and when no channel is watched any more.
import { type Behaviour, Broadcast, type Node, type Pid, type Process, pubsub } from '../index.ts';

/** Watches channels for one process. */
export class ChannelWatch {
  readonly #owner: Process;
  readonly #node: Node;
  readonly #onBroadcast: (broadcast: Broadcast) => void;
  readonly #channels = new Set<string>();
  #watcher: Pid | undefined;

  /** @param onBroadcast gets each broadcast on a watched channel */
  constructor(owner: Process, onBroadcast: (broadcast: Broadcast) => void) {
    this.#owner = owner;
    this.#node = owner.node;
    this.#onBroadcast = onBroadcast;
  }

  /** Begins to watch a channel, unless it is watched already. Broadcasts made after this call are seen. */
  add(channel: string): void {
    if (this.#watcher === undefined || !this.#node.isAlive(this.#watcher)) {
      this.#channels.clear();
      this.#watcher = this.#start();
    }
    if (this.#channels.has(channel)) return;
    pubsub.join(this.#node, channel, this.#watcher);
    this.#channels.add(channel);
  }

  /** Stops watching a channel. @returns false when it is not watched */
  remove(channel: string): boolean {
    const watcher = this.#watcher;
    if (watcher === undefined || !this.#node.isAlive(watcher) || !this.#channels.delete(channel))
      return false;
    pubsub.leave(this.#node, channel, watcher);
    if (this.#channels.size === 0) this.removeAll();
    return true;
  }

  /** Stops watching all channels. */
  removeAll(): void {
    if (this.#watcher === undefined) return;
    this.#owner.unlink(this.#watcher);
    this.#node.exit(this.#watcher, 'shutdown');
    this.#watcher = undefined;
    this.#channels.clear();
  }

  #start(): Pid {
    const behaviour: Behaviour<undefined, []> = {
      name: 'repl watch',
      init: () => undefined,
      handle: (_self, message) => {
        if (message instanceof Broadcast) this.#onBroadcast(message);
      },
    };
    const pid = this.#owner.spawn(behaviour);
    this.#owner.link(pid);
    return pid;
  }
}
