/**
 * What runs in a supervisor's process: it starts the children, then handles one message after the other: requests, exits of
 * children, the exit of the parent, system messages. `supervisor-static.ts` and `supervisor-dynamic.ts` keep the children.
 *
 *     Exit of a child ─▶ handleExit ─▶ doRestart ─▶ restart ─▶ add_restart ─▶ restartChildren ─▶ shutdown, doStartChild
 *                            │ no                       │ one too many              │ the start failed
 *                            ▼                          ▼                           ▼
 *                      doAutoShutdown ─▶ terminate ◀────┘                    TryAgainRestart
 *
 * Invariants: whatever ends a supervisor other than a kill shuts its children down first. While it starts or shuts down a
 * child it handles nothing else, as in OTP; a kill still ends it, and its children through their links. A wrong request is
 * refused and never ends it. See `handle_call`, `handle_info`, `restart_child/2` and `restart/2` of OTP's supervisor.erl.
 */
import { TroupeError, badArgument } from '../errors.ts';
import { type Behaviour, isThenable } from '../process/behaviour.ts';
import { Exit, type ExitReason, formatReason, KEPT, ProcessExit } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { type AtomKeyed, atomKeys, Atom, atom } from '../terms/atom.ts';
import { ErlMap } from '../terms/canonical.ts';
import { Pid } from '../terms/identifiers.ts';
import { Tuple, tuple } from '../terms/values.ts';
import { Action } from './actions.ts';
import type { ChildCounts, ChildInfo, Flags, FullChildSpec, Restart } from './child-spec.ts';
import { Call, RemoteCall, reportUnexpected, type Request, SYSTEM } from './gen.ts';
import type { Startup } from './proc-lib.ts';
import {
  doAutoShutdown,
  doRestart,
  doStartChild,
  reportIntensity,
  reportTerminated,
  RestartWindow,
  type StartResult,
} from './restart.ts';
import { handleSystem, isParentExit, type SystemTarget } from './system.ts';

/** @internal What every request answers; the fields besides `ok` and `error` depend on the request. */
export type Answer =
  | { readonly ok: true; readonly [field: string]: unknown }
  | { readonly ok: false; readonly error: string; readonly [field: string]: unknown };

/** In the mailbox of a supervisor: the restart of a child failed; try it again. See `try_again_restart/1`. */
class TryAgainRestart {
  readonly child: unknown;

  constructor(child: unknown) {
    this.child = child;
  }

  get [KEPT](): boolean {
    return true;
  }
}

const inspect = Symbol.for('nodejs.util.inspect.custom');
/** How many children are shown of a supervisor. */
const CHILDREN_SHOWN_MAX = 20;

/** @internal The state of a supervisor's process. */
export abstract class Supervisor<Child = unknown> implements SystemTarget {
  readonly self: Process;
  readonly parent: Pid | null;
  readonly flags: Flags;
  readonly #restarts: RestartWindow;

  constructor(self: Process, parent: Pid | null, flags: Flags) {
    this.self = self;
    this.parent = parent;
    this.flags = flags;
    this.#restarts = new RestartWindow(flags.intensity, flags.periodMs);
  }

  // ---- restarts ----

  /** A linked process other than the parent exited. See `restart_child/2` and `do_restart/3`. */
  handleExit(pid: Pid, reason: ExitReason): Promise<void> | void {
    const child = this.findByPid(pid);
    if (child === undefined || this.isRestarting(child)) return;
    const spec = this.specOf(child);
    const { restart, report } = doRestart(spec.restart, reason);
    if (report) reportTerminated(this.self, spec.id, pid, reason, 'child_terminated');
    if (restart) return this.#restart(child);
    this.drop(child);
    if (doAutoShutdown(this.flags.autoShutdown, spec, () => this.hasSignificant())) {
      return this.terminate(this.self, 'shutdown');
    }
  }

  /** The child may have been terminated, or restarted with others, since. */
  tryAgainRestart(child: unknown): Promise<void> | void {
    if (this.isRestarting(child)) return this.#restart(child);
  }

  /** See `restart/2` and `add_restart/1`. */
  #restart(child: Child): Promise<void> {
    if (this.#restarts.add(this.self.node.clock.now())) return this.restartChildren(child);
    reportIntensity(this.self, this.specOf(child).id);
    this.drop(child);
    return this.terminate(this.self, 'shutdown');
  }

