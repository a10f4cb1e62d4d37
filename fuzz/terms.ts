// Writes terms of the External Term Format as bytes, of every kind that another node may send, valid but for what cannot be seen
// here: a map may have a key twice, an atom cache may lack an entry. Knows nothing of the codec that reads them.
import type { Bytes } from './bytes.ts';
import type { Dice } from './dice.ts';

/** The node that gets the inputs, and the one that sends them. */
export const SELF = { name: 'fuzzed@127.0.0.1', creation: 7 };
export const PEER = { name: 'peer@127.0.0.1', creation: 9 };

/** Names of processes of the fuzzed node, and words that mean something to one of them. */
export const NAMES = [
  'nova_scope',
  'net_kernel',
  'rex',
  'troupe_io',
  'logger_proxy',
  'troupe_cluster',
  'server',
  'init',
  '$troupe',
];
const WORDS = [
  ...NAMES,
  ...'true false undefined nil error ok normal kill killed shutdown noproc timeout badarg discover join leave sync nova_pubsub alias process DOWN EXIT hello many'.split(
    ' ',
  ),
  ...'$gen_call $gen_cast is_auth io_request put_chars get_line unicode latin1 requests getopts setopts call block_call cast erlang erpc execute_call apply monitor link exposed echo fails nodes features_request'.split(
    ' ',
  ),
  '',
  'é',
  '𝄞'.repeat(3),
  'x'.repeat(255),
];
const TEXTS = ['', 'note_created', 'title', 'é', '𝄞', 'a'.repeat(70), '__proto__', 'constructor'];
const MAX_DEPTH = 5;

/** How many of the own node's pids may be of live processes. */
const LIVE_IDS = 40;

/** Writes one term. */
export function term(b: Bytes, dice: Dice, depth = 0): void {
  const kind = dice.below(depth < MAX_DEPTH && b.roomy ? 34 : 24);
  switch (kind) {
    case 0:
    case 1:
      return void b.u8(97).u8(dice.byte());
    case 2:
      return void b.u8(98).u32(dice.u32());
    case 3:
      return void b.u8(70).double(dice.once(2) ? dice.below(1_000) : dice.u32() / 7 - 1e5);
    case 4:
    case 5:
    case 6:
      return atom(b, dice.pick(WORDS), dice);
    case 7:
    case 8:
      return binary(b, dice);
    case 9: {
      const length = 1 + dice.length(20);
      return void b
        .u8(77)
        .u32(length)
        .u8(1 + dice.below(8))
        .raw(dice.bytes(length));
    }
    case 10:
      return big(b, dice);
    case 11:
      return void b.u8(106);
    case 12: {
      const length = dice.length(60);
      return void b.u8(107).u16(length).raw(dice.bytes(length));
    }
    case 13:
    case 14:
    case 15:
      return pid(b, dice);
    case 16:
    case 17:
      return ref(b, dice);
    case 18:
      return port(b, dice);
    case 19: {
      b.u8(113);
      atom(b, dice.pick(WORDS), dice);
      atom(b, dice.pick(WORDS), dice);
      return void b.u8(97).u8(dice.below(5));
    }
    case 20:
      return newFun(b, dice, depth);
    case 21:
      return void b.u8(99).text('1.50000000000000000000e+00').raw(Buffer.alloc(5));
    case 22:
      // Without the header of a frame, or with fewer entries in it, this is not a term.
      if (dice.once(5)) return void b.u8(82).u8(dice.below(6));
      return atom(b, dice.pick(WORDS), dice);
    case 23:
      return atom(b, randomText(dice), dice);
    case 24:
    case 25:
    case 26:
    case 27:
      return tuple(b, dice, dice.length(6), depth);
    case 28:
    case 29:
      return list(b, dice, depth, 106);
    case 30:
      return list(b, dice, depth, undefined);
    case 31:
    case 32:
      return map(b, dice, depth);
    default:
      return record(b, dice, depth);
  }
}

/** The head of a tuple: its elements are to be written next. */
export function tupleHead(b: Bytes, arity: number): void {
  if (arity < 256) b.u8(104).u8(arity);
  else b.u8(105).u32(arity);
}

export function tuple(b: Bytes, dice: Dice, arity: number, depth: number): void {
  tupleHead(b, arity);
  for (let index = 0; index < arity; index++) term(b, dice, depth + 1);
}

/** An atom in one of its forms. */
export function atom(b: Bytes, name: string, dice: Dice): void {
  const latin1 = /^[\0-\u00ff]*$/.test(name);
  const bytes = Buffer.byteLength(name);
  const form = dice.below(latin1 ? 8 : 6);
  if (form === 6) b.u8(100).u16(name.length).text(name, 'latin1');
  else if (form === 7 && name.length < 256) b.u8(115).u8(name.length).text(name, 'latin1');
  else if (form === 5 || bytes > 255) b.u8(118).u16(bytes).text(name);
  else b.u8(119).u8(bytes).text(name);
}

