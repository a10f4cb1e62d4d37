// What goes between this runtime and the processes of a BEAM node besides calls of their own: system messages (sys(3)),
// gen_server:stop/3 and the requests of supervisors; both ways, and byte for byte what OTP itself sends on the release that runs.
import {
  atom,
  Broadcast,
  call,
  defineServer,
  defineSupervisor,
  Down,
  type From,
  type Node,
  type Process,
  serverRef,
  stopProcess,
  supervisorRef,
  sys,
  tuple,
} from 'troupe';
import { createProbe } from 'troupe/testing';
import { describe, expect, test, vi } from 'vitest';
import { requirePart } from '../../../../support/parts.ts';
import { failure } from '../../../otp/helpers.ts';
import { reality } from './real.ts';

const erl = requirePart('erl');
const NAME = 'ts@127.0.0.1';
const BEAM = 'beam@127.0.0.1';

const lamp = defineServer({ name: 'lamp', init: () => ({ on: false }), call: { isOn: ({ on }) => on } });

/** Takes `{Tag, From, Request}` messages until there are so many, and answers them without what differs between two of them. */
const COLLECTOR = `
  Collect = fun Collect(0, All) -> receive {all, Who} -> Who ! {all, lists:reverse(All)} end;
                Collect(N, All) -> receive
                  {Tag, {Pid, [alias|Ref]}, Request} when is_pid(Pid), is_reference(Ref) ->
                    Collect(N - 1, [term_to_binary({Tag, Request}) | All])
                end end`;

