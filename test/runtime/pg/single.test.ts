// pg on one node. The cases are those of pg_SUITE's group `basic`, named after them, and what the manual page of pg says.
import { describe, expect, test } from 'vitest';
import { NodeUp, pg, type Pid, type Process, sys } from 'troupe';
import { awaitExit } from 'troupe/testing';

import { inProcess, makeNode, recordTelemetry } from '../process/helpers.ts';
import { forever, keys } from '../distribution/cluster.ts';

function scoped(name = 'scope') {
  const node = makeNode();
  return { node, scope: pg.start(node, name) };
}

describe('basic', () => {
  test('pg: a process joins, is seen, and leaves', async () => {
    const { node, scope } = scoped('pg');
    expect(node.whereis('pg')).toBe(scope);
    await inProcess(node, (self) => {
      expect(pg.join(self, 'pg', 'group')).toBe(undefined);
      expect(pg.getLocalMembers(self, 'pg', 'group')).toEqual([self.pid]);
      expect(pg.whichGroups(self, 'pg')).toEqual(['group']);
      expect(pg.whichLocalGroups(self, 'pg')).toEqual(['group']);
      expect(pg.leave(self, 'pg', 'group')).toBe('ok');
      expect(pg.getMembers(self, 'pg', 'group')).toEqual([]);
      expect(pg.whichGroups(self, 'pg')).toEqual([]);
      expect(pg.whichLocalGroups(self, 'pg')).toEqual([]);
    });
  });

  test('single: joins count, and a process leaves as often as it joined', () => {
    const { node } = scoped();
    const self = forever(node);
    pg.join(node, 'scope', 'g', self);
    pg.join(node, 'scope', 'g', [self, self]);
    expect(pg.getLocalMembers(node, 'scope', 'g')).toEqual([self, self, self]);
    expect(pg.getMembers(node, 'scope', 'g')).toEqual([self, self, self]);
    expect(pg.leave(node, 'scope', '$missing$', self)).toBe('not_joined');
    expect(pg.leave(node, 'scope', 'g', [self, self])).toBe('ok');
    expect(pg.leave(node, 'scope', 'g', self)).toBe('ok');
    expect(pg.leave(node, 'scope', 'g', self)).toBe('not_joined');
    expect(pg.whichGroups(node, 'scope')).toEqual([]);
    expect(pg.getMembers(node, 'scope', 'g')).toEqual([]);
  });

  test('single: a member that ends has left, and reads never find it dead', () => {
    const { node } = scoped();
    const [one, two] = [forever(node), forever(node)];
    pg.join(node, 'scope', 'g', [one, two, one]);
    pg.join(node, 'scope', 'other', [one, one]);
    expect(keys(pg.getMembers(node, 'scope', 'g'))).toEqual(keys([one, one, two]));
    node.exit(one, 'kill');
    expect(pg.getLocalMembers(node, 'scope', 'g')).toEqual([two]);
    expect(pg.whichGroups(node, 'scope')).toEqual(['g']);
    expect(pg.leave(node, 'scope', 'g', one)).toBe('not_joined');
  });

  test('leave_exit_race: the end of a process and its leaving meet in any order', () => {
    const { node } = scoped();
    for (let round = 0; round < 100; round++) {
      const pid = node.spawn(() => undefined);
      pg.join(node, 'scope', 'test', pid);
      if (round % 2 === 0) node.exit(pid, 'kill');
      expect(pg.leave(node, 'scope', 'test', pid)).toBe(round % 2 === 0 ? 'not_joined' : 'ok');
    }
    expect(pg.whichGroups(node, 'scope')).toEqual([]);
  });

  test('errors: no scope', async () => {
    const node = makeNode();
    const pid = forever(node);
    for (const run of [
      () => pg.join(node, 'none', 'g', pid),
      () => pg.leave(node, 'none', 'g', pid),
      () => pg.whichGroups(node, 'none'),
      () => pg.whichLocalGroups(node, 'none'),
    ]) {
      expect(run).toThrow(expect.objectContaining({ code: 'TROUPE_NO_SCOPE', reason: 'noproc' }));
    }
    expect(pg.getMembers(node, 'none', 'g')).toEqual([]);
    expect(pg.getLocalMembers(node, 'none', 'g')).toEqual([]);
    await inProcess(node, (self) => {
      expect(() => pg.monitor(self, 'none', 'g')).toThrow(/TROUPE_NO_SCOPE/);
      expect(() => pg.monitorScope(self, 'none')).toThrow(/TROUPE_NO_SCOPE/);
      expect(() => pg.demonitor(self, 'none', self.node.makeRef())).toThrow(/TROUPE_NO_SCOPE/);
    });
  });

  test('process_owner_check: only pids of this node', () => {
    const { node } = scoped();
    const local = forever(node);
    const other = forever(makeNode({ name: 'other@host' }));
    const old = forever(makeNode({ creation: node.origin.creation === 5 ? 6 : 5 }));
    for (const pids of [other, [local, other], old, undefined, [undefined], 'pid']) {
      expect(() => pg.join(node, 'scope', 'g', pids as Pid)).toThrow(
        expect.objectContaining(
          pids === undefined
            ? { code: 'TROUPE_BAD_ARGUMENT' }
            : { code: 'TROUPE_NOT_LOCAL', reason: 'nolocal' },
        ),
      );
      expect(() => pg.leave(node, 'scope', 'g', pids as Pid)).toThrow(/TROUPE_/);
    }
    expect(pg.whichGroups(node, 'scope')).toEqual([]);
  });

  test('dyn_distribution: the node itself coming up is not a peer', async () => {
    const { node, scope } = scoped();
    node.send(scope, new NodeUp(node.name));
    const pid = forever(node);
    pg.join(node, 'scope', 'g', pid);
    await inProcess(node, () => undefined);
    expect(pg.getMembers(node, 'scope', 'g')).toEqual([pid]);
    expect(node.isAlive(scope)).toBe(true);
  });

  test('errors: what is not understood is ignored and published, where OTP crashes', async () => {
    const { node, scope } = scoped();
    const events = recordTelemetry('troupe:pg:bad_message');
    node.send(scope, 'garbage');
    await inProcess(node, () => undefined);
    expect(events).toEqual([{ scope: 'scope', node: node.name, message: 'garbage' }]);
    expect(node.isAlive(scope)).toBe(true);
  });
});

