// How busy the node is: the figures of now, their course over the last minutes, and the handlers that held the event loop up. The
// charts themselves are drawn by charts.ts into the elements that are made here.
import { html, nothing } from 'lit-html';
import type { BlockedRow, LoadFigures } from '../../../inspect/index.ts';
import type { LoadPoint } from '../../protocol.ts';
import { age, bytes, count, duration, percent, rate, timeOfDay } from '../format.ts';
import type { Route } from '../route.ts';
import type { State } from '../state.ts';
import { emptyView, processLink } from './parts.ts';
import type { View } from './types.ts';

/** A chart: its name is that of its series in charts.ts. */
interface Chart {
  readonly name: string;
  readonly title: string;
  /** What the lines are, each with its class. */
  readonly lines: ReadonlyArray<readonly [name: string, title: string]>;
  /** What a screen reader is told instead of the drawing. */
  summary(points: readonly LoadPoint[]): string;
}

const CHARTS: readonly Chart[] = [
  {
    name: 'delay',
    title: 'Event-loop delay',
    lines: [
      ['first', 'p99'],
      ['second', 'longest'],
    ],
    summary: (points) =>
      `at most ${duration(highest(points, 'maxMs'))}, p99 at most ${duration(highest(points, 'p99Ms'))}`,
  },
  {
    name: 'busy',
    title: 'Busy',
    lines: [['first', 'share of the time that processes ran']],
    summary: (points) => `at most ${percent(highest(points, 'busyShare'))}`,
  },
  {
    name: 'turns',
    title: 'Turns per second',
    lines: [['first', 'runs of a process by the scheduler']],
    summary: (points) => `at most ${rate(highest(points, 'turnsPerSecond'))}`,
  },
  {
    name: 'memory',
    title: 'Heap and processes',
    lines: [
      ['first', 'heap in use'],
      ['second', 'processes'],
    ],
    summary: (points) =>
      `at most ${bytes(highest(points, 'heapUsed'))} and ${count(highest(points, 'processes'))} processes`,
  },
];

/** The view. */
export function loadView(state: State): View {
  const { load } = state.data;
  return html`
    <div class="scroll" tabindex="0" role="region" aria-labelledby="view-title">
      <div class="tools"><h2 id="view-title" tabindex="-1">Load</h2></div>
      ${
        load === undefined
          ? emptyView(state, 'load', false, '')
          : html`
              ${figuresView(load.now, state.now)}
              <div class="charts">${CHARTS.map((chart) => chartView(chart, load.points))}</div>
              ${blockedView(load.now.blocked, state.route)}
            `
      }
    </div>
  `;
}

function figuresView(
  { loop, busyShare, turnsPerSecond, processes, queued, memory, startedAt }: LoadFigures,
  now: number,
): View {
  const figures: readonly (readonly [title: string, value: string, more?: string])[] = [
    ['Event-loop delay, p99', duration(loop.p99Ms), `longest ${duration(loop.maxMs)}`],
    ['Busy', percent(busyShare), `event loop ${percent(loop.utilisation)}`],
    ['Turns per second', rate(turnsPerSecond)],
    ['Processes', count(processes), `${count(queued)} waiting to run`],
    ['Heap', bytes(memory.heapUsed), `resident ${bytes(memory.rss)}`],
    ['Up', age(now - startedAt)],
  ];
  return html`<dl class="figures">
    ${figures.map(
      ([title, value, more]) =>
        html`<div>
          <dt>${title}</dt>
          <dd>
            <span class="value">${value}</span>
            <span class="soft">${more ?? '\u00a0'}</span>
          </dd>
        </div>`,
    )}
  </dl>`;
}

function chartView({ name, title, lines, summary }: Chart, points: readonly LoadPoint[]): View {
  const [first, last] = [points[0], points.at(-1)];
  const span = first === undefined || last === undefined ? 0 : last.at - first.at;
  return html`<figure class="chart">
    <figcaption>
      <h3>${title}</h3>
      <span class="legend"
        >${lines.map(([line, text]) => html`<span class="line ${line}">${text}</span>`)}</span
      >
    </figcaption>
    <div
      class="plot"
      data-chart=${name}
      role="img"
      aria-label=${points.length === 0 ? `${title}: nothing yet` : `${title} in the last ${age(span)}: ${summary(points)}`}
    ></div>
  </figure>`;
}

function blockedView(blocked: readonly BlockedRow[], route: Route): View {
  return html`<section class="blocked" aria-labelledby="blocked-title">
    <h3 id="blocked-title">Handlers that held the event loop up</h3>
    ${
      blocked.length === 0
        ? html`<p class="soft">None ran for 20 ms or longer while the node was measured.</p>`
        : html`<table>
            <thead>
              <tr>
                <th scope="col" class="time">When</th>
                <th scope="col">Process</th>
                <th scope="col" class="label">Label</th>
                <th scope="col" class="number">For</th>
              </tr>
            </thead>
            <tbody>
              ${blocked.toReversed().map(
                ({ pid, name, label, ms, at }) =>
                  html`<tr>
                    <td class="time">${timeOfDay(at)}</td>
                    <td>
                      ${processLink(route, pid)}${name === undefined ? nothing : html` <span>${name}</span>`}
                    </td>
                    <td class="label">${label}</td>
                    <td class="number ${ms >= 100 ? 'high' : ''}">${duration(ms)}</td>
                  </tr>`,
              )}
            </tbody>
          </table>`
    }
  </section>`;
}

function highest(points: readonly LoadPoint[], name: Exclude<keyof LoadPoint, 'at'>): number {
  return points.reduce((most, point) => Math.max(most, point[name]), 0);
}
