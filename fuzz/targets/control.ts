// Control messages with their payloads: either they are read, or there is an EtfError.
import { ControlReader, type ControlSink } from '../../src/runtime/distribution/erlang/internal.ts';
import { EtfError, SlicingReader } from '../../src/runtime/distribution/etf/internal.ts';
import { atom } from 'troupe';
import { Bytes } from '../bytes.ts';
import type { Dice } from '../dice.ts';
import { FuzzedNode } from '../fuzzed-node.ts';
import { mutate } from '../mutate.ts';
import type { Target } from '../target.ts';
import { PEER } from '../terms.ts';
import { message } from '../messages.ts';

const REFS = ['nova_scope', 'alias', PEER.name, '$gen_call'].map(atom);
const nothing = (): void => undefined;
const sink: ControlSink = {
  signal: nothing,
  spawnRequest: nothing,
  spawnReply: nothing,
  hello: nothing,
  leftOut: nothing,
};

export function controlTarget(): Target {
  const bytes = new Bytes();
  let fuzzed: FuzzedNode;
  let terms: SlicingReader;
  let readers: { readonly [Versions in 'with' | 'without']: ControlReader };
  const restart = () => {
    terms = new SlicingReader(fuzzed.host);
    readers = {
      with: new ControlReader(terms, fuzzed.host, sink, { ...PEER, versions: true }),
      without: new ControlReader(terms, fuzzed.host, sink, { ...PEER, versions: false }),
    };
  };
  const valid = (dice: Dice, versions: boolean): Buffer => {
    message(bytes.begin(), dice, versions);
    return bytes.copy();
  };
  return {
    name: 'control',
    share: 3,
    open() {
      fuzzed = new FuzzedNode();
      restart();
      return Promise.resolve();
    },
    make(dice) {
      const versions = dice.once(4);
      const input = valid(dice, versions);
      const changed = dice.once(3) ? input : mutate(dice, input, () => valid(dice, versions));
      return Buffer.concat([Buffer.of(versions ? 1 : 0), changed]);
    },
    feed(input) {
      const versions = input[0] === 1;
      terms.reset(input, 1, input.length, versions ? null : REFS);
      try {
        const reader = readers[versions ? 'with' : 'without'];
        reader.read();
        reader.goOn(Infinity);
      } catch (error) {
        if (!(error instanceof EtfError)) throw error;
      }
    },
    settle() {
      restart();
      return Promise.resolve();
    },
    close: () => fuzzed.end(),
  };
}
