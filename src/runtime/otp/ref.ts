/**
 * Addresses of servers and supervisors: what `start` answers, and `serverRef`, `supervisorRef`, `dynamicSupervisorRef` for
 * one that runs elsewhere or under a name.
 *
 * A reference is only an address. It keeps nothing alive, and what it addresses may be gone; a call finds out.
 */
import { TroupeError, badArgument } from '../errors.ts';
import type { ExitReason } from '../process/messages.ts';
import { monitorStarted } from '../process/monitor.ts';
import { type Destination, nodeOf, targetOf } from '../process/destination.ts';
import type { Node } from '../process/node.ts';
import { Pid, type Ref } from '../terms/identifiers.ts';
import type {
  ChildCounts,
  ChildId,
  ChildInfo,
  ChildSpec,
  ChildStarted,
  FullChildSpec,
} from './child-spec.ts';
import { call, type CallOptions, cast } from './gen.ts';
import { stopProcess } from './proc-lib.ts';
import type { AnyServerDefinition, ArgumentOf, Arrived, CastOptions, ReplyOf } from './server.ts';
import type { DynamicSupervisorDefinition } from './supervisor.ts';
import { readAnswer } from './supervisor-process.ts';

/** An address as a reference keeps it. */
type Address = Pid | { readonly name: string; readonly node: string };

/** What all references have: the node that sends, and the address. Both are private, so that a reference shows only its own fields. */
abstract class AnyRef {
  readonly #from: Node;
  readonly #to: Address;

  /** @internal */
  constructor(from: Node, to: Address) {
    this.#from = from;
    this.#to = to;
  }

  /** @internal */
  protected get from(): Node {
    return this.#from;
  }

  /** @internal */
  protected get to(): Address {
    return this.#to;
  }

