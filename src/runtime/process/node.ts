/**
 * A node: a set of processes with a name, and the way in for code outside of any process.
 *
 * It owns the process table, the registry, the timers, the scheduler and the router, and keeps no logic of theirs.
 * Several nodes can live in one operating system process; they know each other through their carriers only. What is sent
 * with a node's own methods comes from its `init` process, `<0.0.0>`.
 */
import type { Carrier } from './carrier.ts';
import {
  TroupeError,
  badArgument,
  checkInteger,
  checkOptionNames,
  checkPositive,
  type OptionNames,
} from '../errors.ts';
import { telemetry } from '../telemetry.ts';
import {
  type Behaviour,
  type Body,
  checkBehaviour,
  checkSpawnOptions,
  SPAWN_OPTIONS,
  checkStartable,
  Closure,
  functionBody,
  type SpawnOptions,
  START,
  type Startable,
  type StartArguments,
} from './behaviour.ts';
import { currentContext } from './async.ts';
import { checkPid, type Destination, locate } from './destination.ts';
import { type Clock, TimerRef, Timers, systemClock, timerLength } from './timers.ts';
import { ExitQueue, exitSignal, terminate } from './exit.ts';
import { exitReasonOf, BOUNDED, TRAP_EXIT } from './state.ts';
import { inspectProcess, type ProcessInfo, type Tap } from './info.ts';
import type { ExitReason } from './messages.ts';
import { onExit } from './monitor.ts';
import { Origin, Pid, Ref, RefCounter, channelOf, nodeOfChannel, parsePid } from '../terms/identifiers.ts';
import { Process } from './process.ts';
import { ProcessTable, Registry } from './process-table.ts';
import { Router } from './router.ts';
import { Scheduler } from './scheduler.ts';

/** Options of `createNode`. */
export interface NodeOptions {
  /** `name@host`; `nonode@nohost` when left out. */
  readonly name?: string;
  /** Incarnation, 4 to 2^32-1; random when left out. */
  readonly creation?: number;
  /** Connects the node with others; without one it is alone. */
  readonly carrier?: Carrier;
  /** Where time comes from; the system's clock when left out. */
  readonly clock?: Clock;
  /** How long processes may run before the event loop has its turn. Default 2 ms. */
  readonly sliceMs?: number;
  /** The most processes that may be alive. Default 1,048,576. See `erl +P`. */
  readonly maxProcesses?: number;
  /** The mailbox length above which `troupe:mailbox:high_water` is published. Default 10,000. */
  readonly mailboxHighWater?: number;
}

const spawned = telemetry('troupe:process:spawn');
const NO_ARGS: readonly never[] = [];

/** A node; make one with {@link createNode}. */
export class Node {
  /** @internal */ readonly origin: Origin;
  /** @internal */ readonly table: ProcessTable;
  /** @internal */ readonly registry = new Registry();
  /** @internal */ readonly scheduler: Scheduler;
  /** @internal */ readonly timers: Timers;
  /** @internal */ readonly router: Router;
  /** @internal */ readonly exits = new ExitQueue();
  /** @internal */ readonly clock: Clock;
  /** @internal */ readonly mailboxHighWater: number;
  /** @internal Observes calls and broadcasts; null while no trace runs. */
  tap: Tap | null = null;
  /** @internal Wall-clock milliseconds. */
  readonly startedAt: number;
  readonly #startedMono: number;
  readonly #refs: RefCounter;
  readonly #carrier: Carrier | undefined;
  readonly #init: Process;
  #stopped: Promise<void> | undefined = undefined;

  /** @internal Use {@link createNode}. */
  constructor(options: NodeOptions) {
    checkNodeOptions(options);
    const name = options.name ?? 'nonode@nohost';
    channelOf(name);
    this.origin = new Origin(name, options.creation ?? 4 + Math.floor(Math.random() * 0xffff_fff0));
    this.clock = options.clock ?? systemClock;
    this.startedAt = this.clock.wallTime();
    this.#startedMono = this.clock.now();
    this.mailboxHighWater = options.mailboxHighWater ?? 10_000;
    this.table = new ProcessTable(options.maxProcesses ?? 1_048_576);
    this.scheduler = new Scheduler(options.sliceMs ?? 2);
    this.timers = new Timers(this.clock);
    this.#refs = new RefCounter(this.origin);
    this.#carrier = options.carrier;
    this.router = new Router(this, options.carrier);
    this.#init = this.#createInit();
    this.clock.attach?.(this.scheduler);
    options.carrier?.attach(this.router);
  }

