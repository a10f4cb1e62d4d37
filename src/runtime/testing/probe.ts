/**
 * A probe: a process whose mailbox the test reads.
 *
 * It is a process like any other: it has a pid, can be linked, monitored, registered, called and killed. It only
 * never acts on its own: it keeps what it receives until the test takes it, and traps exits by default.
 *
 * A message is here only when the probe has run; after something that sends, either wait for the message with
 * {@link Probe.receive} or let all run with `settle` before looking at {@link Probe.messages}.
 *
 * Unlike a process, a test may wait in several receives at once: each message goes to the first of them, in the order
 * in which they began, that wants it. Invariant: no message that waits here matches a receive that waits here.
 */
import { inspect } from 'node:util';
import { checkOptionNames, TroupeError, type OptionNames } from '../errors.ts';
import { Call, call, type CallOptions, Cast, cast, RemoteCall, type Request } from '../otp/gen.ts';
import type { Behaviour, SpawnOptions } from '../process/behaviour.ts';
import type { Destination } from '../process/destination.ts';
import { terminate } from '../process/exit.ts';
import { type ExitReason, formatReason } from '../process/messages.ts';
import type { DemonitorOptions } from '../process/monitor.ts';
import type { Node } from '../process/node.ts';
import type { Process } from '../process/process.ts';
import { checkMatcher, type Matcher } from '../process/receive.ts';
import type { Pid, Ref } from '../terms/identifiers.ts';
import { settle, startWait, type Wait, type WaitOptions } from './wait.ts';
import { cut } from '../terms/format.ts';

/** Options of {@link createProbe}. */
export interface ProbeOptions {
  /** Registers the probe under this name. */
  readonly name?: string;
  /** What process info shows; `probe` when left out. */
  readonly label?: string;
  /** Whether exits of linked processes arrive as `Exit` messages. Default true; otherwise they end the probe. */
  readonly trapExit?: boolean;
  /** Bounds the mailbox, as `SpawnOptions.mailbox`. */
  readonly mailbox?: SpawnOptions['mailbox'];
}

const PROBE_OPTIONS: OptionNames<ProbeOptions> = { name: true, label: true, trapExit: true, mailbox: true };

/** A call that a probe got; the test answers it. */
export interface ReceivedCall {
  readonly name: string;
  readonly argument: unknown;
  /** The caller. */
  readonly from: Pid;
  /** Answers the call; later answers have no effect. */
  reply(value: unknown): void;
}

/** Hands each message over to the probe that it was spawned for. */
const probeBehaviour: Behaviour<(message: unknown) => void, readonly [add: (message: unknown) => void]> = {
  name: 'probe',
  init: (_self, add) => add,
  handle: (_self, message, add) => {
    add(message);
  },
};

/** A process whose mailbox the test reads; make one with {@link createProbe}. */
export class Probe {
  /** The probe's own process, for what has no method here. */
  readonly self: Process;
  readonly #inbox: ProbeInbox;

