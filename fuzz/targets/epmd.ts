// What is read of epmd's protocol: requests, as the server gets them, and answers, as the client gets them from any program that
// has epmd's port. Answers that are none are RangeErrors, requests that are none are undefined.
import {
  decodeLookupAnswer,
  decodeNamesAnswer,
  decodeRegisterAnswer,
  decodeRequest,
  encodeLookupAnswer,
  encodeNamesAnswer,
  encodeRegisterAnswer,
  encodeRequest,
  type Entry,
  entryOf,
  Gathered,
  NameTable,
  REQUEST_MAX_BYTES,
} from '../../src/runtime/distribution/epmd/internal.ts';
import type { Dice } from '../dice.ts';
import { mutate } from '../mutate.ts';
import type { Target } from '../target.ts';

const MAX_NAMES = 100;
const NAMES = ['a', 'troupe', 'é', 'x'.repeat(255), 'a b', 'n\0l'];

export function epmdTarget(): Target {
  const registry = new NameTable(MAX_NAMES);
  const registered: Entry[] = [];
  return {
    name: 'epmd',
    share: 1,
    make(dice) {
      const kind = dice.below(5);
      const bytes = valid(dice, kind);
      const changed = dice.once(4) ? bytes : mutate(dice, bytes, () => valid(dice, dice.below(5)));
      return Buffer.concat([Buffer.of(dice.once(20) ? dice.below(5) : kind), changed]);
    },
    feed(input, dice) {
      const body = Buffer.from(input.subarray(1));
      switch (input[0]) {
        case 0:
        case 1: {
          if (body.length > REQUEST_MAX_BYTES) return;
          const gathered = new Gathered(REQUEST_MAX_BYTES);
          const cut = dice.below(body.length + 1);
          if (!gathered.add(body.subarray(0, cut)) || !gathered.add(body.subarray(cut)))
            throw new Error('too many bytes');
          serve(decodeRequest(gathered.bytes));
          return;
        }
        case 2:
          return answered(() => decodeRegisterAnswer(body));
        case 3:
          return answered(() => decodeLookupAnswer(body));
        default:
          return answered(() => decodeNamesAnswer(body));
      }
    },
  };

  function serve(request: ReturnType<typeof decodeRequest>): void {
    if (request?.kind === 'register') {
      const creation = registry.add(request.entry);
      encodeRegisterAnswer(request.entry.highest, creation);
      if (creation === undefined) return;
      registered.push(request.entry);
      if (registered.length > MAX_NAMES) throw new Error('more names than there may be');
      if (registered.length === MAX_NAMES) for (const entry of registered.splice(0)) registry.remove(entry);
    } else if (request?.kind === 'lookup') {
      encodeLookupAnswer(registry.find(request.name));
    } else if (request?.kind === 'names') {
      encodeNamesAnswer(4369, registry.entries());
    }
  }
}

function valid(dice: Dice, kind: number): Buffer {
  const name = dice.pick(NAMES);
  const entry: Entry = { ...entryOf('x', dice.below(65_536), dice.once(2)), name: Buffer.from(name) };
  switch (kind) {
    case 0:
      return encodeRequest({ kind: 'register', entry }).subarray(2);
    case 1:
      return encodeRequest(
        dice.once(2) ? { kind: 'names' } : { kind: 'lookup', name: Buffer.from(name) },
      ).subarray(2);
    case 2:
      return encodeRegisterAnswer(dice.pick([5, 6]), dice.once(4) ? undefined : dice.u32());
    case 3:
      return encodeLookupAnswer(dice.once(4) ? undefined : entry);
    default:
      return encodeNamesAnswer(4369, [entry, entry]);
  }
}

function answered(decode: () => unknown): void {
  try {
    decode();
  } catch (error) {
    // Node.js's own, for reading beyond the end, have a code.
    if (!(error instanceof RangeError) || 'code' in error) throw error;
  }
}
