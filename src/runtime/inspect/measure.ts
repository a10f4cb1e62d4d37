// What is only counted while somebody looks: time in handlers, ages of messages, rates of channels, handlers that block.
//
// A node is measured for some seconds after the last time that somebody asked for it, and then stops by a timer; until then its
// scheduler calls `#run` here, and every second a sample is taken. Nothing is left behind.
//
// - Time in handlers is the time of a process's runs: handlers up to their first `await`. What runs after an `await` runs between
//   turns, where nobody can tell whose it is.
// - The age of a message comes from samples of how many messages each mailbox has taken in: a message is at least as old as the
//   sample that saw it wait. So it is too low by at most the time between two samples, and unknown before the first. In a mailbox
//   out of which messages are taken selectively, the age of the oldest one counts from the moment that it was first seen in front.
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Node } from '../index.ts';
import { EMPTY } from '../process/state.ts';
import { Process } from '../process/process.ts';
import type { Runnable } from '../process/scheduler.ts';
import { TimerEntry } from '../process/timers.ts';
import { hear, type Heard } from './hear.ts';

/** How long a node is measured after the last time that somebody asked for it, in milliseconds, unless told otherwise. */
const MEASURE_MS = 10_000;
/** The time between two samples, in milliseconds. */
const SAMPLE_MS = 1_000;
/** A run that takes this long is kept as one that has blocked the event loop, in milliseconds. */
const BLOCKED_MS = 20;
/** How many of these are kept, the latest. */
const BLOCKED_KEPT = 32;
/** How many samples of one mailbox are kept. */
const MARKS_MAX = 64;
/** How many channels are counted; messages of others are not. */
const CHANNELS_MAX = 10_000;
/** The resolution of the histogram of the event loop's delay, in milliseconds. */
const LOOP_RESOLUTION_MS = 10;

/** How many seconds of load are kept, the latest. */
const SECONDS_KEPT = 300;
/** How long a node is measured after the last time that somebody asked for these, in milliseconds. */
const HISTORY_MS = 60_000;

/** One second of load. */
export interface LoadPoint {
  /** When it ended, in milliseconds since 1970. */
  readonly at: number;
  /** How late the event loop came back in it: 99 of 100 times no later than this, and at most. In milliseconds. */
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The part of it that processes ran, 0 to 1. */
  readonly busyShare: number;
  readonly turnsPerSecond: number;
  /** Memory of JavaScript's values at its end, in bytes. */
  readonly heapUsed: number;
  readonly processes: number;
}

/** A handler that has held up the event loop. */
export interface BlockedRow {
  readonly pid: string;
  readonly name: string | undefined;
  readonly label: string;
  /** How long it ran without giving way, in milliseconds. */
  readonly ms: number;
  /** When it returned, in milliseconds since 1970. */
  readonly at: number;
}

/** A number that grows, and how fast. */
class Growth {
  #older = 0;
  #olderAt: number;
  #newer = 0;
  #newerAt: number;

  constructor(now: number, value: number) {
    this.#older = value;
    this.#newer = value;
    this.#olderAt = now;
    this.#newerAt = now;
  }

  sample(now: number, value: number): void {
    this.#older = this.#newer;
    this.#olderAt = this.#newerAt;
    this.#newer = value;
    this.#newerAt = now;
  }

  /** How much it has grown per millisecond, over the last one to two samples. */
  perMs(now: number, value: number): number {
    return now > this.#olderAt ? (value - this.#older) / (now - this.#olderAt) : 0;
  }

  /** The same since the last sample. */
  perMsOfLast(now: number, value: number): number {
    return now > this.#newerAt ? (value - this.#newer) / (now - this.#newerAt) : 0;
  }
}

/** What is kept of one process. */
class Account {
  busyMs = 0;
  longestMs = 0;
  readonly busy: Growth;
  readonly handled: Growth;
  /** The message in front when the last sample was taken, and since when it is known to wait. */
  #head: unknown = EMPTY;
  #headSince = 0;
  /** For each sample since the mailbox was last empty: when, and how many messages had been taken in. */
  #marks: Array<readonly [at: number, takenIn: number]> = [];

  constructor(now: number, handled: number) {
    this.busy = new Growth(now, 0);
    this.handled = new Growth(now, handled);
  }

