// Calls of servers between Erlang and this runtime, both ways, and net_adm:ping (gen_server(3), net_adm(3)), with a real
// Erlang node.
import { describe, expect, test, vi } from 'vitest';
import { atom, call, cast, defineServer, type From, noReply, tuple, Tuple } from 'troupe';
import { createProbe } from 'troupe/testing';
import { ping } from 'troupe/erlang';
import { failure } from '../../../otp/helpers.ts';
import { requirePart } from '../../../../support/parts.ts';
import { reality } from './real.ts';

const erl = requirePart('erl');
const NAME = 'ts@127.0.0.1';

const waiting: From[] = [];
const server = defineServer({
  name: 'tested',
  init: () => ({ log: [] as unknown[] }),
  call: {
    log: ({ log }) => [...log],
    echo: (_state, value: unknown) => value,
    later: async (_state, value: unknown) => value,
    wait(_state, _argument: undefined, _self, from: From) {
      waiting.push(from);
      return noReply();
    },
    crash() {
      throw new Error('bad day');
    },
    unsendable: () => () => 'a function',
    $request: (_state, request: unknown) => tuple(atom('asked'), request),
  },
  cast: {
    add: ({ log }, item: unknown) => log.push(item),
    $request: ({ log }, item: unknown) => log.push(item),
  },
});