describe.skipIf(erl.missing)('with a BEAM node', () => {
  const world = reality();

  async function begin() {
    const { beam, node: make } = world();
    await beam.load('plain_server.erl');
    const { node } = await make(NAME);
    expect(await node.connect(beam.name)).toBe(true);
    return { beam, node };
  }

  /** What `ask` sends to a process of the BEAM node that only collects it. */
  async function sent(count: number, askThere: string, ask: (node: Node, to: typeof collector) => void) {
    const { beam, node } = await begin();
    const collected = async (name: string, asking: string): Promise<string> => {
      await beam.eval(
        `${COLLECTOR}, register(${name}, spawn(fun() -> Collect(${count}, []) end)), ${asking}, ok`,
      );
      if (asking === 'ok') ask(node, { name, node: BEAM });
      return beam.eval(`${name} ! {all, self()}, receive {all, All} -> All end`);
    };
    return {
      here: await collected('from_here', 'ok'),
      there: await collected('from_there', askThere.replaceAll('$TO', 'from_there')),
    };
  }
  const collector = { name: '', node: '' };

  test('system messages are those of OTP, byte for byte', async () => {
    const asks = ['get_state', 'get_status', 'suspend', 'resume'].map((name) => `sys:${name}($TO, 50)`);
    asks.push('sys:terminate($TO, shutdown, 50)', 'sys:terminate($TO, {shutdown, <<"done">>}, 50)');
    const there = asks.map((ask) => `(catch ${ask})`).join(', ');
    const { here, there: expected } = await sent(asks.length, there, (node, to) => {
      const options = { timeoutMs: 50 };
      const reasons = ['shutdown', ['shutdown', 'done']];
      const all = [sys.getState, sys.getStatus, sys.suspend, sys.resume].map((ask) => ask(node, to, options));
      all.push(...reasons.map((reason) => sys.terminate(node, to, reason, options)));
      for (const asked of all) void failure(asked);
    });
    expect(here).toBe(expected);
  });

  test('requests to supervisors are those of OTP, byte for byte', async () => {
    const there = `[catch gen_server:call($TO, R, 50) || R <- [which_children, count_children, {terminate_child, a},
      {restart_child, <<"b">>}, {delete_child, a}, {get_childspec, a}]]`;
    const { here, there: expected } = await sent(6, there, (node, to) => {
      const ref = supervisorRef(node, to);
      const options = { timeoutMs: 50 };
      const all = [
        ref.whichChildren(options),
        ref.countChildren(options),
        ref.terminateChild(atom('a'), options),
        ref.restartChild('b', options),
        ref.deleteChild(atom('a'), options),
        ref.getChildSpec(atom('a'), options),
      ];
      for (const asked of all) void failure(asked);
    });
    expect(here).toBe(expected);
  });

  test.each(['#{on => true}', '{ok, 7}', '{a, b}'])(
    'a gen_server with the state %s is looked into',
    async (state) => {
      const { beam, node } = await begin();
      await beam.eval(`plain_server:start(plain, ${state})`);
      const to = { name: 'plain', node: BEAM };
      const printed = state.replaceAll(' ', '').replace('=>', ' => ');
      expect(String(await sys.getState(node, to))).toBe(printed);
      const status = await sys.getStatus(node, to);
      expect(status).toMatchObject({ status: 'running', behaviour: 'gen_server', parent: undefined });
      expect(String(status.state)).toBe(printed);
      await sys.suspend(node, to);
      expect((await sys.getStatus(node, to)).status).toBe('suspended');
      expect((await failure(call(node, to, 'state', undefined, { timeoutMs: 50 }))).code).toBe(
        'TROUPE_CALL_TIMEOUT',
      );
      await sys.resume(node, to);
      expect(String(await call(node, to, 'state', undefined))).toBe(printed);
      const replaced = await failure(sys.replaceState(node, to, () => 0));
      expect(replaced.code).toBe('TROUPE_NOT_ENCODABLE');
      await serverRef(node, lamp, to).stop();
      expect(await beam.eval('whereis(plain)')).toBe('undefined');
      // It ends with the call that it does not know: what looked into it was none.
      expect(beam.output()).not.toMatch(/function_clause/);
    },
  );

  test('a gen_server is stopped, with the reason that is given, and asked to terminate', async () => {
    const { beam, node } = await begin();
    const to = { name: 'plain', node: BEAM };
    const probe = createProbe(node);
    for (const stop of [
      () => stopProcess(node, to, ['shutdown', 'done']),
      () => sys.terminate(node, to, ['shutdown', 'done']),
    ]) {
      await beam.eval('plain_server:start(plain, 1)');
      const watcher = node.spawn(async (self: Process) => {
        self.monitor(to);
        self.send(probe, await self.receive());
      });
      await vi.waitFor(() => expect(node.processInfo(watcher)?.status).toBe('waiting'));
      await stop();
      const down = await probe.receive();
      expect(down).toBeInstanceOf(Down);
      expect((down as Down).reason).toEqual(['shutdown', 'done']);
    }
    expect((await failure(stopProcess(node, to))).code).toBe('TROUPE_CALL_NOPROC');
  });

  test('an answer that OTP would not give is not a success', async () => {
    const { beam, node } = await begin();
    await beam.eval(`register(odd, spawn(fun F() -> receive
      {system, {Pid, Tag}, _} -> Pid ! {Tag, sorry}, F(); {'$gen_call', {Pid, Tag}, _} -> Pid ! {Tag, sorry}, F() end end))`);
    const to = { name: 'odd', node: BEAM };
    for (const ask of [sys.getStatus, sys.suspend, sys.resume]) {
      expect((await failure(ask(node, to))).code).toBe('TROUPE_SYSTEM_FAILED');
    }
    expect((await failure(sys.terminate(node, to, 'normal'))).code).toBe('TROUPE_SYSTEM_FAILED');
    expect((await failure(supervisorRef(node, to).whichChildren())).code).toBe('TROUPE_SYSTEM_FAILED');
  });

  test('a supervisor of the BEAM node is asked', async () => {
    const { beam, node } = await begin();
    await beam.eval('plain_server:start_supervisor(top)');
    const top = supervisorRef(node, { name: 'top', node: BEAM });
    const [one] = (await top.whichChildren()).filter(({ id }) => id === atom('one'));
    expect(one).toMatchObject({ status: 'running', type: 'worker', modules: ['plain_server'] });
    expect(await top.countChildren()).toEqual({ specs: 2, active: 2, supervisors: 0, workers: 2 });
    expect(await top.terminateChild(atom('one'))).toEqual({ ok: true });
    expect(await top.terminateChild('nobody')).toEqual({ ok: false, error: 'not_found' });
    expect(await top.countChildren()).toMatchObject({ active: 1 });
    expect(await top.restartChild(atom('two'))).toEqual({ ok: false, error: 'running' });
    expect(await top.restartChild(atom('one'))).toMatchObject({ ok: true });
    expect(await top.getChildSpec(atom('one'))).toMatchObject({
      ok: true,
      spec: { id: atom('one'), restart: 'permanent', type: 'worker', shutdown: 5_000 },
    });
    expect(await top.deleteChild(atom('two'))).toEqual({ ok: false, error: 'running' });
    await top.stop('shutdown');
    expect(await beam.eval('whereis(top)')).toBe('undefined');
  });

  test('sys of the BEAM node looks into servers and supervisors here', async () => {
    const { beam, node } = await begin();
    await node.start(lamp, [], { name: 'lamp' });
    const at = `{lamp, '${NAME}'}`;
    // Twice: the first time this node does not know yet in which form that one expects a state.
    for (let time = 0; time < 2; time++)
      expect(await beam.eval(`sys:get_state(${at})`)).toBe('#{<<"on">> => false}');
    const status = await beam.eval(`{status, P, {module, M}, [_, S, _, _, Misc]} = sys:get_status(${at}),
      {is_pid(P), M, S, [X || {data, L} <- Misc, {"State", X} <- L]}`);
    expect(status).toBe('{true,server,running,[#{<<"on">> => false}]}');
    expect(await beam.eval(`{sys:suspend(${at}), sys:resume(${at})}`)).toBe('{ok,ok}');
    const top = defineSupervisor({
      children: [{ id: 'bulb', start: (self: Process) => self.startLink(lamp) }],
    });
    await node.start(top, [], { name: 'top' });
    const sup = `{top, '${NAME}'}`;
    expect(
      await beam.eval(`[{Id, is_pid(Pid), T} || {Id, Pid, T, _} <- supervisor:which_children(${sup})]`),
    ).toBe('[{<<"bulb">>,true,worker}]');
    expect(await beam.eval(`supervisor:count_children(${sup})`)).toBe(
      '[{specs,1},{active,1},{supervisors,0},{workers,1}]',
    );
    expect(await beam.eval(`supervisor:terminate_child(${sup}, bulb)`)).toBe('ok');
    expect(await beam.eval(`supervisor:terminate_child(${sup}, other)`)).toBe('{error,not_found}');
    expect(await beam.eval(`element(1, supervisor:restart_child(${sup}, <<"bulb">>))`)).toBe('ok');
    expect(await beam.eval(`{ok, #{restart := R}} = supervisor:get_childspec(${sup}, <<"bulb">>), R`)).toBe(
      'permanent',
    );
    expect(await beam.eval(`is_map(sys:get_state(${sup}))`)).toBe('true');
    expect(await beam.eval(`gen_server:stop(${sup}), gen_server:stop(${at})`)).toBe('ok');
    await vi.waitFor(() =>
      expect([node.whereis('top'), node.whereis('lamp')]).toEqual([undefined, undefined]),
    );
  });

  test('a plain process answers a call, and sends to an alias', async () => {
    const { beam, node } = await begin();
    node.spawnWith({ name: 'plain' }, async (self: Process) => {
      const request = (await self.receive()) as From & { readonly argument: unknown };
      request.reply(tuple(atom('asked'), request.argument));
      self.send((await self.receive()) as never, tuple(atom('to_alias'), 1));
    });
    expect(await beam.eval(`gen_server:call({plain, '${NAME}'}, {what, 1})`)).toBe('{asked,1}');
    expect(
      await beam.eval(`{plain, '${NAME}'} ! alias(), receive Any -> Any after 5000 -> timeout end`),
    ).toBe('{to_alias,1}');
  });

  test('a topic may be an atom, and an error that erpc tells of names no folder of this machine', async () => {
    const { beam, node: make } = world();
    const bad = (): never => {
      throw new RangeError('bad day');
    };
    const { node } = await make(NAME, { expose: { module: { bad } } });
    const probe = createProbe(node);
    node.register('probe', probe.pid);
    expect(await node.connect(beam.name)).toBe(true);
    await beam.eval(`{probe, '${NAME}'} ! {nova_pubsub, notes, self(), note_created, 7}`);
    const message = await probe.receive();
    expect(message).toBeInstanceOf(Broadcast);
    expect(message).toMatchObject({ channel: 'notes', topic: 'note_created', payload: 7 });

    const failed = await beam.eval(
      `try erpc:call('${NAME}', module, bad, []) catch Class:{exception, Reason, _} -> {Class, Reason} end`,
    );
    expect(failed).toMatch(/<<"bad day">>.*erl-system\.test\.ts/s);
    expect(failed).not.toContain(import.meta.dirname);
  });

  test('rpc in the form of C nodes is answered, also when the result cannot be sent', async () => {
    const { beam, node: make } = world();
    const { node } = await make(NAME, {
      expose: { module: { add: (_self, a: number, b: number) => a + b, odd: () => () => 1 } },
    });
    expect(await node.connect(beam.name)).toBe(true);
    const ask = (name: string, args: string): Promise<string> =>
      beam.eval(
        `{rex, '${NAME}'} ! {self(), {call, module, ${name}, ${args}, user}}, receive {rex, R} -> R after 5000 -> late end`,
      );
    expect(await ask('add', '[1, 2]')).toBe('3');
    expect(await ask('odd', '[]')).toMatch(/^\{badrpc,\{'EXIT',\{not_encodable,<<".*a function.*">>\}\}\}$/);
    expect(await ask('none', '[]')).toMatch(/^\{badrpc,\{'EXIT',\{undef,/);
  });

  test('multi_call is answered where it waits, also with a failure', async () => {
    const { beam, node } = await begin();
    await node.start(lamp, [], { name: 'lamp' });
    expect(await beam.eval(`gen_server:multi_call(['${NAME}'], lamp, isOn, infinity)`)).toBe(
      `{[{'${NAME}',false}],[]}`,
    );
    expect(await beam.eval(`gen_server:multi_call(['${NAME}'], lamp, dance, infinity)`)).toBe(
      `{[],['${NAME}']}`,
    );
    // Nothing is left over in the mailbox of who has asked.
    expect(
      await beam.eval(`gen_server:multi_call(['${NAME}'], lamp, isOn), process_info(self(), messages)`),
    ).toBe('{messages,[]}');
  });
});
