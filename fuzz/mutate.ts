// Changes to inputs that were valid: what a broken or hostile program might send instead.
import type { Dice } from './dice.ts';

const MAX_CHANGES = 4;
/** Lengths, tags and flags that mean something in one of the formats. */
const BYTES = [
  0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 67, 68, 69, 70, 77, 80, 82, 88, 90, 104, 105, 107, 108, 109, 110, 111,
  112, 116, 118, 119, 121, 131,
];

/** Changes an input in one to four places. `other` is what is spliced in. */
export function mutate(dice: Dice, input: Buffer, other: () => Buffer): Buffer {
  let bytes = input;
  for (let changes = 1 + dice.below(MAX_CHANGES); changes > 0; changes--) bytes = change(dice, bytes, other);
  return bytes;
}

function change(dice: Dice, bytes: Buffer, other: () => Buffer): Buffer {
  const at = dice.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + dice.length(40));
  switch (dice.below(9)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), dice.bytes(dice.length(40)), bytes.subarray(at)]);
    case 4: {
      const from = other();
      const cut = dice.below(from.length + 1);
      return Buffer.concat([bytes.subarray(0, at), from.subarray(cut)]);
    }
    case 5:
      return set(bytes, at, 1, (copy) => void (copy[at] = bytes[at]! ^ (1 << dice.below(8))));
    case 6:
      return set(bytes, at, 1, (copy) => void (copy[at] = dice.pick(BYTES)));
    case 7:
      return set(bytes, at, 4, (copy) => void copy.writeUInt32BE(dice.edge(), at));
    default:
      return set(bytes, at, 2, (copy) => void copy.writeUInt16BE(dice.edge() & 0xffff, at));
  }
}

/** A copy that was changed, where there is room for the change. */
function set(bytes: Buffer, at: number, size: number, write: (copy: Buffer) => void): Buffer {
  if (at + size > bytes.length) return bytes;
  const copy = Buffer.from(bytes);
  write(copy);
  return copy;
}
