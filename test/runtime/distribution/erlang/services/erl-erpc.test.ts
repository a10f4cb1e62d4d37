// Functions that are called on other nodes, both ways (erpc(3), rpc(3)), with a real Erlang node.
import { describe, expect, test, vi } from 'vitest';
import { atom, type Process, tuple } from 'troupe';
import { erpc, exposeFunction } from 'troupe/erlang';
import { failure } from '../../../otp/helpers.ts';
import { recordTelemetry } from '../../../process/helpers.ts';
import { requirePart } from '../../../../support/parts.ts';
import { reality } from './real.ts';

const erl = requirePart('erl');
const NAME = 'ts@127.0.0.1';

const seen: unknown[] = [];
const expose = {
  calculator: {
    add: (_self: Process, a: number, b: number) => a + b,
    later: async (_self: Process, value: unknown) => value,
    sum: exposeFunction((_self, ...values: number[]) => values.reduce((a, b) => a + b, 0), {
      arity: [0, 1, 2, 3],
    }),
    note: (_self: Process, value: unknown) => void seen.push(value),
    fail: () => {
      throw new RangeError('bad day');
    },
    throws: (_self: Process, value: unknown) => {
      throw value;
    },
    exits: (self: Process, reason: unknown) => self.exit(reason),
    unsendable: () => () => 'a function',
    big: (_self: Process, bytes: number) => new Uint8Array(bytes),
    waits: (self: Process) => new Promise((resolve) => self.signal.addEventListener('abort', resolve)),
  },
};

