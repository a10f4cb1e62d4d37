// What a peer sends can harm its own connection and nothing else; what cannot be sent throws where it is sent.
import * as fc from 'fast-check';
import { type Tuple, tuple } from 'troupe';
import { createProbe, type Probe } from 'troupe/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ErlNode } from '../support/erl.ts';
import { requirePart } from '../support/parts.ts';
import type { Troupe } from '../support/troupe-node.ts';
import { openHostile } from './hostile.ts';
import { connected, eventually, evaluates, type Lab, next, openLab, telemetry } from './lab.ts';

const part = requirePart('erl');

const HEADER = [131, 68, 0];
const atom = (name: string) => [119, name.length, ...Buffer.from(name)];
const small = (...items: number[][]) => [104, items.length, ...items.flat()];
const integer = (value: number) => [97, value];
const u32 = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const u64 = (value: number) => [0, 0, 0, 0, ...u32(value)];
const pid = (node: string) => [88, ...atom(node), ...u32(1), ...u32(0), ...u32(77)];
const name = 'hostile@127.0.0.1';
/** REG_SEND to a process here, up to its payload. */
const toProbe = [...HEADER, ...small(integer(6), pid(name), atom(''), atom('target'))];
const nested = (depth: number) => [...Array.from({ length: depth }, () => [108, 0, 0, 0, 1]).flat(), 106];
const invalidText = [119, 2, 0xc3, 0x28];

/** Each is one frame or several, of which nothing can be read. */
const faults: Array<[what: string, ...frames: number[][]]> = [
  ['a frame of one byte', [1]],
  ['a header that is none', [131, 7, 1]],
  ['a term without a header', [112, 131, ...small(integer(1))]],
  ['a control message that is no tuple', [...HEADER, ...integer(1)]],
  ['an empty control message', [...HEADER, ...small()]],
  ['an unknown operation', [...HEADER, ...small(integer(99), integer(1))]],
  ['too few elements', [...HEADER, ...small(integer(1), pid(name))]],
  ['a name where a pid is needed', [...HEADER, ...small(integer(1), atom('a'), atom('b'))]],
  ['an empty slot of the atom cache', [131, 68, 1, 0, 5, ...small(integer(6), [82, 0])]],
  ['atoms that the header does not have', [...HEADER, ...small(integer(6), [82, 3])]],
  ['a fragment of nothing', [131, 70, ...u64(9), ...u64(1), 1]],
  [
    'fragments out of order',
    [131, 69, ...u64(1), ...u64(3), 0, ...toProbe.slice(3), 109],
    [131, 70, ...u64(1), ...u64(1), 1],
  ],
  ['the end of a link with the id 0', [...HEADER, ...small(integer(35), integer(0), pid(name), pid(name))]],
];

/** Whom each is for can be read, and what it says cannot. */
const unreadable: Array<[what: string, frame: number[]]> = [
  ['a message without payload', toProbe],
  ['a truncated term', [...toProbe, 104, 3, 97, 1]],
  ['an unknown tag', [...toProbe, 200]],
  ['a huge tuple', [...toProbe, 105, 255, 255, 255, 255, 97, 1]],
  ['a huge list', [...toProbe, 108, 255, 255, 255, 255, 97, 1]],
  ['a huge map', [...toProbe, 116, 255, 255, 255, 255, 97, 1]],
  ['a huge binary', [...toProbe, 109, 255, 255, 255, 255, 1]],
  ['a huge integer', [...toProbe, 111, 255, 255, 255, 255, 0, 1]],
  ['nesting without end', [...toProbe, ...nested(100_000)]],
  ['not a number', [...toProbe, 70, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0]],
  ['an atom that is no text', [...toProbe, ...invalidText]],
];

