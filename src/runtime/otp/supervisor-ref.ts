/**
 * Access to supervisors: what `start` answers, and `supervisorRef` for one that runs elsewhere or under a name.
 *
 * A reference is only an address, as that of a server. Requests wait as long as it takes unless `timeoutMs` is given, since
 * a supervisor may be busy with the start or shutdown of a child. See the functions of the OTP module `supervisor`.
 */
import { TroupeError } from '../errors.ts';
import type { ExitReason } from '../process/messages.ts';
import { monitorStarted } from '../process/monitor.ts';
import type { Node } from '../process/node.ts';
import { type Destination, nodeOf } from '../process/destination.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import { type CallOptions, call } from './call.ts';
import { stopProcess } from './stop.ts';
import { readAnswer } from './supervisor-terms.ts';
import type { ChildCounts, ChildId, ChildInfo } from './supervisor-children.ts';
import type { ChildSpec, ChildStarted, FullChildSpec } from './supervisor-spec.ts';

/** What a request answers that gives nothing but success. */
export type ChildResult<Fault extends string> =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: Fault };

/** A child that was started. */
export interface StartedChild<Started extends ChildStarted = ChildStarted> {
  readonly ok: true;
  /** Undefined when the child is not needed: its start answered undefined (`ignore`). */
  readonly pid: Pid | undefined;
  /** What the start answered; undefined when the supervisor runs on another node. */
  readonly handle: Started;
  /** The monitor, when it was asked for and there is a process. */
  readonly ref?: Ref;
}

/** Options of `startChild`. */
export interface StartChildOptions extends CallOptions {
  /**
   * Whether the process `from` monitors the child, from its start on: the `Down` has its exit reason also when it ends at once,
   * unless the supervisor runs on another node.
   */
  readonly monitor?: boolean;
}

/** A child that could not be started. The reason is that of the process, or what the start function threw. */
export interface FailedChild {
  readonly ok: false;
  readonly error: 'start_failed';
  readonly reason: ExitReason;
}

/** The child, or the process with its registered name, runs already. */
export interface DuplicateChild {
  readonly ok: false;
  readonly error: 'already_started';
  readonly pid: Pid;
}

/** What `startChild` answers. */
export type StartChildResult<Started extends ChildStarted = ChildStarted> =
  | StartedChild<Started>
  | FailedChild
  | DuplicateChild
  | { readonly ok: false; readonly error: 'already_present' };

/** What `restartChild` answers. */
export type RestartChildResult =
  | StartedChild
  | FailedChild
  | DuplicateChild
  | { readonly ok: false; readonly error: 'not_found' | 'running' | 'restarting' | 'simple_one_for_one' };

/** What `getChildSpec` answers. */
export type ChildSpecResult =
  | { readonly ok: true; readonly spec: FullChildSpec }
  | { readonly ok: false; readonly error: 'not_found' };

/** A supervisor of either kind, however it is addressed. Its requests reject as `call` does. */
export abstract class AnySupervisorRef {
  readonly #node: Node;

  /** @internal */
  constructor(node: Node) {
    this.#node = node;
  }

  /** @internal */
  protected abstract get address(): Destination;

  /** @internal */
  protected async request<Result>(
    name: string,
    argument: unknown,
    options: CallOptions | undefined,
  ): Promise<Result> {
    const node = this.#node;
    const waits = { timeoutMs: Infinity, ...options };
    const answer = await call(node, this.address, name, argument, waits);
    const peer = nodeOf(node, this.address);
    if (peer === node.name) return answer as Result;
    const read = readAnswer(name, answer);
    if (read !== undefined) return read as Result;
    throw new TroupeError('TROUPE_SYSTEM_FAILED', `What answers '${name}' on ${peer} is no supervisor.`, {
      reason: 'bad_return_value',
    });
  }

  /** @internal Asks for the start of a child. */
  protected async requestChild<Result extends { readonly ok: boolean }>(
    argument: unknown,
    options: StartChildOptions | undefined,
  ): Promise<Result> {
    const { monitor = false, from } = options ?? {};
    if (monitor && from === undefined) {
      throw new TroupeError('TROUPE_BAD_ARGUMENT', 'Say with `from` which process is to monitor the child.');
    }
    const result = await this.request<Result & { readonly pid?: Pid }>('start_child', argument, options);
    if (!monitor || from === undefined || !result.ok || result.pid === undefined) return result;
    if (!from.alive) throw from.dead();
    return { ...result, ref: monitorStarted(from, result.pid) };
  }