describe('joining and leaving', () => {
  test('of no process, and of processes that have ended, makes no group', () => {
    const { node } = scoped();
    const dead = forever(node);
    node.exit(dead, 'kill');
    expect(pg.join(node, 'scope', 'g', [])).toBe(undefined);
    expect(pg.join(node, 'scope', 'g', [dead])).toBe(undefined);
    expect(pg.leave(node, 'scope', 'g', [])).toBe('not_joined');
    expect(pg.whichGroups(node, 'scope')).toEqual([]);
  });

  test('leave of a list says not_joined only when none had joined', () => {
    const { node } = scoped();
    const [one, two] = [forever(node), forever(node)];
    pg.join(node, 'scope', 'g', one);
    expect(pg.leave(node, 'scope', 'g', [two, one])).toBe('ok');
    expect(pg.leave(node, 'scope', 'g', [two, one])).toBe('not_joined');
  });

  test('leave takes a process out of one place of many', () => {
    const { node } = scoped();
    const pids = Array.from({ length: 20 }, () => forever(node));
    pg.join(node, 'scope', 'g', pids);
    const left = new Set<Pid>();
    for (const index of [19, 0, 7, 3, 12, 18, 1]) {
      left.add(pids[index]!);
      expect(pg.leave(node, 'scope', 'g', pids[index]!)).toBe('ok');
      expect(keys(pg.getMembers(node, 'scope', 'g'))).toEqual(keys(pids.filter((pid) => !left.has(pid))));
    }
  });

  test('a process of many groups leaves all of them when it ends', () => {
    const { node } = scoped();
    const [one, two] = [forever(node), forever(node)];
    for (let group = 0; group < 1_000; group++)
      pg.join(node, 'scope', group, group % 10 === 0 ? [one, two] : one);
    expect(pg.whichGroups(node, 'scope')).toHaveLength(1_000);
    node.exit(one, 'kill');
    expect(pg.whichGroups(node, 'scope')).toEqual(Array.from({ length: 100 }, (_, index) => index * 10));
  });

  test('a process is watched once, however often it joins', () => {
    const { node } = scoped();
    const pid = forever(node);
    const watches = () => {
      let count = 0;
      for (let watch = node.find(pid)?.watchers ?? null; watch !== null; watch = watch.watchNext) count++;
      return count;
    };
    for (let group = 0; group < 50; group++) pg.join(node, 'scope', group, [pid, pid]);
    expect(watches()).toBe(1);
    for (let group = 0; group < 50; group++) pg.leave(node, 'scope', group, pid);
    expect(watches()).toBe(1);
    for (let group = 0; group < 50; group++) pg.leave(node, 'scope', group, pid);
    expect(watches()).toBe(0);
  });

  test('members are snapshots that cannot be changed', () => {
    const { node } = scoped();
    const [one, two] = [forever(node), forever(node)];
    pg.join(node, 'scope', 'g', one);
    const before = pg.getMembers(node, 'scope', 'g');
    expect(pg.getMembers(node, 'scope', 'g')).toBe(before);
    pg.join(node, 'scope', 'g', two);
    expect(before).toEqual([one]);
    expect(Object.isFrozen(before)).toBe(true);
    expect(pg.getMembers(node, 'scope', 'g')).toHaveLength(2);
  });

  test('code outside of processes names the pids; a process that has ended can do nothing', async () => {
    const { node } = scoped();
    expect(() => pg.join(node as unknown as Process, 'scope', 'g')).toThrow(/TROUPE_BAD_ARGUMENT/);
    let self: Process | undefined;
    await inProcess(node, (process) => {
      self = process;
    });
    expect(() => pg.join(self!, 'scope', 'g')).toThrow(/TROUPE_PROCESS_DEAD/);
    expect(() => pg.getMembers(self!, 'scope', 'g')).toThrow(/TROUPE_PROCESS_DEAD/);
  });
});

