/**
 * A process that the carrier itself runs on its node: it takes messages as they come, and is started again when something
 * has ended it, since other nodes wait for its answers.
 *
 * It traps exits; only `kill`, or a fault of its handler, ends it. What was in its mailbox is lost then.
 */
import { TroupeError } from '../../../errors.ts';
import type { Behaviour } from '../../../process/behaviour.ts';
import { terminate } from '../../../process/exit.ts';
import { addWatch, type Watch } from '../../../process/monitor.ts';
import type { Node } from '../../../process/node.ts';
import type { Pid } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';

/** Handles one message; synchronously, so that the mailbox does not grow while something is waited for. */
export type ServiceHandler = (self: Process, message: unknown) => void;

/** A process that is there as long as the carrier is. */
export class ServiceProcess implements Watch {
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;
  readonly #node: Node;
  readonly #name: string;
  readonly #behaviour: Behaviour;
  readonly #started: ((self: Process) => void) | undefined;
  #process: Process;
  #closed = false;

  /**
   * @param name its registered name.
   * @param started called with each process that is started.
   */
  constructor(node: Node, name: string, handle: ServiceHandler, started?: (self: Process) => void) {
    this.#node = node;
    this.#name = name;
    this.#behaviour = { name, init: () => undefined, handle };
    this.#started = started;
    this.#process = this.#start();
  }

  /** The process that runs, or has run last. */
  get pid(): Pid {
    return this.#process.pid;
  }

  /** As {@link pid}, for sending. */
  get process(): Process {
    return this.#process;
  }

  /** Ends the process for good. */
  close(): void {
    this.#closed = true;
    terminate(this.#process, 'shutdown');
  }

  targetExited(): void {
    if (this.#closed) return;
    // Not within the end of the process, whose name is not free for all yet, nor in the turn of who ended it: a peer that
    // does so again and again must not hold the event loop.
    setImmediate(() => {
      if (!this.#closed) this.#restart();
    });
  }

  #start(): Process {
    const options = { name: this.#name, trapExit: true };
    const process = this.#node.create(this.#behaviour, [], undefined, options);
    addWatch(process, this);
    this.#started?.(process);
    return process;
  }

  #restart(): void {
    try {
      this.#process = this.#start();
    } catch (error) {
      // The node stops, or is full, or the program has taken the name: the service is over.
      if (!(error instanceof TroupeError)) throw error;
      this.#closed = true;
    }
  }
}
