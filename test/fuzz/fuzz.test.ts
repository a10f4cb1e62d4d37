// A short run of the fuzzer (`npm run fuzz`), and that it notices what it is there for.
import { describe, expect, test } from 'vitest';
import { campaign, type Outcome } from '../../fuzz/campaign.ts';
import type { Target } from '../../fuzz/target.ts';
import { allTargets } from '../../fuzz/targets.ts';

const nobody = (): void => undefined;

describe('the fuzzer', () => {
  test.each(allTargets().map((target) => [target.name, target] as const))(
    'finds nothing in 4,000 inputs: %s',
    async (name, target) => {
      const outcomes = await campaign({ targets: [target], inputs: 4_000, seed: 20_250_101 }, nobody);
      expect(outcomes).toMatchObject([{ target: name, inputs: 4_000 }]);
    },
  );

  test('reports the input at which a target throws, and makes it again from the seed', async () => {
    const inputs: string[] = [];
    const target: Target = {
      name: 'broken',
      share: 1,
      make: (dice) => dice.bytes(4),
      feed: (input) => {
        inputs.push(input.toString('hex'));
        if (input[0] === 0x2a) throw new TypeError('oh');
      },
    };
    const failure = (from: number) =>
      campaign({ targets: [target], inputs: 10_000, seed: 1, from }, nobody).catch((error: unknown) => error);
    const first = await failure(0);
    const last = inputs.at(-1);
    expect(first).toMatchObject({ target: 'broken', seed: 1, cause: expect.any(TypeError) });
    const { from, index } = first as { from: number; index: number };
    expect(await failure(from)).toMatchObject({ index });
    expect(inputs.at(-1)).toBe(last);
  });

  test('reports what a batch has set going', async () => {
    const target: Target = {
      name: 'late',
      share: 1,
      make: () => Buffer.alloc(1),
      feed: nobody,
      settle: () => Promise.reject(new Error('late')),
    };
    await expect(campaign({ targets: [target], inputs: 250, seed: 1 }, nobody)).rejects.toMatchObject({
      index: 99,
      from: 0,
    });
  });

  test('reports an input that takes too long, and shares the inputs out', async () => {
    const slow: Target = {
      name: 'slow',
      share: 1,
      make: () => Buffer.alloc(1),
      feed: () => {
        const end = performance.now() + 260;
        while (performance.now() < end);
      },
    };
    await expect(campaign({ targets: [slow], inputs: 1, seed: 1 }, nobody)).rejects.toThrow(/took/);
    const quick = (name: string, share: number): Target => ({
      name,
      share,
      make: () => Buffer.alloc(1),
      feed: nobody,
    });
    const told: Outcome[] = [];
    const targets = [quick('one', 1), quick('three', 3)];
    await campaign({ targets, inputs: 400, seed: 1 }, (outcome) => void told.push(outcome));
    expect(told.map(({ inputs }) => inputs)).toEqual([100, 300]);
  });
});
