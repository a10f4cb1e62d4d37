/**
 * What a supervisor is told about itself and its children: flags, child specs, templates of dynamic children; their
 * defaults and their checks.
 *
 * Everything is checked before a supervisor uses it, so that the rest of it works on complete and valid specs. It starts
 * nothing. See "Supervisor flags" and "Child specification" of the OTP module `supervisor`; `supervisor:check_childspecs/2`.
 */
import { TroupeError } from '../errors.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { MAX_TIMER_MS } from '../process/timers.ts';

/**
 * Which children a restart concerns: the one that ended, all, or that one and those started after it.
 * `simple_one_for_one` is what {@link defineDynamicSupervisor} makes.
 */
export type Strategy = 'one_for_one' | 'one_for_all' | 'rest_for_one' | 'simple_one_for_one';

/**
 * When a child that ended is started again: always, after a failure (an exit other than `normal`, `shutdown` and
 * `['shutdown', detail]`), or never.
 */
export type Restart = 'permanent' | 'transient' | 'temporary';

/** How a child is ended: at once, or asked with `shutdown` and killed after so many milliseconds, or never killed. */
export type Shutdown = 'brutal_kill' | 'infinity' | number;

/** What a child is; tools draw the tree by it. */
export type ChildType = 'worker' | 'supervisor';

/** Whether a supervisor ends with `shutdown` when significant children have ended by themselves. */
export type AutoShutdown = 'never' | 'any_significant' | 'all_significant';

/** What the start of a child answers: the process, or undefined when it is not needed (`ignore`). */
export type ChildStarted = Pid | { readonly pid: Pid } | undefined;

/** How a supervisor treats a child. */
export interface ChildPolicy {
  /** Default `permanent`. */
  readonly restart?: Restart;
  /** Whether its end counts for `autoShutdown`; not for a permanent child. Default false. */
  readonly significant?: boolean;
  /** Milliseconds, 0 to 2^32-1, or a word. Default 5,000 for a worker and `infinity` for a supervisor. */
  readonly shutdown?: Shutdown;
  /** Default `worker`; `child()` knows a supervisor by itself. */
  readonly type?: ChildType;
  /** The code that the child runs, for tools. Default: the name of what it is started from. */
  readonly modules?: readonly string[];
}

/** A child of a supervisor. Made by `child()` and `childProcess()`, or written out. */
export interface ChildSpec<Started extends ChildStarted = ChildStarted> extends ChildPolicy {
  /** Unique within the supervisor. */
  readonly id: string;
  /**
   * Starts the child; runs in the supervisor's process, which handles nothing else until it is done. The child is to be
   * linked to the supervisor from its spawn on: `self.startLink`, `self.spawnLink`. What it throws is the failure.
   */
  readonly start: (self: Process) => Started | Promise<Started>;
}

/** What all children of a dynamic supervisor are made by. Made by `childTemplate()`, or written out. */
export interface ChildTemplate<
  Args extends readonly unknown[] = readonly never[],
  Started extends ChildStarted = ChildStarted,
> extends ChildPolicy {
  /** What telemetry calls the children. Default: the name of the supervisor. */
  readonly id?: string;
  /** Starts a child with the arguments of `startChild`; see {@link ChildSpec.start}. */
  readonly start: (self: Process, ...args: Args) => Started | Promise<Started>;
}

/** A child spec with every field, as `getChildSpec` answers it. */
export type FullChildSpec<Args extends readonly unknown[] = readonly []> = Required<
  Omit<ChildSpec, 'start'>
> & { readonly start: (self: Process, ...args: Args) => ChildStarted | Promise<ChildStarted> };

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
    if (ids.has(id)) throw badSpec(`Child ${show(id)}`, 'its id is that of another child');
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
