/**
 * A process: what `self` is to the code that runs in it.
 *
 * The object is the mailbox and the run-queue entry at once, and what few processes need is in `extra`, so
 * that an idle process stays small. The life of a process is a state machine over `status`:
 *
 *     idle ──deliver──▶ queued ──run──▶ running ──▶ idle | queued
 *                                          │ the handler returned a promise
 *                                          ▼
 *                          receiving ◀──▶ awaiting ──settled──▶ idle | queued
 *     any ──exit (exit.ts)──▶ exited
 *
 * Invariants: one message at a time; an `exited` process is gone everywhere (table, registry, links, monitors) and all
 * its methods throw TROUPE_PROCESS_DEAD; a process stands in the run queue exactly while `queued`, or once after it
 * exited there, which `run` skips.
 *
 * Signals between processes of one node take effect at once, inside the call that sends them: the order in which
 * one process sends to another is the order of arrival, and no other order can be seen. See the chapter "Processes" of
 * the Erlang reference manual.
 */
import { TroupeError, checkOptionNames } from '../errors.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import {
  type Behaviour,
  type Body,
  checkStartable,
  Closure,
  functionBody,
  isThenable,
  type ProcessFunction,
  type SpawnOptions,
  START,
  type Startable,
  type StartArguments,
  SPAWN_OPTIONS,
} from './behaviour.ts';
import type { Destination } from './destination.ts';
import { crashed, link, terminate, unlink } from './exit.ts';
import { checkHighWater, Mailbox, overflow } from './mailbox.ts';
import { type ExitReason, ProcessExit, type TIMEOUT } from './messages.ts';
import {
  demonitor,
  type DemonitorOptions,
  monitor,
  type Monitor,
  monitorStarted,
  type Watcher,
} from './monitor.ts';
import type { Node } from './node.ts';
import { dropReceive, type Matcher, receive, type ReceiveOptions, runReceive } from './receive.ts';
import * as scheduling from './scheduler.ts';
import * as states from './state.ts';
import { coarseNow, type TimerRef } from './timers.ts';

// As constants of this module: V8 reads an imported one from memory each time, which was 9 % of what a message costs.
const { AWAITING, BOUNDED, EMPTY, EXITED, IDLE, OVER_MARK, QUEUED, RECEIVING, RUNNING, STARTED, TRAP_EXIT } =
  states;
const { MESSAGES_PER_CLOCK_CHECK, REDUCTIONS_PER_RUN } = scheduling;

/** What `startMonitor` answers: what the start did, and the ref that the `Down` will carry. */
export interface MonitoredStart<Handle> {
  readonly handle: Handle;
  readonly ref: undefined extends Handle ? Ref | undefined : Ref;
}

/** A process of this node, as its own code sees it. */
export class Process extends Mailbox implements scheduling.Runnable {
  // Declared only, and made by the constructor in its order: each field is written once, and what every message touches
  // stands first, close together in memory, which is what bounds a broadcast to many processes.
  declare readonly node: Node;
  /** @internal */ declare status: number;
  /** @internal */ declare flags: number;
  /** @internal */ declare runNext: scheduling.Runnable | null;
  /** @internal */ declare readonly behaviour: Behaviour;
  /** @internal Before the start: the function or the arguments. Afterwards: what `init` made. */
  declare state: unknown;
  /** @internal */ declare extra: states.Extra | null;
  /** @internal Messages taken out of the mailbox so far. */
  declare handled: number;
  declare readonly pid: Pid;
  /** @internal Linked processes of this node. */
  declare links: Set<Pid> | null;
  /** @internal Its watchers, in a linked list. */
  declare watchers: Watcher | null;
  /** @internal Monitors that this process has set. */
  declare monitors: Monitor | null;
  /** @internal The process that spawned it; null for code outside of any process. */
  declare parent: Pid | null;
  /** @internal Milliseconds from the start of the node to the spawn. */
  declare readonly bornMs: number;

  /** @internal Use `spawn`. */
  constructor(node: Node, pid: Pid, behaviour: Behaviour, state: unknown, bornMs: number) {
    super();
    this.node = node;
    this.status = QUEUED;
    this.flags = 0;
    this.runNext = null;
    this.behaviour = behaviour;
    this.state = state;
    this.extra = null;
    this.handled = 0;
    this.pid = pid;
    this.links = null;
    this.watchers = null;
    this.monitors = null;
    this.parent = null;
    this.bornMs = bornMs;
    pid.process = this;
  }

  // ---- messages ----