  /** The node's name, `name@host`. See `erlang:node/0`. */
  get name(): string {
    return this.origin.node;
  }

  /** The sender of what is sent from outside any process. */
  get initPid(): Pid {
    return this.#init.pid;
  }

  // ---- processes ----

  /** Spawns a process from outside of any process. See `Process.spawn`. */
  spawn<Args extends readonly unknown[]>(body: Body<Args>, ...args: Args): Pid {
    return this.create(body, args, undefined).pid;
  }

  /** Spawns a process with options. See `Process.spawnWith`. */
  spawnWith<Args extends readonly unknown[]>(options: SpawnOptions, body: Body<Args>, ...args: Args): Pid {
    checkOptionNames('spawnWith', options, SPAWN_OPTIONS);
    return this.create(body, args, undefined, options).pid;
  }

  /**
   * Starts a server or supervisor, linked to no process, and waits until it has initialised. Use it for the root of an
   * application; a supervisor starts the others by their child specs.
   * @throws TroupeError TROUPE_START_FAILED, TROUPE_START_TIMEOUT, TROUPE_NAME_TAKEN. See `gen_server:start/4`.
   */
  start<Args extends readonly unknown[], Options, Handle>(
    startable: Startable<Args, Options, Handle>,
    ...[args, options]: StartArguments<Args, Options>
  ): Promise<Handle> {
    checkStartable(startable, args);
    return startable[START](this, undefined, false, (args ?? []) as unknown as Args, options);
  }

  /**
   * Starts a server or supervisor, as {@link start}, and monitors it, in one step: the reason is known even when it ends
   * at once. For a process see `Process.startMonitor`.
   * @returns what the start answered, and a promise of the exit reason.
   * @throws TroupeError as the start does; TROUPE_START_FAILED with the reason `ignore` when `init` returns `ignore`.
   */
  async startMonitor<Args extends readonly unknown[], Options, Handle extends { readonly pid: Pid }>(
    startable: Startable<Args, Options, Handle>,
    ...parameters: StartArguments<Args, Options>
  ): Promise<{ readonly handle: Handle; readonly ended: Promise<ExitReason> }> {
    const handle = await this.start(startable, ...parameters);
    if ((handle as Handle | undefined) === undefined) {
      throw new TroupeError('TROUPE_START_FAILED', 'The init of what was started returned ignore.', {
        reason: 'ignore',
      });
    }
    const process = this.find(handle.pid);
    const ended = new Promise<ExitReason>((resolve) => {
      if (process === null) resolve(exitReasonOf(handle.pid));
      else onExit(process, resolve);
    });
    return { handle, ended };
  }

