// The codec against Erlang itself: what it writes for the terms that this runtime writes, and whether they are equal there.
import * as fc from 'fast-check';
import {
  atom,
  atomKeys,
  BitString,
  charlist,
  ErlMap,
  ExternalFunction,
  float,
  ImproperList,
  OpaqueFunction,
  text as textOf,
  Tuple,
  tuple,
} from 'troupe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { requirePart } from '../../../support/parts.ts';
import { terms } from './arbitraries.ts';
import { Erl } from './erl.ts';

const part = requirePart('erl');

describe.skipIf(part.missing)('Erlang', () => {
  let erl: Erl;

  beforeAll(() => {
    erl = new Erl(part.path);
  });

  afterAll(() => erl.stop());

  /** The value of an expression in which `X` is the term. */
  async function evaluate(expression: string, x?: unknown): Promise<unknown> {
    return decodeTerm(await erl.evaluate(encodeTerm([expression, x])));
  }

  async function echo(term: unknown): Promise<unknown> {
    return decodeTerm(await erl.echo(encodeTerm(term)));
  }

  test('reads what is written, and means the same by it', async () => {
    await fc.assert(
      fc.asyncProperty(terms, async (term) => {
        const bytes = encodeTerm(term);
        const echoed = await erl.echo(bytes);
        // Erlang finds the two equal, whatever form each has,
        expect(await erl.equal(bytes, echoed)).toBe(true);
        // and what it wrote is read as what it is there.
        expect(await erl.equal(encodeTerm(decodeTerm(echoed)), echoed)).toBe(true);
        expect(decodeTerm(echoed)).toStrictEqual(asErlang(term));
      }),
      { numRuns: 300 },
    );
  });

  test('finds integers equal that have a zero byte more than they need', async () => {
    const ten = Uint8Array.from([131, 97, 10]);
    expect(encodeTerm(10n)).toStrictEqual(Uint8Array.from([131, 110, 2, 0, 10, 0]));
    expect(await erl.equal(encodeTerm(10n), ten)).toBe(true);
    expect(await erl.equal(encodeTerm(0n), encodeTerm(0))).toBe(true);
    expect(await erl.equal(encodeTerm(-1n), encodeTerm(-1))).toBe(true);
    expect(await echo(10n)).toBe(10);
    expect(await echo(2n ** 53n)).toBe(2n ** 53n);
    expect(await echo(BigInt(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER);
    expect(await evaluate('erlang:phash2(X) =:= erlang:phash2(10)', 10n)).toBe(true);
    expect(await evaluate('maps:get(10, #{X => found})', 10n)).toBe(atom('found'));
  });

  test('takes bytes for a binary like any other', async () => {
    const bytes = Uint8Array.from([104, 105]);
    expect(await erl.equal(encodeTerm(bytes), encodeTerm('hi'))).toBe(true);
    expect(await evaluate('is_binary(X)', bytes)).toBe(true);
    expect(await evaluate('X =:= <<>>', new Uint8Array())).toBe(true);
    expect(await evaluate('erlang:phash2(X) =:= erlang:phash2(<<"hi">>)', bytes)).toBe(true);
    expect(await echo(bytes)).toBe('hi');
    expect(await echo(Uint8Array.from([255, 254]))).toStrictEqual(Uint8Array.from([255, 254]));
  });

  test.each([
    ['X =:= undefined', undefined],
    ['X =:= nil', null],
    ['X =:= true', true],
    ['X =:= false', atom('false')],
    ['X =:= 1.0', float(1)],
    ['X =:= 1', 1],
    ['X =:= -0.0', -0],
    ['X =:= 16#7fffffff', 2 ** 31 - 1],
    ['X =:= -16#80000000', -(2 ** 31)],
    ['X =:= 16#80000000', 2 ** 31],
    ['X =:= (1 bsl 2048) + 1', 2n ** 2048n + 1n],
    ['X =:= <<"x">>', 'x'],
    ['X =:= "x"', charlist('x')],
    ['X =:= []', charlist('')],
    ['X =:= [16#1f600, $x]', charlist('\u{1f600}x')],
    ['X =:= [1, 2, 3]', [1, 2, 3]],
    ['X =:= [1 | 2]', new ImproperList([1], 2)],
    ['X =:= <<5:3>>', new BitString(Uint8Array.from([0xbf]), 3)],
    ['X =:= #{id => 1}', atomKeys({ id: 1 })],
    ['X =:= #{<<"id">> => 1}', { id: 1 }],
    [
      'X =:= #{{a} => 1, 1.0 => 2, 1 => 3}',
      new Map<unknown, number>([
        [tuple(atom('a')), 1],
        [float(1), 2],
        [1, 3],
      ]),
    ],
    ['X =:= fun lists:map/2', new ExternalFunction(atom('lists'), atom('map'), 2)],
    ["X =:= {'$gen_call', {}}", tuple(atom('$gen_call'), tuple())],
  ])('%s', async (expression, term) => {
    expect(await evaluate(expression, term)).toBe(true);
  });

  test.each([0, 1, 65_534, 65_535, 65_536, 70_000])('a list of %i bytes', async (length) => {
    const list = Array.from({ length }, (_, index) => index % 256);
    expect(await echo(list)).toStrictEqual(list);
    expect(await evaluate('length(X)', list)).toBe(length);
    const characters = 'é'.repeat(length);
    expect(textOf(await echo(charlist(characters)))).toBe(characters);
  });

  test('tuples of any size', async () => {
    for (const size of [0, 1, 255, 256, 70_000]) {
      const term = new Tuple(Array.from({ length: size }, (_, index) => index));
      expect(await echo(term)).toStrictEqual(term);
      expect(await evaluate('tuple_size(X)', term)).toBe(size);
    }
  });

  test.each([
    ['255 characters of four bytes', '\u{1f600}'.repeat(255)],
    ['255 characters of two bytes', 'é'.repeat(255)],
    ['255 characters of one byte', 'a'.repeat(255)],
    ['256 bytes', 'é'.repeat(128)],
    ['no characters', ''],
  ])('an atom of %s', async (_, name) => {
    expect(await echo(atom(name))).toBe(atom(name));
    expect(await evaluate('length(atom_to_list(X))', atom(name))).toBe(Array.from(name).length);
  });

  test('maps of any size', async () => {
    for (const size of [0, 1, 32, 33, 5_000]) {
      const map = new ErlMap(
        Array.from({ length: size }, (_, at) => [tuple(atom('key'), at), `${at}`] as const),
      );
      const echoed = await echo(map);
      expect(echoed).toStrictEqual(size === 0 ? {} : map);
      const object = Object.fromEntries(Array.from({ length: size }, (_, at) => [`key${at}`, at]));
      expect(await echo(object)).toStrictEqual(object);
    }
  });

  test('a function is handed on, and is the same there', async () => {
    const made = await evaluate('Y = {X, 7.5, #{}}, fun(Z) -> {Y, Z} end', [atom('a'), 'b']);
    expect(made).toBeInstanceOf(OpaqueFunction);
    expect(await evaluate('X(1)', made)).toStrictEqual(tuple(tuple([atom('a'), 'b'], 7.5, {}), 1));
    expect(await evaluate('X([1])', await evaluate('fun lists:last/1'))).toBe(1);
  });

  test('pids, refs and ports come back as they were', async () => {
    const list = await evaluate('[self(), make_ref(), hd(erlang:ports()), erlang:alias()]');
    expect(await evaluate('X =:= element(2, {0, X})', list)).toBe(true);
    const bytes = encodeTerm(list);
    expect(await erl.equal(bytes, await erl.echo(bytes))).toBe(true);
    expect(
      await evaluate(
        '[P, R, Q, A] = X, [is_process_alive(P), is_reference(R), is_port(Q), is_reference(A)]',
        list,
      ),
    ).toStrictEqual([true, true, true, true]);
  });

  test('what term_to_binary/2 can write is read', async () => {
    const term = 'X = [{a, "b", <<"c">>, 1.5, #{k => v}} || _ <- lists:seq(1, 100)],';
    const expected = Array.from({ length: 100 }, () =>
      tuple(atom('a'), [98], 'c', 1.5, new ErlMap([[atom('k'), atom('v')]])),
    );
    for (const options of [
      '[]',
      '[compressed]',
      '[{compressed, 9}]',
      '[{minor_version, 0}]',
      '[{minor_version, 2}]',
    ]) {
      const bytes = await evaluate(`${term.replaceAll('X', 'Y')} term_to_binary(Y, ${options})`);
      const binary = typeof bytes === 'string' ? Buffer.from(bytes) : (bytes as Uint8Array);
      expect(decodeTerm(binary)).toStrictEqual(expected);
    }
  });
});

/** What a term is after Erlang had it: bytes that are UTF-8 are a binary like any other, and so a string; a bigint that a number can hold is one. */
function asErlang(term: unknown): unknown {
  if (typeof term === 'bigint') return Number.isSafeInteger(Number(term)) ? Number(term) : term;
  if (term instanceof Uint8Array) return asBinary(term);
  if (Array.isArray(term)) return term.map(asErlang);
  if (term instanceof Tuple) return new Tuple(term.elements.map(asErlang));
  if (term instanceof ImproperList) return new ImproperList(term.items.map(asErlang), asErlang(term.tail));
  if (term instanceof Map) {
    return new ErlMap([...term].map(([key, value]) => [asErlang(key), asErlang(value)] as const));
  }
  if (typeof term === 'object' && term !== null && Object.getPrototypeOf(term) === Object.prototype) {
    return Object.fromEntries(Object.entries(term).map(([key, value]) => [key, asErlang(value)]));
  }
  return term;
}

function asBinary(bytes: Uint8Array): string | Uint8Array {
  const text = Buffer.from(bytes).toString();
  return Buffer.from(text).equals(bytes) ? text : bytes;
}
