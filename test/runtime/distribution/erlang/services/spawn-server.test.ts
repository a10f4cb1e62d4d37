// SPAWN_REQUEST: functions that other nodes call here, and everything else that they would like to run (erpc.erl,
// erl_dist_protocol).
import { describe, expect, test } from 'vitest';
import { atom, type Pid, type Process, Ref, tuple, Tuple } from 'troupe';
import {
  FLAGS,
  OWN_FLAGS,
  type SpawnRequest,
} from '../../../../../src/runtime/distribution/erlang/internal.ts';
import { exposeFunction } from 'troupe/erlang';
import { makeGate, recordTelemetry } from '../../../process/helpers.ts';
import { type FakePeer, makeSite, type Site } from './fake-peer.ts';

const gate = makeGate();
const seen: unknown[] = [];

const expose = {
  calculator: {
    add: (_self: Process, a: number, b: number) => a + b,
    later: async (_self: Process, value: unknown) => value,
    any: exposeFunction((_self, ...values: unknown[]) => values, { arity: [0, 3] }),
    fail: () => {
      throw new TypeError('bad day');
    },
    throws: (_self: Process, value: unknown) => {
      throw value;
    },
    exits: (self: Process, reason: unknown) => self.exit(reason),
    exitsLater: async (self: Process, reason: unknown) => {
      await Promise.resolve();
      self.exit(reason);
    },
    unsendable: () => () => 'a function',
    waits: async (self: Process) => {
      seen.push(self.node.processInfo(self.pid)?.groupLeader);
      await gate.opened;
    },
    notes: (_self: Process, value: unknown) => void seen.push(value),
  },
};

/** What a request of `erpc:call` looks like. */
function requestFrom(peer: FakePeer, more: Partial<SpawnRequest> = {}): SpawnRequest & { readonly tag: Ref } {
  const tag = peer.ref();
  return {
    tag,
    ref: peer.ref(),
    from: peer.pid(),
    groupLeader: peer.pid(),
    module: atom('erpc'),
    function: atom('execute_call'),
    arity: 4,
    options: [atom('monitor')],
    args: [],
    ...more,
  };
}

function ask(site: Site, peer: FakePeer, name: string, args: readonly unknown[], module = 'calculator') {
  const request = requestFrom(peer);
  const complete = { ...request, args: [request.tag, atom(module), atom(name), args] };
  site.services.spawnRequest(peer, complete);
  return complete;
}

/** The elements of a control message that was sent. */
function control(peer: FakePeer, index: number): readonly unknown[] {
  const [sent] = peer.controls[index] ?? [];
  return sent instanceof Tuple ? sent.elements : [];
}

/** The answer to the request, and what its process has ended with. */
function answers(peer: FakePeer): { pid: unknown; outcome: unknown } {
  expect(control(peer, 1)[0]).toBe(28);
  return { pid: control(peer, 0)[4], outcome: peer.controls[1]?.[1] };
}

