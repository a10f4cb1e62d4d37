// A short run of `npm run attack`, and that it notices what it is there for. How long the event loop stands is not asserted
// here: beside other tests it stands whenever they have the processor.
import { beforeAll, describe, expect, test } from 'vitest';
import { campaign } from '../../attack/campaign.ts';
import type { Kind } from '../../attack/kind.ts';
import { allKinds } from '../../attack/kinds.ts';
import { ensureBuild } from '../../scripts/lib/fresh.mjs';
import { root } from '../../scripts/lib/run.mjs';

const BUILD_LIMIT_MS = 120_000;
const KIND_LIMIT_MS = 120_000;
const options = { scale: 'short', checkout: root, limits: { memoryBytes: 1e9 } } as const;
const nobody = (): void => undefined;

beforeAll(ensureBuild, BUILD_LIMIT_MS);

describe('an attack costs nobody anything', () => {
  for (const kind of allKinds()) {
    const missing = kind.missing?.();
    test.skipIf(missing !== undefined)(
      `${kind.name}: ${kind.title}${missing === undefined ? '' : ` (${missing})`}`,
      async () => {
        const [outcome] = await campaign({ ...options, kinds: [kind] }, nobody);
        expect(outcome?.problems).toEqual([]);
        expect((outcome?.made ?? 0) + (outcome?.refused ?? 0)).toBeGreaterThan(0);
      },
      KIND_LIMIT_MS,
    );
  }
});

describe('the attack notices', () => {
  const play = async (kind: Omit<Kind, 'name' | 'title'>) => {
    const [outcome] = await campaign(
      { ...options, kinds: [{ name: 'test', title: 'test', ...kind }] },
      nobody,
    );
    return outcome?.problems ?? [];
  };

  test(
    'a program that ends',
    async () => {
      const problems = await play({ play: async ({ pid }) => void process.kill(pid, 'SIGKILL') });
      expect(problems).toContainEqual(expect.stringMatching(/^the program has ended \(SIGKILL\)/));
      expect(problems).toContainEqual(expect.stringMatching(/^a follower was closed with 1006/));
    },
    KIND_LIMIT_MS,
  );

  test(
    'a note that is gone, and an answer that nobody should get',
    async () => {
      const problems = await play({
        async play({ base }, _scale, broken) {
          for (let id = 1; id <= 3;) {
            const { status } = await fetch(`${base}/api/notes/${id}`, { method: 'DELETE' });
            if (status === 204) id++;
          }
          broken('something was answered');
        },
      });
      expect(problems).toEqual(
        expect.arrayContaining([
          'something was answered',
          expect.stringMatching(/^a note was answered 201 and is 404 now/),
        ]),
      );
    },
    KIND_LIMIT_MS,
  );
});
