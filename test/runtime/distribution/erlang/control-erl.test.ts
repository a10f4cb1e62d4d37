// Each family of control messages between a node of Troupe and one of OTP, both ways. A BEAM node closes the connection over
// anything that it does not understand: it has to be the same one at the end.
import { createHash } from 'node:crypto';
import {
  atom,
  call,
  createNode,
  defineServer,
  Down,
  Exit,
  type Node,
  NodeDown,
  type Pid,
  text,
  tuple,
} from 'troupe';
import { createErlangCarrier, type ErlangCarrier, erpc } from 'troupe/erlang';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Epmd, type ErlNode, freePort, startEpmd, startErl, TEST_COOKIE } from '../../../support/erl.ts';
import { requirePart } from '../../../support/parts.ts';
import { recordTelemetry } from '../../process/helpers.ts';
import { collector, forever } from '../cluster.ts';
import { puppet } from '../pair.ts';
import { SOON } from './raw-peer.ts';

const part = requirePart('erl');
const BEAM = 'control_beam@127.0.0.1';
const HERE = 'control_troupe@127.0.0.1';

/** Starts processes that are told what to do: `{eval, Fun}` runs a function, all else is kept; `{kept, From}` asks for it. */
const PUPPETS = `
  Loop = fun Loop(Kept) ->
    receive
      {'$do', Fun} -> Fun(), Loop(Kept);
      {'$kept', From} -> From ! {kept, lists:reverse(Kept)}, Loop(Kept);
      Message -> Loop([Message | Kept])
    end
  end,
  [register(Name, spawn(fun() -> process_flag(trap_exit, Trap), Loop([]) end)) || {Name, Trap} <- [{plain, false}, {trapping, true}]],
  ok`;

