// Links: erlang:link/1, erlang:unlink/1, and the reference manual, "Processes", section "Links".
import { Exit } from 'troupe';
import { createProbe, settle } from 'troupe/testing';
import { expect, test } from 'vitest';
import { deaf, idle, inProcess, makeNode } from './helpers.ts';

test('erlang:link/1: links go both ways', async () => {
  const node = makeNode();
  const [a, b] = [createProbe(node), createProbe(node)];
  a.link(b.pid);
  expect(node.processInfo(a.pid)?.links).toEqual([b.pid]);
  expect(node.processInfo(b.pid)?.links).toEqual([a.pid]);
  a.stop('first');
  expect(await b.receive()).toEqual(new Exit(a.pid, 'first'));
});

test('erlang:link/1: a link that is there already is not made again: there is one between two processes', async () => {
  const node = makeNode();
  const [a, b] = [createProbe(node), createProbe(node)];
  a.link(b.pid);
  a.link(b.pid);
  b.link(a.pid);
  expect(node.processInfo(a.pid)?.links).toEqual([b.pid]);
  a.stop('once');
  await settle(node);
  expect(b.messages()).toEqual([new Exit(a.pid, 'once')]);
});

test('erlang:link/1: to oneself has no effect', async () => {
  const node = makeNode();
  const probe = createProbe(node);
  probe.link(probe.pid);
  expect(node.processInfo(probe.pid)?.links).toEqual([]);
  await probe.expectNone();
});

test('erlang:link/1: no such process, exits not trapped: error noproc', async () => {
  const node = makeNode();
  const dead = node.spawn(() => undefined);
  await settle(node);
  await expect(inProcess(node, (self) => self.link(dead))).rejects.toMatchObject({
    code: 'TROUPE_NOPROC',
    reason: 'noproc',
    message: `${dead.toString()} is not alive. Start the process first, or trap exits when linking to one that may be gone. [TROUPE_NOPROC]`,
  });
});

test('erlang:link/1: no such process, exits trapped: an exit with noproc arrives, from that pid', async () => {
  const node = makeNode();
  const probe = createProbe(node);
  const dead = node.spawn(() => undefined);
  await settle(node);
  probe.link(dead);
  expect(await probe.receive()).toEqual(new Exit(dead, 'noproc'));
  expect(node.processInfo(probe.pid)?.links).toEqual([]);
});

test('erlang:unlink/1: afterwards no exit goes either way', async () => {
  const node = makeNode();
  const [a, b] = [createProbe(node), createProbe(node, { trapExit: false })];
  a.link(b.pid);
  b.unlink(a.pid);
  expect([node.processInfo(a.pid)?.links, node.processInfo(b.pid)?.links]).toEqual([[], []]);
  a.stop('unnoticed');
  await b.expectNone();
  expect(b.alive).toBe(true);
});

test('erlang:unlink/1: one call is enough however often link was called', async () => {
  const node = makeNode();
  const [a, b] = [createProbe(node), createProbe(node)];
  a.link(b.pid);
  a.link(b.pid);
  a.unlink(b.pid);
  b.stop('unnoticed');
  await settle(node);
  expect(a.messages()).toEqual([]);
});

test('erlang:unlink/1: an exit that has become a message stays in the mailbox', async () => {
  const node = makeNode();
  await inProcess(
    node,
    async (self) => {
      const child = self.spawnLink(idle);
      self.exit(child, 'early');
      self.unlink(child);
      expect(await self.receive()).toEqual(new Exit(child, 'early'));
    },
    { trapExit: true },
  );
});

test('erlang:unlink/1: of a process that is not linked, not alive or oneself has no effect', async () => {
  const node = makeNode();
  const probe = createProbe(node);
  const dead = node.spawn(() => undefined);
  const stranger = node.spawn(idle);
  await settle(node);
  for (const pid of [dead, stranger, probe.pid]) expect(() => probe.unlink(pid)).not.toThrow();
});

test('reference manual, "Links": when a process ends its links are gone', async () => {
  const node = makeNode();
  const [a, b] = [createProbe(node), createProbe(node)];
  a.link(b.pid);
  a.stop('gone');
  expect(node.processInfo(b.pid)?.links).toEqual([]);
  await b.receive();
  const again = createProbe(node);
  again.link(b.pid);
  expect(node.processInfo(b.pid)?.links).toEqual([again.pid]);
});

test('links are between two processes: linking with one more ends no other link', async () => {
  const node = makeNode();
  const hub = createProbe(node);
  const spokes = Array.from({ length: 5 }, () => createProbe(node));
  for (const spoke of spokes) spoke.link(hub.pid);
  spokes[2]?.unlink(hub.pid);
  hub.stop('hub down');
  await settle(node);
  expect(spokes.map((spoke) => spoke.messages().length)).toEqual([1, 1, 0, 1, 1]);
});

test('a dead process cannot link, nor do anything else', async () => {
  const node = makeNode();
  const other = node.spawn(deaf);
  const probe = createProbe(node);
  const { self } = probe;
  const ref = self.monitor(other);
  probe.stop();
  const attempts: Array<() => unknown> = [
    () => self.link(other),
    () => self.unlink(other),
    () => self.monitor(other),
    () => self.demonitor(ref),
    () => self.send(other, 1),
    () => self.sendAfter(1, other, 1),
    () => self.spawn(idle),
    () => self.spawnLink(idle),
    () => self.spawnMonitor(idle),
    () => self.spawnWith({}, idle),
    () => self.exit(other, 'kill'),
    () => self.exit('again'),
    () => self.trapExit(true),
    () => self.receive(),
  ];
  for (const attempt of attempts) {
    expect(attempt).toThrow(expect.objectContaining({ code: 'TROUPE_PROCESS_DEAD' }));
  }
  await settle(node);
  expect(node.processInfo(other)).toMatchObject({ messageQueueLength: 0, links: [], monitoredBy: [] });
});
