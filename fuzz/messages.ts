// Writes what connected nodes send: control messages with payloads that the processes of a node know, and the frames around
// them, with atom caches and fragments.
import type { Bytes } from './bytes.ts';
import type { Dice } from './dice.ts';
import { atom, NAMES, PEER, pid, ref, SELF, term, tuple, tupleHead } from './terms.ts';

/** What follows the number of the operation, a letter each, and whether a payload comes after it. */
const CONTROLS: ReadonlyArray<readonly [op: number, elements: string, payload: boolean]> = [
  [1, 'fs', false],
  [2, '_s', true],
  [3, 'fsr', false],
  [4, 'fs', false],
  [6, 'f_n', true],
  [6, 'f_n', true],
  [6, 'f_n', true],
  [6, 'f_n', true],
  [7, 'as', false],
  [8, 'fsr', false],
  [12, '_st', true],
  [13, 'fstr', false],
  [16, 'f_nt', true],
  [18, 'fstr', false],
  [19, 'fmR', false],
  [20, 'fmR', false],
  [21, 'fsRr', false],
  [22, 'fs', true],
  [22, 'fs', true],
  [23, 'fst', true],
  [24, 'fs', true],
  [25, 'fst', true],
  [26, 'fs', true],
  [27, 'fst', true],
  [28, 'fsR', true],
  [29, 'RfaMo', true],
  [30, 'RfaMot', true],
  [31, 'Rsip', false],
  [32, 'Rsipt', false],
  [33, 'fR', true],
  [34, 'fRt', true],
  [35, 'ifs', false],
  [36, 'ifs', false],
  [37, 'ifx', true],
];

/** Writes a control message with its payload. @param version whether each of the two has a version byte. */
export function message(b: Bytes, dice: Dice, version: boolean): void {
  const [op, elements, payload] = dice.pick(CONTROLS);
  if (version) b.u8(131);
  tupleHead(b, 1 + elements.length);
  b.u8(97).u8(dice.once(60) ? dice.byte() : op);
  for (const element of elements) controlElement(b, dice, element);
  if (!payload) return;
  if (version) b.u8(131);
  if (op === 29 || op === 30) args(b, dice);
  else body(b, dice);
}

function controlElement(b: Bytes, dice: Dice, element: string): void {
  // Now and then something else than what has to be there.
  if (dice.once(80)) return term(b, dice, 3);
  switch (element) {
    case 'f':
      return pid(b, dice, dice.once(20) ? SELF : PEER);
    case 's':
      return pid(b, dice, dice.once(20) ? PEER : SELF);
    case 'a':
      return pid(b, dice);
    case 'n':
      return atom(b, dice.pick(NAMES), dice);
    case '_':
      return atom(b, '', dice);
    case 'R':
      return ref(b, dice, dice.once(2) ? SELF : PEER);
    case 'i':
      return void b.u8(97).u8(dice.below(20));
    case 'M':
      tupleHead(b, 3);
      atom(b, dice.pick(['exposed', 'erpc', 'erlang', 'none']), dice);
      atom(b, dice.pick(['echo', 'fails', 'execute_call', 'execute_cast', 'apply']), dice);
      return void b.u8(97).u8(dice.below(5));
    case 'm':
      if (dice.once(3)) return atom(b, dice.pick(NAMES), dice);
      return pid(b, dice, SELF);
    case 'o':
      b.u8(108).u32(1);
      atom(b, dice.pick(['monitor', 'link', 'async_dist']), dice);
      return void b.u8(106);
    case 'p':
      return dice.once(2) ? pid(b, dice, PEER) : atom(b, 'notsup', dice);
    case 'x':
      if (dice.once(3)) return atom(b, dice.pick(NAMES), dice);
      return dice.once(2) ? pid(b, dice, SELF) : ref(b, dice, SELF);
    default:
      return term(b, dice, 3);
  }
}

