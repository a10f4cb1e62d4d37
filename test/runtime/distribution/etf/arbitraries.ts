// Random terms, in the form in which they arrive: what is encoded and decoded again must be the same.
import * as fc from 'fast-check';
import {
  type Atom,
  atom,
  BitString,
  ErlMap,
  ExternalFunction,
  type Float,
  float,
  ImproperList,
  Pid,
  Port,
  Ref,
  Tuple,
} from 'troupe';
import { Origin } from '../../../../src/runtime/terms/internal.ts';

const u32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
);

/** Well-formed texts of any characters. */
export const text = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: 'binary' }),
  fc.string({ maxLength: 100 }),
);

const names = fc.oneof(
  fc.constantFrom('ok', 'error', 'a b', 'Ünïcode', '原子'),
  fc.string({ maxLength: 20 }),
);
/** Atoms, without those that are values of JavaScript. */
export const atoms: fc.Arbitrary<Atom> = names
  .filter((name) => !['true', 'false', 'nil', 'undefined'].includes(name))
  .map((name) => atom(name));

const edges = fc.tuple(fc.integer({ min: 0, max: 130 }), fc.constantFrom(-1n, 0n, 1n), fc.boolean());
/** Integers on both sides of each power of two. */
export const integers: fc.Arbitrary<number | bigint> = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  edges.map(([power, beside, negative]) => (2n ** BigInt(power) + beside) * (negative ? -1n : 1n)),
  edges
    .filter(([power]) => power < 53)
    .map(([power, beside, negative]) => Number((2n ** BigInt(power) + beside) * (negative ? -1n : 1n)))
    .map((value) => (value === 0 ? 0 : value)),
);
/** Floats, as numbers where they have a fraction. */
export const floats: fc.Arbitrary<number | Float> = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .map((value) => float(value));

const origins = fc
  .tuple(fc.constantFrom('a@127.0.0.1', 'b@host.example', 'c@h'), u32)
  .map(([node, creation]) => new Origin(node, creation));
const pids = fc.tuple(origins, u32, u32).map(([origin, id, serial]) => new Pid(origin, id, serial));
const refs = fc
  .tuple(origins, fc.array(u32, { minLength: 1, maxLength: 5 }))
  .map(([origin, words]) =>
    words.length === 3 && words[2] === 0 && (words[0] as number) < 0x4_0000
      ? new Ref(origin, words[0] as number, words[1] as number)
      : new Ref(origin, 0, 0, words),
  );
const ports = fc
  .tuple(origins, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }))
  .map(([origin, id]) => new Port(origin, id));
const bytes = fc.uint8Array();
const bits = fc
  .tuple(fc.uint8Array({ minLength: 1 }), fc.integer({ min: 1, max: 7 }))
  .map(([value, count]) => {
    const last = value.length - 1;
    value[last] = (value[last] as number) & (0xff << (8 - count));
    return new BitString(value, count);
  });
const functions = fc
  .tuple(atoms, atoms, fc.integer({ min: 0, max: 255 }))
  .map(([module, name, arity]) => new ExternalFunction(module, name, arity));

/** Terms that hold no others. */
export const scalars: fc.Arbitrary<unknown> = fc.oneof(
  text,
  atoms,
  integers,
  floats,
  fc.boolean(),
  fc.constantFrom(null, undefined, -0),
  pids,
  refs,
  ports,
  bytes,
  bits,
  functions,
);

/** A map of some entries: a plain object when all keys are texts, of those that are equal only one. */
function mapOf(entries: ReadonlyArray<readonly [unknown, unknown]>): unknown {
  const map = new ErlMap(entries);
  return [...map.keys()].every((key) => typeof key === 'string')
    ? Object.fromEntries(map as ErlMap<string>)
    : map;
}

/** Any terms. */
export const terms: fc.Arbitrary<unknown> = fc.letrec((tie) => {
  const term = tie('term');
  return {
    term: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      scalars,
      fc.array(fc.integer({ min: 0, max: 255 })),
      fc.array(term, { maxLength: 5 }),
      fc.array(term, { maxLength: 5 }).map((elements) => new Tuple(elements)),
      fc
        .tuple(fc.array(term, { minLength: 1, maxLength: 3 }), scalars)
        .map(([items, tail]) => new ImproperList(items, tail)),
      fc.array(fc.tuple(text, term), { maxLength: 5 }).map(mapOf),
      fc.array(fc.tuple(term, term), { maxLength: 5 }).map(mapOf),
    ),
  };
}).term;