describe.skipIf(erl.missing)('with a BEAM node', () => {
  const world = reality();

  async function begin(more = {}) {
    const { beam, node: make } = world();
    const { node, carrier } = await make(NAME, { expose, ...more });
    expect(await node.connect(beam.name)).toBe(true);
    return { beam, node, carrier };
  }

  /** The outcome of an expression, with its class when it fails; errors without their stack. */
  const caught = (expression: string): string =>
    `try ${expression} catch error:{exception, R, _} -> {error, R}; C:R -> {C, R} end`;

  test('erpc:call of an exposed function', async () => {
    const { beam } = await begin();
    expect(await beam.eval(`erpc:call('${NAME}', calculator, add, [1, 2])`)).toBe('3');
    expect(await beam.eval(`erpc:call('${NAME}', calculator, later, [{x, "y", <<"z">>}], 5000)`)).toBe(
      '{x,"y",<<"z">>}',
    );
    expect(await beam.eval(`[erpc:call('${NAME}', calculator, sum, L) || L <- [[], [1], [1,2,3]]]`)).toBe(
      '[0,1,6]',
    );
    expect(await beam.eval(`byte_size(erpc:call('${NAME}', calculator, big, [3000000]))`)).toBe('3000000');
  });

  test('erpc:cast, send_request and multicall', async () => {
    const { beam, node } = await begin();
    await beam.eval(`ok = erpc:cast('${NAME}', calculator, note, [1])`);
    await vi.waitFor(() => expect(seen.splice(0)).toEqual([1]));
    expect(
      await beam.eval(
        `R = erpc:send_request('${NAME}', calculator, add, [1, 2]), erpc:receive_response(R, 5000)`,
      ),
    ).toBe('3');
    expect(await beam.eval(`erpc:multicall([node(), '${NAME}'], calculator, add, [1, 2], 5000)`)).toMatch(
      /^\[\{error,\{exception,undef,.*\},\{ok,3\}\]$/s,
    );
    await vi.waitFor(() => expect(node.router.connectedPeer(beam.name)?.incoming.size).toBe(0));
  });

  test('erpc:call: throws, exits and errors have their class', async () => {
    const { beam } = await begin();
    const call = (name: string, args: string): Promise<string> =>
      beam.eval(caught(`erpc:call('${NAME}', calculator, ${name}, ${args})`));
    expect(await call('throws', '[ball]')).toBe('{throw,ball}');
    expect(await call('exits', '[normal]')).toBe('{exit,{exception,normal}}');
    expect(await call('exits', '[{shutdown, why}]')).toBe('{exit,{exception,{shutdown,why}}}');
    expect(await call('fail', '[]')).toMatch(
      /^\{error,#\{.*<<"message">> => <<"bad day">>.*RangeError.*\}\}$/s,
    );
    expect(await call('unsendable', '[]')).toMatch(/^\{error,\{not_encodable,<<.*>>\}\}$/s);
    expect(
      await beam.eval(
        `try erpc:call('${NAME}', calculator, fail, []) catch error:{exception, _, S} -> S end`,
      ),
    ).toBe('[{calculator,fail,0,[]}]');
  });

  test('a function that is not exposed is an exception at the caller, not a wait', async () => {
    const dropped = recordTelemetry('troupe:distribution:dropped');
    const { beam } = await begin();
    const call = (what: string): Promise<string> =>
      beam.eval(`try erpc:call('${NAME}', ${what}, infinity) catch C:R -> {C, R} end`);
    expect(await call(`os, cmd, ["ls"]`)).toBe('{error,{exception,undef,[{os,cmd,["ls"],[]}]}}');
    expect(await call('calculator, add, [1]')).toBe('{error,{exception,undef,[{calculator,add,[1],[]}]}}');
    expect(
      await beam.eval(`try erpc:call('${NAME}', fun() -> ok end) catch error:{exception, R, _} -> R end`),
    ).toBe('undef');
    expect(dropped).toHaveLength(3);
    expect(await beam.eval(`erpc:cast('${NAME}', os, cmd, ["ls"])`)).toBe('ok');
    await vi.waitFor(() => expect(dropped).toHaveLength(4));
  });

  test('spawns of other functions are not supported', async () => {
    const { beam } = await begin();
    const spawned = `receive {spawn_reply, R, error, Why} -> {no, Why}; {spawn_reply, R, _, P} -> P end`;
    expect(await beam.eval(`R = spawn_request('${NAME}', lists, sort, [[]], [monitor]), ${spawned}`)).toBe(
      '{no,notsup}',
    );
    expect(await beam.eval(`R = spawn_request('${NAME}', fun() -> ok end), ${spawned}`)).toBe('{no,notsup}');
    expect(await beam.eval(`P = spawn('${NAME}', lists, sort, [[]]), is_pid(P)`)).toBe('true');
  });

  test('spawn_request with a monitor and a link', async () => {
    const { beam } = await begin();
    expect(
      await beam.eval(`process_flag(trap_exit, true), Tag = make_ref(),
        R = spawn_request('${NAME}', erpc, execute_call, [Tag, calculator, add, [1, 2]], [monitor, link]),
        P = receive {spawn_reply, R, ok, Pid} -> Pid end,
        A = receive {'EXIT', P, {Tag, return, V1}} -> V1 end,
        B = receive {'DOWN', R, process, P, {Tag, return, V2}} -> V2 end, {A, B}`),
    ).toBe('{3,3}');
  });

  test('erpc:call that times out, and one whose node goes away', async () => {
    const { beam, node } = await begin();
    expect(
      await beam.eval(`try erpc:call('${NAME}', calculator, waits, [], 30) catch C:R -> {C, R} end`),
    ).toBe('{error,{erpc,timeout}}');
    const pending = beam.eval(`try erpc:call('${NAME}', calculator, waits, []) catch C:R -> {C, R} end`);
    const labels = (): unknown[] => node.processes().map((pid) => node.processInfo(pid)?.label);
    await vi.waitFor(() =>
      expect(labels().filter((label) => label === 'calculator:waits/0')).toHaveLength(2),
    );
    await node.stop();
    expect(await pending).toMatch(/^(\{exit,\{signal,shutdown\}\}|\{error,\{erpc,noconnection\}\})$/);
  });

  test('rpc:call, block_call, cast and multicall', async () => {
    const { beam } = await begin();
    expect(await beam.eval(`rpc:call('${NAME}', calculator, add, [1, 2])`)).toBe('3');
    expect(await beam.eval(`rpc:call('${NAME}', calculator, throws, [ball])`)).toBe('ball');
    expect(await beam.eval(`rpc:call('${NAME}', calculator, exits, [bye])`)).toBe("{badrpc,{'EXIT',bye}}");
    expect(await beam.eval(`rpc:call('${NAME}', os, cmd, ["ls"])`)).toBe(
      `{badrpc,{'EXIT',{undef,[{os,cmd,["ls"],[]}]}}}`,
    );
    expect(await beam.eval(`rpc:block_call('${NAME}', calculator, add, [1, 2])`)).toBe('3');
    expect(await beam.eval(`rpc:block_call('${NAME}', os, cmd, ["ls"])`)).toBe(
      `{badrpc,{'EXIT',{undef,[{os,cmd,["ls"],[]}]}}}`,
    );
    expect(await beam.eval(`rpc:multicall([node(), '${NAME}'], calculator, add, [1, 2])`)).toMatch(
      /,3\],\[\]\}$/,
    );
    await beam.eval(`rpc:cast('${NAME}', calculator, note, [2])`);
    await vi.waitFor(() => expect(seen.splice(0)).toEqual([2]));
    expect(await beam.eval(`rpc:yield(rpc:async_call('${NAME}', calculator, add, [3, 4]))`)).toBe('7');
  });

  test('erpc from here: values, classes, a function that is not there', async () => {
    const { beam, node } = await begin();
    expect(await erpc.call(node, beam.name, 'lists', 'sort', [[3, 1, 2]])).toEqual([1, 2, 3]);
    expect(await erpc.call(node, beam.name, 'erlang', 'node')).toBe(atom(beam.name));
    expect(await erpc.call(node, beam.name, 'erlang', 'byte_size', ['x'.repeat(1_000_000)])).toBe(1_000_000);
    expect(await erpc.call(node, beam.name, 'maps', 'from_list', [[tuple('normal', 'normal')]])).toEqual({
      normal: 'normal',
    });
    expect(await erpc.call(node, beam.name, 'erlang', 'list_to_tuple', [[atom('normal'), 1]])).toEqual(
      tuple(atom('normal'), 1),
    );
    const fails = async (name: string, args: unknown[]): Promise<unknown> => {
      const error = await failure(erpc.call(node, beam.name, 'erlang', name, args));
      expect(error.code).toBe('TROUPE_ERPC_FAILED');
      return error.reason;
    };
    expect(await fails('throw', ['ball'])).toEqual({ class: 'throw', reason: 'ball' });
    expect(await fails('exit', [atom('normal')])).toEqual({ class: 'exit', reason: 'normal' });
    expect(await fails('exit', [tuple(atom('shutdown'), 1)])).toEqual({
      class: 'exit',
      reason: ['shutdown', 1],
    });
    expect(await fails('error', [tuple(atom('badmatch'), 1)])).toMatchObject({
      class: 'error',
      reason: tuple(atom('badmatch'), 1),
    });
    expect(await fails('nothing', [])).toEqual({
      class: 'error',
      reason: atom('undef'),
      stack: [tuple(atom('erlang'), atom('nothing'), [], [])],
    });
    expect(await fails('atom_to_list', [5])).toMatchObject({ class: 'error', reason: atom('badarg') });
    const killed = failure(erpc.call(node, beam.name, 'timer', 'sleep', [atom('infinity')]));
    await vi.waitFor(async () => {
      expect(
        await beam.eval(`length([exit(P, kill) || P <- processes(), erlang:process_info(P, current_function)
          =:= {current_function, {timer, sleep, 1}}])`),
      ).toBe('1');
    });
    expect((await killed).reason).toEqual({ class: 'exit', reason: tuple(atom('signal'), 'killed') });
    expect(node.router.connectedPeer(beam.name)?.outgoing.size).toBe(0);
  });

  test('erpc from here: time, cast, a node that is not there', async () => {
    const { beam, node } = await begin();
    const late = await failure(erpc.call(node, beam.name, 'timer', 'sleep', [200], { timeoutMs: 20 }));
    expect(late.code).toBe('TROUPE_CALL_TIMEOUT');
    const absent = await failure(erpc.call(node, 'nobody@127.0.0.1', 'erlang', 'node'));
    expect(absent.code).toBe('TROUPE_CALL_NODEDOWN');
    erpc.cast(node, beam.name, 'persistent_term', 'put', [atom('cast'), 'arrived']);
    await vi.waitFor(async () =>
      expect(await beam.eval('persistent_term:get(cast, none)')).toBe('<<"arrived">>'),
    );
    const other = await world().erl('gone@127.0.0.1');
    const lost = failure(
      erpc.call(node, other.name, 'timer', 'sleep', [atom('infinity')], { timeoutMs: Infinity }),
    );
    await vi.waitFor(() => expect(node.nodes()).toContain(other.name));
    await other.kill();
    expect((await lost).code).toBe('TROUPE_CALL_NODEDOWN');
  });

  test('io:format in a function that is called there does not wait, and comes out here', async () => {
    const io = recordTelemetry('troupe:distribution:io');
    const output: string[] = [];
    const { beam, node } = await begin({ output: (text: string) => output.push(text) });
    const format = (text: string, args: unknown[]): Promise<unknown> =>
      erpc.call(node, beam.name, 'io', 'format', [text, args]);
    expect(await format('hello ~s: ~p~n', ['you', [atom('a'), tuple(1)]])).toBe(atom('ok'));
    expect(await erpc.call(node, beam.name, 'io', 'put_chars', ['grüße\n'])).toBe(atom('ok'));
    expect(await erpc.call(node, beam.name, 'io', 'nl')).toBe(atom('ok'));
    expect(await erpc.call(node, beam.name, 'io', 'get_line', ['> '])).toEqual(
      tuple(atom('error'), atom('enotsup')),
    );
    expect(await erpc.call(node, beam.name, 'io', 'getopts')).toEqual([
      tuple(atom('encoding'), atom('unicode')),
    ]);
    expect(await erpc.call(node, beam.name, 'io', 'columns')).toEqual(tuple(atom('error'), atom('enotsup')));
    expect(output).toEqual(['hello you: [a,{1}]\n', 'grüße\n', '\n']);
    expect(io.map(({ text }) => text)).toEqual(output);
    expect(io[0]?.from.node).toBe(beam.name);
  });

  test('what such a function logs comes here, too', async () => {
    const io = recordTelemetry('troupe:distribution:io');
    const { beam, node } = await begin();
    await erpc.call(node, beam.name, 'logger', 'error', ['bad ~p', [atom('day')]]);
    await vi.waitFor(() => expect(io.map(({ text }) => text)).toEqual(['error: bad day\n']));
    expect(io[0]?.from.node).toBe(beam.name);
  });

  test('between two nodes of this runtime', async () => {
    await begin();
    const { node: other } = await world().node('other@127.0.0.1');
    expect(await erpc.call(other, NAME, 'calculator', 'add', [1, 2])).toBe(3);
    expect(await erpc.call(other, NAME, 'calculator', 'later', [['normal', 1n, { a: [] }]])).toEqual([
      'normal',
      1n,
      { a: [] },
    ]);
    const fails = async (name: string, args: unknown[] = []): Promise<unknown> =>
      (await failure(erpc.call(other, NAME, 'calculator', name, args))).reason;
    expect(await fails('throws', ['shutdown'])).toEqual({ class: 'throw', reason: 'shutdown' });
    expect(await fails('exits', ['shutdown'])).toEqual({ class: 'exit', reason: 'shutdown' });
    expect(await fails('fail')).toMatchObject({
      class: 'error',
      reason: { name: 'RangeError', message: 'bad day' },
    });
    expect(await fails('remove')).toMatchObject({ class: 'error', reason: atom('undef') });
    erpc.cast(other, NAME, 'calculator', 'note', [3]);
    await vi.waitFor(() => expect(seen.splice(0)).toEqual([3]));
  });
});
