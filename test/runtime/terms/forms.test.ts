// Classes of a program between nodes: defineTerm, and what a caller is told of an answer that cannot be sent.
import { atom, call, defineServer, defineTerm, type Node, Tuple, tuple } from 'troupe';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { describe, expect, test } from 'vitest';
import { Cluster } from '../distribution/cluster.ts';
import { failure, thrown } from '../otp/helpers.ts';

class Money {
  readonly #cents: number;
  constructor(cents: number) {
    if (!Number.isSafeInteger(cents)) throw new TypeError('cents');
    this.#cents = cents;
  }
  get cents(): number {
    return this.#cents;
  }
}

class Other {
  readonly what = 'other';
}

defineTerm(Money, {
  tag: 'money',
  toTerm: ({ cents }) => cents,
  fromTerm: (cents) => new Money(cents as number),
});
defineTerm(Date, { tag: 'date', toTerm: (date) => date.getTime(), fromTerm: (ms) => new Date(Number(ms)) });
defineTerm(Set, { tag: 'set', toTerm: (set) => [...set], fromTerm: (items) => new Set(items as unknown[]) });
defineTerm(Map, { tag: 'pairs', toTerm: (map) => [...map], fromTerm: (pairs) => new Map(pairs as []) });
defineTerm(RangeError, {
  tag: 'range_error',
  toTerm: ({ message }) => message,
  fromTerm: (message) => new RangeError(String(message)),
});

const travel = (value: unknown): unknown => decodeTerm(encodeTerm(value));

describe('a class with a form', () => {
  test('is a tuple of its tag and what it holds', () => {
    const bytes = encodeTerm(tuple(atom('money'), 250));
    expect(encodeTerm(new Money(250))).toEqual(bytes);
    expect(decodeTerm(bytes)).toBeInstanceOf(Money);
    expect((decodeTerm(bytes) as Money).cents).toBe(250);
  });

  test('travels wherever it stands, and holds others', () => {
    const when = new Date(86_400_000);
    const value = {
      when,
      all: [new Set([1, when]), new Map([['a', 1]])],
      pair: tuple(1, new RangeError('far')),
    };
    expect(travel(value)).toEqual(value);
    expect((travel(value) as typeof value).all[1]).toBeInstanceOf(Map);
  });

  test('stays a tuple when it cannot be made, and so does another tag', () => {
    expect(travel(tuple(atom('money'), 0.5))).toEqual(tuple(atom('money'), 0.5));
    expect(travel(tuple(atom('other'), 1))).toEqual(tuple(atom('other'), 1));
    expect(travel(tuple(atom('money'), 1, 2))).toBeInstanceOf(Tuple);
  });

  test('has one form, and no tag that means something', () => {
    const form = { tag: 'other', toTerm: () => 1, fromTerm: () => new Other() };
    for (const [constructor, wrong] of [
      [Money, form],
      [Object, form],
      [Tuple, form],
      [Other, { ...form, tag: 'money' }],
      ...['ok', 'shutdown', 'discover'].map((tag) => [Other, { ...form, tag }] as const),
    ] as const) {
      expect(() => defineTerm<object>(constructor, wrong)).toThrow(/TROUPE_BAD_ARGUMENT/);
    }
    expect(() => encodeTerm({ a: [new Other()] })).toThrow(/an instance of Other at a\.0/);
  });

  test('needs a class and a whole form', () => {
    const form = { tag: 'other', toTerm: () => 1, fromTerm: () => new Other() };
    for (const wrong of [
      undefined,
      null,
      {},
      { tag: 'other' },
      { ...form, tag: 1 },
      { ...form, toTerm: 1 },
    ]) {
      expect(thrown(() => defineTerm(Other, wrong as never)).code).toBe('TROUPE_BAD_ARGUMENT');
    }
    for (const wrong of [undefined, 'Other', {}, () => 1]) {
      expect(thrown(() => defineTerm(wrong as never, form)).code).toBe('TROUPE_BAD_ARGUMENT');
    }
  });
});

describe('an answer between nodes', () => {
  const server = defineServer({
    init: () => 0,
    call: { money: () => new Money(3), other: () => ({ list: [1, new Other()] }) },
  });

  test('is an instance; one that cannot be sent is named to the caller, and the server goes on', async () => {
    const cluster = new Cluster();
    const [here, there] = cluster.nodes('here@x', 'there@x') as [Node, Node];
    await cluster.mesh([here, there]);
    const { pid } = await there.start(server, []);
    expect(await call(here, pid, 'money', undefined)).toBeInstanceOf(Money);
    const error = await failure(call(here, pid, 'other', undefined));
    expect(error.code).toBe('TROUPE_REPLY_NOT_ENCODABLE');
    expect(error.message).toContain('an instance of Other at list.1');
    expect(error.message).not.toContain('exited');
    expect(there.isAlive(pid)).toBe(true);
  });
});
