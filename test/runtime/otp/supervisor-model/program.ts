// Random programs for a supervisor: flags, children, and bursts of crashes and requests. What a burst does reaches the
// supervisor in its order, before the supervisor handles any of it.
import * as fc from 'fast-check';
import type { AutoShutdown, Restart } from 'troupe';

/** What the next starts of a child do; afterwards they succeed. */
export type Outcome = 'fail' | 'ignore';

/** A child. */
export interface Spec {
  readonly id: string;
  readonly restart: Restart;
  readonly significant: boolean;
  readonly shutdown: 'brutal_kill' | 5_000;
}

/** One thing that happens. */
export type Op =
  | { readonly do: 'crash'; readonly id: string; readonly reason: Reason }
  | { readonly do: 'plan'; readonly id: string; readonly outcomes: readonly Outcome[] }
  | { readonly do: 'start'; readonly spec: Spec }
  | { readonly do: 'terminate' | 'restart' | 'delete'; readonly id: string };

export type Reason = (typeof REASONS)[number];

/** A program. */
export interface Program {
  readonly strategy: 'one_for_one' | 'one_for_all' | 'rest_for_one';
  readonly intensity: number;
  readonly autoShutdown: AutoShutdown;
  readonly children: readonly Spec[];
  readonly bursts: ReadonlyArray<readonly Op[]>;
  /** Whether the first starts fail. */
  readonly plan: ReadonlyArray<Extract<Op, { do: 'plan' }>>;
}

const IDS = ['a', 'b', 'c', 'd'];
const REASONS = ['normal', 'shutdown', 'boom', 'kill'] as const;

const ids = fc.constantFrom(...IDS);

const plans = fc.record({
  do: fc.constant('plan' as const),
  id: ids,
  outcomes: fc.array(fc.constantFrom<Outcome>('fail', 'fail', 'ignore'), { maxLength: 3 }),
});

function spec(autoShutdown: AutoShutdown): fc.Arbitrary<Spec> {
  return fc
    .record({
      id: ids,
      restart: fc.constantFrom<Restart>('permanent', 'transient', 'temporary'),
      significant: fc.constantFrom(true, true, false),
      shutdown: fc.constantFrom<Spec['shutdown']>(5_000, 'brutal_kill'),
    })
    .map((made) => ({
      ...made,
      significant: made.significant && autoShutdown !== 'never' && made.restart !== 'permanent',
    }));
}

/** One or two operations: a crash whose restart fails is rare otherwise. */
function ops(autoShutdown: AutoShutdown): fc.Arbitrary<Op[]> {
  const crash = fc.record({
    do: fc.constant('crash' as const),
    id: ids,
    reason: fc.constantFrom(...REASONS),
  });
  const request = fc.record({ do: fc.constantFrom('terminate', 'restart', 'delete' as const), id: ids });
  const start = fc.record({ do: fc.constant('start' as const), spec: spec(autoShutdown) });
  return fc.oneof(
    { weight: 6, arbitrary: fc.tuple<[Op]>(crash) },
    { weight: 4, arbitrary: fc.tuple<[Op]>(request) },
    { weight: 2, arbitrary: fc.tuple<[Op]>(start) },
    { weight: 1, arbitrary: fc.tuple<[Op]>(plans) },
    {
      weight: 3,
      arbitrary: fc
        .tuple(plans, crash)
        .map(([planned, crashed]) => [planned, { ...crashed, id: planned.id }]),
    },
  );
}

/** Programs. */
export const program: fc.Arbitrary<Program> = fc
  .constantFrom<AutoShutdown>('never', 'never', 'any_significant', 'all_significant')
  .chain((autoShutdown) =>
    fc.record({
      strategy: fc.constantFrom('one_for_one', 'one_for_all', 'rest_for_one' as const),
      intensity: fc.constantFrom(0, 3, 6, 40),
      autoShutdown: fc.constant(autoShutdown),
      children: fc.uniqueArray(spec(autoShutdown), { maxLength: 4, size: 'max', selector: ({ id }) => id }),
      bursts: fc.array(
        fc.array(ops(autoShutdown), { minLength: 1, maxLength: 6, size: 'max' }).map((each) => each.flat()),
        {
          minLength: 2,
          maxLength: 8,
          size: 'max',
        },
      ),
      plan: fc.oneof(
        { weight: 4, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(plans, { maxLength: 2 }) },
      ),
    }),
  );