describe.skipIf(erl.missing)('with a BEAM node', () => {
  const world = reality();

  /** A node with a server under the name `one`, connected with the BEAM node. */
  async function begin() {
    const { beam, node: make } = world();
    const { node, carrier } = await make(NAME);
    const { pid } = await node.start(server, [], { name: 'one' });
    expect(await node.connect(beam.name)).toBe(true);
    return { beam, node, carrier, pid };
  }

  test('net_adm:ping from the BEAM: pong; a hidden node; a node that is not there: pang', async () => {
    const { beam } = world();
    const { node } = await world().node(NAME);
    expect(await beam.eval(`net_adm:ping('${NAME}')`)).toBe('pong');
    expect(await beam.eval('{nodes(), nodes(hidden)}')).toBe(`{[],['${NAME}']}`);
    await vi.waitFor(() => expect(node.nodes()).toEqual([beam.name]));
    expect(await beam.eval(`net_adm:ping('nobody@127.0.0.1')`)).toBe('pang');
  });

  test('ping from here: true; a node that is not there, or does not answer: false', async () => {
    const { beam, node: make } = world();
    const { node } = await make(NAME);
    const other = await make('other@127.0.0.1');
    expect(await ping(node, beam.name)).toBe(true);
    expect(await ping(node, other.node.name)).toBe(true);
    expect(await ping(node, 'nobody@127.0.0.1')).toBe(false);
    beam.pause();
    const answered = await ping(node, beam.name, { timeoutMs: 20 });
    beam.resume();
    expect(answered).toBe(false);
    expect(await ping(node, beam.name)).toBe(true);
  });

  test('gen_server:call into a server here: 5 s and infinity, by name and by pid', async () => {
    const { beam } = await begin();
    const at = `{one, '${NAME}'}`;
    expect(await beam.eval(`gen_server:call(${at}, {echo, #{<<"a">> => [1, b, "c"]}})`)).toBe(
      '#{<<"a">> => [1,b,"c"]}',
    );
    expect(await beam.eval(`gen_server:call(${at}, {later, {x, 1.0}}, infinity)`)).toBe('{x,1.0}');
    expect(await beam.eval(`gen_server:call(${at}, log)`)).toBe('[]');
    expect(await beam.eval(`gen_server:call(${at}, {put, key, 1})`)).toBe('{asked,{put,key,1}}');
    expect(await beam.eval(`gen_server:call(${at}, "text")`)).toBe('{asked,"text"}');
  });

  test('gen_server:send_request, multi_call and cast', async () => {
    const { beam, node } = await begin();
    const at = `{one, '${NAME}'}`;
    expect(
      await beam.eval(
        `R = gen_server:send_request(${at}, {echo, hello}), gen_server:receive_response(R, 5000)`,
      ),
    ).toBe('{reply,hello}');
    for (const time of ['', ', 5000']) {
      const nodes = `['${NAME}', 'nobody@127.0.0.1', node()]`;
      expect(await beam.eval(`gen_server:multi_call(${nodes}, one, {echo, 7}${time})`)).toBe(
        `{[{'${NAME}',7}],['nobody@127.0.0.1','beam@127.0.0.1']}`,
      );
    }
    expect(
      await beam.eval(`gen_server:cast(${at}, {add, 1}), gen_server:cast(${at}, {add, 2, 3}),
      gen_server:abcast(['${NAME}'], one, {add, 4})`),
    ).toBe('abcast');
    await vi.waitFor(async () => {
      expect(await call(node, 'one', 'log', undefined)).toEqual([1, tuple(atom('add'), 2, 3), 4]);
    });
  });

  test('a call that times out there, whose late reply is dropped', async () => {
    const { beam, node, pid } = await begin();
    const outcome = await beam.eval(`
      try gen_server:call({one, '${NAME}'}, wait, 50) catch exit:{timeout, _} -> timed_out end`);
    expect(outcome).toBe('timed_out');
    expect(waiting).toHaveLength(1);
    const late = await beam.eval(`
      Self = self(),
      Pid = spawn(fun() ->
        Out = try gen_server:call({one, '${NAME}'}, wait, 50) catch exit:{timeout, _} -> timed_out end,
        Self ! {out, Out},
        receive {'$gen_cast', _} -> ok; Any -> Self ! {any, Any} after 5000 -> ok end
      end),
      register(late, Pid),
      receive {out, Out} -> Out end`);
    expect(late).toBe('timed_out');
    waiting.pop()?.reply('too late');
    node.send({ name: 'late', node: beam.name }, tuple(atom('$gen_cast'), 'end'));
    await vi.waitFor(async () => expect(await beam.eval('whereis(late)')).toBe('undefined'));
    expect(node.isAlive(pid)).toBe(true);
    expect(node.router.connectedPeer(beam.name)?.incoming.size).toBe(0);
  });

  test('calls that fail: unknown, not encodable, nobody there; the exit comes at once', async () => {
    const { beam, node, pid } = await begin();
    const strange = defineServer({ init: () => 0 });
    await node.start(strange, [], { name: 'strange' });
    const ask = (name: string, request: string, how = 'call'): Promise<string> =>
      beam.eval(`try gen_server:${how}({${name}, '${NAME}'}, ${request}, infinity)
        catch exit:{Reason, {gen_server, call, _}} -> {exit, Reason} end`);
    expect(await ask('strange', '{dance, now}')).toBe('{exit,{unknown_call,<<"dance">>}}');
    expect(await ask('strange', '{dance, now, please}')).toBe('{exit,{unknown_call,{dance,3}}}');
    expect(await ask('strange', '[1, private]')).toBe('{exit,{unknown_call,<<"$request">>}}');
    expect(await ask('one', 'unsendable')).toMatch(/^\{exit,\{not_encodable,<<".*function.*">>\}\}$/s);
    expect(await ask('nobody', 'hello')).toBe('{exit,noproc}');
    expect(await beam.eval(`gen_server:multi_call(['${NAME}'], strange, dance)`)).toBe(`{[],['${NAME}']}`);
    expect(await beam.eval(`gen_server:multi_call(['${NAME}'], strange, dance, 60000)`)).toBe(
      `{[],['${NAME}']}`,
    );
    expect(node.isAlive(pid)).toBe(true);
  });

  test('a server here that crashes, while it is called', async () => {
    const { beam } = await begin();
    const exit = await beam.eval(`try gen_server:call({one, '${NAME}'}, crash)
      catch exit:{Reason, {gen_server, call, _}} -> maps:with([<<"name">>, <<"message">>], Reason) end`);
    expect(exit).toBe('#{<<"message">> => <<"bad day">>,<<"name">> => <<"Error">>}');
  });

  test('calls and casts from here to a gen_server there, with requests of any form', async () => {
    const { beam, node } = await begin();
    await beam.load('echo_server.erl');
    await beam.eval('{ok, _} = gen_server:start({local, echo}, echo_server, [], [])');
    const there = { name: 'echo', node: beam.name };
    expect(await call(node, there, 'ping', undefined)).toBe(atom('pong'));
    expect(await call(node, there, 'echo', { deep: [1, 'two'] })).toEqual({ deep: [1, 'two'] });
    const request = tuple(atom('put'), 'key', [1, 2]);
    expect(await call(node, there, '$request', request)).toEqual(tuple(atom('other'), request));
    const { self } = createProbe(node);
    expect(await call(node, there, 'who', undefined, { from: self })).toEqual(self.pid);
    cast(node, there, 'note', 1);
    cast(node, there, '$request', tuple(atom('note'), 1, 2));
    expect(await call(node, there, 'notes', undefined)).toEqual([
      tuple(atom('note'), 1),
      tuple(atom('note'), 1, 2),
    ]);
    const pid = (await call(node, there, 'self', undefined)) as never;
    expect(await call(node, pid, 'ping', undefined)).toBe(atom('pong'));

    const probe = createProbe(node);
    const late = await failure(
      call(node, there, '$request', tuple(atom('after'), 60, atom('late')), {
        timeoutMs: 10,
        from: probe.self,
      }),
    );
    expect(late.code).toBe('TROUPE_CALL_TIMEOUT');
    // The late reply has come before this one.
    expect(await call(node, there, '$request', tuple(atom('after'), 60, atom('in_time')))).toBe(
      atom('in_time'),
    );
    expect(probe.messages()).toEqual([]);

    expect(await failure(call(node, there, 'crash', 'why'))).toMatchObject({
      code: 'TROUPE_CALL_EXIT',
      reason: 'why',
    });
    expect((await failure(call(node, there, 'ping', undefined))).code).toBe('TROUPE_CALL_NOPROC');
    expect(node.router.aliases.size).toBe(0);
    expect(node.router.connectedPeer(beam.name)?.outgoing.size).toBe(0);
  });

  test('a call whose node goes away', async () => {
    const { node } = await begin();
    const other = await world().erl('gone@127.0.0.1');
    await other.eval('register(deaf, spawn(fun() -> receive stop -> ok end end)), ok');
    const called = failure(
      call(node, { name: 'deaf', node: other.name }, 'ping', undefined, { timeoutMs: Infinity }),
    );
    await vi.waitFor(() => expect(node.nodes()).toContain(other.name));
    await other.kill();
    expect((await called).code).toBe('TROUPE_CALL_NODEDOWN');
    const absent = { name: 'deaf', node: 'nobody@127.0.0.1' };
    expect((await failure(call(node, absent, 'ping', undefined))).code).toBe('TROUPE_CALL_NODEDOWN');
  });

  test('calls between two nodes of this runtime', async () => {
    const { node } = await begin();
    const { node: other } = await world().node('other@127.0.0.1');
    const there = { name: 'one', node: NAME };
    const value = { list: [1, 2n, 'x', null, undefined, true], tuple: new Tuple([1]) };
    expect(await call(other, there, 'echo', value)).toEqual(value);
    expect((await failure(call(other, there, 'unknown', 1))).code).toBe('TROUPE_UNKNOWN_CALL');
    expect(await failure(call(other, there, 'crash', undefined))).toMatchObject({
      code: 'TROUPE_CALL_EXIT',
      reason: { name: 'Error', message: 'bad day' },
    });
    expect(node.whereis('one')).toBeUndefined();
  });

  test('sys: state, status, suspending, resuming; what there is not', async () => {
    const { beam, pid, node } = await begin();
    const to = `{one, '${NAME}'}`;
    await beam.eval(`gen_server:cast(${to}, {add, 7})`);
    expect(await beam.eval(`sys:get_state(${to})`)).toBe('#{<<"log">> => [7]}');
    expect(await beam.eval(`element(3, sys:get_status(${to}))`)).toBe('{module,server}');
    expect(await beam.eval(`sys:suspend(${to})`)).toBe('ok');
    expect(await beam.eval(`lists:nth(2, element(4, sys:get_status(${to})))`)).toBe('suspended');
    expect(await beam.eval(`catch gen_server:call(${to}, log, 100)`)).toMatch(/timeout/);
    expect(await beam.eval(`sys:resume(${to})`)).toBe('ok');
    expect(await beam.eval(`gen_server:call(${to}, log)`)).toBe('[7]');
    expect(await beam.eval(`catch sys:replace_state(${to}, fun(S) -> S end)`)).toMatch(/callback_failed/);
    expect(await beam.eval(`catch sys:change_code(${to}, m, v, e)`)).toMatch(/unknown_system_msg/);
    expect(node.isAlive(pid)).toBe(true);
  });

  test('gen_server:stop ends a server, with the reason that it gives', async () => {
    const { beam, node, pid } = await begin();
    const probe = createProbe(node);
    node.spawn(async (self) => {
      self.monitor(pid);
      self.send(probe, await self.receive());
    });
    expect(await beam.eval(`gen_server:stop({one, '${NAME}'}, shutdown, 5000)`)).toBe('ok');
    expect(await probe.receive()).toMatchObject({ reason: 'shutdown' });
    expect(await beam.eval(`catch gen_server:stop({one, '${NAME}'})`)).toMatch(/noproc/);
  });
});
