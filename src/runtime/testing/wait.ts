/**
 * The waits of a test: until a process ends, until nodes are quiet, until they agree on the members of every group.
 *
 * Every wait has an outer limit: one that nothing ends fails with a message that says what came instead, before the test
 * runner gives up and can only say that it waited. The limit is real time, whatever clock the node has, and a backstop only: no
 * test should depend on its length.
 *
 * A node is quiet when nothing is in its run queue and no process is in the middle of a handler. One look is not enough:
 * between two looks processes may have run and finished, and a carrier within this operating system process may hand over
 * in a later turn of the event loop. So nothing may have run for several turns in a row. A process that awaits the answer of a call
 * counts as one that waits for a message: it goes on when the server answers, and the server shows whether it is busy.
 *
 * What a scope knows of other nodes comes to it in messages, so views differ for a while, and no node can know when they agree.
 * `awaitConverged` looks at all of them from outside, in turns of the event loop.
 */
import { clearTimeout, setImmediate, setTimeout } from 'node:timers';
import { TroupeError, checkPositive, checkOptionNames, type OptionNames } from '../errors.ts';
import { onExit, removeWatch } from '../process/monitor.ts';
import type { ExitReason } from '../process/messages.ts';
import type { Node } from '../process/node.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { ClockUser } from '../process/timers.ts';
import type { Process } from '../process/process.ts';
import { AWAITING } from '../process/state.ts';
import { canonicalText } from '../pg/group-table.ts';
import { NOVA_SCOPE } from '../pg/channel-forms.ts';
import { getLocalMembers, getMembers, whichGroups } from '../pg/pg.ts';
import { findScope } from '../pg/scope.ts';

/** How long a wait lasts at most by default, in milliseconds; shorter than the 5 s of the usual test runners. */
export const DEFAULT_WITHIN_MS = 4_000;
/** The longest wait that can be asked for: an hour. */
const MAX_WITHIN_MS = 3_600_000;

/** Options of every wait. */
export interface WaitOptions {
  /** Milliseconds of real time until the wait fails with TROUPE_TEST_TIMEOUT. Default 4,000, at most 3,600,000. */
  readonly withinMs?: number;
}

/** @internal A wait that something settles; the first to do so wins. */
export interface Wait<T> {
  readonly promise: Promise<T>;
  resolve(value: T): void;
  reject(error: unknown): void;
}

/**
 * @internal Starts a wait.
 * @param describe says, when the time is over, what was waited for and what came instead.
 * @param ended is called once when the wait is over, however it ended.
 */
export function startWait<T>(
  options: WaitOptions | undefined,
  describe: () => string,
  ended: () => void = () => undefined,
): Wait<T> {
  const withinMs = checkWithin(options);
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((resolvePromise, rejectPromise) => {
    resolve = resolvePromise;
    reject = rejectPromise;
  });
  const timer = setTimeout(() => {
    ended();
    reject(timeoutError(withinMs, describe()));
  }, withinMs);
  return {
    promise,
    resolve: (value) => {
      clearTimeout(timer);
      ended();
      resolve(value);
    },
    reject: (error) => {
      clearTimeout(timer);
      ended();
      reject(error);
    },
  };
}

const WAIT_OPTIONS: OptionNames<SettleOptions> = { withinMs: true, except: true };

/** @internal The limit of a wait, checked. */
export function checkWithin(options: WaitOptions | undefined): number {
  if (options !== undefined) checkOptionNames('A wait', options, WAIT_OPTIONS);
  return checkPositive('withinMs', options?.withinMs ?? DEFAULT_WITHIN_MS, MAX_WITHIN_MS);
}

/** @internal The error of a wait that nothing ended. */
export function timeoutError(withinMs: number, what: string): TroupeError {
  // The advice that follows starts on a line of its own when what came instead is a list.
  return new TroupeError(
    'TROUPE_TEST_TIMEOUT',
    `After ${withinMs} ms ${what}${what.includes('\n') ? '\n' : '.'}`,
  );
}

