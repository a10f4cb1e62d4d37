/**
 * The processes that the carrier runs on its node, and the simplest of them: `net_kernel`, which answers `net_adm:ping/1`.
 *
 * A service process takes messages as they come. It traps exits; only `kill` or a fault of its handler ends it. Since other
 * nodes wait for its answers it is then started again, without what was in its mailbox.
 *
 * Everything but a ping that a node asks of `net_kernel` is refused. See `net_kernel.erl`, `is_auth`.
 */
import { TroupeError } from '../../../errors.ts';
import type { Behaviour } from '../../../process/behaviour.ts';
import { terminate } from '../../../process/exit.ts';
import { Watcher, addWatch } from '../../../process/monitor.ts';
import type { Node } from '../../../process/node.ts';
import { Pid } from '../../../terms/identifiers.ts';
import type { Process } from '../../../process/process.ts';
import { Call, type CallOptions, RemoteCall, call } from '../../../otp/gen.ts';
import { formatReason } from '../../../process/messages.ts';
import { atom } from '../../../terms/atom.ts';
import { telemetry } from '../../../telemetry.ts';

const dropped = telemetry('troupe:distribution:dropped');

const ABSENT = new Set([
  'TROUPE_CALL_NODEDOWN',
  'TROUPE_CALL_NOPROC',
  'TROUPE_CALL_TIMEOUT',
  'TROUPE_CALL_EXIT',
  'TROUPE_UNKNOWN_CALL',
]);

/** Handles one message; synchronously, so that the mailbox does not grow while something is waited for. */
export type ServiceHandler = (self: Process, message: unknown) => void;

/** A process that is there as long as the carrier is. */
export class ServiceProcess extends Watcher {
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
    super();
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

// ---- what services share ----

/** Publishes what was left out. @param what for people; made only when somebody listens. */
export function publishDropped(node: Node, peer: string, what: () => string): void {
  if (dropped.hasSubscribers) dropped.publish({ node: node.name, peer, what: what() });
}

/** @internal Fails a call that a service does not know, at once, and reports it. */
export function refuse(self: Process, request: Call | RemoteCall): void {
  const { name } = request;
  // The fields are what another node sent.
  const from: unknown = request.pid;
  const what = formatReason(name);
  const service = self.extra?.name ?? 'service';
  publishDropped(self.node, from instanceof Pid ? from.node : '', () => `the call '${what}' to ${service}`);
  request.fail(
    new TroupeError('TROUPE_UNKNOWN_CALL', `'${service}' has no call '${what}'.`, {
      reason: ['unknown_call', name],
    }),
  );
}

// ---- net_kernel ----

/** The name of the process that answers `net_adm:ping/1`. */
export const NET_KERNEL = 'net_kernel';

/** Handles a message to `net_kernel`. */
export function handleNetKernel(self: Process, message: unknown): void {
  if (message instanceof RemoteCall || message instanceof Call) {
    if (message.name === 'is_auth') message.reply(atom('yes'));
    else refuse(self, message);
    return;
  }
  publishDropped(self.node, '', () => 'a message to net_kernel');
}

/**
 * Asks whether another node is there, connecting to it where need be. Works between Troupe and Erlang both ways.
 * @param options `timeoutMs` until the answer is no; 5,000 by default.
 * @returns true when it has answered. See `net_adm:ping/1`.
 */
export async function ping(node: Node, peer: string, options?: CallOptions): Promise<boolean> {
  if (peer === node.name) return true;
  const to = { name: NET_KERNEL, node: peer };
  try {
    return (await call(node, to, 'is_auth', atom(node.name), options)) === atom('yes');
  } catch (error) {
    // Whatever keeps a node from answering, it is not there for who asks; a slip of the caller is none of that.
    if (!(error instanceof TroupeError) || !ABSENT.has(error.code)) throw error;
    return false;
  }
}
