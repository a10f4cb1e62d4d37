/**
 * Flags of supervisors, child specs, and templates of dynamic children: their types, defaults and checks, and the functions
 * that make them of what can be started.
 *
 * Everything is checked before a supervisor uses it, so the rest of it works on complete and valid specs. Nothing here
 * starts a child. See "Supervisor flags" and "Child specification" of the OTP module `supervisor`;
 * `supervisor:check_childspecs/2`.
 */
import { TroupeError, checkOptionNames, type OptionNames } from '../errors.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { MAX_TIMER_MS } from '../process/timers.ts';
import { type Body, type SpawnOptions, checkStartable, START, type Startable } from '../process/behaviour.ts';
import { link } from '../process/exit.ts';
import type { Atom } from '../terms/atom.ts';

/**
 * Which children are restarted when one exits: that one, all, or that one and those started after it.
 * `simple_one_for_one` is what `defineDynamicSupervisor` makes.
 */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one' | 'simple_one_for_one';

/**
 * When a child that exited is restarted: always, after a failure (an exit other than `normal`, `shutdown` and
 * `['shutdown', detail]`), or never.
 */
export type Restart = 'permanent' | 'transient' | 'temporary';

/** How a child is stopped: killed at once, or sent `shutdown` and killed after so many milliseconds, or never killed. */
export type Shutdown = 'brutal_kill' | 'infinity' | number;

/** The type of a child, for tools that draw the tree. */
export type ChildType = 'worker' | 'supervisor';

/** Whether a supervisor shuts down when significant children exit of their own accord. */
export type AutoShutdown = 'never' | 'any_significant' | 'all_significant';

/** What the start of a child answers: the process, or undefined when it is not needed (`ignore`). */
export type ChildStarted = Pid | { readonly pid: Pid } | undefined;

/** How a supervisor treats a child. */
export interface ChildPolicy {
  /** Default `permanent`. */
  readonly restart?: Restart;
  /** Whether its exit counts for `autoShutdown`; not for a permanent child. Default false. */
  readonly significant?: boolean;
  /** Milliseconds, 0 to 2^32-1, or a word. Default 5,000 for a worker and `infinity` for a supervisor. */
  readonly shutdown?: Shutdown;
  /** Default `worker`; `child()` recognizes a supervisor. */
  readonly type?: ChildType;
  /** The code that the child runs, for tools. Default: the name of what it is started from. */
  readonly modules?: readonly string[];
}

/** A child of a supervisor. Made by `child()` and `childProcess()`, or written out. */
export interface ChildSpec<Started extends ChildStarted = ChildStarted> extends ChildPolicy {
  /** Unique within the supervisor. */
  readonly id: string;
  /**
   * Starts the child; runs in the supervisor's process, which handles nothing else until it is done. Link the child to the
   * supervisor from its spawn on: `self.startLink`, `self.spawnLink`. What it throws is the failure.
   */
  readonly start: (self: Process) => Started | Promise<Started>;
}

/** The spec of all children of a dynamic supervisor. Made by `childTemplate()`, or written out. */
export interface ChildTemplate<
  Args extends readonly unknown[] = readonly never[],
  Started extends ChildStarted = ChildStarted,
> extends ChildPolicy {
  /** The id of the children in telemetry. Default: the name of the supervisor. */
  readonly id?: string;
  /** Starts a child with the arguments of `startChild`; see {@link ChildSpec.start}. */
  readonly start: (self: Process, ...args: Args) => Started | Promise<Started>;
}

/** A child spec with every field, as `getChildSpec` answers it. */
export type FullChildSpec<Args extends readonly unknown[] = readonly []> = Required<
  Omit<ChildSpec, 'start'>
> & { readonly start: (self: Process, ...args: Args) => ChildStarted | Promise<ChildStarted> };

/** What a child is called. On a BEAM node it may be any term, and is usually an atom. */
export type ChildId = string | Atom;

/** A child in the answer of `whichChildren`. */
export interface ChildInfo {
  /** Undefined for the children of a dynamic supervisor. */
  readonly id: ChildId | undefined;
  /** The process, when there is one. */
  readonly pid: Pid | undefined;
  /** `restarting`: the last attempt to restart it failed, and another follows. */
  readonly status: 'running' | 'restarting' | 'stopped';
  readonly type: ChildType;
  readonly modules: readonly string[];
}

