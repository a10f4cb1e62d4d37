// Broadcasts to a node that is told atoms by number, while everything happens that can change the order of frames: large
// messages, several senders, getters that send or throw, a subscriber that sends, a socket that is not read. Each message
// arrives as it was sent.
import { createHash } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import * as fc from 'fast-check';
import { atom, type Node, type Pid, Tuple, tuple } from 'troupe';
import { expect, test, vi } from 'vitest';
import { type RawPeer, rawPeer, startSite } from './raw-peer.ts';

vi.setConfig({ testTimeout: 120_000 });

/** What is sent: to how many, by which sender, with which atoms and how much text, and what a getter in it does. */
interface Message {
  readonly receivers: number;
  readonly sender: number;
  readonly atoms: readonly string[];
  readonly bytes: number;
  readonly inner: Message | undefined;
  readonly throws: boolean;
}

type Step = Message | 'pause' | 'resume' | 'turn';

const name = fc.oneof(
  { weight: 8, arbitrary: fc.nat({ max: 40 }).map((n) => `a${n}`) },
  { weight: 1, arbitrary: fc.nat({ max: 3_000 }).map((n) => 'q'.repeat(n % 90) + n) },
);
const atoms = fc.oneof(
  { weight: 12, arbitrary: fc.array(name, { maxLength: 6 }) },
  {
    weight: 1,
    arbitrary: fc.nat({ max: 2_000 }).map((from) => Array.from({ length: 300 }, (_, n) => `m${from + n}`)),
  },
);
const bytes = fc.oneof(
  { weight: 10, arbitrary: fc.nat({ max: 100 }) },
  { weight: 1, arbitrary: fc.integer({ min: 63_000, max: 67_000 }) },
  { weight: 1, arbitrary: fc.constant(200_000) },
);
const { message } = fc.letrec<{ message: Message }>((tie) => ({
  message: fc.record({
    receivers: fc.integer({ min: 1, max: 3 }),
    sender: fc.nat({ max: 3 }),
    atoms,
    bytes,
    inner: fc.option(tie('message'), { nil: undefined, freq: 4, maxDepth: 3 }),
    throws: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
  }),
}));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 16, arbitrary: message },
  { weight: 1, arbitrary: fc.constantFrom('pause' as const, 'resume' as const) },
  { weight: 2, arbitrary: fc.constant('turn' as const) },
);

let run = 0;

/** What came, and what was to come, for each sender and receiver. */
interface Outcome {
  /** Each message, in any order: what a getter or a subscriber sends has no place in the order of the one it is asked by. */
  readonly messages: readonly string[];
  /** The numbers of those that no getter or subscriber has sent, in their order. */
  readonly order: readonly number[];
}

/** Does what the steps say; answers what came, and what was to come. */
async function play(steps: readonly Step[]): Promise<[Map<string, Outcome>, Map<string, Outcome>]> {
  const site = await startSite(`property${run++}@one`, { sendQueue: { highWaterBytes: 70_000 } });
  const peer = await rawPeer(site);
  const world = new World(site.node, peer);
  const busy = channel('troupe:distribution:busy');
  const subscriber = () => world.send({ ...QUIET, atoms: ['of-the-subscriber', 'a1'] });
  busy.subscribe(subscriber);
  try {
    for (const each of steps) {
      if (each === 'pause') peer.socket.pause();
      else if (each === 'resume') peer.socket.resume();
      else if (each === 'turn') await new Promise((resolve) => setImmediate(resolve));
      else world.send(each);
    }
  } finally {
    busy.unsubscribe(subscriber);
  }
  peer.socket.resume();
  const received = await world.received();
  await site.node.stop();
  return [received, world.expected()];
}

const QUIET: Message = { receivers: 3, sender: 0, atoms: [], bytes: 0, inner: undefined, throws: false };

interface Item {
  readonly key: string;
  readonly id: number;
  readonly text: string;
}

class World {
  readonly #node: Node;
  readonly #peer: RawPeer;
  readonly #senders: Pid[];
  readonly #receivers: readonly Pid[];
  readonly #sent: Item[] = [];
  readonly #nested = new Set<number>();
  #count = 0;
  #depth = 0;

  constructor(node: Node, peer: RawPeer) {
    this.#node = node;
    this.#peer = peer;
    this.#senders = Array.from({ length: 4 }, () =>
      node.spawn({ name: 'sender', init: () => undefined, handle: () => undefined }),
    );
    this.#receivers = [peer.pid(5), peer.pid(6), peer.pid(7)];
  }

  send({ receivers, sender, atoms: names, bytes: size, inner, throws }: Message): void {
    const id = this.#count++;
    if (this.#depth > 0) this.#nested.add(id);
    const from = this.#senders[sender]!;
    const to = this.#receivers.slice(0, receivers);
    let asked = 0;
    const ask = () => {
      asked++;
      if (inner !== undefined) this.send(inner);
      if (throws) throw new Error('of a getter');
    };
    const body = tuple(id, tuple(...names.map((text) => atom(text))), 'x'.repeat(size));
    const value = {
      body,
      get inner() {
        ask();
        return atom('inner');
      },
    };
    this.#depth++;
    try {
      this.#node.router.peer('raw@x').send({ op: 'sendMany', from, to, message: value });
      for (const pid of to) this.#sent.push({ key: `${from.id} ${pid.id}`, id, text: textOf(body) });
    } catch (error) {
      if (!throws || !String(error).includes('of a getter')) throw error;
    } finally {
      this.#depth--;
    }
    if (asked !== 1) throw new Error(`a getter was asked ${asked} times`);
  }

  expected(): Map<string, Outcome> {
    return this.#outcomes(this.#sent.toSorted((one, other) => one.id - other.id));
  }

  /** Waits until all has come. */
  async received(): Promise<Map<string, Outcome>> {
    const messages = () => this.#peer.received.filter(({ payload }) => isMessage(payload));
    await this.#peer.until(() => messages().length >= this.#sent.length);
    return this.#outcomes(
      messages().map(({ control, payload }) => {
        const { body, inner } = payload as { body: Tuple; inner: unknown };
        if (inner !== atom('inner')) throw new Error(`the getter became ${String(inner)}`);
        const key = `${(control[1] as Pid).id} ${(control[2] as Pid).id}`;
        return { key, id: body.elements[0] as number, text: textOf(body) };
      }),
    );
  }

  #outcomes(items: readonly Item[]): Map<string, Outcome> {
    const groups = new Map<string, Item[]>();
    for (const item of items) groups.set(item.key, [...(groups.get(item.key) ?? []), item]);
    return new Map(
      [...groups.entries()].map(([key, group]) => [
        key,
        {
          messages: group.map(({ text }) => text).toSorted(),
          order: group.map(({ id }) => id).filter((id) => !this.#nested.has(id)),
        },
      ]),
    );
  }
}

/** Short, so that a failure can be read. */
function textOf(body: Tuple): string {
  const [id, names, text] = body.elements as [number, Tuple, string];
  const hash = createHash('sha256').update(String(names)).update(text).digest('hex').slice(0, 8);
  return `${id}: ${names.elements.length} atoms, ${text.length} characters, ${hash}`;
}

function isMessage(payload: unknown): boolean {
  return (
    typeof payload === 'object' && payload !== null && 'body' in payload && payload.body instanceof Tuple
  );
}

test('each message arrives as it was sent, in the order of its sender', async () => {
  const steps = fc.array(step, { minLength: 5, maxLength: 120, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const [received, expected] = await play(all);
      expect(received).toEqual(expected);
    }),
    { numRuns: 25, endOnFailure: true },
  );
});