function binary(b: Bytes, dice: Dice): void {
  const text = Buffer.from(dice.once(3) ? dice.bytes(dice.length(100)) : dice.pick(TEXTS));
  b.u8(109).u32(text.length).raw(text);
}

function big(b: Bytes, dice: Dice): void {
  const length = dice.pick([0, 1, 4, 7, 8, 9, 30]);
  const bytes = dice.bytes(length);
  if (dice.once(2)) b.u8(110).u8(length).u8(dice.below(2)).raw(bytes);
  else b.u8(111).u32(length).u8(dice.below(2)).raw(bytes);
}

/** A node of the network: the fuzzed one, the one that sends, or another. */
function nodeOf(dice: Dice): { name: string; creation: number } {
  const other = { name: 'other@127.0.0.1', creation: 3 };
  const node = dice.pick([SELF, SELF, PEER, PEER, other]);
  return dice.once(12) ? { name: node.name, creation: dice.below(12) } : node;
}

/** A pid of either side, or of another node. */
export function pid(b: Bytes, dice: Dice, node = nodeOf(dice)): void {
  const old = dice.once(12);
  b.u8(old ? 103 : 88);
  atom(b, node.name, dice);
  b.u32(dice.once(10) ? dice.u32() : dice.below(LIVE_IDS)).u32(dice.once(10) ? dice.u32() : 0);
  if (old) b.u8(node.creation);
  else b.u32(node.creation);
}

export function ref(b: Bytes, dice: Dice, node = nodeOf(dice)): void {
  const words = dice.once(8) ? dice.pick([1, 2, 4, 5, 5, dice.below(8)]) : 3;
  const form = dice.below(10);
  if (form === 0) {
    b.u8(101);
    atom(b, node.name, dice);
    b.u32(dice.below(50)).u8(node.creation);
    return;
  }
  b.u8(form === 1 ? 114 : 90).u16(words);
  atom(b, node.name, dice);
  if (form === 1) b.u8(node.creation);
  else b.u32(node.creation);
  for (let index = 0; index < words; index++) b.u32(dice.once(5) ? dice.u32() : dice.below(50));
}

function port(b: Bytes, dice: Dice): void {
  const node = nodeOf(dice);
  const tag = dice.pick([120, 89, 102]);
  b.u8(tag);
  atom(b, node.name, dice);
  if (tag === 120) b.u64((BigInt(dice.u32()) << 32n) | BigInt(dice.u32()));
  else b.u32(dice.u32());
  if (tag === 102) b.u8(node.creation);
  else b.u32(node.creation);
}

function newFun(b: Bytes, dice: Dice, depth: number): void {
  const start = b.length + 1;
  const free = dice.below(3);
  b.u8(112).u32(0).u8(dice.below(4)).raw(dice.bytes(16)).u32(dice.below(9)).u32(free);
  atom(b, 'erl_eval', dice);
  b.u8(97).u8(dice.below(40)).u8(97).u8(dice.byte());
  pid(b, dice);
  for (let index = 0; index < free; index++) term(b, dice, Math.max(depth + 1, MAX_DEPTH - 1));
  b.setU32(start, b.length - start);
}

function list(b: Bytes, dice: Dice, depth: number, tail: number | undefined): void {
  const length = 1 + dice.length(12);
  b.u8(108).u32(length);
  for (let index = 0; index < length; index++) term(b, dice, depth + 1);
  if (tail === undefined) term(b, dice, depth + 1);
  else b.u8(tail);
}

function map(b: Bytes, dice: Dice, depth: number): void {
  const size = dice.length(8);
  b.u8(116).u32(size);
  const keys = dice.below(3);
  for (let index = 0; index < size; index++) {
    if (keys === 0)
      b.u8(109)
        .u32(1)
        .u8(97 + index);
    else if (keys === 1) atom(b, `k${index}`, dice);
    else term(b, dice, depth + 2);
    term(b, dice, depth + 1);
  }
}

function record(b: Bytes, dice: Dice, depth: number): void {
  const size = dice.length(4);
  b.u8(67).u32(size).u8(dice.below(2));
  atom(b, 'module', dice);
  atom(b, 'name', dice);
  for (let index = 0; index < size; index++) atom(b, `f${index}`, dice);
  for (let index = 0; index < size; index++) term(b, dice, depth + 1);
}

function randomText(dice: Dice): string {
  return String.fromCodePoint(
    ...Array.from({ length: dice.length(20) }, () => dice.pick([97, 0xe9, 0x20ac, 0x1d11e])),
  );
}