describe('functions of the allow-list', () => {
  test('the reply with the pid comes first, then the end of the process with what was returned', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const { ref, from, tag } = ask(site, peer, 'add', [1, 2]);
    expect(peer.controls).toEqual([[tuple(31, ref, from, 2, expect.anything())]]);
    await site.settle();
    const { pid } = answers(peer);
    expect(peer.controls[1]).toEqual([tuple(28, pid, from, ref), tuple(tag, atom('return'), 3)]);
    expect(peer.controls).toHaveLength(2);
    expect(site.node.isAlive(pid as Pid)).toBe(false);
    expect(site.node.router.connectedPeer(peer.name)?.incoming.size).toBe(0);
  });

  test.each([
    ['later', ['value'], (tag: Ref) => tuple(tag, atom('return'), 'value')],
    ['any', [1, 2, 3], (tag: Ref) => tuple(tag, atom('return'), [1, 2, 3])],
    ['any', [], (tag: Ref) => tuple(tag, atom('return'), [])],
    ['throws', ['ball'], (tag: Ref) => tuple(tag, atom('throw'), 'ball')],
    ['exits', ['normal'], (tag: Ref) => tuple(tag, atom('exit'), atom('normal'))],
    ['exits', [['shutdown', 'x']], (tag: Ref) => tuple(tag, atom('exit'), tuple(atom('shutdown'), 'x'))],
    ['exitsLater', ['bye'], (tag: Ref) => tuple(tag, atom('exit'), 'bye')],
  ])('%s(%j)', async (name, args, outcome) => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const { tag } = ask(site, peer, name, args);
    await site.settle();
    expect(answers(peer).outcome).toEqual(outcome(tag));
  });

  test('an error is described, and says in which function it was', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const { tag } = ask(site, peer, 'fail', []);
    await site.settle();
    const described = expect.objectContaining({ name: 'TypeError', message: 'bad day' });
    const stack = [tuple(atom('calculator'), atom('fail'), 0, [])];
    expect(answers(peer).outcome).toEqual(tuple(tag, atom('error'), described, stack));
  });

  test('what cannot leave the node is an error of the caller', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const { tag } = ask(site, peer, 'unsendable', []);
    await site.settle();
    expect(answers(peer).outcome).toEqual(
      tuple(tag, atom('error'), tuple(atom('not_encodable'), expect.stringContaining('function')), []),
    );
  });

  test('the outcome is in the control message for a node that knows no payloads of exits', async () => {
    const site = makeSite({ expose });
    const peer = site.peer('old@x', OWN_FLAGS & ~FLAGS.EXIT_PAYLOAD);
    const { ref, from, tag } = ask(site, peer, 'add', [1, 2]);
    await site.settle();
    const outcome = tuple(tag, atom('return'), 3);
    expect(peer.controls[1]).toEqual([tuple(21, expect.anything(), from, ref, outcome)]);
  });

  test('the group leader of the process is the one of the caller; the end of the process is reported', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const { groupLeader, from, ref } = ask(site, peer, 'waits', []);
    await site.settle();
    expect(seen.pop()).toBe(groupLeader);
    const pid = control(peer, 0)[4] as Pid;
    peer.receive({ op: 'exit', from, to: pid, reason: 'kill' });
    expect(site.carrier.sent.map(({ signal }) => signal)).toContainEqual({
      op: 'down',
      target: pid,
      to: from,
      ref,
      reason: 'killed',
    });
    expect(peer.controls).toHaveLength(1);
  });

  test('the monitor can be ended', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const { from, ref } = ask(site, peer, 'add', [1, 2]);
    const target = control(peer, 0)[4] as Pid;
    peer.receive({ op: 'demonitor', from, target, ref });
    await site.settle();
    expect(peer.controls).toHaveLength(1);
  });

  test('a link', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const request = requestFrom(peer, { options: [tuple(atom('priority'), atom('high')), atom('link')] });
    const args = [request.tag, atom('calculator'), atom('add'), [1, 2]];
    site.services.spawnRequest(peer, { ...request, args });
    const [, , , flags, pid] = control(peer, 0);
    expect(flags).toBe(1);
    await site.settle();
    expect(site.carrier.sent.map(({ signal }) => signal)).toContainEqual({
      op: 'exitLink',
      from: pid,
      to: request.from,
      reason: tuple(request.tag, atom('return'), 3),
    });
  });

  test('a cast', async () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    site.services.spawnRequest(
      peer,
      requestFrom(peer, {
        function: atom('execute_cast'),
        arity: 3,
        options: [],
        args: [atom('calculator'), atom('notes'), ['cast']],
      }),
    );
    await site.settle();
    expect(seen.pop()).toBe('cast');
    expect(peer.controls).toHaveLength(1);
  });
});

