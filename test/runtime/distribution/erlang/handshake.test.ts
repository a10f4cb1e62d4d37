// The handshake as two machines without sockets: against each other, and against what is not of the protocol.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Acceptor,
  type Admission,
  digest,
  flagNames,
  FLAGS,
  type HandshakeMachine,
  Initiator,
  isNodeName,
  type LocalNode,
  missingFlags,
  OWN_FLAGS,
  readChallenge,
  REQUIRED_FLAGS,
  type Step,
  writeAck,
  writeChallenge,
  writeName,
  writeReply,
  writeStatus,
} from '../../../../src/runtime/distribution/erlang/internal.ts';
import { TroupeError } from 'troupe';

function local(name: string, changes: Partial<LocalNode> = {}): LocalNode {
  return { name, creation: 77, flags: OWN_FLAGS, cookie: () => 'secret', gaveOut: () => false, ...changes };
}

/** Feeds a message with other bytes around it, as it lies in a chunk. */
function feed(machine: HandshakeMachine, message: Uint8Array): Step {
  const chunk = Buffer.concat([Buffer.from('sok'), message, Buffer.from('sok')]);
  return machine.receive(chunk, 3, chunk.length - 3);
}

interface Side {
  readonly machine: HandshakeMachine;
  last: Step | undefined;
}

/** Lets two machines talk until both are done or one has failed; `change` may replace what is sent. */
function talk(
  initiator: HandshakeMachine,
  acceptor: HandshakeMachine,
  change: (message: Buffer, index: number) => Buffer = (message) => message,
): { initiator: Step | undefined; acceptor: Step | undefined; messages: Buffer[] } {
  const sides: [Side, Side] = [
    { machine: initiator, last: undefined },
    { machine: acceptor, last: undefined },
  ];
  const messages: Buffer[] = [];
  let wire = initiator.start().map((message) => ({ message, to: 1 }));
  while (wire.length > 0) {
    const [first, ...others] = wire as [(typeof wire)[0], ...typeof wire];
    const side = sides[first.to as 0 | 1];
    const message = change(first.message, messages.length);
    messages.push(message);
    const step = feed(side.machine, message);
    side.last = step;
    wire = [...others, ...step.send.map((answer) => ({ message: answer, to: 1 - first.to }))];
    if (step.kind === 'fault') wire = wire.filter(({ to }) => to === 1 - first.to);
  }
  return { initiator: sides[0].last, acceptor: sides[1].last, messages };
}

function pair(
  options: { a?: Partial<LocalNode>; b?: Partial<LocalNode>; admission?: Admission; isUp?: boolean } = {},
) {
  return [
    new Initiator(local('a@h', options.a), 'b@h', () => options.isUp ?? false),
    new Acceptor(local('b@h', { creation: 88, ...options.b }), () => options.admission ?? 'ok'),
  ] as const;
}

const faultOf = (step: Step | undefined) => (step?.kind === 'fault' ? step.fault.reason : step?.kind);

describe('flags', () => {
  test('are those of OTP 25', () => {
    expect(OWN_FLAGS).toBe(0xd07df7fbcn);
    expect(OWN_FLAGS | FLAGS.PUBLISHED).toBe(0xd07df7fbdn);
    expect(REQUIRED_FLAGS).toBe(0x1070f94n);
    expect(missingFlags(REQUIRED_FLAGS & ~FLAGS.UTF8_ATOMS & ~FLAGS.BIG_CREATION)).toEqual([
      'UTF8_ATOMS',
      'BIG_CREATION',
    ]);
    expect(flagNames(FLAGS.ALIAS | 1n)).toEqual(['PUBLISHED', 'ALIAS']);
  });
});