  /**
   * Sends a message. Never blocks; a message to a pid that is dead is lost in silence.
   * @param to a pid, a registered name of this node, `{name, node}`, or an alias: a ref that a process of a BEAM node has made
   * with `erlang:alias/0` or `monitor/3`.
   * @throws TroupeError TROUPE_NOT_REGISTERED for a name of this node that no process has. See `erlang:send/2`.
   */
  send(to: Destination | Ref, message: unknown): void {
    if (this.status === EXITED) throw this.dead();
    const target = (to as Partial<Pid> | undefined)?.process as Process | null | undefined;
    const { node } = this;
    node.scheduler.reductions--;
    if (target !== null && target !== undefined && target.node === node) target.deliver(message);
    else node.route(this.pid, to, message);
  }

  /**
   * Sends a message after `delayMs` milliseconds. The timer lives on when this process ends.
   * @throws TroupeError TROUPE_BAD_ARGUMENT for a time outside 0 to 2^32-1. See `erlang:send_after/3`.
   */
  sendAfter(delayMs: number, to: Destination, message: unknown): TimerRef {
    if (this.status === EXITED) throw this.dead();
    return this.node.sendAfter(delayMs, to, message);
  }

  /**
   * Takes the first message that matches out of the mailbox, waiting for it when there is none; the others stay, in
   * order. One receive at a time.
   * @param match a type guard or predicate; every message matches when it is left out. See {@link Matcher}.
   * @param options `after`: milliseconds until it gives up with `TIMEOUT`; 0 looks only at what is there.
   * @throws TroupeError TROUPE_RECEIVE_BUSY when another receive of this process waits. See `receive` in Erlang.
   */
  receive(): Promise<unknown>;
  receive<T>(match: Matcher<T>): Promise<T>;
  receive<T>(match: Matcher<T>, options: ReceiveOptions): Promise<T | typeof TIMEOUT>;
  receive<T>(match?: Matcher<T>, options?: ReceiveOptions): Promise<T | typeof TIMEOUT> {
    if (this.status === EXITED) throw this.dead();
    return receive(this, match, options);
  }

  // ---- other processes ----

  /**
   * Spawns a process. It starts after the current handler gave way.
   * @throws TroupeError TROUPE_SYSTEM_LIMIT when the node has `maxProcesses`. See `erlang:spawn/1`.
   */
  spawn<Args extends readonly unknown[]>(body: Body<Args>, ...args: Args): Pid {
    if (this.status === EXITED) throw this.dead();
    return this.node.create(body, args, this.pid).pid;
  }

  /** Spawns a process and links to it, in one step. See `erlang:spawn_link/1`. */
  spawnLink<Args extends readonly unknown[]>(body: Body<Args>, ...args: Args): Pid {
    const pid = this.spawn(body, ...args);
    link(this, pid);
    return pid;
  }

  /** Spawns a process and monitors it, in one step. See `erlang:spawn_monitor/1`. */
  spawnMonitor<Args extends readonly unknown[]>(body: Body<Args>, ...args: Args): { pid: Pid; ref: Ref } {
    const pid = this.spawn(body, ...args);
    return { pid, ref: monitor(this, pid) };
  }

  /** Spawns a process with options. See `erlang:spawn_opt/2`. */
  spawnWith<Args extends readonly unknown[]>(options: SpawnOptions, body: Body<Args>, ...args: Args): Pid {
    if (this.status === EXITED) throw this.dead();
    checkOptionNames('spawnWith', options, SPAWN_OPTIONS);
    return this.node.create(body, args, this.pid, options).pid;
  }

  /** Starts a server or supervisor without a link. See `Node.start`. */
  start<Args extends readonly unknown[], Options, Handle>(
    startable: Startable<Args, Options, Handle>,
    ...[args, options]: StartArguments<Args, Options>
  ): Promise<Handle> {
    if (this.status === EXITED) throw this.dead();
    checkStartable(startable, args);
    return startable[START](this.node, this, false, (args ?? []) as unknown as Args, options);
  }

  /** Starts a server or supervisor that is linked to this process. See `gen_server:start_link/4`. */
  startLink<Args extends readonly unknown[], Options, Handle>(
    startable: Startable<Args, Options, Handle>,
    ...[args, options]: StartArguments<Args, Options>
  ): Promise<Handle> {
    if (this.status === EXITED) throw this.dead();
    checkStartable(startable, args);
    return startable[START](this.node, this, true, (args ?? []) as unknown as Args, options);
  }

