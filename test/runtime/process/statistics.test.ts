// The figures of a node: each is checked against what the node is made to do.
import { expect, test } from 'vitest';
import { nodeStatistics } from 'troupe';
import { deaf, idle, inProcess, makeNode } from './helpers.ts';

test('a new node has its init process, and room for as many as its option says', () => {
  const node = makeNode({ maxProcesses: 2_000 });
  expect(nodeStatistics(node)).toMatchObject({
    processes: 1,
    processLimit: 2_000,
    awaiting: 0,
    longestMailbox: 0,
  });
});

test('processes that have not run yet stand in the run queue', async () => {
  const node = makeNode();
  await inProcess(node, () => undefined);
  for (let n = 0; n < 5; n++) node.spawn(idle);
  expect(nodeStatistics(node)).toMatchObject({ processes: 6, runQueue: 5 });
  await inProcess(node, () => undefined);
  expect(nodeStatistics(node)).toMatchObject({ processes: 6, runQueue: 0 });
});

test('mailboxes are added up, and the longest is named', async () => {
  const node = makeNode();
  const [a, b] = [node.spawn(deaf), node.spawn(deaf)];
  await inProcess(node, () => undefined);
  for (let n = 0; n < 3; n++) node.send(a, n);
  for (let n = 0; n < 7; n++) node.send(b, n);
  await inProcess(node, () => undefined);
  expect(nodeStatistics(node)).toMatchObject({ messagesWaiting: 10, longestMailbox: 7 });
});

test('messages count as handled also when their process has ended', async () => {
  const node = makeNode();
  const before = nodeStatistics(node);
  const pid = node.spawn(idle);
  for (let n = 0; n < 100; n++) node.send(pid, n);
  await inProcess(node, () => undefined);
  node.exit(pid, 'kill');
  const after = nodeStatistics(node);
  expect(after.messagesHandled - before.messagesHandled).toBe(100);
  expect(after.turns).toBeGreaterThan(before.turns);
});

test('a process that waits for a promise of its own is awaiting', async () => {
  const node = makeNode();
  let settle: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    settle = resolve;
  });
  node.spawn(() => held);
  await inProcess(node, () => undefined);
  expect(nodeStatistics(node).awaiting).toBe(1);
  settle();
  await held;
  await inProcess(node, () => undefined);
  expect(nodeStatistics(node).awaiting).toBe(0);
});