describe.skipIf(part.missing)('a node among others', () => {
  let lab: Lab;
  let erl: ErlNode;
  let troupe: Troupe;
  let port: number;
  let probe: Probe;
  let target: Probe;
  beforeAll(async () => {
    lab = await openLab();
    [erl, troupe] = await Promise.all([lab.erl('beam'), lab.troupe('ts')]);
    await erl.load('agent.erl');
    await erl.eval('agent:echo(echo), agent:start(keeper), ok');
    await connected(troupe, erl);
    port = Number(await erl.eval('{port, P, _} = erl_epmd:port_please("ts", {127,0,0,1}), P'));
    probe = createProbe(troupe.node);
    target = createProbe(troupe.node, { name: 'target' });
    probe.monitor({ name: 'echo', node: erl.name });
  });
  afterAll(() => lab.close());

  /** The Erlang peer and the processes here go on as if nothing had been. */
  async function unharmed(): Promise<void> {
    probe.send({ name: 'echo', node: erl.name }, tuple(probe.pid, 'there?'));
    const [answer] = (await next(probe)) as Tuple;
    expect(answer).toBe('there?');
  }

  test.each(faults)('%s: the connection of who sent it is closed', async (_what, ...frames) => {
    const told = telemetry('troupe:distribution:bad_frame');
    const peer = await openHostile(port, name);
    await eventually(() => expect(troupe.node.nodes()).toContain(name));
    for (const frame of frames) peer.frame(Buffer.from(frame));
    await peer.closed;
    expect(told).toEqual([{ node: troupe.name, peer: name, reason: expect.any(String) }]);
    expect(troupe.node.nodes()).toEqual([erl.name]);
    await unharmed();
  });

  test.each(unreadable)('%s: that message is left out, and the next one is heard', async (_what, frame) => {
    const told = telemetry('troupe:distribution:dropped');
    const peer = await openHostile(port, name);
    peer.frame(Buffer.from(frame));
    peer.frame(Buffer.from([...toProbe, ...integer(42)]));
    expect(await next(target)).toBe(42);
    expect(told).toEqual([{ node: troupe.name, peer: name, what: expect.any(String) }]);
    peer.end();
    await eventually(() => expect(troupe.node.nodes()).toEqual([erl.name]));
    await unharmed();
  });

  test('a frame that is announced to be too long', async () => {
    const told = telemetry('troupe:distribution:bad_frame');
    const peer = await openHostile(port, name);
    peer.raw(Buffer.from([255, 255, 255, 255, 131, 68, 0]));
    await peer.closed;
    expect(told).toHaveLength(1);
    await unharmed();
  });

  test('frames of random bytes', async () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 });
    const head = fc.constantFrom([], HEADER, toProbe, [131, 68], [131, 69], [131, 70]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(head, bytes), { minLength: 1, maxLength: 5 }), async (frames) => {
        const peer = await openHostile(port, name);
        for (const [start, rest] of frames) peer.frame(Buffer.from(start), rest);
        peer.frame(1); // whatever the others were, this is a fault
        await peer.closed;
        await eventually(() => expect(troupe.node.nodes()).toEqual([erl.name]));
      }),
      { numRuns: 60 },
    );
    target.clear();
    await unharmed();
  });

  test('the peer may come again, and be heard', async () => {
    const peer = await openHostile(port, name);
    peer.frame(Buffer.from([...toProbe, ...integer(42)]));
    expect(await next(target)).toBe(42);
    peer.end();
    await eventually(() => expect(troupe.node.nodes()).toEqual([erl.name]));
  });

  test('what cannot be sent throws where it is sent, and nothing is sent', async () => {
    const to = { name: 'keeper', node: erl.name };
    const holed: unknown[] = [1];
    holed[2] = 3;
    const cyclic: unknown[] = [];
    cyclic.push(cyclic);
    for (const message of [
      NaN,
      Infinity,
      2 ** 53,
      '\ud800',
      ['deep', { in: ['\udc00'] }],
      () => 1,
      Symbol('s'),
      new Date(0),
      holed,
      cyclic,
    ]) {
      expect(() => probe.send(to, message)).toThrow(
        expect.objectContaining({ code: 'TROUPE_NOT_ENCODABLE' }),
      );
    }
    probe.send(to, 'well');
    await evaluates(erl, 'agent:kept(keeper)', '[<<"well">>]');
    expect(troupe.node.nodes()).toEqual([erl.name]);
  });
});
