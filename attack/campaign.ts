// Plays kinds of attacks, each against a program of its own beside good clients, and says what it has cost. A limit that
// is broken, and whatever a good client has lost, is a problem.
import { GoodClients } from './lib/good-clients.ts';
import { Service } from './lib/service.ts';
import { Tally } from './lib/tally.ts';
import type { Kind, Scale } from './kind.ts';

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

/** What is asked of the service. */
export interface Limits {
  /** No limit when left out: on a busy machine the program stands whenever another has the processor. */
  readonly stopMs?: number;
  readonly memoryBytes: number;
}

export interface CampaignOptions {
  readonly kinds: readonly Kind[];
  readonly scale: Scale;
  /** The folder whose `dist/` is attacked. */
  readonly checkout: string;
  readonly limits: Limits;
}

const NOTHING = { longestStopMs: 0, peakBytes: 0, made: 0, refused: 0, seconds: 0, problems: [] };

/** Plays the kinds one after the other, and tells of each when it is over. */
export async function campaign(
  { kinds, scale, checkout, limits }: CampaignOptions,
  tell: (outcome: Outcome) => void,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const kind of kinds) {
    const skipped = kind.missing?.();
    const outcome =
      skipped === undefined
        ? await attack(kind, scale, checkout, limits)
        : { kind: kind.name, skipped, ...NOTHING };
    outcomes.push(outcome);
    tell(outcome);
  }
  return outcomes;
}

async function attack(kind: Kind, scale: Scale, checkout: string, limits: Limits): Promise<Outcome> {
  const startedAt = performance.now();
  const problems = new Tally();
  try {
    const service = await Service.start(checkout, kind.prepare?.());
    const good = await GoodClients.start(service, problems, kind.mayRefuse ?? false);
    let failure: unknown;
    try {
      await kind.play(service, scale, (what) => problems.add(what));
    } catch (error) {
      failure = error; // what a program that has ended leaves behind is told below
    }
    const { made, refused } = await good.finish();
    const { ended } = service;
    const cost = ended === undefined ? await service.cost() : { longestStopMs: 0, peakBytes: 0 };
    const end = (await service.stop()) ?? ended;
    if (end !== undefined) problems.add(end);
    if (ended === undefined && failure !== undefined) throw failure;
    if (limits.stopMs !== undefined && cost.longestStopMs > limits.stopMs)
      problems.add(`the event loop stood longer than ${limits.stopMs} ms`);
    if (cost.peakBytes > limits.memoryBytes)
      problems.add(`it took more than ${Math.round(limits.memoryBytes / 1e6)} MB`);
    const seconds = (performance.now() - startedAt) / 1_000;
    return { kind: kind.name, ...cost, made, refused, seconds, problems: problems.lines() };
  } finally {
    kind.cleanUp?.();
  }
}