describe('what is not exposed', () => {
  test.each([
    ['another function', 'calculator', 'remove', []],
    ['another arity', 'calculator', 'add', [1]],
    ['another module', 'os', 'cmd', ['ls']],
    ['what objects inherit', 'calculator', 'constructor', []],
  ])('%s: the caller gets the error of an undefined function', async (_what, module, name, args) => {
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const site = makeSite({ expose });
    const peer = site.peer();
    const { tag } = ask(site, peer, name, args, module);
    await site.settle();
    const stack = [tuple(atom(module), atom(name), args, [])];
    expect(answers(peer).outcome).toEqual(tuple(tag, atom('error'), atom('undef'), stack));
    expect(dropped).toMatchObject([{ peer: peer.name, what: expect.stringContaining(`${module}:${name}`) }]);
  });

  test('a cast of such a function is only reported', async () => {
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const site = makeSite();
    const peer = site.peer();
    const args = [atom('os'), atom('cmd'), ['ls']];
    site.services.spawnRequest(
      peer,
      requestFrom(peer, { function: atom('execute_cast'), arity: 3, options: [], args }),
    );
    await site.settle();
    expect(dropped).toHaveLength(1);
  });

  test.each<[string, Partial<SpawnRequest>]>([
    ['a fun', { module: atom('erlang'), function: atom('apply'), arity: 2, args: ['fun', []] }],
    ['another function of erpc', { function: atom('call'), arity: 4, args: [1, 2, 3, 4] }],
    ['no tag', { args: ['tag', atom('calculator'), atom('add'), [1, 2]] }],
    ['no arguments', { args: 'none' }],
    ['another number of arguments than it says', { arity: 3, args: [1, 2, 3, 4] }],
    ['no list of arguments', { args: [new Ref({} as never, 1, 1), atom('a'), atom('b'), 'c'] }],
    ['no module', { args: [new Ref({} as never, 1, 1), 'a', atom('b'), []] }],
    ['too many arguments', { args: [new Ref({} as never, 1, 1), atom('a'), atom('b'), Array(256).fill(0)] }],
  ])('%s is not supported', (_what, more) => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const request = requestFrom(peer, more);
    site.services.spawnRequest(peer, request);
    expect(peer.controls).toEqual([[tuple(31, request.ref, request.from, 0, atom('notsup'))]]);
  });

  test.each([['none'], [[tuple(atom('reply'), atom('yes'))]], [['monitor']]])('options %j', (options) => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const request = requestFrom(peer, { options });
    site.services.spawnRequest(peer, request);
    expect(peer.controls).toEqual([[tuple(31, request.ref, request.from, 0, atom('badopt'))]]);
  });

  test('a request in the name of a third node is left out', () => {
    const site = makeSite({ expose });
    const peer = site.peer();
    const other = site.peer('other@x');
    site.services.spawnRequest(peer, requestFrom(peer, { from: other.pid() }));
    expect([...peer.controls, ...other.controls]).toEqual([]);
  });
});

describe('limits', () => {
  test('how many functions run for one node at a time', async () => {
    const site = makeSite({ expose, maxExecutions: 2 });
    const peer = site.peer();
    const other = site.peer('other@x');
    for (let index = 0; index < 3; index++) ask(site, peer, 'waits', []);
    ask(site, other, 'waits', []);
    const replies = [0, 1, 2].map((index) => control(peer, index)[4]);
    expect(replies[2]).toBe(atom('system_limit'));
    expect(control(other, 0)[3]).toBe(2);
    peer.receive({ op: 'exit', from: peer.pid(), to: replies[0] as Pid, reason: 'kill' });
    ask(site, peer, 'waits', []);
    expect(control(peer, 3)[3]).toBe(2);
  });

  test('how many processes the node has', () => {
    const site = makeSite({ expose }, { maxProcesses: 6 });
    const peer = site.peer();
    ask(site, peer, 'add', [1, 2]);
    expect(control(peer, 0).slice(3)).toEqual([0, atom('system_limit')]);
  });
});
