// Terms there and back: what Erlang sends to a process here, and gets from it again, is what it was, bit by bit; and the
// other way round.
import * as fc from 'fast-check';
import { atom, BitString, charlist, ErlMap, float, ImproperList, type Pid, type Tuple, tuple } from 'troupe';
import { createProbe, type Probe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErlNode } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import type { Troupe } from '../support/troupe-node.ts';
import { connected, type Lab, next, openLab } from './lab.ts';

const part = requirePart('erl');

describe.skipIf(part.missing)('terms', () => {
  let lab: Lab;
  let erl: ErlNode;
  let troupe: Troupe;
  let probe: Probe;
  beforeAll(async () => {
    lab = await openLab();
    [erl, troupe] = await Promise.all([lab.erl('beam'), lab.troupe('ts')]);
    await erl.load('agent.erl');
    await erl.load('terms.erl');
    await erl.eval('agent:echo(echo), ok');
    await connected(troupe, erl);
    probe = createProbe(troupe.node);
    // Sends {From, Message} back as {back, Message}.
    troupe.node.spawnWith(
      { name: 'mirror' },
      {
        name: 'mirror',
        init: () => undefined,
        handle(self, message) {
          const [from, value] = (message as Tuple<[Pid, unknown]>).elements;
          self.send(from, tuple(atom('back'), value));
        },
      },
    );
  });
  afterAll(() => lab.close());

  const differing = (terms: string, wrap = 'fun(T) -> T end') =>
    erl.eval(`terms:differing({mirror, '${troupe.name}'}, ${wrap}, ${terms})`);

  test('one of each kind of Erlang, by itself and within others', async () => {
    expect(await differing('terms:particular()')).toBe('[]');
    expect(await differing('terms:particular()', 'fun(T) -> [T | T] end')).toBe('[]');
    expect(await differing('terms:particular()', 'fun(T) -> {T, [T], {x, T}} end')).toBe('[]');
    expect(await differing('terms:particular()', 'fun(T) -> #{T => 1, x => T} end')).toBe('[]');
    expect(await differing('[terms:particular()]')).toBe('[]');
  });

  test('random ones of Erlang', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), async (seed) => {
        const terms = `[terms:random(S, 60) || S <- lists:seq(${seed}, ${seed} + 49)]`;
        expect(await differing(terms)).toBe('[]');
      }),
      { numRuns: 20 },
    );
  });

  /** Sends a value to Erlang, which sends it back. */
  async function back(value: unknown): Promise<unknown> {
    probe.send({ name: 'echo', node: erl.name }, tuple(probe.pid, value));
    const [came] = ((await next(probe)) as Tuple).elements;
    return came;
  }

  test.each<[value: unknown]>([
    [0],
    [-0],
    [2 ** 53 - 1],
    [2n ** 53n],
    [-(2n ** 200n)],
    [1.5],
    [float(1)],
    ['text'],
    [''],
    ['\u0000\uffff'],
    [new Uint8Array([0, 255])],
    [new BitString(new Uint8Array([0b1010_0000]), 3)],
    [true],
    [null],
    [undefined],
    [atom('x')],
    [[]],
    [[1, 'two', [3]]],
    [tuple()],
    [tuple(1, tuple('a'))],
    [{}],
    [{ a: 1, __proto__x: { b: [null] } }],
    [
      new ErlMap<unknown>([
        [1, 'one'],
        [float(1), 'a float'],
        [tuple(1), 'a tuple'],
      ]),
    ],
    [new ImproperList([1, 2], 'tail')],
  ])('%o comes back as it went', async (value) => {
    expect(await back(value)).toStrictEqual(value);
  });

  test('pids, refs and names of nodes come back as they went', async () => {
    const ref = troupe.node.makeRef();
    expect(await back(probe.pid)).toBe(probe.pid);
    expect(await back([ref])).toEqual([ref]);
    expect(await back(charlist('abc'))).toEqual([97, 98, 99]);
  });

  test('random values come back as they went', async () => {
    const text = fc.string({ unit: 'binary' });
    const leaf = fc.oneof(
      fc.maxSafeInteger(),
      fc.double({ noDefaultInfinity: true, noNaN: true }).filter((n) => !Number.isInteger(n)),
      text,
      fc.boolean(),
      fc.constantFrom(null, undefined),
      text
        .filter((name) => name.length < 255 && !['true', 'false', 'nil', 'undefined'].includes(name))
        .map(atom),
      fc.bigInt().filter((n) => n > 2n ** 53n || n < -(2n ** 53n)),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ maxDepth: 4 }, leaf, tie('list'), tie('tuple'), tie('object')),
      list: fc.array(tie('value'), { maxLength: 5 }),
      tuple: fc.array(tie('value'), { maxLength: 5 }).map((values) => tuple(...values)),
      object: fc.dictionary(text, tie('value'), { maxKeys: 5, noNullPrototype: true }),
    }));
    await fc.assert(
      fc.asyncProperty(value, async (sent) => {
        expect(await back(sent)).toStrictEqual(sent);
      }),
      { numRuns: 200 },
    );
  });
});
