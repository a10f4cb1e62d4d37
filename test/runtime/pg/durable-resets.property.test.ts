// Histories that change below their followers: another epoch, the same epoch at a lower position, a trimmed beginning, at any moment of a
// follower's reading. What a follower is given between two resets is a part of one history, each event once, in order; its position
// goes back only where the history did.
import { setImmediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Broadcast,
  ChannelLive,
  type ChannelReset,
  channelLog,
  createNode,
  type EventSource,
  formatCursor,
} from 'troupe';
import { createManualClock, settle } from 'troupe/testing';
import { follow, notes, type Seen } from './durable-helpers.ts';

const TURNS_MAX = 40;

/** A history that can be exchanged, set back and trimmed; what is read of it is old when it arrives. */
class Shifting implements EventSource {
  #epochs = 1;
  #kept: number[] = [];
  #first = 1;
  /** Every history that there was, by epoch: the numbers of its events, in the order of their positions. */
  readonly past: Array<{ readonly epoch: string; readonly events: readonly number[] }> = [];
  #watcher: (position: number | undefined) => void = () => undefined;
  /** How many turns the next reads take. */
  slowness: readonly number[] = [0];
  #reads = 0;

  get epoch(): string {
    return `e${this.#epochs}`;
  }

  get head(): number {
    return this.#kept.length;
  }

  get events(): readonly number[] {
    return this.#kept;
  }

  add(n: number) {
    this.#kept.push(n);
    const event = notes.event('added', { n });
    return { ...event, epoch: this.epoch, position: this.head };
  }

  exchange(events: readonly number[]): void {
    this.#end();
    this.#epochs += 1;
    this.#kept = [...events];
    this.#first = 1;
    this.tell();
  }

  setBack(by: number): void {
    this.#end();
    this.#kept = this.#kept.slice(0, Math.max(0, this.head - by));
    this.#first = Math.min(this.#first, this.head + 1);
    this.tell();
  }

  trimTo(count: number): void {
    this.#first = Math.max(this.#first, this.head - count + 1);
  }

  tell(): void {
    this.#watcher(undefined);
  }