  /** Restarts the child, and with it the others that the strategy names. See `restart/3`. */
  protected abstract restartChildren(child: Child): Promise<void>;

  /**
   * The start of a child failed in a restart: tries again once the waiting messages have been handled, since a request
   * among them may terminate the child or the supervisor.
   */
  protected restartLater(child: Child): void {
    this.self.deliverSignal(new TryAgainRestart(child));
  }

  /** Runs the start function of a child. See `do_start_child/2`. */
  protected doStart(start: () => unknown): Promise<StartResult> {
    return doStartChild(this.self, start, (pid) => this.findByPid(pid) !== undefined);
  }

  // ---- the children ----

  /** Starts the children that the supervisor has from the beginning. */
  abstract startChildren(): Promise<void>;
  /** Shuts all children down. */
  abstract terminateChildren(): Promise<void>;
  /** Handles a request by its name; undefined for an unknown one. */
  abstract request(name: string, argument: unknown): Promise<Answer> | Answer | undefined;
  abstract infos(): Iterable<ChildInfo>;
  abstract counts(): ChildCounts;
  protected abstract restartOf(child: ChildInfo): Restart | undefined;
  /** The child that runs as a process; of a dynamic supervisor also the one that ran as it and waits for its restart. */
  protected abstract findByPid(pid: Pid): Child | undefined;
  protected abstract specOf(child: Child): Pick<FullChildSpec, 'id' | 'restart' | 'significant'>;
  /** Whether it is a child of this supervisor that waits for another attempt to restart it. */
  protected abstract isRestarting(child: unknown): child is Child;
  /** The child exited and is not restarted: a temporary one is forgotten. */
  protected abstract drop(child: Child): void;
  /** Whether a significant child is running or waiting for a restart. */
  protected abstract hasSignificant(): boolean;

  // ---- system messages, and the end ----

  get behaviour(): string {
    return 'supervisor';
  }

  getState(): this {
    return this;
  }

  sentState(): unknown {
    return { children: childrenTerm(this.infos()), counts: countsTerm(this.counts()) };
  }

  /** What people see of it: its flags and the first of its children. */
  shown(): object {
    const children: object[] = [];
    for (const child of this.infos()) {
      if (children.length === CHILDREN_SHOWN_MAX) break;
      const { id, pid, type, status } = child;
      const restart = this.restartOf(child);
      children.push({ id, pid, type, restart, ...(status !== 'running' && { status }) });
    }
    const { workers, supervisors } = this.counts();
    const more = workers + supervisors - children.length;
    return { ...this.flags, children, ...(more > 0 && { more }) };
  }

  [inspect](): object {
    return this.shown();
  }

  replaceState(state: unknown): void {
    if (state === this) return;
    throw badArgument(
      'The state of a supervisor cannot be replaced: start, terminate and delete its children instead.',
    );
  }

  details(): Readonly<Record<string, unknown>> {
    return { ...this.flags, children: this.counts() };
  }

  /** Shuts the children down and ends the process. */
  async terminate(_self: Process, reason: ExitReason): Promise<never> {
    await this.terminateChildren();
    throw new ProcessExit(reason);
  }
}

/** @internal Makes the state of a supervisor's process; or the action `ignore`. */
export type MakeSupervisor = (
  self: Process,
  parent: Startup['parent'],
  args: readonly unknown[],
) => Supervisor | Action;

/** @internal The behaviour of all processes of one definition. */
export class SupervisorBehaviour implements Behaviour<
  Supervisor,
  readonly [startup: Startup, ...args: readonly unknown[]]
> {
  readonly name: string;
  readonly #make: MakeSupervisor;

  constructor(name: string, make: MakeSupervisor) {
    this.name = name;
    this.#make = make;
  }

  async init(self: Process, startup: Startup, ...args: readonly unknown[]): Promise<Supervisor> {
    self.trapExit(true);
    const made = this.#make(self, startup.parent, args);
    if (made instanceof Action) return startup.ignore();
    await made.startChildren();
    startup.acknowledge();
    return made;
  }

  handle(self: Process, message: unknown, supervisor: Supervisor): Promise<void> | void {
    if (isParentExit(message, supervisor.parent)) return supervisor.terminate(self, message.reason);
    if (message instanceof Exit) return supervisor.handleExit(message.from, message.reason);
    if (message instanceof Call || message instanceof RemoteCall) return request(self, message, supervisor);
    if (message instanceof TryAgainRestart) return supervisor.tryAgainRestart(message.child);
    reportUnexpected(self, message);
  }
}

