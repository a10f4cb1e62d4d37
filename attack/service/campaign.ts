// Plays kinds of attacks, each against a program of its own beside good clients, and says what it has cost. A limit that
// is broken, and whatever a good client has lost, is a problem.
import { GoodClients } from './lib/good-clients.ts';
import { Service } from './lib/service.ts';
import { Tally } from './lib/tally.ts';
import type { AttackOptions, Family } from '../family.ts';
import type { Kind } from './kind.ts';
import { allKinds } from './kinds.ts';

/** How an attack went. */
export interface Outcome {
  readonly kind: string;
  /** Why it was not played. */
  readonly skipped?: string;
  readonly longestStopMs: number;
  readonly peakBytes: number;
  /** Notes that the good client has made meanwhile, and how often it was asked to come again. */
  readonly made: number;
  readonly refused: number;
  readonly seconds: number;
  readonly problems: readonly string[];
}

const NOTHING = { longestStopMs: 0, peakBytes: 0, made: 0, refused: 0, seconds: 0, problems: [] };

/** The notes service, attacked by its clients and its machine. */
export const serviceFamily: Family = {
  name: 'service',
  kinds: new Map(allKinds().map(({ name, title }) => [name, title])),
  async play(names, options, print) {
    const kinds = allKinds().filter(({ name }) => names.includes(name));
    if (kinds.length > 0) print('the service    longest stop   memory  good: made refused  seconds');
    let broken = 0;
    for (const kind of kinds) {
      // oxlint-disable-next-line no-await-in-loop -- one attack at a time
      const outcome = await play(kind, options);
      if (outcome.problems.length > 0) broken++;
      print(describe(outcome));
    }
    return broken;
  },
};

/** Plays one kind. */
export async function play(kind: Kind, options: AttackOptions): Promise<Outcome> {
  const skipped = kind.missing?.();
  return skipped === undefined ? await attack(kind, options) : { kind: kind.name, skipped, ...NOTHING };
}

async function attack(kind: Kind, { short, checkout, stopMs, memoryBytes }: AttackOptions): Promise<Outcome> {
  const startedAt = performance.now();
  const problems = new Tally();
  try {
    const service = await Service.start(checkout, kind.prepare?.());
    const good = await GoodClients.start(service, problems, kind.mayRefuse);
    let failure: unknown;
    try {
      await kind.play(service, short ? 'short' : 'full', (what) => problems.add(what));
    } catch (error) {
      failure = error; // what a program that has ended leaves behind is told below
    }
    const { made, refused } = await good.finish();
    const { ended } = service;
    const cost = ended === undefined ? await service.cost() : { longestStopMs: 0, peakBytes: 0 };
    const end = (await service.stop()) ?? ended;
    if (end !== undefined) problems.add(end);
    if (ended === undefined && failure !== undefined) throw failure;
    if (cost.longestStopMs > stopMs) problems.add(`the event loop stood longer than ${stopMs} ms`);
    if (cost.peakBytes > memoryBytes) problems.add(`it took more than ${Math.round(memoryBytes / 1e6)} MB`);
    const seconds = (performance.now() - startedAt) / 1_000;
    return { kind: kind.name, ...cost, made, refused, seconds, problems: problems.lines() };
  } finally {
    kind.cleanUp?.();
  }
}

function describe({
  kind,
  skipped,
  longestStopMs,
  peakBytes,
  made,
  refused,
  seconds,
  problems,
}: Outcome): string {
  if (skipped !== undefined) return `${kind.padEnd(14)} skipped: ${skipped}`;
  const row = [
    kind.padEnd(14),
    `${longestStopMs.toFixed(0)} ms`.padStart(12),
    `${(peakBytes / 1e6).toFixed(0)} MB`.padStart(8),
    String(made).padStart(11),
    String(refused).padStart(7),
    seconds.toFixed(0).padStart(8),
  ].join(' ');
  return [row, ...problems.map((problem) => `  - ${problem}`)].join('\n');
}