  /** @internal Use {@link createProbe}. */
  constructor(node: Node, options: ProbeOptions) {
    checkOptionNames('createProbe', options, PROBE_OPTIONS);
    const { label = 'probe', trapExit = true, name, mailbox } = options;
    this.self = node.create(probeBehaviour, [(message: unknown) => this.#inbox.add(message)], undefined, {
      label,
      trapExit,
      ...(name === undefined ? {} : { name }),
      ...(mailbox === undefined ? {} : { mailbox }),
    });
    const { self } = this;
    this.#inbox = new ProbeInbox(`${label} ${self.pid.toString()}`);
    self.signal.addEventListener('abort', () => {
      this.#inbox.close(
        new TroupeError(
          'TROUPE_PROCESS_DEAD',
          `The probe ${self.pid.toString()} ended with ${formatReason(self.exitReason)} and receives nothing more.`,
          { reason: self.exitReason },
        ),
      );
    });
  }

  /** The probe's pid. */
  get pid(): Pid {
    return this.self.pid;
  }

  /** False once the probe has ended. */
  get alive(): boolean {
    return this.self.alive;
  }

  // ---- what it received ----

  /**
   * Takes the first message that matches, waiting for it when there is none; the others stay, in order.
   * @param match a type guard or predicate; every message matches when it is left out.
   * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT, which lists what came instead; TROUPE_PROCESS_DEAD when the
   * probe has ended.
   */
  receive(): Promise<unknown>;
  receive<T>(match: Matcher<T> | undefined, options?: WaitOptions): Promise<T>;
  async receive(match?: Matcher<unknown>, options?: WaitOptions): Promise<unknown> {
    checkMatcher(match, '{ withinMs: 100 }');
    const what =
      match === undefined ? 'any message' : `a message that matches ${match.name || 'the matcher'}`;
    return this.#inbox.take(match, what, options);
  }

  /**
   * Takes the first call, of a name or of any, so that the test can stand in for a server. A call that the probe never
   * answers times out at the caller.
   */
  async receiveCall(name?: string, options?: WaitOptions): Promise<ReceivedCall> {
    const wanted = (message: unknown): message is Request =>
      (message instanceof Call || message instanceof RemoteCall) &&
      (name === undefined || message.name === name);
    const request = await this.#take(wanted, name === undefined ? 'a call' : `a call '${name}'`, options);
    return {
      name: request.name,
      argument: request.argument,
      from: request.pid,
      reply: (value) => {
        request.reply(value);
      },
    };
  }

  /** Takes the first cast, of a name or of any. */
  async receiveCast(name?: string, options?: WaitOptions): Promise<{ name: string; argument: unknown }> {
    const wanted = (message: unknown): message is Cast =>
      message instanceof Cast && (name === undefined || message.name === name);
    const request = await this.#take(wanted, name === undefined ? 'a cast' : `a cast '${name}'`, options);
    return { name: request.name, argument: request.argument };
  }

  /** What the probe has received and no receive has taken, the oldest first. */
  messages(): readonly unknown[] {
    return this.#inbox.messages;
  }

  /** Forgets what it has received. */
  clear(): void {
    this.#inbox.clear();
  }

  /**
   * Lets the probe's node settle, and fails when a message that matches is there afterwards, taken by no receive. It
   * waits for what is under way on that node; for what other nodes or timers still do, settle those first.
   * @throws TroupeError as a rejection: TROUPE_TEST_UNEXPECTED, which lists the messages; TROUPE_TEST_TIMEOUT of `settle`.
   */
  async expectNone(match?: Matcher<unknown>, options?: WaitOptions): Promise<void> {
    checkMatcher(match, '{ withinMs: 100 }');
    await settle(this.self.node, options);
    const found = this.#inbox.messages.filter((message) => match === undefined || match(message));
    if (found.length === 0) return;
    throw new TroupeError(
      'TROUPE_TEST_UNEXPECTED',
      `The probe ${this.pid.toString()} received: ${showMessages(found)}\n`,
    );
  }

  // ---- what the test lets it do ----

  /** Sends a message in the probe's name. See `Process.send`. */
  send(to: Destination, message: unknown): void {
    this.self.send(to, message);
  }

  /** Calls a server in the probe's name. See `call`. */
  call(
    to: Destination,
    name: string,
    argument: unknown,
    options?: Omit<CallOptions, 'from'>,
  ): Promise<unknown> {
    return call(this.self.node, to, name, argument, { ...options, from: this.self });
  }

  /** Casts to a server in the probe's name. See `cast`. */
  cast(to: Destination, name: string, argument: unknown): void {
    cast(this.self.node, to, name, argument, this.self);
  }

  /** Links the probe with a process; by default its end arrives as an `Exit`. See `Process.link`. */
  link(pid: Pid): void {
    this.self.link(pid);
  }

  /** See `Process.unlink`. */
  unlink(pid: Pid): void {
    this.self.unlink(pid);
  }

  /** Monitors a process; its end arrives as a `Down`. See `Process.monitor`. */
  monitor(target: Destination): Ref {
    return this.self.monitor(target);
  }

  /** See `Process.demonitor`. */
  demonitor(ref: Ref, options?: DemonitorOptions): boolean {
    return this.self.demonitor(ref, options);
  }

  /** Sends an exit signal in the probe's name. See `Process.exit`. */
  exit(to: Pid, reason: ExitReason): void {
    const { self } = this;
    if (!self.alive) throw self.dead();
    self.node.sendExit(self.pid, to, reason);
  }

  /**
   * Ends the probe with a reason, as `erlang:exit/1` does from within: processes that are linked to it get an exit
   * signal. No effect when it has ended.
   */
  stop(reason: ExitReason = 'normal'): void {
    terminate(this.self, reason);
  }

  async #take<T>(match: Matcher<T>, what: string, options: WaitOptions | undefined): Promise<T> {
    return (await this.#inbox.take(match, what, options)) as T;
  }
}

/**
 * Spawns a probe.
 * @throws TroupeError TROUPE_NAME_TAKEN, TROUPE_SYSTEM_LIMIT, TROUPE_NODE_STOPPED.
 * @example
 * const probe = createProbe(node);
 * node.send(server, { replyTo: probe.pid });
 * const answer = await probe.receive(isAnswer);
 */
