// Supervisors and other nodes: requests from there (`SupRef` of the OTP module `supervisor` may be {Name, Node}), and children
// that live there.
import { describe, expect, test } from 'vitest';
import {
  atom,
  call,
  childTemplate,
  defineDynamicSupervisor,
  defineServer,
  defineSupervisor,
  dynamicSupervisorRef,
  type Node,
  type Pid,
  type Process,
  supervisorRef,
  tuple,
} from 'troupe';
import { awaitExit, settle } from 'troupe/testing';
import { Cluster, collector, forever } from '../distribution/cluster.ts';
import { recordTelemetry } from '../process/helpers.ts';
import { pidOf, workerChild } from './supervisor-helpers.ts';

async function twoNodes(): Promise<{ cluster: Cluster; here: Node; there: Node }> {
  const cluster = new Cluster();
  const [here, there] = cluster.nodes('here@x', 'there@x') as [Node, Node];
  await cluster.mesh([here, there]);
  return { cluster, here, there };
}

describe('requests from another node', () => {
  test('have answers of plain values', async () => {
    const { here, there } = await twoNodes();
    const supervisor = await here.start(defineSupervisor({ children: [workerChild('a')] }), [], {
      name: 'sup',
    });
    const away = supervisorRef(there, { name: 'sup', node: here.name });
    expect(away.toString()).toBe('sup on here@x');
    const [child] = await away.whichChildren();
    expect(child).toMatchObject({ id: 'a', status: 'running', type: 'worker' });
    expect(child?.pid?.equals(await pidOf(supervisor, 'a'))).toBe(true);
    expect(await away.countChildren()).toEqual({ specs: 1, active: 1, supervisors: 0, workers: 1 });
    const spec = await away.getChildSpec('a');
    expect(spec).toMatchObject({ ok: true, spec: { id: 'a', restart: 'permanent', shutdown: 5_000 } });
    expect(await away.terminateChild('a')).toEqual({ ok: true });
    const restarted = await away.restartChild('a');
    expect(restarted.ok && restarted.pid?.equals(await pidOf(supervisor, 'a'))).toBe(true);
    expect(await away.deleteChild('a')).toEqual({ ok: false, error: 'running' });
    await away.stop('shutdown');
    expect(here.isAlive(supervisor.pid)).toBe(false);
  });

  test('start dynamic children', async () => {
    const { here, there } = await twoNodes();
    const server = defineServer({
      name: 'echo',
      init: (_self, word: string) => {
        if (word === '') throw new Error('no word');
        return word;
      },
      call: { word: (word) => word },
    });
    const many = defineDynamicSupervisor({ child: childTemplate(server) });
    const local = await here.start(many);
    const away = dynamicSupervisorRef(there, many, local.pid);
    const started = await away.startChild(['hello']);
    if (!started.ok || started.pid === undefined) throw new Error('not started');
    expect(started.handle).toBeUndefined();
    expect(await call(there, started.pid, 'word', undefined)).toBe('hello');
    expect(await away.startChild([''])).toEqual({
      ok: false,
      error: 'start_failed',
      reason: 'Error: no word',
    });
    expect(await away.terminateChild(started.pid)).toEqual({ ok: true });
    expect(await local.countChildren()).toMatchObject({ workers: 0 });
  });

  test('that are wrong are refused; the supervisor goes on', async () => {
    const { here, there } = await twoNodes();
    const supervisor = await here.start(defineSupervisor({ children: [workerChild('a')] }));
    const many = await here.start(defineDynamicSupervisor({ child: { start: () => undefined } }));
    const reports = recordTelemetry('troupe:server:unexpected');
    const refused = tuple(atom('error'), tuple(atom('bad_request'), expect.any(String) as unknown));
    expect(await call(there, supervisor.pid, 'start_child', { id: 'b' })).toEqual(refused);
    expect(await call(there, supervisor.pid, 'start_child', null)).toEqual(refused);
    expect(await call(there, supervisor.pid, 'eat_child', 'a')).toEqual(refused);
    expect(await call(there, many.pid, 'start_child', 'a')).toEqual(refused);
    expect(await call(there, supervisor.pid, 'delete_child', [1])).toEqual(
      tuple(atom('error'), atom('not_found')),
    );
    expect(reports).toMatchObject([{ kind: 'call', message: { name: 'eat_child', argument: 'a' } }]);
    expect(await supervisor.countChildren()).toMatchObject({ active: 1 });
  });
});

describe('a child on another node', () => {
  /** A supervisor here of a process there, which is started as often as asked. */
  async function supervised(shutdown: 'brutal_kill' | 5_000 = 5_000) {
    const { cluster, here, there } = await twoNodes();
    const pids: Pid[] = [];
    const start = (self: Process): Pid => {
      const pid = forever(there);
      self.link(pid);
      pids.push(pid);
      return pid;
    };
    const children = [{ id: 'away', start, shutdown }, workerChild('near')];
    const supervisor = await here.start(defineSupervisor({ intensity: 3, children }));
    await cluster.settle();
    return { cluster, here, there, supervisor, pids };
  }

  test('is restarted when it ends', async () => {
    const { cluster, there, supervisor, pids } = await supervised();
    there.exit(pids[0] as Pid, 'boom');
    await cluster.settle();
    expect(pids).toHaveLength(2);
    expect(pids[1]?.equals(await pidOf(supervisor, 'away'))).toBe(true);
    expect(await supervisor.countChildren()).toMatchObject({ active: 2 });
  });

  test('is restarted when the connection is lost', async () => {
    const { cluster, here, there, supervisor, pids } = await supervised();
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    here.disconnect(there.name);
    await cluster.settle();
    expect(reports).toMatchObject([{ id: 'away', reason: 'noconnection', context: 'child_terminated' }]);
    expect(pids).toHaveLength(2);
    expect(await supervisor.countChildren()).toMatchObject({ active: 2 });
  });

  test.each(['brutal_kill', 5_000] as const)('is stopped with %s, and nothing is left', async (shutdown) => {
    const { cluster, here, there, supervisor, pids } = await supervised(shutdown);
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    const ended = awaitExit(there, pids[0] as Pid);
    expect(await supervisor.terminateChild('away')).toEqual({ ok: true });
    expect(await ended).toBe(shutdown === 'brutal_kill' ? 'killed' : 'shutdown');
    await cluster.settle();
    expect(reports).toEqual([]);
    expect(here.processInfo(supervisor.pid)?.links).toEqual([await pidOf(supervisor, 'near')]);
    expect(here.find(supervisor.pid)?.mailboxLength).toBe(0);
  });

  test('is given up when the connection is lost while it is stopped', async () => {
    const { cluster, here, there, supervisor } = await supervised();
    const reports = recordTelemetry('troupe:supervisor:child_terminated');
    cluster.network.hold(here.name, there.name);
    const terminating = supervisor.terminateChild('away');
    await settle(here);
    cluster.network.cut(here.name, there.name);
    expect(await terminating).toEqual({ ok: true });
    expect(reports).toMatchObject([{ id: 'away', reason: 'noconnection', context: 'shutdown_error' }]);
  });

  test('that knows nothing of the supervisor is linked by it', async () => {
    const { cluster, here, there } = await twoNodes();
    const { pid } = collector(there);
    const children = [{ id: 'a', start: () => pid, restart: 'temporary' as const }];
    const supervisor = await here.start(defineSupervisor({ children }));
    await cluster.settle();
    there.exit(pid, 'boom');
    await cluster.settle();
    expect(await supervisor.whichChildren()).toEqual([]);
  });
});
