// What the tests of durable channels share: a channel, nodes with clocks that stand still, and processes that keep what they get.
import { onTestFinished } from 'vitest';
import {
  Broadcast,
  ChannelLive,
  channelLog,
  type ChannelLogOptions,
  ChannelReset,
  createNode,
  defineChannel,
  type EventSource,
  type Followed,
  type Follower,
  type MemoryStore,
  type Node,
  type StoredEvent,
} from 'troupe';
import { createManualClock, type ManualClock, type MemoryNetwork, settle } from 'troupe/testing';

export interface Topics {
  added: { n: number };
}
export const notes = defineChannel<Topics>('durable_notes', { durable: true });
export type Seen = Followed;

export interface Site {
  readonly node: Node;
  readonly clock: ManualClock;
}

export function site(name?: string, network?: MemoryNetwork): Site {
  const clock = createManualClock();
  const node = createNode({
    clock,
    ...(name !== undefined && { name }),
    ...(network && name !== undefined && { carrier: network.carrier(name) }),
  });
  onTestFinished(() => node.stop());
  return { node, clock };
}

export const startLog = (node: Node, store: EventSource, options?: ChannelLogOptions) =>
  node.start(channelLog, [notes.name, store, options]);

/** Stores an event. */
export const add = (store: MemoryStore, n: number): Promise<StoredEvent> =>
  store.transaction((transaction) => store.append(transaction, notes.event('added', { n })));

/** A process that follows the channel and keeps what it is given. */
export function follow(node: Node, since?: string, options?: Parameters<typeof notes.follow>[2]) {
  const seen: Seen[] = [];
  let follower: Follower | undefined;
  const pid = node.spawn(async (self) => {
    follower = notes.follow(self, since, options);
    for (;;) seen.push(...((await follower.read(await self.receive())) ?? []));
  });
  return { pid, seen, position: () => follower?.position };
}

/** A member that does not follow. */
export function member(node: Node) {
  const got: unknown[] = [];
  const pid = node.spawn(async (self) => {
    notes.join(self);
    for (;;) got.push(await self.receive());
  });
  return { pid, got };
}

export const numbers = (messages: readonly unknown[]) =>
  messages.flatMap((message) => (message instanceof Broadcast ? [(message.payload as { n: number }).n] : []));
export const kinds = (messages: readonly unknown[]) =>
  messages.map((message) => {
    if (message instanceof ChannelReset) return `reset ${message.position}`;
    return message instanceof ChannelLive ? `live ${message.position}` : numbers([message])[0];
  });

/** Lets timers fire that wait for gaps or for the store. */
export async function pass(ms: number, ...sites: readonly Site[]): Promise<void> {
  await settle(sites.map(({ node }) => node));
  await Promise.all(sites.map(({ clock }) => clock.advance(ms)));
  await settle(sites.map(({ node }) => node));
}

/** The store without what tells of new events. */
export function bare(store: MemoryStore): EventSource {
  return {
    read: (...args) => store.read(...args),
    extent: (...args) => store.extent(...args),
    trim: (...args) => store.trim(...args),
  };
}
