// A stream of frames as it comes over a connection, cut anywhere, to a node with all its services: splitting, headers, atom
// caches, fragments, control messages, and what the node and its processes make of them. At most this connection ends.
import { Socket } from 'node:net';
import { FLAGS, Inbound, OWN_FLAGS } from '../../src/runtime/distribution/erlang/internal.ts';
import { Bytes } from '../bytes.ts';
import type { Dice } from '../dice.ts';
import { FuzzedNode } from '../fuzzed-node.ts';
import { frame } from '../messages.ts';
import { mutate } from '../mutate.ts';
import type { Target } from '../target.ts';
import { PEER } from '../terms.ts';

const MAX_FRAME_BYTES = 1024 * 1024;
/** What V8 and Node.js say when a program does what it should not; our own messages do not sound like that. */
const FOREIGN =
  /Cannot |is not (a|an|iterable|defined)\b|Invalid |out of range|call stack|outside|Received|null|undefined/;

export function framesTarget(): Target {
  const bytes = new Bytes();
  const whole = OWN_FLAGS;
  const plain = whole & ~FLAGS.DIST_HDR_ATOM_CACHE & ~FLAGS.FRAGMENTS;
  let fuzzed: FuzzedNode;
  const valid = (dice: Dice, headers: boolean): Buffer => {
    bytes.begin();
    for (let count = 1 + dice.below(4); count > 0 && bytes.roomy; count--) {
      const start = bytes.length;
      bytes.u32(0);
      frame(bytes, dice, headers);
      bytes.setU32(start, bytes.length - start - 4);
    }
    return bytes.copy();
  };
  return {
    name: 'frames',
    share: 2,
    open() {
      fuzzed = new FuzzedNode();
      return Promise.resolve();
    },
    make(dice) {
      const headers = !dice.once(5);
      const input = valid(dice, headers);
      const changed = dice.once(2) ? input : mutate(dice, input, () => valid(dice, headers));
      return Buffer.concat([Buffer.of(headers ? 1 : 0), changed]);
    },
    feed(input, dice) {
      const { host, services, link } = fuzzed;
      const socket = new Socket();
      let fault: string | undefined;
      const inbound: Inbound = new Inbound(
        {
          socket,
          leftover: Buffer.alloc(0),
          peer: PEER.name,
          creation: PEER.creation,
          flags: input[0] === 1 ? whole : plain,
          initiator: false,
        },
        host,
        { maxFrameBytes: MAX_FRAME_BYTES, fragmentTimeMs: 60_000 },
        {
          signal: (signal) => host.receive(PEER.name, signal),
          spawnRequest: (request) => services.spawnRequest(link, request),
          spawnReply: (reply) => services.spawnReply(link, reply),
          hello: () => undefined,
          leftOut: () => undefined,
          tick: () => undefined,
          came: () => undefined,
          bad: (reason) => {
            fault = reason;
            inbound.stop();
          },
          closed: () => undefined,
        },
      );
      inbound.start();
      for (let at = 1; at < input.length;) {
        const end = Math.min(input.length, at + 1 + dice.length(input.length));
        socket.emit('data', Buffer.from(input.subarray(at, end)));
        at = end;
      }
      inbound.stop();
      socket.destroy();
      if (fault !== undefined && FOREIGN.test(fault)) throw new Error(`a frame was refused with: ${fault}`);
    },
    async settle() {
      await fuzzed.end();
      fuzzed = new FuzzedNode();
    },
    close: () => fuzzed.end(),
  };
}
