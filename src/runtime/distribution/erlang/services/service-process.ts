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

/** Handles one message, synchronously, so that the mailbox does not grow during a wait. */
export type ServiceHandler = (self: Process, message: unknown) => void;

/** A process that lives as long as the carrier. */
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

  /** The running process, or the last one. */
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
    // Not during the end of the process, whose name is not free yet, nor in the turn that ended it: a peer that ends it over and
    // over must not hold up the event loop.
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
      // The node is stopping or full, or the program has taken the name: the service ends.
      if (!(error instanceof TroupeError)) throw error;
      this.#closed = true;
    }
  }
}

// ---- what services share ----

/** Publishes what was left out. @param what for people; called only if there is a subscriber. */
export function publishDropped(node: Node, peer: string, what: () => string): void {
  if (dropped.hasSubscribers) dropped.publish({ node: node.name, peer, what: what() });
}

/** @internal Fails an unknown call of a service at once, and publishes it. */
export function refuse(self: Process, request: Call | RemoteCall): void {
  const { name } = request;
  // The fields come from another node.
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
 * Asks whether another node is there, and connects to it if necessary. Works between Troupe and Erlang in both directions.
 * @param options `timeoutMs`, 5,000 by default, after which the answer is false.
 * @returns true if it has answered. See `net_adm:ping/1`.
 */
export async function ping(node: Node, peer: string, options?: CallOptions): Promise<boolean> {
  if (peer === node.name) return true;
  const to = { name: NET_KERNEL, node: peer };
  try {
    return (await call(node, to, 'is_auth', atom(node.name), options)) === atom('yes');
  } catch (error) {
    // Whatever keeps a node from answering, it is not there for the caller. Errors of the caller are thrown.
    if (!(error instanceof TroupeError) || !ABSENT.has(error.code)) throw error;
    return false;
  }
}