  /**
   * Starts a server or supervisor and monitors it, in one step: the `Down` has its exit reason also when it ends at once. A
   * start that fails rejects, as that of `start`, and no `Down` comes. See `gen_server:start_monitor/4`.
   */
  async startMonitor<
    Args extends readonly unknown[],
    Options,
    Handle extends { readonly pid: Pid } | undefined,
  >(
    startable: Startable<Args, Options, Handle>,
    ...parameters: StartArguments<Args, Options>
  ): Promise<MonitoredStart<Handle>> {
    const handle = await this.start(startable, ...parameters);
    if (this.status === EXITED) throw this.dead();
    const ref = handle === undefined ? undefined : monitorStarted(this, handle.pid);
    return { handle, ref } as MonitoredStart<Handle>;
  }

  /**
   * Links this process with another: when one ends, the other gets an exit signal. Linking twice, or to itself, has no
   * effect. When the other is not alive: with exits trapped an `Exit` with `noproc` arrives, otherwise it throws.
   * @throws TroupeError TROUPE_NOPROC. See `erlang:link/1`.
   */
  link(pid: Pid): void {
    if (this.status === EXITED) throw this.dead();
    link(this, pid);
  }

  /** Ends a link. No exit of it arrives afterwards, but for an `Exit` already in the mailbox. See `erlang:unlink/1`. */
  unlink(pid: Pid): void {
    if (this.status === EXITED) throw this.dead();
    unlink(this, pid);
  }

  /**
   * Monitors a process, by pid or by name: one `Down` arrives when it ends, at once and with `noproc` when it is not
   * there, with `noconnection` when the connection to its node is lost. Each call makes a monitor of its own.
   * @returns the ref that the `Down` will carry. See `erlang:monitor/2`.
   */
  monitor(target: Destination): Ref {
    if (this.status === EXITED) throw this.dead();
    return monitor(this, target);
  }

  /**
   * Ends a monitor of this process.
   * @param options `flush`: also removes its `Down` from the mailbox.
   * @returns true when the monitor was active. See `erlang:demonitor/2`.
   */
  demonitor(ref: Ref, options?: DemonitorOptions): boolean {
    if (this.status === EXITED) throw this.dead();
    return demonitor(this, ref, options);
  }

  // ---- its own life ----

  /**
   * With one argument: ends this process with a reason, by throwing; see `erlang:exit/1`. With two: sends an exit signal
   * to another process; see `erlang:exit/2`: `kill` cannot be trapped and ends it with `killed`, `normal` is ignored by a
   * process that does not trap exits.
   */
  exit(to: Pid, reason: ExitReason): void;
  exit(reason: ExitReason): never;
  exit(...args: [ExitReason] | [Pid, ExitReason]): void {
    if (this.status === EXITED) throw this.dead();
    if (args.length === 1) throw new ProcessExit(args[0]);
    const [to, reason] = args;
    this.node.sendExit(this.pid, to, reason);
    // An exit signal to oneself has taken effect when the call returns.
    if (!this.alive) throw new ProcessExit(reason);
  }

  /**
   * Sets whether exit signals become `Exit` messages instead of ending this process.
   * @returns the setting before. See `erlang:process_flag(trap_exit, _)`.
   */
  trapExit(on: boolean): boolean {
    if (this.status === EXITED) throw this.dead();
    const before = (this.flags & TRAP_EXIT) !== 0;
    this.flags = on ? this.flags | TRAP_EXIT : this.flags & ~TRAP_EXIT;
    return before;
  }

  /** Fires when this process ends; give it to what should stop then. Its reason is the exit reason. */
  get signal(): AbortSignal {
    const controller = (this.ensureExtra().abort ??= new AbortController());
    if (this.status === EXITED && !controller.signal.aborted) controller.abort(this.exitReason);
    return controller.signal;
  }

  /** A word for people, shown by process info. See `proc_lib:set_label/1`. */
  get label(): string {
    return this.extra?.label ?? this.initialCall;
  }

  set label(label: string) {
    this.ensureExtra().label = label;
  }

  /** False once this process has ended, which code after an `await` may find. */
  get alive(): boolean {
    return this.status !== EXITED;
  }

  /** @internal What the process was spawned from. */
  get initialCall(): string {
    if (this.behaviour !== functionBody) return this.behaviour.name;
    const body = this.state as ProcessFunction | Closure;
    return (body instanceof Closure ? body.run : body).name || 'anonymous';
  }

  /** @internal Why the process ended; `normal` while it is alive. */
  get exitReason(): ExitReason {
    return this.extra === null ? 'normal' : this.extra.exitReason;
  }

  /** @internal `extra`, made when it is not there yet. */
  ensureExtra(): states.Extra {
    return (this.extra ??= new states.Extra());
  }

  /** @internal The error of a method that a dead process calls. */
  dead(): TroupeError {
    return new TroupeError('TROUPE_PROCESS_DEAD', `Process ${this.pid.toString()} has exited.`);
  }