export function createProbe(node: Node, options: ProbeOptions = {}): Probe {
  return new Probe(node, options);
}

/**
 * Waits for the first message that matches, sent to the pid of a probe that lives only for it.
 * @param cause is given the pid and does whatever makes a process send to it; it may return a promise.
 * @param match every message matches when it is left out.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT, which lists what came instead; and what `cause` throws.
 * @example
 * const answer = await awaitMessage(node, (pid) => node.send(server, { op: 'get', replyTo: pid }));
 */
export async function awaitMessage<T = unknown>(
  node: Node,
  cause: (pid: Pid) => unknown,
  match?: Matcher<T>,
  options?: WaitOptions,
): Promise<T> {
  const probe = createProbe(node, { label: 'awaitMessage' });
  try {
    await cause(probe.pid);
    return await probe.receive(match, options);
  } finally {
    probe.stop();
  }
}

// ---- its messages ----

interface Waiting {
  readonly match: Matcher<unknown> | undefined;
  readonly wait: Wait<unknown>;
}

/** @internal The messages of a probe. */
export class ProbeInbox {
  readonly #owner: string;
  readonly #messages: unknown[] = [];
  readonly #waiting = new Set<Waiting>();
  #taken = 0;
  #closed: Error | undefined = undefined;

  /** @param owner the name of the probe in errors. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** The messages that no receive has taken, the oldest first. */
  get messages(): unknown[] {
    return [...this.#messages];
  }

  /** A message came. */
  add(message: unknown): void {
    for (const waiting of this.#waiting) {
      if (!wants(waiting, message)) continue;
      this.#taken++;
      waiting.wait.resolve(message);
      return;
    }
    this.#messages.push(message);
  }

  /** Forgets what waits. */
  clear(): void {
    this.#taken += this.#messages.length;
    this.#messages.length = 0;
  }

  /** No more messages will come: every waiting receive gets the error. */
  close(error: Error): void {
    this.#closed = error;
    for (const { wait } of this.#waiting) wait.reject(error);
  }

  /** Takes the first message that matches, or waits for it. */
  take(
    match: Matcher<unknown> | undefined,
    what: string,
    options: WaitOptions | undefined,
  ): Promise<unknown> {
    let waiting: Waiting | undefined = undefined;
    const wait = startWait<unknown>(
      options,
      () => `${this.#owner} had not received ${what}; received and not taken: ${this.describe()}`,
      () => {
        if (waiting !== undefined) this.#waiting.delete(waiting);
      },
    );
    waiting = { match, wait };
    try {
      const index = this.#messages.findIndex((message) => match === undefined || match(message));
      if (index !== -1) {
        this.#taken++;
        wait.resolve(this.#messages.splice(index, 1)[0]);
      } else if (this.#closed !== undefined) {
        wait.reject(this.#closed);
      } else {
        this.#waiting.add(waiting);
      }
    } catch (thrown) {
      wait.reject(thrown);
    }
    return wait.promise;
  }

  /** What came, for an error. */
  describe(): string {
    const taken = this.#taken === 0 ? '' : `\n  (${this.#taken} had been taken before)`;
    return `${showMessages(this.#messages)}${taken}`;
  }
}

/** A matcher that throws fails its own receive and leaves the message to others. */
function wants({ match, wait }: Waiting, message: unknown): boolean {
  if (match === undefined) return true;
  try {
    return match(message);
  } catch (thrown) {
    wait.reject(thrown);
    return false;
  }
}

// ---- messages as text, for errors: one line each, cut where they get long ----

/** How many messages an error lists; of the others it says how many there are. */
const LISTED_MAX = 20;
const LINE_MAX = 200;

/** One message. */
function showMessage(message: unknown): string {
  const text = messageText(message);
  return cut(text, LINE_MAX);
}

/** Several messages, the oldest first, below each other. */
function showMessages(messages: readonly unknown[]): string {
  if (messages.length === 0) return 'nothing';
  const lines = messages.slice(0, LISTED_MAX).map((message) => `\n  - ${showMessage(message)}`);
  if (messages.length > LISTED_MAX) lines.push(`\n  and ${messages.length - LISTED_MAX} more`);
  return lines.join('');
}

function messageText(message: unknown): string {
  if (message instanceof Call || message instanceof RemoteCall) {
    return `call '${message.name}' from ${message.pid.toString()}: ${inspectLine(message.argument)}`;
  }
  if (message instanceof Cast) return `cast '${message.name}': ${inspectLine(message.argument)}`;
  return inspectLine(message);
}

function inspectLine(value: unknown): string {
  return inspect(value, { depth: 3, breakLength: Infinity, maxArrayLength: 20, maxStringLength: LINE_MAX });
}
