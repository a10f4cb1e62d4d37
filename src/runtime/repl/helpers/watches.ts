// The channels that a REPL watches: one process joins them all, so that what a sender broadcasts on several is printed in
// its order. It is linked to the REPL and ends with it, and when nothing is watched any more.
import { type Behaviour, Broadcast, type Pid, pubsub } from '../../index.ts';
import { Fault } from '../fault.ts';
import type { Shell } from '../shell.ts';
import { showLine } from '../show.ts';

/** The watches of one REPL. */
export class Watches {
  readonly #shell: Shell;
  readonly #channels = new Set<string>();
  #watcher: Pid | undefined;

  constructor(shell: Shell) {
    this.#shell = shell;
  }

  /** Begins to watch a channel, unless it is watched. */
  add(channel: string): void {
    const { node } = this.#shell;
    if (this.#watcher === undefined || !node.isAlive(this.#watcher)) {
      this.#channels.clear();
      this.#watcher = startWatcher(this.#shell);
    }
    if (this.#channels.has(channel)) return;
    // At once, so that what the same line goes on to broadcast is seen.
    pubsub.join(node, channel, this.#watcher);
    this.#channels.add(channel);
  }

  /** Ends the watch of a channel. @throws Fault when it is not watched */
  remove(channel: string): void {
    const { node } = this.#shell;
    const watcher = this.#watcher;
    if (watcher === undefined || !node.isAlive(watcher) || !this.#channels.delete(channel)) {
      throw new Fault(`'${channel}' is not watched`);
    }
    pubsub.leave(node, channel, watcher);
    if (this.#channels.size === 0) this.removeAll();
  }

  /** Ends all. */
  removeAll(): void {
    const { node, self } = this.#shell;
    if (this.#watcher === undefined) return;
    self.unlink(this.#watcher);
    node.exit(this.#watcher, 'shutdown');
    this.#watcher = undefined;
    this.#channels.clear();
  }
}

function startWatcher({ self, announce }: Shell): Pid {
  const behaviour: Behaviour<undefined, []> = {
    name: 'repl watch',
    init: () => undefined,
    handle: (_self, message) => {
      if (message instanceof Broadcast) announce((colour) => broadcastLine(message, colour));
    },
  };
  const pid = self.spawn(behaviour);
  self.link(pid);
  return pid;
}

function broadcastLine({ channel, topic, sender, payload }: Broadcast, colour: boolean): string {
  // As a text in JavaScript is written, without its quotes: nothing in it can control the terminal.
  const [name, label] = [channel, topic].map((text) => showLine(text, { colour: false }).slice(1, -1));
  return `[${name}] ${label} from ${sender.toString()}: ${showLine(payload, { colour })}`;
}