/** The answer of `countChildren`. */
export interface ChildCounts {
  /** Child specs, whether or not there is a process; 1 for a dynamic supervisor. */
  readonly specs: number;
  /** Live processes. */
  readonly active: number;
  /** Children of type supervisor, running or not. */
  readonly supervisors: number;
  /** Children of type worker, running or not. */
  readonly workers: number;
}

/** The properties of any supervisor. */
export interface SupervisorFlags {
  /** What process info shows as the behaviour of its processes; `supervisor` by default. No registered name. */
  readonly name?: string;
  /** How many restarts may fall into one period; one more ends the supervisor. Default 1. */
  readonly intensity?: number;
  /** Length of the period in milliseconds. Default 5,000. */
  readonly periodMs?: number;
  /** Default `never`. */
  readonly autoShutdown?: AutoShutdown;
}

/** @internal Flags with every field. */
export interface Flags {
  readonly name: string;
  readonly strategy: Strategy;
  readonly intensity: number;
  readonly periodMs: number;
  readonly autoShutdown: AutoShutdown;
}

/** The default `shutdown` of a worker, in milliseconds. */
const WORKER_SHUTDOWN_MS = 5_000;

const STRATEGIES = ['one_for_one', 'one_for_all', 'rest_for_one', 'simple_one_for_one'];
const AUTO_SHUTDOWNS = ['never', 'any_significant', 'all_significant'];
const RESTARTS = ['permanent', 'transient', 'temporary'];
const TYPES = ['worker', 'supervisor'];

/** @internal The names of the flags that all supervisors have. */
export const FLAGS: OptionNames<SupervisorFlags> = {
  name: true,
  intensity: true,
  periodMs: true,
  autoShutdown: true,
};
const SPEC: OptionNames<FullChildSpec> = {
  id: true,
  start: true,
  restart: true,
  significant: true,
  shutdown: true,
  type: true,
  modules: true,
};

/** @internal Completes and checks the flags of a supervisor. @throws TroupeError TROUPE_BAD_CHILD_SPEC. */
export function checkFlags(given: SupervisorFlags & { readonly strategy?: Strategy }): Flags {
  const {
    name = 'supervisor',
    strategy = 'one_for_one',
    intensity = 1,
    periodMs = 5_000,
    autoShutdown = 'never',
  } = given;
  const who = `Supervisor ${show(name)}`;
  requireThat(typeof name === 'string' && name !== '', who, 'name must be a non-empty string', name);
  requireOneOf(STRATEGIES, who, 'strategy', strategy);
  requireThat(
    Number.isSafeInteger(intensity) && intensity >= 0,
    who,
    'intensity must be a whole number from 0 on',
    intensity,
  );
  requireThat(
    Number.isSafeInteger(periodMs) && periodMs > 0,
    who,
    'periodMs must be a whole number of milliseconds from 1 on',
    periodMs,
  );
  requireOneOf(AUTO_SHUTDOWNS, who, 'autoShutdown', autoShutdown);
  return { name, strategy, intensity, periodMs, autoShutdown };
}

/** @internal Completes and checks the spec of a child. @throws TroupeError TROUPE_BAD_CHILD_SPEC. */
export function checkChildSpec<Args extends readonly unknown[] = readonly []>(
  given: unknown,
  autoShutdown: AutoShutdown,
): FullChildSpec<Args> {
  requireThat(typeof given === 'object' && given !== null, 'A child spec', 'must be an object', given);
  const spec = given as Partial<FullChildSpec<Args>>;
  const { id, start, restart = 'permanent', significant = false, type = 'worker' } = spec;
  const who = `Child ${show(id)}`;
  requireThat(typeof id === 'string' && id !== '', who, 'id must be a non-empty string', id);
  checkOptionNames(who, spec, SPEC as Readonly<Record<string, true>>);
  requireThat(typeof start === 'function', who, 'start must be a function', start);
  requireOneOf(RESTARTS, who, 'restart', restart);
  requireOneOf(TYPES, who, 'type', type);
  requireThat(typeof significant === 'boolean', who, 'significant must be a boolean', significant);
  if (significant && autoShutdown === 'never') {
    throw badSpec(who, "cannot be significant in a supervisor whose autoShutdown is 'never'");
  }
  if (significant && restart === 'permanent') {
    throw badSpec(who, 'cannot be both significant and permanent');
  }
  const { shutdown = type === 'supervisor' ? 'infinity' : WORKER_SHUTDOWN_MS } = spec;
  requireThat(
    isShutdown(shutdown),
    who,
    `shutdown must be 'brutal_kill', 'infinity' or 0 to ${MAX_TIMER_MS} milliseconds`,
    shutdown,
  );
  const { modules = start.name === '' ? [] : [start.name] } = spec;
  requireThat(
    Array.isArray(modules) && modules.every((module) => typeof module === 'string'),
    who,
    'modules must be an array of strings',
    modules,
  );
  return { id, start, restart, significant, shutdown, type, modules };
}

