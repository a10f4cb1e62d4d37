/**
 * Access to dynamic supervisors: what `start` answers, and `dynamicSupervisorRef` for one that runs elsewhere or under a
 * name. An address only, as in `supervisor-ref.ts`; it is typed by the arguments of the children.
 */
import type { Node } from '../process/node.ts';
import type { Destination } from '../process/destination.ts';
import { Pid } from '../terms/identifiers.ts';
import type { CallOptions } from './call.ts';
import type { DynamicSupervisorDefinition } from './supervisor-definition.ts';
import {
  AnySupervisorRef,
  type ChildResult,
  type DuplicateChild,
  type FailedChild,
  type StartChildOptions,
  type StartedChild,
} from './supervisor-ref.ts';
import type { ChildStarted } from './supervisor-spec.ts';

/** What `startChild` of a dynamic supervisor answers. */
export type StartDynamicChildResult<Started extends ChildStarted = ChildStarted> =
  | StartedChild<Started>
  | FailedChild
  | DuplicateChild;

/** A dynamic supervisor: children of one kind, named by their pids. */
export abstract class DynamicSupervisorRef<
  Args extends readonly unknown[],
  Started extends ChildStarted,
> extends AnySupervisorRef {
  /** Only a type: what children are started with, and what their start answers. */
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

/** Whichever dynamic supervisor has a name when it is asked. */
export class NamedDynamicSupervisor<
  Args extends readonly unknown[],
  Started extends ChildStarted,
> extends DynamicSupervisorRef<Args, Started> {
  readonly name: string;
  /** The name of the node where it is registered. */
  readonly node: string;

  /** @internal Use {@link dynamicSupervisorRef}. */
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
  if (typeof to === 'string') return new NamedDynamicSupervisor(node, to, node.name);
  if (to instanceof Pid) return new DynamicSupervisorInstance(node, to);
  return 'pid' in to
    ? new DynamicSupervisorInstance(node, to.pid)
    : new NamedDynamicSupervisor(node, to.name, to.node);
}

type AnyDynamicDefinition<
  ChildArgs extends readonly unknown[],
  Started extends ChildStarted,
> = DynamicSupervisorDefinition<never, ChildArgs, Started>;
