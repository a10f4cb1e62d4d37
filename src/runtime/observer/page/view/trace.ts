// The trace at the side: begun and ended by hand, drawn as a sequence chart (lifelines and arrows) or as a list. Bounded: the last
// messages are drawn, and at most LIFELINES_MAX processes have a lifeline of their own.
import { html, nothing, svg } from 'lit-html';
import type { TraceEvent } from '../../../inspect/index.ts';
import { count, counted, timeOfDay } from '../format.ts';
import { DRAWN_EVENTS_MAX, LIFELINES_MAX } from '../limits.ts';
import type { State, TraceState, TraceTarget } from '../state.ts';
import type { Actions, View } from './types.ts';

const LANE = 132;
const STEP = 34;
const TOP = 44;
const TEXT_MAX = 26;
/** Stands for a sender that the message does not name. */
const NOBODY = 'unknown';
/** Stands for all who have no lifeline of their own. */
const OTHERS = 'others';

/** The trace of what is at the side. */
export function traceView(state: State, actions: Actions, target: TraceTarget): View {
  const { trace, traceAs } = state;
  const runs = trace !== undefined && trace.end === undefined;
  return html`<section class="trace" aria-labelledby="trace-title">
    <div class="trace-head">
      <h3 id="trace-title">Trace</h3>
      ${
        trace === undefined || trace.events.length === 0
          ? nothing
          : html`<div class="switch" role="group" aria-label="Shown as">
              ${(['chart', 'list'] as const).map(
                (as) =>
                  html`<button
                    type="button"
                    aria-pressed=${traceAs === as ? 'true' : 'false'}
                    @click=${() => actions.send({ type: 'trace_shown', as })}
                  >
                    ${as === 'chart' ? 'Chart' : 'List'}
                  </button>`,
              )}
            </div>`
      }
      <button
        type="button"
        data-testid="trace-turn"
        @click=${() => (runs ? actions.untrace() : actions.trace(target))}
      >
        ${runs ? 'Stop' : trace === undefined ? 'Trace messages' : 'Trace again'}
      </button>
    </div>
    ${trace === undefined ? nothing : bodyOf(trace, traceAs)}
  </section>`;
}

function bodyOf(trace: TraceState, as: 'chart' | 'list'): View {
  const shown = trace.events.slice(-DRAWN_EVENTS_MAX);
  const before = trace.dropped + trace.events.length - shown.length;
  const all = trace.dropped + trace.events.length;
  return html`
    <p class="soft trace-state" data-testid="trace-state">
      ${trace.end === undefined ? 'Running' : `Ended (${trace.end})`},
      ${counted(all, 'message', 'messages')}${before > 0 ? `, the last ${count(shown.length)} shown` : ''}.
    </p>
    ${shown.length === 0 ? nothing : as === 'chart' ? chartView(shown) : listView(shown)}
  `;
}

/** Who has a lifeline, in the order of their first message. */
export function lifelines(events: readonly TraceEvent[]): readonly string[] {
  const names = [...new Set(events.flatMap(({ from, to }) => [from ?? NOBODY, to ?? NOBODY]))];
  return names.length <= LIFELINES_MAX ? names : [...names.slice(0, LIFELINES_MAX - 1), OTHERS];
}

function chartView(events: readonly TraceEvent[]): View {
  const names = lifelines(events);
  const laneOf = (who: string | undefined): number => {
    const at = names.indexOf(who ?? NOBODY);
    return (at < 0 ? names.length - 1 : at) * LANE + LANE / 2;
  };
  const [width, height] = [names.length * LANE, TOP + events.length * STEP + 12];
  return html`<div
    class="sequence"
    tabindex="0"
    role="region"
    aria-label="Sequence chart"
    data-testid="sequence"
  >
    <svg
      width=${width}
      height=${height}
      viewBox=${`0 0 ${width} ${height}`}
      role="img"
      aria-label=${`${counted(events.length, 'message', 'messages')} between ${names.join(', ')}; the list has their text`}
    >
      ${names.map((name) => lifeline(name, laneOf(name), height))}
      ${events.map((event, at) => arrow(event, laneOf(event.from), laneOf(event.to), TOP + (at + 0.75) * STEP))}
    </svg>
  </div>`;
}

function lifeline(name: string, x: number, height: number): unknown {
  return svg`<g class="lifeline">
    <line x1=${x} y1="32" x2=${x} y2=${height} />
    <rect x=${x - LANE / 2 + 8} y="6" width=${LANE - 16} height="26" rx="6" />
    <text x=${x} y="24">${cut(name, 16)}</text>
  </g>`;
}

/** An arrow from the sender to the receiver; a loop for a message to oneself. Replies are dashed. */
function arrow({ kind, text }: TraceEvent, from: number, to: number, y: number): unknown {
  const head = to >= from ? -7 : 7;
  const line =
    from === to
      ? svg`<path d=${`M${from},${y - 8} h26 v10 h-24`} />`
      : svg`<path d=${`M${from},${y} H${to}`} />`;
  const tip = from === to ? { x: from, y: y + 2, head: 7 } : { x: to, y, head };
  const x = from === to ? from + 32 : (from + to) / 2;
  return svg`<g class="arrow" data-kind=${kind}>
    <title>${`${kind} ${text}`}</title>
    ${line}
    <polygon points=${`${tip.x},${tip.y} ${tip.x + tip.head},${tip.y - 4} ${tip.x + tip.head},${tip.y + 4}`} />
    <text x=${x} y=${from === to ? y + 1 : y - 5} class=${from === to ? 'own' : ''}>${cut(text, Math.abs(from - to) > LANE ? 2 * TEXT_MAX : TEXT_MAX - 8)}</text>
  </g>`;
}

function listView(events: readonly TraceEvent[]): View {
  return html`<ol class="trace-list" tabindex="0" role="list" aria-label="Messages">
    ${events.map(
      ({ at, kind, from, to, text }) =>
        html`<li>
          <span class="soft">${timeOfDay(at)} ${kind}</span> <code>${from ?? NOBODY}</code> →
          <code>${to ?? NOBODY}</code>
          <pre>${text}</pre>
        </li>`,
    )}
  </ol>`;
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max - 1)}…` : text;
}
