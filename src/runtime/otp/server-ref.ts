/**
 * Typed access to a server: what `start` answers, and `serverRef` for one that runs elsewhere or under a name.
 *
 * A reference is only an address. It keeps nothing alive, and what it addresses may be gone; a call tells.
 */
import type { ExitReason } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import type { Destination } from '../process/destination.ts';
import { Pid } from '../terms/identifiers.ts';
import { call, type CallOptions, cast } from './call.ts';
import type {
  AnyServerDefinition,
  ArgumentOf,
  Arrived,
  CastOptions,
  ReplyOf,
  WithoutArgument,
} from './server-types.ts';
import { stopProcess } from './stop.ts';

type Calls<Definition extends AnyServerDefinition> = Definition['types']['calls'];
type Casts<Definition extends AnyServerDefinition> = Definition['types']['casts'];

type Reply<
  Definition extends AnyServerDefinition,
  Away extends boolean,
  Name extends keyof Calls<Definition>,
> = Away extends true ? Arrived<ReplyOf<Calls<Definition>[Name]>> : ReplyOf<Calls<Definition>[Name]>;

/** A server, however it is addressed. `Away`: whether it may run on another node, where replies have the types that arrive. */
export abstract class ServerRef<Definition extends AnyServerDefinition, Away extends boolean = false> {
  readonly #node: Node;

  /** @internal */
  constructor(node: Node) {
    this.#node = node;
  }

  /** @internal */
  protected abstract get address(): Destination;

  /**
   * Calls the server and waits for its answer. A call without an argument takes none: `call('size')`; options of such a
   * call follow `undefined`.
   * @throws TroupeError as a rejection, as `call` does: TROUPE_CALL_TIMEOUT, TROUPE_CALL_NOPROC, TROUPE_CALL_NODEDOWN,
   * TROUPE_CALL_EXIT (with the exit reason), TROUPE_CALL_SELF, TROUPE_CALL_ABORTED, TROUPE_MAILBOX_FULL. See
   * `gen_server:call/3`.
   */
  call<Name extends WithoutArgument<Calls<Definition>>>(
    name: Name,
    argument?: ArgumentOf<Calls<Definition>[Name]>,
    options?: CallOptions,
  ): Promise<Reply<Definition, Away, Name>>;
  call<Name extends keyof Calls<Definition> & string>(
    name: Name,
    argument: ArgumentOf<Calls<Definition>[Name]>,
    options?: CallOptions,
  ): Promise<Reply<Definition, Away, Name>>;
  call(name: string, argument: unknown, options?: CallOptions): Promise<unknown> {
    return call(this.#node, this.address, name, argument, options);
  }

  /** Sends the server a request that is not answered. That it is gone is no error. See `gen_server:cast/2`. */
  cast<Name extends WithoutArgument<Casts<Definition>>>(
    name: Name,
    argument?: ArgumentOf<Casts<Definition>[Name]>,
    options?: CastOptions,
  ): void;
  cast<Name extends keyof Casts<Definition> & string>(
    name: Name,
    argument: ArgumentOf<Casts<Definition>[Name]>,
    options?: CastOptions,
  ): void;
  cast(name: string, argument: unknown, options?: CastOptions): void {
    cast(this.#node, this.address, name, argument, options?.from);
  }

  /**
   * Tells the server to clean up and end, and waits until it has.
   * @param reason its exit reason; `normal` by default.
   * @param timeoutMs milliseconds to wait; as long as it takes by default.
   * @throws TroupeError TROUPE_CALL_NOPROC, TROUPE_CALL_NODEDOWN, TROUPE_CALL_TIMEOUT, TROUPE_CALL_EXIT when it ended with
   * another reason; as a rejection. See `gen_server:stop/3`.
   */
  stop(reason?: ExitReason, timeoutMs?: number): Promise<void> {
    return stopProcess(this.#node, this.address, reason, timeoutMs);
  }
}

/** One process of a definition. It has a `pid`, so it can be sent to, linked and monitored as one. */
export class ServerInstance<
  Definition extends AnyServerDefinition,
  Away extends boolean = false,
> extends ServerRef<Definition, Away> {
  readonly pid: Pid;

  /** @internal Use `start` or {@link serverRef}. */
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

/** Whichever process has a name when it is called: after a restart, the new one. It can be sent to and monitored. */
export class NamedServer<
  Definition extends AnyServerDefinition,
  Away extends boolean = false,
> extends ServerRef<Definition, Away> {
  readonly name: string;
  /** The name of the node where it is registered. */
  readonly node: string;

  /** @internal Use {@link serverRef}. */
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
 * Addresses a server of a definition by its pid, by a registered name of this node, or by `{name, node}`. That it is one
 * of this definition is up to who asks; an unknown call fails with TROUPE_UNKNOWN_CALL.
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
  if (typeof to === 'string') return new NamedServer(node, to, node.name);
  if (to instanceof Pid) return new ServerInstance(node, to);
  return 'pid' in to ? new ServerInstance(node, to.pid) : new NamedServer(node, to.name, to.node);
}