// ---- requests ----

function request(self: Process, message: Call | RemoteCall, supervisor: Supervisor): Promise<void> | void {
  const { name } = message;
  if (name === SYSTEM) return handleSystem(self, message, supervisor);
  const isRemote = message instanceof RemoteCall;
  if (name === 'which_children') {
    return message.reply(isRemote ? childrenTerm(supervisor.infos()) : [...supervisor.infos()]);
  }
  if (name === 'count_children') {
    return message.reply(isRemote ? countsTerm(supervisor.counts()) : supervisor.counts());
  }
  // An Erlang program may name a child by an atom.
  const argument = message.argument instanceof Atom ? message.argument.name : message.argument;
  let result: Promise<Answer> | Answer | undefined;
  try {
    result = supervisor.request(name, argument);
  } catch (error) {
    // Only the argument has been looked at so far: the error is the caller's.
    const what = `${name} cannot read its argument.`;
    return refuse(
      message,
      error instanceof TroupeError ? error : new TroupeError('TROUPE_BAD_ARGUMENT', what, { cause: error }),
    );
  }
  if (result === undefined) {
    reportUnexpected(self, message);
    const reason = ['unknown_call', name];
    return refuse(
      message,
      new TroupeError('TROUPE_UNKNOWN_CALL', `Supervisors have no call '${name}'.`, { reason }),
    );
  }
  const answer = (value: Answer): void => message.reply(isRemote ? answerTerm(name, value) : value);
  return isThenable(result) ? result.then(answer) : answer(result);
}

/** Answers a request with an error in it; a supervisor must not end because of one. */
function refuse(message: Request, error: TroupeError): void {
  if (message instanceof RemoteCall) message.reply(tuple(ERROR, tuple(BAD_REQUEST, error.message)));
  else message.fail(error);
}

/** @internal What the start of a child answers to the caller. */
export function startAnswer(result: StartResult): Answer {
  if (result.ok) return result;
  const { reason } = result;
  return Array.isArray(reason) && reason.length === 2 && reason[0] === 'already_started'
    ? { ok: false, error: 'already_started', pid: reason[1] as unknown }
    : { ok: false, error: 'start_failed', reason };
}

// ---- answers between nodes, which are those of OTP; also among nodes of Troupe ----
//
// | request                        | answer                                                                   |
// | ------------------------------ | ------------------------------------------------------------------------ |
// | `which_children`               | `[{Id, Pid | restarting | undefined, worker | supervisor, [Module]}]`    |
// | `count_children`               | `[{specs, N}, {active, N}, {supervisors, N}, {workers, N}]`              |
// | `start_child`, `restart_child` | `{ok, Pid | undefined}`, `{error, Reason}`                               |
// | `get_childspec`                | `{ok, Spec}`, `{error, Reason}`                                          |
// | the others                     | `ok`, `{error, Reason}`                                                  |
//
// The ids of children here are strings, binaries to Erlang; a request may name a child by an atom as well. Functions do not
// leave a node: `start` of a spec is `undefined`.

const OK = atom('ok');
const ERROR = atom('error');
const RESTARTING = atom('restarting');
const ALREADY_STARTED = atom('already_started');
const BAD_REQUEST = atom('bad_request');
const COUNTS = ['specs', 'active', 'supervisors', 'workers'] as const;

/** Errors that are words; any other is the reason of a start that failed. */
const WORDS: ReadonlySet<string> = new Set([
  'already_present',
  'not_found',
  'running',
  'restarting',
  'simple_one_for_one',
]);

/** The answer to `which_children`. */
function childrenTerm(infos: Iterable<ChildInfo>): Tuple[] {
  return Array.from(infos, ({ id, pid, status, type, modules }) =>
    tuple(id, pid ?? (status === 'restarting' ? RESTARTING : undefined), atom(type), modules.map(atom)),
  );
}

