/**
 * Child specs of what can be started: a server or supervisor, a plain process, and the template of a dynamic supervisor.
 *
 * They only describe; the supervisor checks and starts. A start function that is none of these is written into a spec as
 * it is: `{ id, start: (self) => self.startLink(...) }`.
 */
import { TroupeError } from '../errors.ts';
import type { Body, SpawnOptions } from '../process/behaviour.ts';
import { link } from '../process/exit.ts';
import { checkStartable, START, type Startable } from '../process/behaviour.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { DynamicSupervisorDefinition, SupervisorDefinition } from './supervisor-definition.ts';
import type { ChildPolicy, ChildSpec, ChildStarted, ChildTemplate } from './supervisor-spec.ts';

/** How a supervisor treats a child, besides the options of its start. */
export interface ChildOptions extends ChildPolicy {
  /** Unique within the supervisor. Default: the registered name, or else the name of what is started. */
  readonly id?: string;
}

/** Arguments of a start and options: the arguments may be left out where none are needed. */
type ChildArguments<Args extends readonly unknown[], Options> = [] extends Args
  ? [args?: Args, options?: Options]
  : [args: Args, options?: Options];

/** Options of {@link childProcess}. */
export interface ChildProcessOptions extends ChildOptions, SpawnOptions {}

/**
 * A child that is a server, a supervisor or anything else that `startLink` can start.
 * @param args the arguments of its start, at each restart the same.
 * @param options how the supervisor treats it, and the options of its start, such as `name`. A supervisor has type
 * `supervisor` and shutdown `infinity` by default. See "Child specification" of the OTP module `supervisor`.
 */
export function child<Args extends readonly unknown[], Options extends object, Started extends ChildStarted>(
  startable: Startable<Args, Options, Started>,
  ...[args, options]: ChildArguments<Args, ChildOptions & NoInfer<Options>>
): ChildSpec<Started> {
  checkStartable(startable);
  const { policy, rest } = split(startable, options);
  const given = (args ?? []) as unknown as Args;
  const start = (self: Process): Promise<Started> =>
    startable[START](self.node, self, true, given, rest as Options);
  return { ...policy, start };
}

/**
 * A child that is a plain process: a function or a behaviour. It counts as started when it is spawned.
 * @param args the arguments of the body, at each restart the same.
 * @param options how the supervisor treats it, and the options of `spawnWith`, such as `name`.
 */
export function childProcess<Args extends readonly unknown[]>(
  body: Body<Args>,
  ...[args, options]: ChildArguments<Args, ChildProcessOptions>
): ChildSpec<Pid> {
  const { policy, rest } = split(body, options);
  const given = (args ?? []) as unknown as Args;
  return { ...policy, start: (self) => spawnChild(self, body, given, rest) };
}

/**
 * What a dynamic supervisor makes its children by: `startChild` takes the arguments of the start. For arguments that are
 * the same for all children write the template out: `{ start: (self, socket: Socket) => self.startLink(connection, [repository, socket]) }`.
 * @param options how the supervisor treats them, and the options of each start.
 */
export function childTemplate<
  Args extends readonly unknown[],
  Options extends object,
  Started extends ChildStarted,
>(
  startable: Startable<Args, Options, Started>,
  options?: ChildOptions & NoInfer<Options>,
): ChildTemplate<Args, Started> {
  checkStartable(startable);
  const { policy, rest } = split(startable, options);
  const start = (self: Process, ...args: Args): Promise<Started> =>
    startable[START](self.node, self, true, args, rest as Options);
  return { ...policy, start };
}

function spawnChild<Args extends readonly unknown[]>(
  self: Process,
  body: Body<Args>,
  args: Args,
  options: SpawnOptions,
): Pid {
  const { name } = options;
  const owner = name === undefined ? undefined : self.node.whereis(name);
  if (owner !== undefined) {
    throw new TroupeError('TROUPE_NAME_TAKEN', `The name '${String(name)}' belongs to ${owner.toString()}.`, {
      reason: ['already_started', owner],
    });
  }
  const pid = self.spawnWith(options, body, ...args);
  link(self, pid);
  return pid;
}

/** Tells the fields of a child spec from the options of the start. */
function split(
  started: object,
  options: unknown,
): { policy: ChildPolicy & { readonly id: string }; rest: object } {
  const given = (options ?? {}) as ChildOptions & { readonly name?: string };
  const { id: chosen, restart, significant, shutdown, type: declared, modules: listed, ...rest } = given;
  const own = (started as { readonly name?: unknown }).name;
  const code = typeof own === 'string' && own !== '' ? own : undefined;
  const supervises =
    started instanceof SupervisorDefinition || started instanceof DynamicSupervisorDefinition;
  const policy = {
    // One that has neither name is refused by the check of the spec.
    id: chosen ?? given.name ?? code ?? '',
    modules: listed ?? (code === undefined ? [] : [code]),
    ...(supervises ? { type: 'supervisor' as const } : {}),
    ...defined({ restart, significant, shutdown, type: declared }),
  };
  return { policy, rest };
}

/** Without the fields that are undefined, so that they have their defaults. */
function defined<Fields extends object>(
  fields: Fields,
): { [Name in keyof Fields]?: NonNullable<Fields[Name]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Name in keyof Fields]?: NonNullable<Fields[Name]>;
  };
}