  #end(): void {
    this.past.push({ epoch: this.epoch, events: [...this.#kept] });
  }

  async read(_channel: string, after: number, { events: most }: { readonly events: number }) {
    const extent = { epoch: this.epoch, head: this.head, first: this.#first };
    const { epoch } = extent;
    const from = Math.max(after + 1, this.#first);
    const events = this.#kept.slice(from - 1, from - 1 + most).map((n, index) => {
      return { ...notes.event('added', { n }), epoch, position: from + index };
    });
    for (let turn = this.slowness[this.#reads++ % this.slowness.length] ?? 0; turn > 0; turn--)
      await setImmediate();
    return { ...extent, events };
  }

  async extent() {
    return { epoch: this.epoch, head: this.head, first: this.#first };
  }

  trim(): Promise<boolean> {
    return Promise.resolve(false);
  }

  watch(_channel: string, watcher: (position: number | undefined) => void): () => void {
    this.#watcher = watcher;
    return () => undefined;
  }
}

type Step =
  | { readonly do: 'add'; readonly publish: boolean }
  | { readonly do: 'follow'; readonly back: number }
  | { readonly do: 'exchange'; readonly by: number }
  | { readonly do: 'setBack'; readonly by: number }
  | { readonly do: 'trim'; readonly by: number }
  | { readonly do: 'turns'; readonly by: number }
  | { readonly do: 'time'; readonly by: number };

const by = (what: Step['do'], max = 12) =>
  fc.record({ do: fc.constant(what), by: fc.integer({ min: 1, max }) });
const step = fc.oneof(
  { weight: 7, arbitrary: fc.record({ do: fc.constant('add'), publish: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('follow'), back: fc.nat({ max: 12 }) }) },
  { weight: 2, arbitrary: by('exchange') },
  { weight: 1, arbitrary: by('setBack') },
  { weight: 1, arbitrary: by('trim') },
  { weight: 2, arbitrary: by('turns', 30) },
  { weight: 2, arbitrary: by('time', 30) },
) as fc.Arbitrary<Step>;
/** Events come while somebody reads, and the history changes while that one reads on. */
const rush: fc.Arbitrary<readonly Step[]> = fc
  .tuple(
    fc.integer({ min: 1, max: 6 }),
    fc.nat({ max: TURNS_MAX }),
    fc.integer({ min: 2, max: 5 }),
    fc.nat({ max: TURNS_MAX }),
    by('exchange'),
  )
  .map(([back, early, events, late, change]) => [
    ...Array.from({ length: back }, () => ({ do: 'add' as const, publish: true })),
    { do: 'follow', back },
    { do: 'turns', by: early },
    ...Array.from({ length: events }, () => ({ do: 'add' as const, publish: true })),
    { do: 'turns', by: late },
    change as Step,
  ]);
const steps = fc
  .array(fc.oneof({ weight: 8, arbitrary: step.map((one) => [one]) }, { weight: 1, arbitrary: rush }), {
    maxLength: 40,
  })
  .map((all): readonly Step[] => all.flat());

interface Part {
  readonly epoch: string;
  /** Where it begins. */
  readonly position: number;
  /** Of the events that followed. */
  readonly numbers: number[];
}

function endOf({ epoch, position, numbers }: Part, more = 0): string {
  return formatCursor({ epoch, position: position + numbers.length + more });
}

/** What a follower was given: where each part of it began, and the numbers of the events that followed. */
function partsOf(seen: readonly Seen[], since: { readonly epoch: string; readonly position: number }) {
  const misplaced: string[] = [];
  const parts: Part[] = [{ ...since, numbers: [] }];
  for (const one of seen) {
    if (one instanceof Broadcast) {
      const part = parts.at(-1)!;
      if (one.id !== endOf(part, 1)) misplaced.push(`${one.id} after ${endOf(part)}`);
      part.numbers.push((one.payload as { n: number }).n);
    } else if (one instanceof ChannelLive) {
      const part = parts.at(-1)!;
      if (one.id !== endOf(part)) misplaced.push(`live at ${one.id} after ${endOf(part)}`);
    } else parts.push({ epoch: one.epoch, position: one.position, numbers: [] });
  }
  return { parts, misplaced };
}

describe('any change of the history', () => {
  test('leaves each follower with parts of one history each, the last of which goes to its end', async () => {
    let stale = 0;
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.nat({ max: TURNS_MAX }), { minLength: 1, maxLength: 6 }),
        async (history, slowness) => {
          const clock = createManualClock();
          const node = createNode({ clock });
          const source = new Shifting();
          source.slowness = slowness;
          const log = await node.start(channelLog, [notes.name, source, { sweepMs: 1_000, keep: 1 }]);
          const resets: ChannelReset[] = [];
          node.spawn(async (self) => {
            notes.join(self);
            for (;;) {
              const message = await self.receive();
              if (!(message instanceof Broadcast)) resets.push(message as ChannelReset);
            }
          });
          const followers: Array<{ since: { epoch: string; position: number }; seen: readonly Seen[] }> = [];
          let last = 0;
          /** Lets the log come to the end of the history, and nobody do more than there is time for meanwhile. */
          const reached = async () => {
            for (;;) {
              const at = await log.call('cursor');
              if (at?.epoch === source.epoch && at.position === source.head) return;
              await clock.advance(20);
              await setImmediate();
            }
          };
          for (const now of history) {
            if (now.do === 'add') {
              const event = source.add(++last);
              if (now.publish) notes.publish(node, event);
              else source.tell();
            } else if (now.do === 'follow') {
              const since = { epoch: source.epoch, position: Math.max(0, source.head - now.back) };
              followers.push({ since, seen: follow(node, formatCursor(since)).seen });
            } else if (now.do === 'exchange') {
              source.exchange(Array.from({ length: now.by }, () => ++last));
              if (now.by % 2 === 0) {
                await reached();
                for (let more = now.by % 4; more > 0; more--) notes.publish(node, source.add(++last));
              }
            } else if (now.do === 'setBack') {
              // Under one epoch only a look between the two tells that there was something else: docs/guide/durable-channels.md.
              await reached();
              source.setBack(now.by);
              await reached();
              for (let more = now.by % 4; more > 0; more--) notes.publish(node, source.add(++last));
            } else if (now.do === 'trim') {
              source.trimTo(now.by);
            } else if (now.do === 'time') {
              await clock.advance(now.by);
            } else for (let turn = 0; turn < now.by; turn++) await setImmediate();
          }
          source.tell();
          for (let round = 0; round < 8; round++) {
            for (let turn = 0; turn < TURNS_MAX + 5; turn++) await setImmediate();
            await clock.advance(400);
            await settle(node);
          }
          const histories = [...source.past, { epoch: source.epoch, events: source.events }];
          const wentBack = history.some((now) => now.do === 'setBack');
          for (const { since, seen } of followers) {
            const { parts, misplaced } = partsOf(seen, since);
            expect(misplaced).toEqual([]);
            for (const { epoch, position, numbers } of parts) {
              const part = JSON.stringify(numbers);
              const from = histories.filter((one) => one.epoch === epoch);
              expect(
                from.some(
                  ({ events }) => JSON.stringify(events.slice(position, position + numbers.length)) === part,
                ),
              ).toBe(true);
            }
            expect(endOf(parts.at(-1)!)).toBe(formatCursor({ epoch: source.epoch, position: source.head }));
            const given = parts.flatMap(({ numbers }) => numbers);
            expect(new Set(given).size).toBe(given.length);
            // At most one of its own besides those of the log.
            expect(parts.length - 1).toBeLessThanOrEqual(resets.length + 1);
            if (parts.length > 2) stale += 1;
            if (wentBack) continue;
            for (const [index, part] of parts.entries()) {
              const before = parts[index - 1];
              if (before?.epoch !== part.epoch) continue;
              expect(part.position).toBeGreaterThanOrEqual(before.position + before.numbers.length);
            }
          }
          await node.stop();
        },
      ),
      { numRuns: 300 },
    );
    expect(stale).toBeGreaterThan(0);
  }, 60_000);
});