  /**
   * Tells the process to clean up and exit, and waits until it has. A supervisor first shuts all its children down, the
   * last started first.
   * @param reason its exit reason; `normal` by default.
   * @param timeoutMs milliseconds to wait; as long as it takes by default.
   * @throws TroupeError as {@link stopProcess} does, as a rejection. See `gen_server:stop/3`.
   */
  stop(reason?: ExitReason, timeoutMs?: number): Promise<void> {
    return stopProcess(this.#from, this.#to, reason, timeoutMs);
  }

  /** The pid, or the name with its node. */
  toString(): string {
    const to = this.#to;
    return to instanceof Pid ? to.toString() : `${to.name} on ${to.node}`;
  }
}

/** Makes the reference that a destination asks for. */
function refTo<Instance, Named>(
  node: Node,
  to: Destination,
  Instance: new (node: Node, pid: Pid) => Instance,
  Named: new (node: Node, name: string, nodeName: string) => Named,
): Instance | Named {
  if (typeof to === 'string') return new Named(node, to, node.name);
  if (to instanceof Pid) return new Instance(node, to);
  targetOf(to); // throws for what is none
  return 'pid' in to ? new Instance(node, to.pid) : new Named(node, to.name, to.node);
}

// ---- servers ----

type Calls<Definition extends AnyServerDefinition> = Definition['types']['calls'];
type Casts<Definition extends AnyServerDefinition> = Definition['types']['casts'];

/** Those of some handlers whose argument may not be left out. */
type WithArgument<Handler> = Handler extends unknown
  ? undefined extends ArgumentOf<Handler>
    ? never
    : Handler
  : never;

/** `true` for one name, `never` for several. */
type One<Name, All = Name> = Name extends unknown ? ([All] extends [Name] ? true : never) : never;

/** Whether `Name` stands for all of several names: what the compiler takes for a name that does not exist. */
type IsAny<All, Name> = [All] extends [Name] ? ([One<Name>] extends [never] ? true : false) : false;

/**
 * What follows the name of a call or cast: its argument, which may be left out where the handler takes none, and options. For a name that
 * does not exist nothing is asked for, so that the error is about the name.
 */
type Rest<Handlers, Name extends keyof Handlers, Options> =
  IsAny<keyof Handlers, Name> extends true
    ? [argument?: ArgumentOf<Handlers[Name]>, options?: Options]
    : [WithArgument<Handlers[Name]>] extends [never]
      ? [argument?: ArgumentOf<Handlers[Name]>, options?: Options]
      : [argument: ArgumentOf<Handlers[Name]>, options?: Options];

type Reply<
  Definition extends AnyServerDefinition,
  Away extends boolean,
  Name extends keyof Calls<Definition>,
> = Away extends true ? Arrived<ReplyOf<Calls<Definition>[Name]>> : ReplyOf<Calls<Definition>[Name]>;

/** A server, however it is addressed. `Away`: whether it may run on another node, where replies have the types that arrive. */
export abstract class ServerRef<
  Definition extends AnyServerDefinition,
  Away extends boolean = false,
> extends AnyRef {
  /**
   * Calls the server and waits for its answer. A call without an argument takes none: `call('size')`; options of such a
   * call follow `undefined`.
   * @throws TroupeError as a rejection, as `call` does: TROUPE_CALL_TIMEOUT, TROUPE_CALL_NOPROC, TROUPE_CALL_NODEDOWN,
   * TROUPE_CALL_EXIT (with the exit reason), TROUPE_CALL_SELF, TROUPE_CALL_ABORTED, TROUPE_MAILBOX_FULL. See
   * `gen_server:call/3`.
   */
  call<Name extends keyof Calls<Definition> & string>(
    name: Name,
    ...rest: Rest<Calls<Definition>, Name, CallOptions>
  ): Promise<Reply<Definition, Away, Name>>;
  call(name: string, argument?: unknown, options?: CallOptions): Promise<unknown> {
    return call(this.from, this.to, name, argument, options);
  }

  /** Sends the server a request that is not answered. A server that is gone is not an error. See `gen_server:cast/2`. */
  cast<Name extends keyof Casts<Definition> & string>(
    name: Name,
    ...rest: Rest<Casts<Definition>, Name, CastOptions>
  ): void;
  cast(name: string, argument?: unknown, options?: CastOptions): void {
    cast(this.from, this.to, name, argument, options?.from);
  }
}

/** One process of a definition. It has a `pid`, so it can be sent to, linked and monitored like a process. */
export class ServerInstance<
  Definition extends AnyServerDefinition,
  Away extends boolean = false,
> extends ServerRef<Definition, Away> {
  readonly pid: Pid;

  /** @internal Use `start` or {@link serverRef}. */
  constructor(node: Node, pid: Pid) {
    super(node, pid);
    this.pid = pid;
  }
}

/** The process that has a name at the time of the call: after a restart, the new one. It can be sent to and monitored. */
export class NamedServer<
  Definition extends AnyServerDefinition,
  Away extends boolean = false,
> extends ServerRef<Definition, Away> {
  readonly name: string;
  /** The name of the node where it is registered. */
  readonly node: string;

  /** @internal Use {@link serverRef}. */
  constructor(node: Node, name: string, nodeName: string) {
    super(node, { name, node: nodeName });
    this.name = name;
    this.node = nodeName;
  }
}

/**
 * Addresses a server of a definition by its pid, by a registered name of this node, or by `{name, node}`. The caller vouches
 * that it is a server of this definition; an unknown call fails with TROUPE_UNKNOWN_CALL.
 */
export function serverRef<Definition extends AnyServerDefinition>(
  node: Node,
  definition: Definition,
  to: Pid | { readonly pid: Pid },
): ServerInstance<Definition, true>;
export function serverRef<Definition extends AnyServerDefinition>(
  node: Node,
  definition: Definition,
  to: string,
): NamedServer<Definition>;
export function serverRef<Definition extends AnyServerDefinition>(
  node: Node,
  definition: Definition,
  to: { readonly name: string; readonly node: string },
): NamedServer<Definition, true>;
export function serverRef<Definition extends AnyServerDefinition>(
  node: Node,
  _definition: Definition,
  to: Destination,
): ServerInstance<Definition, true> | NamedServer<Definition, boolean> {
  return refTo<ServerInstance<Definition, true>, NamedServer<Definition, boolean>>(
    node,
    to,
    ServerInstance,
    NamedServer,
  );
}

// ---- supervisors ----

/** The result of a request that answers nothing but success. */
export type ChildResult<Fault extends string> =
  | { readonly ok: true }
  | { readonly ok: false; readonly error: Fault };

/** A child that was started. */
export interface StartedChild<Started extends ChildStarted = ChildStarted> {
  readonly ok: true;
  /** Undefined when the start answered undefined (`ignore`): the child is not needed. */
  readonly pid: Pid | undefined;
  /** What the start answered; undefined when the supervisor runs on another node. */
  readonly handle: Started;
  /** The monitor, when `monitor` was set and there is a process. */
  readonly ref?: Ref;
}

/** Options of `startChild`. */
export interface StartChildOptions extends CallOptions {
  /**
   * Whether the process `from` monitors the child from its start on: the `Down` has the exit reason even when the child exits at
   * once, unless the supervisor runs on another node.
   */
  readonly monitor?: boolean;
}

/** A child that could not be started. The reason is that of the process, or what the start function threw. */
export interface FailedChild {
  readonly ok: false;
  readonly error: 'start_failed';
  readonly reason: ExitReason;
}

/** The child, or a process with its registered name, is already running. */
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

/** What `startChild` of a dynamic supervisor answers. */
export type StartDynamicChildResult<Started extends ChildStarted = ChildStarted> =
  | StartedChild<Started>
  | FailedChild
  | DuplicateChild;

/**
 * A supervisor of either kind, however it is addressed. Its requests reject as `call` does. They wait as long as it takes
 * unless `timeoutMs` is given, since a supervisor may be busy with the start or shutdown of a child.
 */
abstract class AnySupervisorRef extends AnyRef {
  /** @internal */
  protected async request<Result>(
    name: string,
    argument: unknown,
    options: CallOptions | undefined,
  ): Promise<Result> {
    const { from, to } = this;
    const answer = await call(from, to, name, argument, { timeoutMs: Infinity, ...options });
    const peer = nodeOf(from, to);
    if (peer === from.name) return answer as Result;
    const read = readAnswer(name, answer);
    if (read !== undefined) return read as Result;
    throw new TroupeError('TROUPE_SYSTEM_FAILED', `What answers '${name}' on ${peer} is not a supervisor.`, {
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
      throw badArgument('To monitor the child, name the process in `from`.');
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

/** One process that supervises. It has a `pid`, so it can be linked and monitored like a process. */
export class SupervisorInstance extends SupervisorRef {
  readonly pid: Pid;

  /** @internal Use `start` or {@link supervisorRef}. */
  constructor(node: Node, pid: Pid) {
    super(node, pid);
    this.pid = pid;
  }
}

/** The supervisor that has a name at the time of the request: after a restart, the new one. */
export class NamedSupervisor extends SupervisorRef {
  readonly name: string;
  /** The name of the node where it is registered. */
  readonly node: string;

  /** @internal Use {@link supervisorRef}. */
  constructor(node: Node, name: string, nodeName: string) {
    super(node, { name, node: nodeName });
    this.name = name;
    this.node = nodeName;
  }
}

/**
 * Addresses a supervisor by its pid, by a registered name of this node, or by `{name, node}`. A dynamic one answers
 * `simple_one_for_one` to what it cannot do.
 */
export function supervisorRef(node: Node, to: Pid | { readonly pid: Pid }): SupervisorInstance;
export function supervisorRef(
  node: Node,
  to: string | { readonly name: string; readonly node: string },
): NamedSupervisor;
export function supervisorRef(node: Node, to: Destination): SupervisorInstance | NamedSupervisor {
  return refTo(node, to, SupervisorInstance, NamedSupervisor);
}

// ---- dynamic supervisors ----

/** A dynamic supervisor: children of one kind, named by their pids. It is typed by the arguments of the children. */
export abstract class DynamicSupervisorRef<
  Args extends readonly unknown[],
  Started extends ChildStarted,
> extends AnySupervisorRef {
  /** Only a type: the arguments of the children's start, and what it answers. */
  declare readonly types: { readonly args: Args; readonly started: Started };

  /** Starts a child with these arguments. See `supervisor:start_child/2`. */
  startChild(args: Args, options?: StartChildOptions): Promise<StartDynamicChildResult<Started>> {
    return this.requestChild(args, options);
  }

  /** Stops a child and forgets it. See `supervisor:terminate_child/2`. */
  terminateChild(child: Pid, options?: CallOptions): Promise<ChildResult<'not_found'>> {
    return this.request('terminate_child', child, options);
  }
}

/** One process that is a dynamic supervisor. */
export class DynamicSupervisorInstance<
  Args extends readonly unknown[],
  Started extends ChildStarted,
> extends DynamicSupervisorRef<Args, Started> {
  readonly pid: Pid;

  /** @internal Use `start` or {@link dynamicSupervisorRef}. */
  constructor(node: Node, pid: Pid) {
    super(node, pid);
    this.pid = pid;
  }
}

/** The dynamic supervisor that has a name at the time of the request. */
export class NamedDynamicSupervisor<
  Args extends readonly unknown[],
  Started extends ChildStarted,
> extends DynamicSupervisorRef<Args, Started> {
  readonly name: string;
  /** The name of the node where it is registered. */
  readonly node: string;

  /** @internal Use {@link dynamicSupervisorRef}. */
  constructor(node: Node, name: string, nodeName: string) {
    super(node, { name, node: nodeName });
    this.name = name;
    this.node = nodeName;
  }
}

type AnyDynamicDefinition<
  ChildArgs extends readonly unknown[],
  Started extends ChildStarted,
> = DynamicSupervisorDefinition<never, ChildArgs, Started>;

/** Addresses a dynamic supervisor of a definition by its pid, by a registered name of this node, or by `{name, node}`. */
export function dynamicSupervisorRef<ChildArgs extends readonly unknown[], Started extends ChildStarted>(
  node: Node,
  definition: AnyDynamicDefinition<ChildArgs, Started>,
  to: Pid | { readonly pid: Pid },
): DynamicSupervisorInstance<ChildArgs, Started>;
export function dynamicSupervisorRef<ChildArgs extends readonly unknown[], Started extends ChildStarted>(
  node: Node,
  definition: AnyDynamicDefinition<ChildArgs, Started>,
  to: string | { readonly name: string; readonly node: string },
): NamedDynamicSupervisor<ChildArgs, Started>;
export function dynamicSupervisorRef<ChildArgs extends readonly unknown[], Started extends ChildStarted>(
  node: Node,
  _definition: AnyDynamicDefinition<ChildArgs, Started>,
  to: Destination,
): DynamicSupervisorInstance<ChildArgs, Started> | NamedDynamicSupervisor<ChildArgs, Started> {
  return refTo<DynamicSupervisorInstance<ChildArgs, Started>, NamedDynamicSupervisor<ChildArgs, Started>>(
    node,
    to,
    DynamicSupervisorInstance,
    NamedDynamicSupervisor,
  );
}