  /** All children, in start order. See `supervisor:which_children/1`. */
  whichChildren(options?: CallOptions): Promise<ChildInfo[]> {
    return this.request('which_children', undefined, options);
  }

  /** How many children there are. See `supervisor:count_children/1`. */
  countChildren(options?: CallOptions): Promise<ChildCounts> {
    return this.request('count_children', undefined, options);
  }

  /**
   * Stops all children, the last started first, and the supervisor, and waits until it is gone.
   * @param reason its exit reason; `normal` by default.
   * @param timeoutMs milliseconds to wait; as long as it takes by default.
   * @throws TroupeError as `stopProcess` does. See `gen_server:stop/3`.
   */
  stop(reason?: ExitReason, timeoutMs?: number): Promise<void> {
    return stopProcess(this.#node, this.address, reason, timeoutMs);
  }
}

/** A supervisor whose children have ids. */
export abstract class SupervisorRef extends AnySupervisorRef {
  /**
   * Adds a child and starts it.
   * @throws TroupeError TROUPE_BAD_CHILD_SPEC. See `supervisor:start_child/2`.
   */
  startChild<Started extends ChildStarted>(
    spec: ChildSpec<Started>,
    options?: StartChildOptions,
  ): Promise<StartChildResult<Started>> {
    return this.requestChild(spec, options);
  }

  /** Starts a child that is not running. See `supervisor:restart_child/2`. */
  restartChild(id: ChildId, options?: CallOptions): Promise<RestartChildResult> {
    return this.request('restart_child', id, options);
  }

  /**
   * Stops a child; its spec is kept, unless it is temporary. A child of a dynamic supervisor is named by its pid.
   * See `supervisor:terminate_child/2`.
   */
  terminateChild(
    child: ChildId | Pid,
    options?: CallOptions,
  ): Promise<ChildResult<'not_found' | 'simple_one_for_one'>> {
    return this.request('terminate_child', child, options);
  }

  /** Removes the spec of a child that is not running. See `supervisor:delete_child/2`. */
  deleteChild(
    id: ChildId,
    options?: CallOptions,
  ): Promise<ChildResult<'not_found' | 'running' | 'restarting' | 'simple_one_for_one'>> {
    return this.request('delete_child', id, options);
  }

  /** The spec of a child, with every field. See `supervisor:get_childspec/2`. */
  getChildSpec(child: ChildId | Pid, options?: CallOptions): Promise<ChildSpecResult> {
    return this.request('get_childspec', child, options);
  }
}

/** One process that supervises. It has a `pid`, so it can be linked and monitored as one. */
export class SupervisorInstance extends SupervisorRef {
  readonly pid: Pid;

  /** @internal Use `start` or {@link supervisorRef}. */
  constructor(node: Node, pid: Pid) {
    super(node);
    this.pid = pid;
  }

  protected override get address(): Destination {
    return this.pid;
  }

  /** The pid. */
  override toString(): string {
    return this.pid.toString();
  }
}

/** Whichever supervisor has a name when it is asked: after a restart, the new one. */
export class NamedSupervisor extends SupervisorRef {
  readonly name: string;
  /** The name of the node where it is registered. */
  readonly node: string;

  /** @internal Use {@link supervisorRef}. */
  constructor(node: Node, name: string, nodeName: string) {
    super(node);
    this.name = name;
    this.node = nodeName;
  }

  protected override get address(): Destination {
    return this;
  }

  /** The name with its node. */
  override toString(): string {
    return `${this.name} on ${this.node}`;
  }
}

/**
 * Addresses a supervisor by its pid, by a registered name of this node, or by `{name, node}`. One that is dynamic answers
 * `simple_one_for_one` to what it cannot do.
 */
export function supervisorRef(node: Node, to: Pid | { readonly pid: Pid }): SupervisorInstance;
export function supervisorRef(
  node: Node,
  to: string | { readonly name: string; readonly node: string },
): NamedSupervisor;
export function supervisorRef(node: Node, to: Destination): SupervisorInstance | NamedSupervisor {
  if (typeof to === 'string') return new NamedSupervisor(node, to, node.name);
  if (to instanceof Pid) return new SupervisorInstance(node, to);
  return 'pid' in to ? new SupervisorInstance(node, to.pid) : new NamedSupervisor(node, to.name, to.node);
}