  sample(now: number, process: Process): void {
    this.busy.sample(now, this.busyMs);
    this.handled.sample(now, process.handled);
    if (process.mailboxLength === 0) {
      this.#head = EMPTY;
      if (this.#marks.length > 0) this.#marks = [];
      return;
    }
    const out = takenOut(process);
    const first = this.#marks.findIndex(([, takenIn]) => takenIn > out);
    this.#marks.splice(0, first === -1 ? this.#marks.length : first);
    const since = this.#marks[0]?.[0] ?? now;
    if (process.head !== this.#head) {
      this.#head = process.head;
      this.#headSince = since;
    }
    if (this.#marks.length === MARKS_MAX) this.#marks = this.#marks.filter((_, index) => index % 2 === 0);
    this.#marks.push([now, out + process.mailboxLength]);
  }

  /** How long the oldest message has waited at least. */
  oldestMs(now: number, process: Process): number {
    if (process.mailboxLength === 0) return 0;
    const out = takenOut(process);
    const seen = this.#marks.find(([, takenIn]) => takenIn > out)?.[0] ?? now;
    const inFront = process.head === this.#head ? this.#headSince : now;
    return now - Math.min(seen, inFront);
  }
}

/** How many messages have left a mailbox. */
function takenOut(process: Process): number {
  const dropped = process.extra?.mailbox?.policy === 'dropOldest' ? process.extra.dropped : 0;
  return process.handled + dropped;
}

/** What is kept of one channel. */
class ChannelAccount {
  published = 0;
  delivered = 0;
  lastReach = 0;
  readonly rate: Growth;

  constructor(now: number) {
    this.rate = new Growth(now, 0);
  }
}

/** What was measured of a process. */
export interface ProcessFigures {
  readonly oldestMs: number;
  readonly busyMs: number;
  readonly longestMs: number;
  readonly busyShare: number;
  readonly handledPerSecond: number;
}

const NO_FIGURES: ProcessFigures = {
  oldestMs: 0,
  busyMs: 0,
  longestMs: 0,
  busyShare: 0,
  handledPerSecond: 0,
};

/** What was measured of a channel. */
export interface ChannelFigures {
  readonly published: number;
  readonly perSecond: number;
  readonly delivered: number;
  readonly lastReach: number;
}

const NO_CHANNEL: ChannelFigures = { published: 0, perSecond: 0, delivered: 0, lastReach: 0 };

/** The measuring of one node, from the first time that somebody asks until some time after the last. */
export class Measurement extends TimerEntry {
  readonly #node: Node;
  readonly #accounts = new WeakMap<Process, Account>();
  readonly #channels = new Map<string, ChannelAccount>();
  readonly #since: number;
  readonly #loop: IntervalHistogram;
  readonly #loopBefore = performance.eventLoopUtilization();
  /** The same for the second that runs. */
  readonly #loopOfSecond: IntervalHistogram;
  readonly #release: () => void;
  readonly blocked: BlockedRow[] = [];
  /** The last seconds, the oldest first. */
  readonly seconds: LoadPoint[] = [];
  readonly #busy: Growth;
  readonly #turns: Growth;
  #busyMs = 0;
  #sampledAt: number;
  #until: number;

  /** Use {@link measure}. */
  constructor(node: Node, forMs: number) {
    super();
    const now = node.clock.now();
    this.#node = node;
    this.#since = now;
    this.#sampledAt = now;
    this.#until = now + forMs;
    this.#busy = new Growth(now, 0);
    this.#turns = new Growth(now, node.scheduler.turns);
    this.#loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#loop.enable();
    this.#loopOfSecond = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    this.#loopOfSecond.enable();
    // Hides the method of the class until `stop` deletes it.
    node.scheduler.runItem = (item) => this.#run(item);
    this.#release = hear(node, {
      broadcast: (heard) => {
        this.#heard(heard);
      },
    });
    this.#sample();
    node.timers.start(this, SAMPLE_MS);
  }

  /** Goes on for at least so long. */
  prolong(forMs: number): void {
    this.#until = Math.max(this.#until, this.#node.clock.now() + forMs);
  }

  /** Since when, in milliseconds. */
  get forMs(): number {
    return this.#node.clock.now() - this.#since;
  }