describe('scopes', () => {
  test('are independent of each other', () => {
    const { node } = scoped('one');
    pg.start(node, 'two');
    const pid = forever(node);
    pg.join(node, 'one', 'g', pid);
    expect(pg.getMembers(node, 'two', 'g')).toEqual([]);
  });

  test('exist once under a name', () => {
    const { node } = scoped();
    expect(() => pg.start(node, 'scope')).toThrow(/TROUPE_NAME_TAKEN/);
    node.register('other', forever(node));
    expect(() => pg.start(node, 'other')).toThrow(/TROUPE_NAME_TAKEN/);
  });

  test('scope_restart: membership is not kept, and members of the old one are not watched any more', async () => {
    const { node, scope } = scoped();
    const pid = forever(node);
    pg.join(node, 'scope', 'g', pid);
    node.exit(scope, 'kill');
    expect(pg.getMembers(node, 'scope', 'g')).toEqual([]);
    expect(node.find(pid)?.watchers).toBe(null);
    expect(() => pg.join(node, 'scope', 'g', pid)).toThrow(/TROUPE_NO_SCOPE/);
    pg.start(node, 'scope');
    expect(pg.getMembers(node, 'scope', 'g')).toEqual([]);
    pg.join(node, 'scope', 'g', pid);
    expect(pg.getMembers(node, 'scope', 'g')).toEqual([pid]);
  });

  test('start_link: a scope ends with the process that started it', async () => {
    const node = makeNode();
    let scope: Pid | undefined;
    const owner = node.spawn(async (self) => {
      scope = pg.startLink(self, 'linked');
      await self.receive();
    });
    await inProcess(node, () => undefined);
    expect(node.whereis('linked')).toBe(scope);
    const ended = awaitExit(node, scope!);
    node.exit(owner, 'shutdown');
    expect(await ended).toBe('shutdown');
  });

  test('answer system messages; a suspended one goes on to know its own members', async () => {
    const { node, scope } = scoped();
    const pid = forever(node);
    pg.join(node, 'scope', 'g', pid);
    expect(await sys.getState(node, 'scope')).toEqual({ scope: 'scope', local: [['g', [pid]]], peers: [] });
    await sys.suspend(node, scope);
    expect((await sys.getStatus(node, scope)).status).toBe('suspended');
    expect(pg.leave(node, 'scope', 'g', pid)).toBe('ok');
    await sys.resume(node, scope);
    await expect(sys.replaceState(node, scope, () => ({}))).rejects.toThrow(/TROUPE_SYSTEM_FAILED/);
    const ended = awaitExit(node, scope);
    await sys.terminate(node, scope, 'shutdown');
    expect(await ended).toBe('shutdown');
  });

  test('can be started as servers are', async () => {
    const node = makeNode();
    const started = await node.start(pg.scope('rooms'));
    expect(started).toEqual({ name: 'rooms', pid: node.whereis('rooms') });
    await expect(node.start(pg.scope('rooms'))).rejects.toThrow(/TROUPE_NAME_TAKEN/);
    const linked = await inProcess(node, async (self) => {
      self.trapExit(true);
      const { pid } = await self.startLink(pg.scope('linked'));
      node.exit(pid, 'kill');
      return await self.receive();
    });
    expect(linked).toMatchObject({ reason: 'killed' });
  });
});
