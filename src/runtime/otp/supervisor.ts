/**
 * `defineSupervisor` and `defineDynamicSupervisor`: supervisors as declarations that can be started, alone or as
 * children of other supervisors.
 *
 * The flags are checked when the supervisor is defined, the children when it is started, since they depend on its arguments.
 * What its process does is in `supervisor-process.ts`. See the OTP module `supervisor`, `Module:init/1` and `start_link/3`.
 */
import { checkOptionNames } from '../errors.ts';
import type { Node } from '../process/node.ts';
import { START, type Startable } from '../process/behaviour.ts';
import type { Process } from '../process/process.ts';
import { Action } from './actions.ts';
import type { IgnoredBy } from './server.ts';
import { type StartOptions, startBehaviour } from './proc-lib.ts';
import { DynamicSupervisor } from './supervisor-dynamic.ts';
import { DynamicSupervisorInstance, SupervisorInstance } from './ref.ts';
import { SupervisorBehaviour } from './supervisor-process.ts';
import {
  CHILD_TYPE,
  checkFlags,
  FLAGS,
  type ChildSpec,
  type ChildStarted,
  type ChildTemplate,
  type ChildType,
  type Strategy,
  type SupervisorFlags,
} from './child-spec.ts';
import { StaticSupervisor } from './supervisor-static.ts';

type Ignore = Action<'ignore', never, never>;

/** What `defineSupervisor` is given. */
export interface SupervisorOptions<
  Result extends readonly ChildSpec[] | Ignore,
  Args extends readonly unknown[],
> extends SupervisorFlags {
  /** Default `one_for_one`. */
  readonly strategy?: Exclude<Strategy, 'simple_one_for_one'>;
  /**
   * The children, in start order; or a function that makes them from the arguments of the start, in the supervisor's
   * process. It may answer `ignore()`.
   */
  readonly children: Result | ((...args: Args) => Result);
}

/** What `defineDynamicSupervisor` is given. */
export interface DynamicSupervisorOptions<
  Args extends readonly unknown[],
  ChildArgs extends readonly unknown[],
  Started extends ChildStarted,
> extends SupervisorFlags {
  /** The template of all children; or a function that makes it from the arguments of the start. */
  readonly child: ChildTemplate<ChildArgs, Started> | ((...args: Args) => ChildTemplate<ChildArgs, Started>);
}

abstract class AnyDefinition<Args extends readonly unknown[], Handle> implements Startable<
  Args,
  StartOptions,
  Handle
> {
  /** What process info shows of its processes. */
  readonly name: string;
  readonly #behaviour: SupervisorBehaviour;

  /** @internal */
  constructor(behaviour: SupervisorBehaviour) {
    this.name = behaviour.name;
    this.#behaviour = behaviour;
  }

  /** @internal As a child it is a supervisor. */
  get [CHILD_TYPE](): ChildType {
    return 'supervisor';
  }

  /** @internal The address of a process of this definition. */
  protected abstract handleOf(process: Process): Handle;

  /** Called by `start` and `startLink` of a node or process; use those. */
  async [START](
    node: Node,
    parent: Process | undefined,
    linked: boolean,
    args: Args,
    options: StartOptions | undefined,
  ): Promise<Handle> {
    const start = startBehaviour<readonly unknown[]>;
    // Awaited: the supervisor has its state, by which `tree.ts` finds its children, one microtask after its report.
    const process = await start(node, parent, linked, this.#behaviour, args, options);
    return process === undefined ? (undefined as Handle) : this.handleOf(process);
  }
}

/** A supervisor that can be started; made by {@link defineSupervisor}. */
export class SupervisorDefinition<
  Args extends readonly unknown[],
  Ignored extends undefined = never,
> extends AnyDefinition<Args, SupervisorInstance | Ignored> {
  /** @internal */
  protected override handleOf({ node, pid }: Process): SupervisorInstance {
    return new SupervisorInstance(node, pid);
  }
}

/** A dynamic supervisor that can be started; made by {@link defineDynamicSupervisor}. */
export class DynamicSupervisorDefinition<
  Args extends readonly unknown[],
  ChildArgs extends readonly unknown[],
  Started extends ChildStarted,
> extends AnyDefinition<Args, DynamicSupervisorInstance<ChildArgs, Started>> {
  /** @internal */
  protected override handleOf({ node, pid }: Process): DynamicSupervisorInstance<ChildArgs, Started> {
    return new DynamicSupervisorInstance(node, pid);
  }
}

/**
 * Declares a supervisor: a process that starts its children in order, restarts those that exit as their specs say, and stops
 * them in reverse order when it ends.
 *
 * `node.start(definition, args, options)` starts it and answers a {@link SupervisorInstance} when all children are up. When
 * one fails, those before it are stopped and the start fails with the reason
 * `['shutdown', ['failed_to_start_child', id, reason]]`. End one that is not linked with `stop`: like OTP's, it
 * ignores exit signals of processes other than its parent and its children.
 * @throws TroupeError TROUPE_BAD_CHILD_SPEC for wrong flags, TROUPE_BAD_ARGUMENT for one that does not exist. Wrong child specs fail the start, with that error as reason.
 * See the OTP module `supervisor`.
 * @example
 * const tree = defineSupervisor({
 *   strategy: 'rest_for_one',
 *   children: (repository: NoteRepository) => [child(noteIndexer, [repository], { name: 'note_indexer' })],
 * });
 */
export function defineSupervisor<
  const Result extends readonly ChildSpec[] | Ignore,
  Args extends readonly unknown[] = [],
>(options: SupervisorOptions<Result, Args>): SupervisorDefinition<Args, IgnoredBy<Result>> {
  checkOptionNames('defineSupervisor', options, { ...FLAGS, strategy: true, children: true });
  const flags = checkFlags(options);
  const { children } = options;
  return new SupervisorDefinition(
    new SupervisorBehaviour(flags.name, (self, parent, args) => {
      const made: unknown =
        typeof children === 'function' ? children(...(args as unknown as Args)) : children;
      return made instanceof Action ? made : new StaticSupervisor(self, parent, flags, made);
    }),
  );
}

/**
 * Declares a supervisor of many children of one kind, which are started on request: OTP's `simple_one_for_one`. Starting
 * and removing a child costs the same however many there are; when it ends it stops all of them at once.
 * @throws TroupeError TROUPE_BAD_CHILD_SPEC for wrong flags, TROUPE_BAD_ARGUMENT for one that does not exist. A wrong template fails the start.
 * @example
 * const connections = defineDynamicSupervisor({ child: childTemplate(connection, { restart: 'temporary' }) });
 * const supervisor = await node.start(connections);
 * const started = await supervisor.startChild([socket]);
 */
export function defineDynamicSupervisor<
  ChildArgs extends readonly unknown[],
  Started extends ChildStarted,
  Args extends readonly unknown[] = [],
>(
  options: DynamicSupervisorOptions<Args, ChildArgs, Started>,
): DynamicSupervisorDefinition<Args, ChildArgs, Started> {
  checkOptionNames('defineDynamicSupervisor', options, { ...FLAGS, child: true });
  const flags = checkFlags({ ...options, strategy: 'simple_one_for_one' });
  const { child } = options;
  return new DynamicSupervisorDefinition(
    new SupervisorBehaviour(flags.name, (self, parent, args) => {
      const template = typeof child === 'function' ? child(...(args as unknown as Args)) : child;
      return new DynamicSupervisor(self, parent, flags, template);
    }),
  );
}