/** The answer to `count_children`. */
function countsTerm(counts: ChildCounts): Tuple[] {
  return COUNTS.map((name) => tuple(atom(name), counts[name]));
}

/** Any other answer. */
function answerTerm(name: string, value: Readonly<Record<string, unknown>>): unknown {
  const { ok, error, pid, reason } = value;
  if (ok !== true) {
    if (error === 'already_started') return tuple(ERROR, tuple(ALREADY_STARTED, pid));
    return tuple(ERROR, error === 'start_failed' ? formatReason(reason) : atom(String(error)));
  }
  if (name === 'start_child' || name === 'restart_child') return tuple(OK, pid);
  return name === 'get_childspec' ? tuple(OK, specTerm(value['spec'] as FullChildSpec)) : OK;
}

function specTerm({ id, restart, significant, shutdown, type, modules }: FullChildSpec): AtomKeyed {
  return atomKeys({
    id,
    start: undefined,
    restart: atom(restart),
    significant,
    shutdown: typeof shutdown === 'string' ? atom(shutdown) : shutdown,
    type: atom(type),
    modules: modules.map(atom),
  });
}

/** @internal Reads the answer of another node to a request. @returns undefined when it is not an answer of a supervisor. */
export function readAnswer(name: string, term: unknown): unknown {
  if (name === 'which_children') return Array.isArray(term) ? readAll(term, readInfo) : undefined;
  if (name === 'count_children') return readCounts(term);
  if (term === OK) return { ok: true };
  if (!(term instanceof Tuple) || term.length < 2) return undefined;
  const [tag, value] = term.elements;
  if (tag === ERROR) return readError(value);
  if (tag !== OK) return undefined;
  if (name === 'get_childspec') return { ok: true, spec: readSpec(value) };
  return { ok: true, pid: value instanceof Pid ? value : undefined, handle: undefined };
}

function readError(reason: unknown): unknown {
  if (reason instanceof Atom && WORDS.has(reason.name)) return { ok: false, error: reason.name };
  if (reason instanceof Tuple && reason.length === 2) {
    const [what, detail] = reason.elements;
    if (what === ALREADY_STARTED && detail instanceof Pid)
      return { ok: false, error: 'already_started', pid: detail };
    if (what === BAD_REQUEST) return { ok: false, error: 'bad_request', reason: detail };
  }
  return { ok: false, error: 'start_failed', reason };
}

function readInfo(term: unknown): ChildInfo | undefined {
  if (!(term instanceof Tuple) || term.length !== 4) return undefined;
  const [id, child, type, modules] = term.elements;
  return {
    id: id as ChildInfo['id'],
    pid: child instanceof Pid ? child : undefined,
    status: child instanceof Pid ? 'running' : child === RESTARTING ? 'restarting' : 'stopped',
    type: type === atom('supervisor') ? 'supervisor' : 'worker',
    modules: Array.isArray(modules) ? modules.map(String) : [],
  };
}

function readCounts(term: unknown): ChildCounts | undefined {
  const pairs = Array.isArray(term)
    ? readAll(term, (item) => (item instanceof Tuple ? item : undefined))
    : [];
  const counts = COUNTS.map(
    (name) => [name, pairs?.find(({ elements }) => elements[0] === atom(name))?.elements[1]] as const,
  );
  if (!counts.every(([, count]) => typeof count === 'number')) return undefined;
  return Object.fromEntries(counts) as unknown as ChildCounts;
}

/** A spec with its keys as fields, and the words in it as strings; undefined in, undefined out. */
function readSpec(term: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!(term instanceof ErlMap)) return undefined;
  const spec: Record<string, unknown> = {};
  for (const [key, value] of term) {
    if (!(key instanceof Atom)) continue;
    const { name } = key;
    if (name === 'modules') spec[name] = Array.isArray(value) ? value.map(String) : [];
    else spec[name] = value instanceof Atom && name !== 'id' ? value.name : value;
  }
  return spec;
}

function readAll<T>(terms: readonly unknown[], read: (term: unknown) => T | undefined): T[] | undefined {
  const all: T[] = [];
  for (const term of terms) {
    const one = read(term);
    if (one === undefined) return undefined;
    all.push(one);
  }
  return all;
}