  // ---- the machine ----

  /** @internal Puts a message into the mailbox. @returns false when a bound kept it out. */
  deliver(message: unknown): boolean {
    if (this.head === EMPTY) this.head = message;
    else if ((this.flags & BOUNDED) !== 0) {
      if (!overflow(this, message)) return false;
    } else if (this.pushBehind(message) >= this.node.mailboxHighWater) checkHighWater(this);
    if (this.status <= RECEIVING) {
      this.status = QUEUED;
      this.node.scheduler.enqueue(this);
    }
    return true;
  }

  /** @internal Puts a signal's message into the mailbox, whatever its bound. */
  deliverSignal(message: unknown): void {
    this.push(message);
    checkHighWater(this);
    if (this.status <= RECEIVING) {
      this.status = QUEUED;
      this.node.scheduler.enqueue(this);
    }
  }

  /** @internal Removes a message without a receive; a receive that waits goes on where it was. */
  removeUnreceived(index: number): void {
    this.removeAt(index);
    // A receive that has looked at this message must not skip the one that took its place.
    const waiter = this.extra?.waiter ?? null;
    if (waiter !== null && index < waiter.scanned) waiter.scanned--;
  }

  /** @internal Removes the messages that match, oldest first. @param limit how many at most. */
  flush(match: (message: unknown) => boolean, limit = Infinity): void {
    let left = limit;
    for (let index = 0; index < this.mailboxLength && left > 0;) {
      if (match(this.peekAt(index))) {
        this.removeUnreceived(index);
        left--;
      } else index++;
    }
  }

  /** @internal Called by the scheduler. @param entered whether it is in its own async context already. */
  run(entered = false): number {
    if (this.status !== QUEUED) return 0;
    const { extra } = this;
    if (extra !== null && (extra.waiter !== null || extra.context !== null)) {
      if (!entered && extra.context !== null) return extra.context.runInAsyncScope(this.run, this, true);
      if (extra.waiter !== null) return runReceive(this);
    }
    this.status = RUNNING;
    let handled = 0;
    const { scheduler } = this.node;
    scheduler.reductions = REDUCTIONS_PER_RUN;
    try {
      if ((this.flags & STARTED) === 0) this.#start();
      const { behaviour, state } = this;
      while (this.status === RUNNING && this.head !== EMPTY) {
        if (--scheduler.reductions <= 0) break;
        if (handled % MESSAGES_PER_CLOCK_CHECK === MESSAGES_PER_CLOCK_CHECK - 1 && scheduler.sliceOver())
          break;
        handled++;
        const result: unknown = behaviour.handle(this, this.take(), state);
        if (result !== undefined && isThenable(result)) this.#await(result, false);
      }
    } catch (thrown) {
      crashed(this, thrown);
    }
    this.handled += handled;
    if (this.status === RUNNING) this.ready();
    return handled;
  }

  /** @internal After a handler is done: what comes next. */
  ready(): void {
    dropReceive(this);
    if (this.head === EMPTY) {
      this.status = IDLE;
      this.flags &= ~OVER_MARK;
    } else {
      this.status = QUEUED;
      this.node.scheduler.enqueue(this);
    }
  }

  #start(): void {
    const { behaviour, state } = this;
    this.flags |= STARTED;
    const result: unknown =
      behaviour === functionBody ? behaviour.init(this) : behaviour.init(this, ...(state as never[]));
    if (isThenable(result)) this.#await(result, true);
    else this.#started(result);
  }

  #started(result: unknown): void {
    if (this.behaviour === functionBody) terminate(this, 'normal');
    else this.state = result;
  }

  /** Parks the process until a promise of its code settles; it may receive meanwhile. */
  #await(promise: PromiseLike<unknown>, starting: boolean): void {
    if (this.status === RUNNING) {
      this.status = AWAITING;
      const { extra } = this;
      if (extra !== null) {
        extra.waiter?.park();
        extra.awaitingSince = coarseNow();
      } else if (this.behaviour !== functionBody) {
        // A function awaits from its spawn on.
        this.ensureExtra().awaitingSince = coarseNow();
      }
    }
    // A thenable that is not a native promise may settle twice; then the process would be in two handlers at once.
    const settled = promise instanceof Promise ? promise : Promise.resolve(promise);
    settled.then(
      (value) => {
        if (this.status === EXITED) return;
        dropReceive(this);
        if (starting) this.#started(value);
        if (this.alive) this.ready();
      },
      (thrown: unknown) => {
        crashed(this, thrown);
      },
    );
  }
}
