// What a program does in the very moment at which it is told that a node is up.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { NodeDown, NodeUp } from 'troupe';
import { expect, onTestFinished, test } from 'vitest';
import { collector } from '../cluster.ts';
import { SOON, startSite } from './raw-peer.ts';

/** Calls something when a node is told that another is up. */
function whenUp(node: string, then: () => void): void {
  const listener = (message: unknown): void => {
    if ((message as { node: string }).node === node) then();
  };
  subscribe('troupe:node:up', listener);
  onTestFinished(() => void unsubscribe('troupe:node:up', listener));
}

test('it sends more than may wait: the connection ends, and both nodes hear of it', async () => {
  const limit = 10;
  const [one, two] = [await startSite('one@up', { maxPendingSignals: limit }), await startSite('two@up')];
  const [here, there] = [collector(one.node), collector(two.node)];
  one.node.monitorNodes(here.pid, true);
  two.node.monitorNodes(there.pid, true);
  whenUp('one@up', () => one.node.send(there.pid, 'one more'));
  for (let sent = 0; sent < limit; sent++) one.node.send(there.pid, sent);
  await expect
    .poll(() => here.got, SOON)
    .toEqual([new NodeUp('two@up'), new NodeDown('two@up', 'queue_full')]);
  await expect.poll(() => there.got, SOON).toHaveLength(2);
  expect(there.got[1]).toBeInstanceOf(NodeDown);
  expect(one.carrier.peers()).toEqual([]);
});

test('it stops its node: no connection is left', async () => {
  const [one, two] = [await startSite('first@up'), await startSite('second@up')];
  const there = collector(two.node);
  two.node.monitorNodes(there.pid, true);
  let stopped: Promise<void> | undefined;
  whenUp('first@up', () => {
    stopped = one.node.stop();
  });
  await one.node.connect('second@up');
  await stopped;
  await expect.poll(() => two.carrier.peers(), SOON).toEqual([]);
  expect(two.node.nodes()).toEqual([]);
});