describe('a handshake', () => {
  test('agrees on the common flags, and tells each the creation of the other', () => {
    const [initiator, acceptor] = pair({ b: { flags: (OWN_FLAGS | FLAGS.PUBLISHED) & ~FLAGS.SPAWN } });
    const result = talk(initiator, acceptor);
    const flags = OWN_FLAGS & ~FLAGS.SPAWN;
    expect(result.initiator).toMatchObject({ kind: 'done', agreed: { peer: 'b@h', creation: 88, flags } });
    expect(result.acceptor).toMatchObject({ kind: 'done', agreed: { peer: 'a@h', creation: 77, flags } });
    expect(initiator.receive(Buffer.from('sok'), 0, 3)).toMatchObject({ kind: 'fault' });
    expect(acceptor.receive(Buffer.from('sok'), 0, 3)).toMatchObject({ kind: 'fault' });
  });

  test('any names, creations, flags and cookies that are good', () => {
    const text = fc.string({ minLength: 1, maxLength: 60 }).filter((part) => isNodeName(`${part}@h`));
    const u32 = fc.nat({ max: 0xffff_ffff });
    fc.assert(
      fc.property(text, u32, u32, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (name, one, two, extra) => {
        const flags = (extra | REQUIRED_FLAGS) & ~FLAGS.NAME_ME;
        const cookie = () => `${name}é`;
        const result = talk(
          new Initiator(local(`1${name}@h`, { creation: one, flags, cookie }), `2${name}@x`, () => false),
          new Acceptor(
            local(`2${name}@x`, { creation: two, flags: OWN_FLAGS | FLAGS.PUBLISHED, cookie }),
            () => 'ok',
          ),
        );
        expect(result.initiator).toMatchObject({ kind: 'done', agreed: { creation: two } });
        expect(result.acceptor).toMatchObject({
          kind: 'done',
          agreed: { peer: `1${name}@h`, creation: one, flags: flags & (OWN_FLAGS | FLAGS.PUBLISHED) },
        });
      }),
      { numRuns: 100 },
    );
  });

  test.each(['ok', 'ok_simultaneous'] as const)('status %s: goes on', (admission) => {
    expect(faultOf(talk(...pair({ admission })).initiator)).toBe('done');
  });

  test('status nok: both leave it', () => {
    const result = talk(...pair({ admission: 'nok' }));
    expect([faultOf(result.initiator), faultOf(result.acceptor)]).toEqual(['nok', 'nok']);
  });

  test('busy: the acceptor says nothing', () => {
    const result = talk(...pair({ admission: 'busy' }));
    expect(faultOf(result.acceptor)).toBe('busy');
    expect(result.messages).toHaveLength(1);
  });

  test('status alive: goes on when the initiator has no connection, else both keep theirs', () => {
    const anew = talk(...pair({ admission: 'alive' }));
    expect([faultOf(anew.initiator), faultOf(anew.acceptor)]).toEqual(['done', 'done']);
    const kept = talk(...pair({ admission: 'alive', isUp: true }));
    expect([faultOf(kept.initiator), faultOf(kept.acceptor)]).toEqual(['alive', 'alive']);
    const [, acceptor] = pair({ admission: 'alive' });
    feed(acceptor, writeName(OWN_FLAGS, 1, 'a@h'));
    expect(faultOf(feed(acceptor, writeStatus('perhaps')))).toBe('bad_message');
  });

  test('another cookie: the acceptor closes without a word, which the initiator takes for that', () => {
    const [initiator, acceptor] = pair({ b: { cookie: () => 'other' } });
    const result = talk(initiator, acceptor);
    expect(result.acceptor).toMatchObject({ kind: 'fault', send: [], fault: { reason: 'cookie' } });
    expect(initiator.closed().reason).toBe('cookie');
  });

  test('an acceptor that does not know the cookie, but answers', () => {
    const [initiator] = pair();
    feed(initiator, writeStatus('ok'));
    feed(initiator, writeChallenge({ flags: OWN_FLAGS, challenge: 1, creation: 1, name: 'b@h' }));
    expect(faultOf(feed(initiator, writeAck(digest('other', 1))))).toBe('cookie');
  });

  test('no cookie on this side', () => {
    const cookie = () => {
      throw new TroupeError('TROUPE_BAD_COOKIE', 'There is none.');
    };
    expect(faultOf(talk(...pair({ a: { cookie } })).initiator)).toBe('cookie');
    const result = talk(...pair({ b: { cookie } }));
    expect([faultOf(result.initiator), faultOf(result.acceptor)]).toEqual(['not_allowed', 'cookie']);
  });

  test('missing flags are named, on either side', () => {
    const flags = OWN_FLAGS & ~FLAGS.MANDATORY_25_DIGEST & ~FLAGS.MAP_TAG;
    const result = talk(...pair({ a: { flags } }));
    expect(faultOf(result.initiator)).toBe('not_allowed');
    expect(result.acceptor).toMatchObject({
      fault: { reason: 'flags', detail: expect.stringContaining('MAP_TAG') },
    });
    expect(talk(...pair({ b: { flags } })).initiator).toMatchObject({
      fault: { reason: 'flags', detail: expect.stringContaining('MAP_TAG') },
    });
    // The digest bit alone stands for all of them.
    expect(faultOf(talk(...pair({ a: { flags: FLAGS.MANDATORY_25_DIGEST } })).acceptor)).toBe('done');
  });

  test('another node than the one dialled', () => {
    const initiator = new Initiator(local('a@h'), 'c@h', () => false);
    const [, acceptor] = pair();
    expect(faultOf(talk(initiator, acceptor).initiator)).toBe('wrong_node');
  });

  test('a node of the same name, one without, and one that wants a name', () => {
    const begin = (name: string, flags = OWN_FLAGS) => feed(pair()[1], writeName(flags, 5, name));
    const notAllowed = [writeStatus('not_allowed')];
    expect(begin('b@h')).toMatchObject({ fault: { reason: 'own_name' }, send: notAllowed });
    for (const name of ['', 'a', '@h', 'a@', 'a@b@c', 'a b@h', 'a\n@h', `${'x'.repeat(254)}@h`]) {
      expect(faultOf(begin(name))).toBe('bad_message');
    }
    expect(begin('h', OWN_FLAGS | FLAGS.NAME_ME)).toMatchObject({
      fault: { reason: 'dynamic_name' },
      send: notAllowed,
    });
  });

  test('a node that begins with the old message completes it later', () => {
    const [, acceptor] = pair();
    const flags = OWN_FLAGS;
    const old = Buffer.concat([Buffer.from([0x6e, 0, 5]), Buffer.alloc(4), Buffer.from('old@h')]);
    old.writeUInt32BE(Number(flags & 0xffff_ffffn), 3);
    const asked = feed(acceptor, old);
    const challenge = readChallenge(asked.send[1]!, 0, asked.send[1]!.length)!.challenge;
    const complement = Buffer.alloc(9, 'c');
    complement.writeUInt32BE(Number(flags >> 32n), 1);
    complement.writeUInt32BE(1234, 5);
    expect(faultOf(feed(acceptor, complement))).toBe('next');
    const end = feed(acceptor, writeReply(9, digest('secret', challenge)));
    expect(end).toMatchObject({ kind: 'done', agreed: { peer: 'old@h', creation: 1234, flags } });
    expect(end.send).toEqual([writeAck(digest('secret', 9))]);
  });

  test('statuses that this node does not ask for, or does not know', () => {
    for (const status of ['named:\u0000\u0003a@h\u0000\u0000\u0000\u0001', 'ok ', '', 'okay']) {
      expect(faultOf(feed(pair()[0], writeStatus(status)))).toBe('bad_message');
    }
    expect(faultOf(feed(pair()[0], writeStatus('not_allowed')))).toBe('not_allowed');
  });

  test('the end of the connection, and silence, in each state', () => {
    const [initiator, acceptor] = pair();
    const told: string[] = [];
    const look = () =>
      told.push(
        [initiator, acceptor]
          .map((machine) => `${machine.closed().reason} ${machine.timedOut().reason}`)
          .join(),
      );
    look();
    talk(initiator, acceptor, (message) => {
      look();
      return message;
    });
    expect(new Set(told)).toEqual(
      new Set(['closed timeout,closed timeout', 'cookie timeout,closed timeout']),
    );
  });
});