/**
 * Waits until a process ends.
 * @param node the node of the process.
 * @returns its exit reason; `noproc` when it was dead before, as a monitor says. So begin to wait before what ends it.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT.
 * @example
 * const ended = awaitExit(node, pid);
 * node.exit(pid, 'shutdown');
 * expect(await ended).toBe('shutdown');
 */
export function awaitExit(node: Node, pid: Pid, options?: WaitOptions): Promise<ExitReason> {
  const process = node.find(pid);
  if (process === null) return Promise.resolve('noproc');
  const wait = startWait<ExitReason>(
    options,
    () =>
      `${process.label} ${pid.toString()} was still alive, with ${process.mailboxLength} messages in its mailbox`,
    () => {
      removeWatch(watcher);
    },
  );
  const watcher = onExit(process, wait.resolve);
  return wait.promise;
}

// ---- quiet ----

/** Options of {@link settle}. */
export interface SettleOptions extends WaitOptions {
  /** Processes whose handlers may still be under way: those that wait for something that the test holds back. */
  readonly except?: readonly Pid[];
}

/** How many processes an error names. */
const NAMED_MAX = 10;

/**
 * Waits until nothing happens any more on some nodes: their run queues are empty and every process waits for a message,
 * a timer, or the answer of a call. It sees what happens within this operating system process; it does not see data on
 * sockets, or timers that have yet to fire (step those with `createManualClock`).
 *
 * @param nodes one node, or several that talk to each other.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT, which names the processes that are still busy.
 * @example
 * node.send(server, 'work');
 * await settle(node);
 */
export async function settle(nodes: Node | readonly Node[], options: SettleOptions = {}): Promise<void> {
  const all = Array.isArray(nodes) ? (nodes as readonly Node[]) : [nodes as Node];
  const withinMs = checkWithin(options);
  const giveUpAt = performance.now() + withinMs;
  const busy = () =>
    busyProcesses(all).filter(({ pid }) => options.except?.some((excepted) => excepted.equals(pid)) !== true);
  const settled = await untilQuiet(
    all.map(({ scheduler }) => scheduler),
    () => busy().length === 0,
    giveUpAt,
  );
  if (!settled) throw timeoutError(withinMs, stillBusy(all, busy()));
}

function stillBusy(nodes: readonly Node[], busy: ReturnType<typeof busyProcesses>): string {
  const awaiting = busy
    .slice(0, NAMED_MAX)
    .map(({ pid, label }) => `\n  - ${label} ${pid.toString()} awaits a promise in its handler`);
  if (busy.length > NAMED_MAX) awaiting.push(`\n  and ${busy.length - NAMED_MAX} more`);
  const running = nodes
    .filter(({ scheduler }) => !scheduler.idle)
    .map(({ name }) => `\n  - the run queue of ${name} is not empty`);
  const reasons = [...awaiting, ...running];
  if (reasons.length === 0) return 'the nodes had not been quiet for long enough';
  return `the nodes had not settled: ${reasons.join('')}`;
}

/** How many turns of the event loop in a row have to find everything quiet. */
const QUIET_TURNS = 4;

/**
 * @internal Waits until nothing has run for several turns of the event loop.
 * @param queues the run queues to look at.
 * @param isQuiet what else must be; asked only when nothing runs.
 * @param giveUpAt when to give up, by `performance.now()`.
 * @returns false when it was given up.
 */
export async function untilQuiet(
  queues: readonly ClockUser[],
  isQuiet: () => boolean,
  giveUpAt: number,
): Promise<boolean> {
  let before = -1;
  for (let quietTurns = 0; quietTurns < QUIET_TURNS;) {
    if (performance.now() >= giveUpAt) return false;
    await nextTurn();
    const turns = queues.reduce((sum, queue) => sum + queue.turns, 0);
    const rests = turns === before && queues.every(({ idle }) => idle) && isQuiet();
    quietTurns = rests ? quietTurns + 1 : 0;
    before = turns;
  }
  return true;
}

/** The processes of some nodes that are in the middle of a handler, but for those that await a call. */
function busyProcesses(nodes: readonly Node[]): Process[] {
  return nodes.flatMap((node) => node.table.all().filter(isBusy));
}

