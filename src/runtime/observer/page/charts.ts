// The charts of the load, drawn by uPlot into the elements that the view has made: it draws on a canvas, so ten minutes of four charts
// cost a frame less than a table row, and it sets styles through the DOM alone, as the page's policy asks. One uPlot for each element; it
// goes with it. Colours are those of the style sheet, in both schemes.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { LoadPoint } from '../protocol.ts';
import { bytes, count, duration, percent, rate } from './format.ts';

/** A line: which figure, how it reads, on which scale. */
interface Line {
  readonly of: Exclude<keyof LoadPoint, 'at'>;
  readonly colour: '--line-first' | '--line-second';
  readonly scale: 'y' | 'right';
  text(value: number): string;
}

/** The lines of each chart; the least that the top of a scale stands for keeps an idle node's chart flat. */
const CHARTS: Readonly<Record<string, { readonly least: number; readonly lines: readonly Line[] }>> = {
  delay: {
    least: 10,
    lines: [
      { of: 'maxMs', colour: '--line-second', scale: 'y', text: duration },
      { of: 'p99Ms', colour: '--line-first', scale: 'y', text: duration },
    ],
  },
  busy: { least: 0.05, lines: [{ of: 'busyShare', colour: '--line-first', scale: 'y', text: percent }] },
  turns: { least: 10, lines: [{ of: 'turnsPerSecond', colour: '--line-first', scale: 'y', text: rate }] },
  memory: {
    least: 1,
    lines: [
      { of: 'heapUsed', colour: '--line-first', scale: 'y', text: bytes },
      { of: 'processes', colour: '--line-second', scale: 'right', text: count },
    ],
  },
};
const HEIGHT_PX = 150;
const SPAN_MIN_S = 120;
const FONT = '11px system-ui, sans-serif';

/** The charts of the page. */
export class Charts {
  readonly #plots = new Map<HTMLElement, { readonly plot: uPlot; points: readonly LoadPoint[] }>();
  readonly #sizes = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      this.#plots.get(target as HTMLElement)?.plot.setSize({ width: contentRect.width, height: HEIGHT_PX });
    }
  });

  /** Brings the charts below an element up to date. */
  draw(root: HTMLElement, points: readonly LoadPoint[]): void {
    for (const element of this.#plots.keys()) if (!element.isConnected) this.#remove(element);
    for (const element of root.querySelectorAll<HTMLElement>('[data-chart]')) {
      const drawn = this.#plots.get(element);
      if (drawn === undefined) this.#add(element, points);
      else if (drawn.points !== points) {
        drawn.points = points;
        drawn.plot.setData(dataOf(element, points));
      }
    }
  }

  /** Draws everything anew, in the colours that there are now. */
  recolour(): void {
    for (const [element, { points }] of Array.from(this.#plots)) {
      this.#remove(element);
      this.#add(element, points);
    }
  }

  #add(element: HTMLElement, points: readonly LoadPoint[]): void {
    const plot = new uPlot(optionsOf(element), dataOf(element, points), element);
    this.#plots.set(element, { plot, points });
    this.#sizes.observe(element);
  }

  #remove(element: HTMLElement): void {
    this.#sizes.unobserve(element);
    this.#plots.get(element)?.plot.destroy();
    this.#plots.delete(element);
  }
}

function chartOf(element: HTMLElement): (typeof CHARTS)[string] {
  const chart = CHARTS[element.dataset['chart'] ?? ''];
  if (chart === undefined) throw new Error(`There is no chart "${element.dataset['chart']}".`);
  return chart;
}

function dataOf(element: HTMLElement, points: readonly LoadPoint[]): uPlot.AlignedData {
  const { lines } = chartOf(element);
  return [points.map(({ at }) => at / 1_000), ...lines.map(({ of }) => points.map((point) => point[of]))];
}

/** All points; at least the last two minutes, so that the first seconds do not fill the chart. */
function timeRange({ data: [times] }: uPlot): uPlot.Range.MinMax {
  const last = times.at(-1) ?? 0; // of a single point uPlot makes a day
  return [Math.min(times[0] ?? last, last - SPAN_MIN_S), last];
}

function optionsOf(element: HTMLElement): uPlot.Options {
  const { least, lines } = chartOf(element);
  const style = getComputedStyle(element);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis = { stroke: colour('--ink-soft'), font: FONT, ticks: { show: false } };
  const values = (line: Line | undefined) => (_plot: uPlot, ticks: number[]) =>
    ticks.map((tick) => line?.text(tick) ?? '');
  const right = lines.find(({ scale }) => scale === 'right');
  const range = (_plot: uPlot, _min: number | null, max: number | null): uPlot.Range.MinMax => [
    0,
    Math.max(least, (max ?? 0) * 1.1),
  ];
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    // Half of a time fits beside the plot, so that the last one is whole; where there is a scale, it is as wide.
    padding: [8, right === undefined ? 30 : 0, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: true, range: timeRange },
      y: { range },
      ...(right !== undefined && { right: { range } }),
    },
    axes: [
      { ...axis, grid: { show: false }, space: 90, size: 24, values: '{HH}:{mm}:{ss}' },
      {
        ...axis,
        grid: { stroke: colour('--hairline'), width: 1 },
        size: 62,
        space: 36,
        values: values(lines[0]),
      },
      ...(right === undefined
        ? []
        : [
            {
              ...axis,
              scale: 'right',
              side: 1 as const,
              grid: { show: false },
              size: 48,
              space: 36,
              values: values(right),
            },
          ]),
    ],
    series: [
      {},
      ...lines.map((line) => ({
        scale: line.scale,
        stroke: colour(line.colour),
        width: 1.5,
        points: { show: false },
        ...(line.colour === '--line-first' && { fill: colour('--line-fill') }),
      })),
    ],
  };
}
