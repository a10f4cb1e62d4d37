// The handshake, either side: a conversation in which messages are changed. Nothing throws, every fault has a reason, and
// nobody is let in who has not answered the challenge.
import { createHash } from 'node:crypto';
import {
  Acceptor,
  type Admission,
  FLAGS,
  type HandshakeMachine,
  Initiator,
  type LocalNode,
  OWN_FLAGS,
  type Step,
} from '../../src/runtime/distribution/erlang/internal.ts';
import { Bytes } from '../bytes.ts';
import type { Dice } from '../dice.ts';
import { mutate } from '../mutate.ts';
import type { Target } from '../target.ts';
import { PEER, SELF } from '../terms.ts';

const COOKIE = 'fuzz';
const STATUSES = [
  'ok',
  'ok_simultaneous',
  'nok',
  'not_allowed',
  'alive',
  'true',
  'false',
  'named:\0\x03a@b\0\0\0\x01',
  '',
];
const ADMISSIONS: readonly Admission[] = ['ok', 'ok_simultaneous', 'nok', 'alive', 'busy'];
const LENGTH_BYTES = 2;
/** Stands in an input where the digest for the machine's challenge goes: who feeds it knows the challenge. */
const RIGHT = Buffer.alloc(16, 0x2a);

export function handshakeTarget(role: 'initiator' | 'acceptor'): Target {
  const local: LocalNode = { ...SELF, flags: OWN_FLAGS, cookie: () => COOKIE, gaveOut: () => false };
  const bytes = new Bytes();
  const conversation = (dice: Dice) => (role === 'acceptor' ? dialling(bytes, dice) : answering(bytes, dice));
  return {
    name: role,
    share: 1,
    make(dice) {
      const messages = conversation(dice);
      const changed = messages.map((message) =>
        dice.once(4) ? mutate(dice, message, () => dice.pick(messages)) : message,
      );
      return Buffer.concat(changed.map((message) => prefixed(message.subarray(0, 0xffff))));
    },
    feed(input, dice) {
      const machine: HandshakeMachine =
        role === 'acceptor'
          ? new Acceptor(local, () => dice.pick(ADMISSIONS))
          : new Initiator(local, PEER.name, () => dice.once(2));
      const talk = new Talk(machine);
      for (const message of split(input)) talk.feed(message);
      talk.end();
    },
  };
}

/** Feeds a machine, and remembers which number it wants answered. */
class Talk {
  readonly #machine: HandshakeMachine;
  #challenge: number | undefined;
  #proved = false;
  #over = false;

  constructor(machine: HandshakeMachine) {
    this.#machine = machine;
    for (const sent of machine.start()) this.#sent(sent);
  }

  feed(message: Buffer): void {
    const right = this.#answer();
    const filled = Buffer.from(message);
    for (let at = filled.indexOf(RIGHT); at >= 0; at = filled.indexOf(RIGHT)) right.copy(filled, at);
    if (filled.indexOf(right) >= 0 && this.#challenge !== undefined) this.#proved = true;
    const step = this.#machine.receive(
      Buffer.concat([Buffer.of(1), filled, Buffer.of(2)]),
      1,
      1 + filled.length,
    );
    for (const sent of step.send) this.#sent(sent);
    this.#check(step);
  }

  end(): void {
    if (this.#machine.closed().detail === '' || this.#machine.timedOut().detail === '')
      throw new Error('no detail');
  }

  #check(step: Step): void {
    if (step.kind === 'done' && (!this.#proved || this.#over)) throw new Error('let in without the cookie');
    if (step.kind === 'done' && step.agreed.peer !== PEER.name && this.#machine.peer !== step.agreed.peer) {
      throw new Error('let in under another name');
    }
    if (step.kind === 'fault' && (step.fault.reason.length === 0 || step.fault.detail.length === 0)) {
      throw new Error('a fault without a reason');
    }
    if (step.kind !== 'next') this.#over = true;
  }

  #answer(): Buffer {
    return createHash('md5')
      .update(`${COOKIE}${this.#challenge ?? ''}`)
      .digest();
  }

  #sent(message: Buffer): void {
    if (message[0] === 0x4e && message.length >= 19) this.#challenge = message.readUInt32BE(9);
    else if (message[0] === 0x72) this.#challenge = message.readUInt32BE(1);
  }
}

/** What a node sends that dials. */
function dialling(b: Bytes, dice: Dice): Buffer[] {
  const flags = flagsOf(dice);
  const name = nameOf(dice);
  const begin = dice.once(5)
    ? b
        .begin()
        .u8(0x6e)
        .u16(5)
        .u32(Number(BigInt.asUintN(32, flags)))
        .text(name, 'latin1')
        .copy()
    : b.begin().u8(0x4e).u64(flags).u32(dice.u32()).u16(name.length).text(name, 'latin1').copy();
  const messages = [begin];
  if (dice.once(3)) messages.push(status(b, dice));
  if (dice.once(4))
    messages.push(
      b
        .begin()
        .u8(0x63)
        .u32(Number(flags >> 32n))
        .u32(dice.u32())
        .copy(),
    );
  messages.push(b.begin().u8(0x72).u32(dice.u32()).raw(digest(dice)).copy());
  return messages;
}

/** What a node sends that was dialled. */
function answering(b: Bytes, dice: Dice): Buffer[] {
  const name = nameOf(dice);
  return [
    status(b, dice),
    b
      .begin()
      .u8(0x4e)
      .u64(flagsOf(dice))
      .u32(dice.u32())
      .u32(dice.u32())
      .u16(name.length)
      .text(name, 'latin1')
      .copy(),
    b.begin().u8(0x61).raw(digest(dice)).copy(),
  ];
}

function status(b: Bytes, dice: Dice): Buffer {
  return b
    .begin()
    .u8(0x73)
    .text(dice.once(3) ? dice.pick(STATUSES) : dice.pick(['ok', 'true']), 'latin1')
    .copy();
}

function digest(dice: Dice): Buffer {
  return dice.once(4) ? dice.bytes(16) : RIGHT;
}

function flagsOf(dice: Dice): bigint {
  if (dice.once(10)) return (BigInt(dice.u32()) << 32n) | BigInt(dice.u32());
  return OWN_FLAGS | (dice.once(20) ? FLAGS.NAME_ME : 0n) | (dice.once(2) ? FLAGS.PUBLISHED : 0n);
}

function nameOf(dice: Dice): string {
  return dice.once(6)
    ? dice.pick(['', '@', 'a@', SELF.name, 'x@y@z', 'other@127.0.0.1', 'x'.repeat(255)])
    : PEER.name;
}

function prefixed(message: Buffer): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

function split(input: Buffer): Buffer[] {
  const messages: Buffer[] = [];
  for (let at = 0; at + LENGTH_BYTES <= input.length;) {
    const end = at + LENGTH_BYTES + input.readUInt16BE(at);
    messages.push(input.subarray(at + LENGTH_BYTES, end));
    at = end;
  }
  return messages;
}