describe.skipIf(part.missing)('with a BEAM node', () => {
  let epmd: Epmd;
  let beam: ErlNode;
  let node: Node;
  let carrier: ErlangCarrier;

  beforeAll(async () => {
    epmd = await startEpmd(await freePort());
    beam = await startErl({ name: BEAM, epmdPort: epmd.port });
    carrier = createErlangCarrier({
      cookie: TEST_COOKIE,
      epmd: 'client',
      epmdPort: epmd.port,
      expose: { here: { add: (_self, a: number, b: number) => a + b } },
    });
    node = createNode({ name: HERE, carrier });
    await carrier.ready();
  });
  afterAll(async () => {
    await node.stop();
    await beam.stop();
    await epmd.stop();
  });
  afterEach(async () => {
    await beam.eval('[exit(P, kill) || N <- [plain, trapping], P <- [whereis(N)], is_pid(P)]');
    await vi.waitFor(async () => {
      if ((await beam.eval('[whereis(plain), whereis(trapping)]')) !== '[undefined,undefined]')
        throw new Error('there');
    }, SOON);
    for (const name of ['named', 'watched', 'srv', 'texts']) {
      const pid = node.whereis(name);
      if (pid !== undefined) node.exit(pid, 'kill');
    }
  });

  /** The pids of the two processes of the BEAM node, and whether the connection is the same at the end. */
  async function begin() {
    const downs = recordTelemetry('troupe:node:down');
    const bad = recordTelemetry('troupe:distribution:bad_frame');
    await node.connect(BEAM);
    await beam.eval(PUPPETS);
    const whereis = (name: string) =>
      erpc.call(node, BEAM, 'erlang', 'whereis', [atom(name)]) as Promise<Pid>;
    onTestFinished(() => {
      if (downs.length + bad.length > 0)
        throw new Error(`the connection was lost: ${JSON.stringify([downs, bad])}`);
    });
    return { plain: await whereis('plain'), trapping: await whereis('trapping') };
  }

  /** What one of the processes has received. */
  function kept(name: 'plain' | 'trapping', show = '~0p'): Promise<string> {
    return beam.eval(
      `${name} ! {'$kept', self()}, receive {kept, Kept} -> [lists:flatten(io_lib:format("${show}", [M])) || M <- Kept] end`,
    );
  }

  /** Has one of the processes do something. */
  function act(name: 'plain' | 'trapping', expressions: string): Promise<string> {
    return beam.eval(`${name} ! {'$do', fun() -> ${expressions} end}, ok`);
  }

  /** Waits until what a process of this node has done has reached the BEAM node. */
  async function arrived(): Promise<void> {
    expect(await erpc.call(node, BEAM, 'erlang', 'node')).toBe(atom(BEAM));
  }

  test('messages to pids and names', async () => {
    const { plain } = await begin();
    const { pid, got } = collector(node, 'named');
    node.send(plain, tuple(atom('to_pid'), 1));
    node.send({ name: 'plain', node: BEAM }, 'to a name');
    node.send({ name: 'nobody', node: BEAM }, 'lost');
    await expect.poll(() => kept('plain'), SOON).toBe('["{to_pid,1}","<<\\"to a name\\">>"]');
    node.send(plain, tuple(atom('$kept'), pid));
    await expect.poll(() => got.length, SOON).toBe(1);
    await beam.eval(`{named, '${HERE}'} ! {hello, <<"name">>}, {nobody, '${HERE}'} ! lost, ok`);
    await expect.poll(() => got[1], SOON).toEqual(tuple(atom('hello'), 'name'));
  });

  test('links: exits both ways, unlinks both ways, processes that are not there', async () => {
    const { plain, trapping } = await begin();
    const [one, two, four] = [puppet(node, true), puppet(node, true), puppet(node)];
    const dead = forever(node);
    node.exit(dead, 'kill');
    one.self.link(plain);
    four.self.link(trapping);
    four.self.unlink(trapping);
    four.self.link(trapping);
    two.self.link(
      (await erpc.call(node, BEAM, 'erlang', 'spawn', [atom('erlang'), atom('node'), []])) as Pid,
    );
    await arrived();
    node.send(trapping, tuple(atom('dead_one'), dead));
    node.exit(four.pid, ['shutdown', 'bye']);
    await beam.eval('exit(whereis(plain), boom)');
    await expect.poll(() => one.got.at(-1), SOON).toEqual(new Exit(plain, atom('boom')));
    expect((two.got[0] as Exit | undefined)?.reason).toBe('noproc');
    const exit = `{'EXIT',TroupePid,{shutdown,<<\\"bye\\">>}}`;
    await expect
      .poll(async () => (await kept('trapping')).replaceAll(/<\d+\.\d+\.\d+>/g, 'TroupePid'), SOON)
      .toContain(exit);
    const three = puppet(node, true);
    await act('trapping', `receive P when is_pid(P) -> link(P), unlink(P), link(P) end`);
    node.send(trapping, three.pid);
    await expect.poll(() => node.processInfo(three.pid)?.links.length, SOON).toBe(1);
    await act('trapping', 'exit(the_end)');
    await expect.poll(() => three.got, SOON).toEqual([new Exit(trapping, atom('the_end'))]);
    expect(await beam.eval('whereis(trapping)')).toBe('undefined');
  });

  test('exit/2 both ways', async () => {
    const { plain, trapping } = await begin();
    const { self } = puppet(node);
    self.exit(trapping, 'normal');
    self.exit(trapping, { code: 7 });
    await expect
      .poll(async () => (await kept('trapping')).replaceAll(/<\d+\.\d+\.\d+>/g, 'P'), SOON)
      .toBe(`["{'EXIT',P,normal}","{'EXIT',P,#{<<\\"code\\">> => 7}}"]`);
    self.exit(plain, 'kill');
    await expect.poll(() => beam.eval('whereis(plain)'), SOON).toBe('undefined');
    const [one, two] = [puppet(node), puppet(node, true)];
    await act('trapping', 'receive {exits, A, B} -> exit(A, kill), exit(B, {shutdown, 1}) end');
    node.send(trapping, tuple(atom('exits'), one.pid, two.pid));
    await expect.poll(() => two.got, SOON).toEqual([new Exit(trapping, ['shutdown', 1])]);
    expect(node.isAlive(one.pid)).toBe(false);
  });

  test('monitors both ways, by pid and by name', async () => {
    const { plain, trapping } = await begin();
    const { self, got } = puppet(node);
    const target = { name: 'plain', node: BEAM };
    const refs = [self.monitor(plain), self.monitor(target)];
    self.demonitor(self.monitor(plain));
    const absent = self.monitor({ name: 'nobody', node: BEAM });
    await expect.poll(() => got, SOON).toEqual([new Down(absent, { name: 'nobody', node: BEAM }, 'noproc')]);
    await beam.eval('exit(whereis(plain), {shutdown, left})');
    await expect.poll(() => got.length, SOON).toBe(3);
    expect(new Set((got as Down[]).slice(1).map(({ ref }) => ref.key))).toEqual(
      new Set(refs.map(({ key }) => key)),
    );
    expect((got[1] as Down).reason).toEqual(['shutdown', atom('left')]);
    const named = collector(node, 'watched').pid;
    const other = forever(node);
    await act(
      'trapping',
      `receive {watch, A, B} -> monitor(process, A), monitor(process, {watched, '${HERE}'}), demonitor(monitor(process, B)), monitor(process, {nobody, '${HERE}'}) end`,
    );
    node.send(trapping, tuple(atom('watch'), named, other));
    await expect.poll(() => node.processInfo(named)?.monitoredBy.length, SOON).toBe(2);
    expect(node.processInfo(other)?.monitoredBy).toEqual([]);
    node.exit(named, 'boom');
    await expect
      .poll(async () => (await kept('trapping')).replaceAll(/<[\d.]+>/g, '_'), SOON)
      .toBe(
        `["{'DOWN',#Ref_,process,{nobody,'${HERE}'},noproc}",` +
          [`{watched,'${HERE}'}`, '_']
            .map((what) => `"{'DOWN',#Ref_,process,${what},<<\\"boom\\">>}"`)
            .join(',') +
          ']',
      );
  });

  test('calls both ways', async () => {
    await begin();
    const server = defineServer({
      init: () => 0,
      call: { echo: (_state, value: unknown) => value },
    });
    await node.start(server, [], { name: 'srv' });
    const there = `{srv, '${HERE}'}`;
    expect(await beam.eval(`gen_server:call(${there}, {echo, [1, two, <<"three">>]})`)).toBe(
      '[1,two,<<"three">>]',
    );
    expect(await beam.eval(`gen_server:multi_call(['${HERE}'], srv, {echo, x})`)).toBe(
      `{[{'${HERE}',x}],[]}`,
    );
    expect(
      await beam.eval(`R = gen_server:send_request(${there}, {echo, y}), gen_server:wait_response(R, 5000)`),
    ).toBe('{reply,y}');
    await expect(beam.eval(`gen_server:call(${there}, {unknown, 1})`)).rejects.toThrow(/unknown_call/);
    expect(await beam.eval(`net_adm:ping('${HERE}')`)).toBe('pong');
    expect(await call(node, { name: 'net_kernel', node: BEAM }, 'is_auth', atom(HERE))).toBe(atom('yes'));
    await expect(call(node, { name: 'nobody', node: BEAM }, 'x', 1)).rejects.toMatchObject({
      code: 'TROUPE_CALL_NOPROC',
    });
  });

  test('spawn requests both ways', async () => {
    await begin();
    expect(await erpc.call(node, BEAM, 'lists', 'sort', [[3, 1, 2]])).toEqual([1, 2, 3]);
    await expect(erpc.call(node, BEAM, 'erlang', 'error', [atom('oops')])).rejects.toMatchObject({
      code: 'TROUPE_ERPC_FAILED',
    });
    expect(await beam.eval(`erpc:call('${HERE}', here, add, [1, 2])`)).toBe('3');
    expect(
      await beam.eval(
        `catch spawn_request('${HERE}', lists, sort, [[]], []), receive R -> element(1, R) end`,
      ),
    ).toBe('spawn_reply');
  });

  test('a group leader', async () => {
    const { plain } = await begin();
    const pid = forever(node);
    await act('plain', 'receive P when is_pid(P) -> group_leader(self(), P) end');
    node.send(plain, pid);
    await expect.poll(() => node.processInfo(pid)?.groupLeader?.key, SOON).toBe(plain.key);
    node.router.peer(BEAM).send({ op: 'groupLeader', leader: pid, to: plain });
    await arrived();
    expect(await beam.eval(`node(element(2, process_info(whereis(plain), group_leader)))`)).toBe(`'${HERE}'`);
  });

  test('with a trace token', async () => {
    const { plain } = await begin();
    const { pid, got } = collector(node, 'named');
    const other = puppet(node, true);
    await act(
      'plain',
      `receive {pids, A, B} ->
         seq_trace:set_token(label, {any, "label"}), seq_trace:set_token(send, true),
         A ! {by, pid}, {named, '${HERE}'} ! {by, name}, link(B), exit(B, {shutdown, traced}), exit({shutdown, me})
       end`,
    );
    node.send(plain, tuple(atom('pids'), pid, other.pid));
    await expect
      .poll(() => got, SOON)
      .toEqual([tuple(atom('by'), atom('pid')), tuple(atom('by'), atom('name'))]);
    await expect
      .poll(() => other.got, SOON)
      .toEqual([new Exit(plain, ['shutdown', atom('traced')]), new Exit(plain, ['shutdown', atom('me')])]);
  });

  test('more atoms than the cache holds, and long ones', async () => {
    const { trapping } = await begin();
    const { pid, got } = collector(node);
    await act(
      'trapping',
      `receive P when is_pid(P) ->
         [P ! {list_to_atom("atom_" ++ integer_to_list(N rem 3000)), N} || N <- lists:seq(1, 9000)],
         P ! list_to_atom(lists:duplicate(255, 16#1F600)), P ! [list_to_atom(lists:duplicate(255, $a + N)) || N <- lists:seq(0, 25)]
       end`,
    );
    node.send(trapping, pid);
    await expect.poll(() => got.length, SOON).toBe(9_002);
    const wrong = got.slice(0, 9_000).filter((message, index) => {
      const [name, number] = message as [unknown, unknown];
      return name !== atom(`atom_${(index + 1) % 3000}`) || number !== index + 1;
    });
    expect(wrong).toEqual([]);
    expect(got[9_000]).toBe(atom('😀'.repeat(255)));
    node.send(trapping, got[9_000]);
    expect(got[9_001]).toHaveLength(26);
    await expect
      .poll(
        () =>
          beam.eval(
            `trapping ! {'$kept', self()}, receive {kept, L} -> lists:sum([length(atom_to_list(A)) || A <- L]) end`,
          ),
        SOON,
      )
      .toBe('255');
  });

  test('20 MB both ways, with small messages between', async () => {
    const { plain, trapping } = await begin();
    const { pid, got } = collector(node);
    const bytes = Buffer.alloc(20_000_000, 'troupe');
    const hash = createHash('md5').update(bytes).digest('hex');
    await act(
      'plain',
      `receive P when is_pid(P) -> P ! {large, binary:copy(<<0,255,7>>, 7000000)}, P ! done end`,
    );
    await act('trapping', 'receive P when is_pid(P) -> [P ! N || N <- lists:seq(1, 1000)] end');
    for (const to of [plain, trapping]) node.send(to, pid);
    const [large, small] = [puppet(node), puppet(node)];
    large.self.send(plain, tuple(atom('bytes'), bytes));
    for (let count = 0; count < 1_000; count++) small.self.send(trapping, count);
    await expect.poll(() => got.length, SOON).toBe(1_002);
    expect(got.filter((item) => typeof item === 'number')).toEqual(
      Array.from({ length: 1_000 }, (_, at) => at + 1),
    );
    const [from] = got.filter((item) => !(typeof item === 'number') && item !== atom('done'));
    const [, received] = from as [unknown, Uint8Array];
    expect([received.length, ...received.subarray(-3)]).toEqual([21_000_000, 0, 255, 7]);
    const answer = `plain ! {'$kept', self()}, receive {kept, L} -> << <<(binary:encode_hex(erlang:md5(B)))/binary>> || {bytes, B} <- L >> end`;
    await expect.poll(() => beam.eval(answer), SOON).toBe(`<<"${hash.toUpperCase()}">>`);
    const counted = `trapping ! {'$kept', self()}, receive {kept, L} -> L =:= lists:seq(0, 999) end`;
    await expect.poll(() => beam.eval(counted), SOON).toBe('true');
  });

  test('a hundred thousand messages each way, in order', async () => {
    const { plain, trapping } = await begin();
    const { pid, got } = collector(node);
    await act('trapping', 'receive P when is_pid(P) -> [P ! N || N <- lists:seq(0, 99999)] end');
    node.send(trapping, pid);
    const { self } = puppet(node);
    for (let count = 0; count < 100_000; count++) {
      self.send(plain, count);
      if (count % 10_000 === 0) await carrier.drained(BEAM);
    }
    await expect.poll(() => got.length, SOON).toBe(100_000);
    expect(got.every((item, index) => item === index)).toBe(true);
    const counted = `plain ! {'$kept', self()}, receive {kept, L} -> L =:= lists:seq(0, 99999) end`;
    await expect.poll(() => beam.eval(counted), SOON).toBe('true');
  });

  test('a message for many of its processes', async () => {
    const { plain, trapping } = await begin();
    const to = Object.freeze([plain, trapping, plain]);
    node.router.peer(BEAM).send({ op: 'sendMany', from: node.initPid, to, message: atom('all') });
    await expect.poll(() => kept('plain'), SOON).toBe('["all","all"]');
    await expect.poll(() => kept('trapping'), SOON).toBe('["all"]');
    expect(carrier.peers()).toMatchObject([{ name: BEAM, troupe: false, state: 'up' }]);
  });

  test('texts as Erlang writes them', async () => {
    await begin();
    const { got } = collector(node, 'texts');
    await beam.eval(`{texts, '${HERE}'} ! "grüße", {texts, '${HERE}'} ! <<"grüße"/utf8>>, ok`);
    await expect.poll(() => got.map((item) => text(item)), SOON).toEqual(['grüße', 'grüße']);
  });

  test('the end of a connection, by either side', async () => {
    const watcher = puppet(node);
    await node.connect(BEAM);
    node.monitorNodes(watcher.pid, true);
    const { self, got } = puppet(node);
    self.monitor({ name: 'init', node: BEAM });
    await arrived();
    await beam.eval(`erlang:disconnect_node('${HERE}')`);
    await expect.poll(() => watcher.got[0], SOON).toEqual(new NodeDown(BEAM, 'connection_closed'));
    await expect.poll(() => got, SOON).toMatchObject([{ reason: 'noconnection' }]);
    expect(await beam.eval(`net_adm:ping('${HERE}')`)).toBe('pong');
    expect(node.nodes()).toEqual([BEAM]);
    node.disconnect(BEAM);
    await expect.poll(() => beam.eval('nodes(hidden)'), SOON).toBe('[]');
    await expect.poll(() => watcher.got.length, SOON).toBe(3);
  });
});