/** Payloads as the processes of a node know them. */
function body(b: Bytes, dice: Dice): void {
  switch (dice.below(12)) {
    case 0:
      return call(b, dice, () => {
        tupleHead(b, 2);
        atom(b, dice.pick(['is_auth', 'echo']), dice);
        term(b, dice, 3);
      });
    case 1:
      return call(b, dice, () => {
        tupleHead(b, 5);
        atom(b, dice.pick(['call', 'block_call']), dice);
        atom(b, 'exposed', dice);
        atom(b, dice.pick(['echo', 'fails', 'none']), dice);
        args(b, dice);
        pid(b, dice, PEER);
      });
    case 2:
      tupleHead(b, 2);
      atom(b, '$gen_cast', dice);
      tupleHead(b, 3);
      atom(b, 'sync', dice);
      pid(b, dice, PEER);
      return groups(b, dice);
    case 3:
      tupleHead(b, 2);
      atom(b, 'discover', dice);
      return pid(b, dice, PEER);
    case 4:
      tupleHead(b, 4);
      atom(b, 'join', dice);
      pid(b, dice, PEER);
      term(b, dice, 4);
      return pids(b, dice);
    case 5:
      tupleHead(b, 4);
      atom(b, 'leave', dice);
      pid(b, dice, PEER);
      pids(b, dice);
      b.u8(108).u32(1);
      term(b, dice, 4);
      return void b.u8(106);
    case 6:
      tupleHead(b, 5);
      atom(b, 'nova_pubsub', dice);
      atom(b, dice.pick(['notes', 'other']), dice);
      pid(b, dice, PEER);
      b.u8(107).u16(3).text('abc');
      return term(b, dice);
    case 7:
      return ioRequest(b, dice);
    case 8:
      tupleHead(b, 2);
      b.u8(108).u32(1);
      atom(b, 'alias', dice);
      ref(b, dice, SELF);
      return term(b, dice);
    case 9:
      return tuple(b, dice, dice.pick([3, 5]), 2);
    default:
      return term(b, dice);
  }
}

function call(b: Bytes, dice: Dice, request: () => void): void {
  tupleHead(b, 3);
  atom(b, '$gen_call', dice);
  tupleHead(b, 2);
  pid(b, dice, PEER);
  if (dice.once(2)) {
    b.u8(108).u32(1);
    atom(b, 'alias', dice);
  }
  ref(b, dice, PEER);
  request();
}

function ioRequest(b: Bytes, dice: Dice): void {
  tupleHead(b, 4);
  atom(b, 'io_request', dice);
  pid(b, dice, PEER);
  ref(b, dice, PEER);
  if (dice.once(4)) return term(b, dice);
  tupleHead(b, 3);
  atom(b, 'put_chars', dice);
  atom(b, dice.pick(['unicode', 'latin1']), dice);
  term(b, dice, 3);
}

function groups(b: Bytes, dice: Dice): void {
  const count = 1 + dice.below(4);
  b.u8(108).u32(count);
  for (let index = 0; index < count; index++) {
    tupleHead(b, 2);
    term(b, dice, 4);
    pids(b, dice);
  }
  b.u8(106);
}

function pids(b: Bytes, dice: Dice): void {
  const count = dice.below(5);
  if (count === 0) return dice.once(2) ? pid(b, dice, PEER) : void b.u8(106);
  b.u8(108).u32(count);
  for (let index = 0; index < count; index++) pid(b, dice, PEER);
  b.u8(106);
}

function args(b: Bytes, dice: Dice): void {
  const count = dice.below(5);
  if (count === 0) return void b.u8(106);
  b.u8(108).u32(count);
  for (let index = 0; index < count; index++) term(b, dice, 3);
  b.u8(106);
}

/** Writes a frame without its length, of a connection with headers, or of one without. */
export function frame(b: Bytes, dice: Dice, headers: boolean): void {
  if (dice.once(30)) return;
  if (!headers) {
    b.u8(112);
    return message(b, dice, true);
  }
  const kind = dice.below(8);
  b.u8(131);
  if (kind < 6) {
    b.u8(68);
    header(b, dice);
    return message(b, dice, false);
  }
  // Few sequences, so that some go on with what another began.
  const count = 1 + dice.below(3);
  b.u8(kind === 6 ? 69 : 70)
    .u64(BigInt(dice.below(3)))
    .u64(dice.once(20) ? BigInt(dice.u32()) << 31n : BigInt(count));
  if (kind === 6) {
    header(b, dice);
    message(b, dice, false);
  } else {
    b.raw(dice.bytes(dice.length(200)));
  }
}

function header(b: Bytes, dice: Dice): void {
  const count = dice.once(2) ? 0 : dice.below(7);
  b.u8(count);
  if (count === 0) return;
  const flags = Array.from({ length: count + 1 }, (_, index) =>
    index < count ? (dice.once(6) ? 0 : 8) | dice.below(2) : 0,
  );
  const long = dice.once(5);
  if (long) flags[count] = 1;
  for (let index = 0; index <= count >> 1; index++)
    b.u8(flags[2 * index]! | ((flags[2 * index + 1] ?? 0) << 4));
  for (let index = 0; index < count; index++) {
    b.u8(dice.below(20));
    if ((flags[index]! & 8) === 0) continue;
    const name = dice.pick(NAMES);
    if (long) b.u16(name.length);
    else b.u8(name.length);
    b.text(name);
  }
}