  #run(item: Runnable): number {
    const begun = performance.now();
    const handled = item.run();
    const ms = performance.now() - begun;
    this.#busyMs += ms;
    if (item instanceof Process) this.#ran(item, ms, handled);
    return handled;
  }

  override expired(): void {
    if (this.#node.clock.now() >= this.#until) this.stop();
    else {
      this.#keepSecond();
      this.#sample();
      this.#node.timers.start(this, SAMPLE_MS);
    }
  }

  /** Ends it. */
  stop(): void {
    this.#node.timers.drop(this);
    Reflect.deleteProperty(this.#node.scheduler, 'runItem');
    this.#loop.disable();
    this.#loopOfSecond.disable();
    this.#release();
    measurements.delete(this.#node);
  }

  /** What was measured of a process. */
  processFigures(process: Process): ProcessFigures {
    const account = this.#accounts.get(process);
    // It has done nothing and nothing waits for it, or not since the last sample.
    if (account === undefined) return NO_FIGURES;
    const now = this.#node.clock.now();
    return {
      oldestMs: account.oldestMs(now, process),
      busyMs: account.busyMs,
      longestMs: account.longestMs,
      busyShare: Math.min(1, account.busy.perMs(now, account.busyMs)),
      handledPerSecond: account.handled.perMs(now, process.handled) * 1_000,
    };
  }

  /** The channels on which something was broadcast. */
  channelNames(): Iterable<string> {
    return this.#channels.keys();
  }

  /** What was measured of a channel. */
  channelFigures(channel: string): ChannelFigures {
    const account = this.#channels.get(channel);
    if (account === undefined) return NO_CHANNEL;
    const { published, delivered, lastReach, rate } = account;
    const perSecond = rate.perMs(this.#node.clock.now(), published) * 1_000;
    return { published: Math.round(published), delivered, lastReach, perSecond };
  }

  /** What was measured of the scheduler and the event loop. Times in milliseconds. */
  loadFigures() {
    const now = this.#node.clock.now();
    return {
      busyShare: Math.min(1, this.#busy.perMs(now, this.#busyMs)),
      turnsPerSecond: this.#turns.perMs(now, this.#node.scheduler.turns) * 1_000,
      loop: {
        utilisation: performance.eventLoopUtilization(this.#loopBefore).utilization,
        meanMs: delay(this.#loop.mean),
        p99Ms: delay(this.#loop.percentile(99)),
        maxMs: maxDelay(this.#loop),
      },
    };
  }

  /** Keeps the load of the second that has ended. */
  #keepSecond(): void {
    const { clock, scheduler, table } = this.#node;
    const now = clock.now();
    if (this.seconds.length === SECONDS_KEPT) this.seconds.shift();
    this.seconds.push({
      at: clock.wallTime(),
      p99Ms: delay(this.#loopOfSecond.percentile(99)),
      maxMs: maxDelay(this.#loopOfSecond),
      busyShare: Math.min(1, this.#busy.perMsOfLast(now, this.#busyMs)),
      turnsPerSecond: this.#turns.perMsOfLast(now, scheduler.turns) * 1_000,
      heapUsed: getHeapStatistics().used_heap_size,
      processes: table.size,
    });
    this.#loopOfSecond.reset();
  }

  #ran(process: Process, ms: number, handled: number): void {
    const account = this.#accountOf(process, process.handled - handled);
    account.busyMs += ms;
    if (ms > account.longestMs) account.longestMs = ms;
    if (ms < BLOCKED_MS) return;
    if (this.blocked.length === BLOCKED_KEPT) this.blocked.shift();
    const { pid, label, extra } = process;
    this.blocked.push({ pid: pid.toString(), name: extra?.name, label, ms, at: this.#node.clock.wallTime() });
  }

  #accountOf(process: Process, handled: number): Account {
    let account = this.#accounts.get(process);
    if (account === undefined) {
      // Until the last sample it had done nothing.
      account = new Account(this.#sampledAt, handled);
      this.#accounts.set(process, account);
    }
    return account;
  }

  #heard({ channel, local, remote, share }: Heard): void {
    let account = this.#channels.get(channel);
    if (account === undefined) {
      if (this.#channels.size === CHANNELS_MAX) return;
      account = new ChannelAccount(this.#node.clock.now());
      this.#channels.set(channel, account);
    }
    account.published += share;
    account.delivered += local;
    account.lastReach = Math.round((local + remote) / share);
  }

  #sample(): void {
    const now = this.#node.clock.now();
    this.#sampledAt = now;
    this.#busy.sample(now, this.#busyMs);
    this.#turns.sample(now, this.#node.scheduler.turns);
    for (const { rate, published } of this.#channels.values()) rate.sample(now, published);
    for (const process of this.#node.table.all()) {
      const account =
        process.mailboxLength > 0 ? this.#accountOf(process, process.handled) : this.#accounts.get(process);
      account?.sample(now, process);
    }
  }
}

const measurements = new WeakMap<Node, Measurement>();

/** Measures a node from now on, or goes on doing so, for some time. */
export function measure(node: Node, forMs = MEASURE_MS): Measurement {
  let measurement = measurements.get(node);
  if (measurement === undefined) {
    measurement = new Measurement(node, forMs);
    measurements.set(node, measurement);
  } else measurement.prolong(forMs);
  return measurement;
}

/** The last seconds of a node after a time, which is measured for a minute from now on. */
export function secondsOf(node: Node, since: number): LoadPoint[] {
  const { seconds } = measure(node, HISTORY_MS);
  // What follows a second that is known is answered, also when the clock has been set back since.
  const known = seconds.findLastIndex(({ at }) => at === since);
  return known === -1 ? seconds.filter(({ at }) => at > since) : seconds.slice(known + 1);
}

/** A delay of the event loop in milliseconds, without the interval of the measurement. */
function delay(nanoseconds: number): number {
  return Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / 1e6 - LOOP_RESOLUTION_MS) : 0;
}

function maxDelay({ count, max }: IntervalHistogram): number {
  return count === 0 ? 0 : delay(max);
}