function isBusy({ status, extra }: Process): boolean {
  return status === AWAITING && (extra === null || extra.pending === null);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

// ---- agreement ----

/** How many differences an error lists. */
const LISTED_MAX = 20;

/** How often each pid is a member of each group, by texts that are equal on all nodes. */
type View = Map<string, { readonly group: unknown; readonly members: Map<string, Membership> }>;

interface Membership {
  readonly shown: string;
  readonly node: string;
  count: number;
}

/**
 * Waits until nodes agree on a scope: it runs on each of them; each knows exactly the members that the others have of
 * their own; they know the same of nodes that are not among them; and none knows a member on a node that it is not
 * connected to.
 *
 * @param nodes nodes of this operating system process.
 * @param scope the name of the scope; that of channels and `pubsub` when it is left out.
 * @throws TroupeError as a rejection: TROUPE_TEST_TIMEOUT, which lists the members that are missing, and those that are gone but still known, by node.
 * @example
 * network.heal();
 * await awaitConverged([a, b, c], 'rooms');
 */
export async function awaitConverged(
  nodes: readonly Node[],
  scope: string = NOVA_SCOPE,
  options?: WaitOptions,
): Promise<void> {
  const withinMs = checkWithin(options);
  const giveUpAt = performance.now() + withinMs;
  const converged = await untilQuiet(
    nodes.map(({ scheduler }) => scheduler),
    () => differences(nodes, scope).length === 0,
    giveUpAt,
  );
  if (converged) return;
  const found = differences(nodes, scope);
  const listed = found.slice(0, LISTED_MAX).map((line) => `\n  - ${line}`);
  if (found.length > LISTED_MAX) listed.push(`\n  and ${found.length - LISTED_MAX} more`);
  if (found.length === 0) listed.push('\n  - they agree, but have not come to rest');
  throw timeoutError(withinMs, `the nodes had not agreed on the scope '${scope}': ${listed.join('')}`);
}

function differences(nodes: readonly Node[], scope: string): string[] {
  const absent = nodes.filter((node) => findScope(node, scope) === undefined);
  if (absent.length > 0) return absent.map(({ name }) => `${name} does not run the scope`);
  const own = new Map(nodes.map((node) => [node.name, viewOf(node, scope, getLocalMembers)]));
  const views = nodes.map((node) => ({ node, view: viewOf(node, scope, getMembers) }));
  const found: string[] = [];
  for (const { node, view } of views) {
    const connected = new Set([node.name, ...node.nodes()]);
    for (const [text, { group, members }] of view) {
      for (const [key, { shown, node: home, count }] of members) {
        const real = own.get(home)?.get(text)?.members.get(key)?.count;
        if (!connected.has(home)) {
          found.push(`${node.name} has ${shown} in ${show(group)}, and is not connected to ${home}`);
        } else if (own.has(home) && real === undefined) {
          found.push(`${node.name} has ${shown} in ${show(group)}, where it no longer is`);
        } else if (own.has(home) && real !== count) {
          found.push(`${node.name} has ${shown} ${count} times in ${show(group)}, not ${real}`);
        }
      }
    }
    for (const other of views) found.push(...missing(node.name, view, other.node.name, other.view));
  }
  return found;
}

/** What one node knows and another does not. */
function missing(name: string, view: View, otherName: string, other: View): string[] {
  const found: string[] = [];
  for (const [text, { group, members }] of other) {
    for (const [key, { shown }] of members) {
      if (view.get(text)?.members.has(key) === true) continue;
      found.push(`${name} does not have ${shown} in ${show(group)}, which ${otherName} has`);
    }
  }
  return found;
}

function viewOf(node: Node, scope: string, get: typeof getMembers): View {
  const view: View = new Map();
  for (const group of whichGroups(node, scope)) {
    const members = new Map<string, Membership>();
    for (const pid of get(node, scope, group)) {
      const known = members.get(pid.key);
      if (known !== undefined) known.count++;
      else members.set(pid.key, { shown: `${pid.toString()} of ${pid.node}`, node: pid.node, count: 1 });
    }
    view.set(canonicalText(group), { group, members });
  }
  return view;
}

function show(group: unknown): string {
  return typeof group === 'string' ? `'${group}'` : canonicalText(group);
}