/** @internal Completes and checks the children of a supervisor. @throws TroupeError TROUPE_BAD_CHILD_SPEC. */
export function checkChildSpecs(given: unknown, autoShutdown: AutoShutdown): FullChildSpec[] {
  requireThat(Array.isArray(given), 'The children of a supervisor', 'must be an array of child specs', given);
  const specs = given.map((spec) => checkChildSpec(spec, autoShutdown));
  const ids = new Set<string>();
  for (const { id } of specs) {
    if (ids.has(id)) throw badSpec(`Child ${show(id)}`, 'another child has the same id');
    ids.add(id);
  }
  return specs;
}

function isShutdown(value: unknown): value is Shutdown {
  if (typeof value !== 'number') return value === 'brutal_kill' || value === 'infinity';
  return Number.isInteger(value) && value >= 0 && value <= MAX_TIMER_MS;
}

function requireOneOf(words: readonly string[], who: string, field: string, value: unknown): void {
  const wanted = words.map((word) => `'${word}'`).join(', ');
  requireThat(words.includes(value as string), who, `${field} must be one of ${wanted}`, value);
}

function requireThat(condition: boolean, who: string, rule: string, value: unknown): asserts condition {
  if (!condition) throw badSpec(who, `${rule}, not ${show(value)}`);
}

function badSpec(who: string, what: string): TroupeError {
  return new TroupeError('TROUPE_BAD_CHILD_SPEC', `${who}: ${what}.`);
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  return typeof value === 'object' && value !== null ? Object.prototype.toString.call(value) : String(value);
}

// ---- specs of what can be started; any other start function goes into a spec as it is: `{ id, start: (self) => ... }` ----

/** How a supervisor treats a child, besides the options of its start. */
export interface ChildOptions extends ChildPolicy {
  /** Unique within the supervisor. Default: the registered name, or else the name of what is started. */
  readonly id?: string;
}

/** Arguments of a start and options: the arguments may be left out where none are needed. */
type ChildArguments<Args extends readonly unknown[], Options> = [] extends Args
  ? [args?: Args, options?: Options]
  : [args: Args, options?: Options];

/** @internal The key under which a definition says what type of child it makes; `worker` by default. */
export const CHILD_TYPE: unique symbol = Symbol('childType');

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
  checkStartable(startable, args);
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
 * The template of a dynamic supervisor's children: `startChild` takes the arguments of the start. For arguments that are
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

/** Separates the fields of a child spec from the options of the start. */
function split(
  started: object,
  options: unknown,
): { policy: ChildPolicy & { readonly id: string }; rest: object } {
  const given = (options ?? {}) as ChildOptions & { readonly name?: string };
  const { id: chosen, restart, significant, shutdown, type: declared, modules: listed, ...rest } = given;
  const own = (started as { readonly name?: unknown }).name;
  const code = typeof own === 'string' && own !== '' ? own : undefined;
  const type = declared ?? (started as { readonly [CHILD_TYPE]?: ChildType })[CHILD_TYPE];
  const policy = {
    // The check of the spec refuses one that has no name at all.
    id: chosen ?? given.name ?? code ?? '',
    modules: listed ?? (code === undefined ? [] : [code]),
    ...defined({ restart, significant, shutdown, type }),
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
