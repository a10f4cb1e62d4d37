// The traces of one page. Each ends by itself: after its messages, its time, the end of the process; or with the page. What comes in
// while nothing can be sent waits here, no more than a trace has messages.
import type { Inspector, Trace, TraceEnd, TraceEvent, TraceOptions, TraceTarget } from '../inspect/index.ts';
import { NotUnderstood } from './from-page.ts';
import { problemOf } from './looking.ts';
import type { ToPage } from './protocol.ts';
import { cut } from '../terms/format.ts';
import { GROUP_MAX } from './views.ts';

/** How many traces a page may have at once. */
const TRACES_MAX = 4;
const LIMITS = { limit: 1_000, perSecond: 50, forMs: 600_000, textMax: 200 } satisfies TraceOptions;

interface PageTrace {
  events: TraceEvent[];
  /** Undefined until it has begun. */
  trace: Trace | undefined;
  end: string | undefined;
}

/** The traces of one page. */
export class PageTraces {
  readonly #traces = new Map<number, PageTrace>();

  /** True when there is none. */
  get isIdle(): boolean {
    return this.#traces.size === 0;
  }

  /**
   * Begins a trace; that it cannot begin is told as its end.
   * @returns the end of one too many
   * @throws NotUnderstood when there is one with this id
   */
  start(id: number, target: TraceTarget, inspectorOf: () => Inspector): ToPage | undefined {
    if (this.#traces.has(id)) throw new NotUnderstood('there is a trace with this id');
    if (this.#traces.size === TRACES_MAX)
      return { type: 'trace', id, events: [], end: `a page can have ${TRACES_MAX} traces at once: stop one` };
    const made: PageTrace = { events: [], trace: undefined, end: undefined };
    this.#traces.set(id, made);
    void this.#run(made, target, inspectorOf);
    return undefined;
  }

  /** Stops a trace; no effect when it has ended. Nothing of it is told any more. */
  stop(id: number): void {
    const found = this.#traces.get(id);
    this.#traces.delete(id);
    if (found === undefined) return;
    found.end ??= 'stopped';
    found.trace?.stop();
  }

  /** Stops all. */
  stopAll(): void {
    for (const id of this.#traces.keys()) this.stop(id);
  }

  /** What is to be sent. */
  take(): ToPage[] {
    const frames: ToPage[] = [];
    for (const [id, found] of this.#traces) {
      const { events, end } = found;
      if (end === undefined && events.length === 0) continue;
      frames.push({ type: 'trace', id, events, ...(end !== undefined && { end }) });
      found.events = [];
      if (end !== undefined) this.#traces.delete(id);
    }
    return frames;
  }

  async #run(made: PageTrace, target: TraceTarget, inspectorOf: () => Inspector): Promise<void> {
    try {
      const trace = await inspectorOf().trace(target, LIMITS);
      made.trace = trace;
      if (made.end !== undefined) trace.stop();
      for await (const event of trace) if (!isOwnQuestion(event)) made.events.push(shown(event));
      made.end ??= textOfEnd(await trace.ended);
    } catch (error) {
      made.end ??= problemOf(error);
    }
  }
}

/** The text is cut already; the name of a channel can be long. */
function shown(event: TraceEvent): TraceEvent {
  const [from, to] = [event.from, event.to].map((name) => name && cut(name, GROUP_MAX));
  return { ...event, from, to };
}

/** Whether this is how the page is shown the state of a process, once a second. */
function isOwnQuestion({ kind, text }: TraceEvent): boolean {
  if (kind === 'call') return text === "$system('get_state')";
  return kind === 'reply' && text.startsWith("SystemAnswer { kind: 'state'");
}

function textOfEnd({ reason, reported, leftOut }: TraceEnd): string {
  const why = {
    limit: `after ${reported} messages`,
    time: `after ${LIMITS.forMs / 60_000} minutes`,
    exited: 'the process has ended',
    stopped: 'its node is gone, or ended it',
  }[reason];
  return leftOut === 0 ? why : `${why}; ${leftOut} messages came too fast and were left out`;
}