describe('what is not of the protocol', () => {
  test('every message cut short is refused, with a reason', () => {
    const whole = talk(...pair()).messages.length;
    for (let index = 0; index < whole; index++) {
      for (let length = 0; ; length++) {
        let size = 0;
        const result = talk(...pair(), (message, at) => {
          if (at !== index) return message;
          size = message.length;
          return message.subarray(0, length);
        });
        if (length >= size) break;
        // In the name a shorter text would be another name, but its length is sent too.
        const faults = [faultOf(result.initiator), faultOf(result.acceptor)];
        expect(faults.some((fault) => fault === 'bad_message')).toBe(true);
      }
    }
  });

  test('a message with any bytes changed is taken or refused with a reason, without a throw', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 4 }),
        fc.array(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 255 })), { minLength: 1, maxLength: 5 }),
        (index, changes) => {
          const result = talk(...pair(), (message, at) => {
            if (at !== index) return message;
            const changed = Buffer.from(message);
            for (const [place, byte] of changes) if (place < changed.length) changed[place] = byte;
            return changed;
          });
          const faults = [result.initiator, result.acceptor].filter((step) => step?.kind === 'fault');
          expect(faults.every((step) => step.fault.detail !== '')).toBe(true);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  test('any bytes at all', () => {
    const message = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc
        .tuple(fc.constantFrom('N', 'n', 's', 'c', 'r', 'a'), fc.uint8Array({ maxLength: 60 }))
        .map(([tag, bytes]) => Buffer.concat([Buffer.from(tag), bytes])),
      fc.constantFrom(...['ok', 'alive', 'true', 'nok'].map(writeStatus)),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
        for (const machine of pair({ admission: 'alive' })) {
          for (const one of messages) expect(feed(machine, one).kind).not.toBe('done');
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
