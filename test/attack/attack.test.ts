// A short run of `npm run attack`, and that it notices what it is there for. How long the event loop stands is not asserted
// here: beside other tests it stands whenever they have the processor.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import type { AttackOptions } from '../../attack/family.ts';
import { peersFamily } from '../../attack/peers/campaign.ts';
import { play } from '../../attack/service/campaign.ts';
import type { Kind } from '../../attack/service/kind.ts';
import { allKinds } from '../../attack/service/kinds.ts';
import { ensureBuild } from '../../scripts/lib/fresh.mjs';
import { root, run } from '../../scripts/lib/run.mjs';

const LIMIT_MS = 120_000;
const options: AttackOptions = {
  short: true,
  checkout: root,
  stopMs: Infinity,
  memoryBytes: 1e9,
  noErlang: true,
  transports: ['TCP'],
};

beforeAll(ensureBuild, LIMIT_MS);

describe('an attack on the service costs nobody anything', () => {
  for (const kind of allKinds()) {
    const missing = kind.missing?.();
    test.skipIf(missing !== undefined)(
      `${kind.name}: ${kind.title}${missing === undefined ? '' : ` (${missing})`}`,
      async () => {
        const { problems, made, refused } = await play(kind, options);
        expect(problems).toEqual([]);
        expect(made + refused).toBeGreaterThan(0);
      },
      LIMIT_MS,
    );
  }
});

describe('the attack on the service notices', () => {
  const problemsOf = async (kind: Omit<Kind, 'name' | 'title'>) =>
    (await play({ name: 'test', title: 'test', ...kind }, options)).problems;

  test(
    'a program that ends',
    async () => {
      const problems = await problemsOf({
        async play(service) {
          process.kill(service.pid, 'SIGKILL');
          while (service.ended === undefined) await nextTurn();
        },
      });
      expect(problems).toContainEqual(expect.stringMatching(/^the program has ended \(SIGKILL\)/));
      expect(problems).toContainEqual(expect.stringMatching(/^a follower was closed with 1006/));
    },
    LIMIT_MS,
  );

  test(
    'a note that is gone, and an answer that nobody should get',
    async () => {
      const problems = await problemsOf({
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
    LIMIT_MS,
  );
});

describe('an attack on a node', () => {
  const lines: string[] = [];
  const attack = async (kinds: readonly string[], changes: Partial<AttackOptions> = {}) => {
    lines.length = 0;
    return await peersFamily.play(kinds, { ...options, ...changes }, (line) => lines.push(line));
  };

  test(
    'by peers that forge, that say nothing and that reflect costs the others nothing',
    async () => {
      expect(await attack(['forged', 'silent', 'reflected'])).toBe(0);
      expect(lines.slice(1)).toEqual(
        ['forged', 'silent', 'reflected'].map((kind) =>
          expect.stringMatching(new RegExp(`^${kind} TCP +\\d+ ms +\\d+ MB +\\d+ +\\d+ `)),
        ),
      );
    },
    LIMIT_MS,
  );

  test(
    'that breaks a limit is told',
    async () => {
      expect(await attack(['forged'], { memoryBytes: 1e6 })).toBe(1);
      expect(lines.at(-1)).toContain('it took more than 1 MB');
    },
    LIMIT_MS,
  );
});

test('an unknown kind is reported', async () => {
  const code = await run(process.execPath, ['--import', 'tsx', 'attack/main.ts', 'peers:nothing'], {
    quiet: true,
  });
  expect(code).toBe(2);
});
