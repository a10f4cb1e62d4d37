// A trace as a stream of messages, and as a sequence chart.
import type { TraceEnd, TraceEvent } from './trace.ts';
import { cut } from '../terms/format.ts';

/**
 * The messages of a trace, as they come: `for await (const event of trace)`. The loop ends with the trace, and leaving the loop stops
 * it. What nobody has read yet is kept; the limit of the trace bounds it.
 */
export class Trace implements AsyncIterable<TraceEvent> {
  /** How it has ended. */
  readonly ended: Promise<TraceEnd>;
  #stop: () => void = () => undefined;
  #resolveEnd: (end: TraceEnd) => void = () => undefined;
  #waiting: TraceEvent[] = [];
  #over = false;
  #wake: () => void = () => undefined;

  /** @internal */
  constructor() {
    this.ended = new Promise((resolve) => {
      this.#resolveEnd = resolve;
    });
  }

  /** @internal Says how to stop it. */
  onStop(stop: () => void): void {
    this.#stop = stop;
  }

  /** @internal */
  event(event: TraceEvent): void {
    this.#waiting.push(event);
    this.#wake();
  }

  /** @internal */
  end(end: TraceEnd): void {
    this.#over = true;
    this.#resolveEnd(end);
    this.#wake();
  }

  /** Stops the trace; no effect when it has ended. */
  stop(): void {
    this.#stop();
  }

  /** Reads the messages; by one reader at a time. */
  async *[Symbol.asyncIterator](): AsyncGenerator<TraceEvent, void, void> {
    try {
      for (;;) {
        yield* this.#waiting.splice(0);
        if (this.#waiting.length > 0) continue;
        if (this.#over) return;
        // oxlint-disable-next-line no-await-in-loop
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.stop();
    }
  }
}

/** How many characters of a message a chart shows. */
const CHART_TEXT_MAX = 80;

/** A sequence chart of a trace, as text for Mermaid. */
export function sequenceChart(events: readonly TraceEvent[]): string {
  const names = new Map<string, string>();
  const nameOf = (who: string | undefined): string => {
    const key = who ?? '?';
    let name = names.get(key);
    if (name === undefined) {
      name = `p${names.size}`;
      names.set(key, name);
    }
    return name;
  };
  const lines = events.map(({ from, to, kind, text }) => {
    const arrow = kind === 'reply' ? '-->>' : kind === 'call' ? '->>' : '-)';
    return `  ${nameOf(from)}${arrow}${nameOf(to)}: ${kind} ${escaped(text)}`;
  });
  const participants = [...names].map(([who, name]) => `  participant ${name} as ${escaped(who)}`);
  return ['sequenceDiagram', ...participants, ...lines].join('\n');
}

/** Text without what means something to Mermaid, or to the page that shows it, as its character codes. */
function escaped(text: string): string {
  const short = cut(text, CHART_TEXT_MAX);
  return short
    .replace(
      /[^\p{L}\p{N}\p{M}\p{Zs} .,()[\]{}'"/@_=+*!?$…-]/gu,
      (character) => `#${character.codePointAt(0)};`,
    )
    .trim();
}
