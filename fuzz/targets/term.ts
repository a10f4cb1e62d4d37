// Terms as bytes: either they are read, or there is a TroupeError; and what was read is written and read again as the same.
import { deflateSync } from 'node:zlib';
import { decodeTerm, encodeTerm } from 'troupe/erlang';
import { TroupeError } from 'troupe';
import { Bytes } from '../bytes.ts';
import type { Dice } from '../dice.ts';
import { mutate } from '../mutate.ts';
import type { Target } from '../target.ts';
import { term } from '../terms.ts';

const MAX_INFLATED_BYTES = 1_000_000;

export function termTarget(): Target {
  const bytes = new Bytes();
  const valid = (dice: Dice): Buffer => {
    bytes.begin().u8(131);
    term(bytes, dice);
    const whole = bytes.copy();
    if (!dice.once(20)) return whole;
    const size = Buffer.alloc(4);
    size.writeUInt32BE(whole.length - 1);
    return Buffer.concat([Buffer.from([131, 80]), size, deflateSync(whole.subarray(1))]);
  };
  return {
    name: 'term',
    share: 4,
    make(dice) {
      if (dice.once(8)) return Buffer.concat([Buffer.of(131), dice.bytes(dice.length(200))]);
      if (dice.once(200)) return nested(dice);
      const input = valid(dice);
      return dice.once(3) ? input : mutate(dice, input, () => valid(dice));
    },
    feed(input) {
      const value = decoded(input);
      if (value === undefined) return;
      const again = encoded(value.value);
      if (again === undefined) return;
      const twice = encodeTerm(decodeTerm(again));
      if (!Buffer.from(twice).equals(again))
        throw new Error('what was read is written differently the second time');
    },
  };
}

/** Many levels of one kind. */
function nested(dice: Dice): Buffer {
  const head = dice.pick([
    [104, 1],
    [108, 0, 0, 0, 1],
    [116, 0, 0, 0, 1],
    [116, 0, 0, 0, 1, 97, 1],
  ]);
  const levels = dice.pick([500, 1_023, 1_024, 1_025, 5_000]);
  return Buffer.concat([
    Buffer.of(131),
    ...Array.from({ length: levels }, () => Buffer.from(head)),
    Buffer.of(106),
  ]);
}

function decoded(input: Buffer): { value: unknown } | undefined {
  try {
    return { value: decodeTerm(input, { maxInflatedBytes: MAX_INFLATED_BYTES }) };
  } catch (error) {
    if (error instanceof TroupeError && error.code === 'TROUPE_BAD_TERM') return undefined;
    throw error;
  }
}

/** What was read may be nested more deeply than may be written, and a reader takes records that are not written yet. */
function encoded(value: unknown): Uint8Array | undefined {
  try {
    return encodeTerm(value);
  } catch (error) {
    if (error instanceof TroupeError && error.code === 'TROUPE_NOT_ENCODABLE') return undefined;
    throw error;
  }
}