  /** @internal Makes a process and puts it into the run queue. */
  create<Args extends readonly unknown[]>(
    body: Body<Args>,
    args: Args,
    parent: Pid | undefined,
    options?: SpawnOptions,
  ): Process {
    if (this.#stopped !== undefined)
      throw new TroupeError('TROUPE_NODE_STOPPED', `Node '${this.name}' is stopped.`);
    if (options !== undefined) checkSpawnOptions(options);
    if (typeof body !== 'function') checkBehaviour(body);
    const pid = new Pid(this.origin, this.table.nextId(), this.table.serial);
    const bornMs = Math.floor(this.clock.now() - this.#startedMono);
    let process: Process;
    if (typeof body === 'function') {
      const state =
        args.length === 0 ? body : new Closure(body as never, args as unknown as readonly never[]);
      process = new Process(this, pid, functionBody, state, bornMs);
    } else {
      process = new Process(
        this,
        pid,
        body as unknown as Behaviour,
        args.length === 0 ? NO_ARGS : args,
        bornMs,
      );
    }
    if (parent !== undefined) process.parent = parent;
    this.table.add(process);
    if (options !== undefined) this.#configure(process, options);
    this.scheduler.enqueue(process);
    if (spawned.hasSubscribers) {
      // The first process of a node is init itself.
      const init = this.#init as Process | undefined;
      spawned.publish({ pid, label: process.label, parent: parent ?? init?.pid ?? pid });
    }
    return process;
  }

  /** The pids of all live processes. See `erlang:processes/0`. */
  processes(): Pid[] {
    return this.table.all().map((process) => process.pid);
  }

  /** What can be seen of a process of this node, or undefined when it is not alive. See `erlang:process_info/1`. */
  processInfo(pid: Pid): ProcessInfo | undefined {
    const process = this.find(pid);
    return process === null ? undefined : inspectProcess(process);
  }

  /** True while a process of this node is alive. See `erlang:is_process_alive/1`. */
  isAlive(pid: Pid): boolean {
    return this.find(pid) !== null;
  }

  /** Sends an exit signal. See `Process.exit` and `erlang:exit/2`. */
  exit(to: Pid, reason: ExitReason): void {
    this.sendExit(this.#init.pid, to, reason);
  }

  // ---- messages ----

  /** Sends a message from outside of any process. See `Process.send`. */
  send(to: Destination | Ref, message: unknown): void {
    this.route(this.#init.pid, to, message);
  }

  /** Sends a message later. See `Process.sendAfter`. */
  sendAfter(delayMs: number, to: Destination, message: unknown): TimerRef {
    const timer = new TimerRef(this, to, message);
    timer.start(timerLength(delayMs));
    return timer;
  }

  /** A value that is unique in the cluster. See `erlang:make_ref/0`. */
  makeRef(): Ref {
    return this.#refs.next();
  }

  // ---- names ----

  /**
   * Registers a live process of this node under a name.
   * @throws TroupeError TROUPE_NAME_TAKEN, TROUPE_NOPROC, TROUPE_BAD_ARGUMENT. See `erlang:register/2`.
   */
  register(name: string, pid: Pid): void {
    const process = this.find(pid);
    if (process === null)
      throw new TroupeError('TROUPE_NOPROC', `Cannot register '${name}': ${String(pid)} is not alive.`);
    this.registry.register(name, process);
  }

  /** Frees a name. @throws TroupeError TROUPE_NOT_REGISTERED. See `erlang:unregister/1`. */
  unregister(name: string): void {
    this.registry.unregister(name);
  }

  /** The process that has a name, or undefined. See `erlang:whereis/1`. */
  whereis(name: string): Pid | undefined {
    return this.registry.find(name)?.pid;
  }

  /** All names in use on this node. See `erlang:registered/0`. */
  registered(): string[] {
    return this.registry.names();
  }

  /**
   * The pid that a text such as `<0.12.0>` stands for, alive or not.
   * @throws TroupeError TROUPE_BAD_ARGUMENT when the text is not a pid of a known node. See `erlang:list_to_pid/1`.
   */
  pid(text: string): Pid {
    const parts = parsePid(text);
    const node = parts === undefined ? undefined : nodeOfChannel(parts.channel);
    if (parts === undefined || node === undefined) {
      throw badArgument(`'${text}' is not a pid; a pid looks like <0.12.0>.`);
    }
    if (node === this.name) {
      return this.table.find(parts.id, parts.serial)?.pid ?? new Pid(this.origin, parts.id, parts.serial);
    }
    return new Pid(new Origin(node, this.router.creationOf(node)), parts.id, parts.serial);
  }

  // ---- other nodes ----

  /** The names of the nodes that are connected. See `erlang:nodes/0`. */
  nodes(): string[] {
    return this.router.connected();
  }

  /**
   * Lets a process of this node receive `NodeUp` and `NodeDown`, or stops that. Nodes that are connected already are not
   * told; ask `nodes()`. See `net_kernel:monitor_nodes/1`.
   */
  monitorNodes(pid: Pid, on: boolean): void {
    const process = this.find(pid);
    if (process !== null) this.router.observe(process, on);
  }

  /** Connects to another node. @returns true when connected. See `net_kernel:connect_node/1`. */
  async connect(node: string): Promise<boolean> {
    return (await this.#carrier?.connect(node)) ?? false;
  }

  /** Drops the connection to another node. @returns false when there was none. See `erlang:disconnect_node/1`. */
  disconnect(node: string): boolean {
    return this.#carrier?.disconnect(node) ?? false;
  }

  /**
   * Stops the node: all processes end with `shutdown`, those started last first, and the carrier closes. Stop the
   * application's supervisor before, for an orderly end.
   */
  stop(): Promise<void> {
    if (this.#stopped === undefined) {
      // It is set before anything ends: listeners of a dying process's AbortSignal run at once and may come here again.
      let begin: () => void = () => undefined;
      this.#stopped = new Promise((resolve, reject) => {
        begin = () => void this.#stop().then(resolve, reject);
      });
      begin();
    }
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    const oldestFirst = this.table
      .all()
      .toSorted(({ pid: a }, { pid: b }) => a.serial - b.serial || a.id - b.id);
    for (const process of oldestFirst.toReversed()) terminate(process, 'shutdown');
    this.timers.stop();
    this.router.stop();
    await this.#carrier?.close();
  }

  // ---- for the runtime ----

  /** @internal True for a pid of this node and incarnation. */
  isLocal(pid: Pid): boolean {
    if ((pid as Pid | undefined)?.origin === this.origin) return true;
    checkPid(pid);
    return pid.origin.equals(this.origin);
  }

  /** @internal The live process of a pid of this node, or null. */
  find(pid: Pid): Process | null {
    const process = ((pid as Pid | undefined)?.process ?? null) as Process | null;
    if (process !== null && process.node === this) return process;
    return pid?.origin !== this.origin && this.isLocal(pid) ? this.table.find(pid.id, pid.serial) : null;
  }

  /** @internal Sends to a destination of any kind. */
  route(from: Pid, to: Destination | Ref, message: unknown): void {
    if (to instanceof Ref) {
      // The aliases of this node are held by calls, to which only an answer means something.
      if (to.origin.equals(this.origin)) return;
      this.router.peer(to.node).send({ op: 'sendAlias', from, to, message, plain: true });
      return;
    }
    const { node, target, process } = locate(this, to);
    if (process !== null) process.deliver(message);
    else if (node === null) {
      if (typeof to === 'string')
        throw new TroupeError('TROUPE_NOT_REGISTERED', `No process is registered as '${to}'.`);
    } else if (target instanceof Pid) this.router.peer(node).send({ op: 'send', from, to: target, message });
    else this.router.peer(node).send({ op: 'sendNamed', from, to: target, message });
  }

  /** @internal Sends an exit signal. */
  sendExit(from: Pid, to: Pid, reason: ExitReason): void {
    if (!this.isLocal(to)) {
      this.router.exit(from, to, reason);
      return;
    }
    const process = this.find(to);
    if (process !== null) exitSignal(process, from, reason);
  }

  #configure(process: Process, options: SpawnOptions): void {
    const { label, name, trapExit, mailbox, asyncContext } = options;
    if (label !== undefined) process.ensureExtra().label = label;
    if (trapExit === true) process.flags |= TRAP_EXIT;
    if (asyncContext === 'spawner') process.ensureExtra().context = currentContext();
    if (mailbox !== undefined) {
      process.ensureExtra().mailbox = mailbox;
      process.flags |= BOUNDED;
    }
    if (name === undefined) return;
    try {
      this.registry.register(name, process);
    } catch (error) {
      this.table.delete(process);
      process.pid.process = null;
      throw error;
    }
  }

  /** The first process. It takes every message and does nothing: it stands for code outside of any process. */
  #createInit(): Process {
    const init = this.create(
      { name: 'init', init: () => undefined, handle: () => undefined },
      NO_ARGS,
      undefined,
    );
    init.flags |= TRAP_EXIT;
    this.registry.register('init', init);
    return init;
  }
}

const NODE_NAME = /^[\w-]+@[\w.:-]+$/;
const NAME_MAX = 255;
/** The most processes that a node can be asked to hold, as of `erl +P`. */
const PROCESSES_MAX = 134_217_727;
const SLICE_MAX_MS = 1_000;

const NODE_OPTIONS: OptionNames<NodeOptions> = {
  name: true,
  creation: true,
  carrier: true,
  clock: true,
  sliceMs: true,
  maxProcesses: true,
  mailboxHighWater: true,
};

function checkNodeOptions(options: NodeOptions): void {
  checkOptionNames('createNode', options, NODE_OPTIONS);
  const {
    name = 'nonode@nohost',
    creation = 4,
    maxProcesses = 1,
    mailboxHighWater = 1,
    sliceMs = 1,
  } = options;
  if (typeof name !== 'string' || !NODE_NAME.test(name) || name.length > NAME_MAX) {
    throw badArgument(`A node name has the form name@host, not '${name}'.`);
  }
  checkInteger('creation', creation, 4, 0xffff_ffff);
  checkInteger('maxProcesses', maxProcesses, 1, PROCESSES_MAX);
  checkInteger('mailboxHighWater', mailboxHighWater, 1);
  checkPositive('sliceMs', sliceMs, SLICE_MAX_MS);
}

/** Makes a node; no option is required. */
export function createNode(options: NodeOptions = {}): Node {
  return new Node(options);
}
