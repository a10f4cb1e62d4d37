// Traces: what goes into a process and out of it, their limits, and that nothing is left behind.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { call, createNode, defineServer, type Node, type Pid, type Process, pubsub } from 'troupe';
import { type Inspector, inspectNode, sequenceChart, type Trace, type TraceEvent } from 'troupe/inspect';
import { createManualClock, createMemoryNetwork, settle } from 'troupe/testing';

const clock = createManualClock();
let node: Node;
let inspector: Inspector;

beforeEach(() => {
  node = createNode({ name: 'here@test', clock });
  inspector = inspectNode(node);
});
afterEach(() => node.stop());

const echo = defineServer({
  name: 'echo',
  init: () => 0,
  call: { echo: (_state, value: unknown) => value },
  cast: { note: () => undefined },
  info: () => undefined,
});

const idle = { name: 'idle', init: () => undefined, handle: () => undefined };

/** The messages of a trace that has ended. */
async function all(trace: Trace): Promise<TraceEvent[]> {
  await trace.ended;
  const events: TraceEvent[] = [];
  for await (const event of trace) events.push(event);
  return events;
}

/** Without the time. */
const plain = (events: readonly TraceEvent[]) =>
  events.map(({ direction, kind, from, to, text }) => [direction, kind, from, to, text]);

describe('a process', () => {
  test('shows messages, calls, casts and broadcasts in, and answers out', async () => {
    const server = await node.start(echo, [], { name: 'echo' });
    pubsub.join(node, 'news', server.pid);
    const self = server.pid.toString();
    const trace = await inspector.trace('echo');
    node.send('echo', { hello: 'there' });
    expect(await server.call('echo', 'word')).toBe('word');
    server.cast('note', undefined);
    pubsub.broadcast(node, 'news', 'topic', 1);
    await settle(node);
    trace.stop();
    expect(await trace.ended).toEqual({ reason: 'stopped', reported: 5, leftOut: 0 });
    expect(plain(await all(trace))).toEqual([
      ['in', 'message', undefined, self, "{ hello: 'there' }"],
      ['in', 'call', '<0.0.0>', self, "echo('word')"],
      ['out', 'reply', self, '<0.0.0>', "'word'"],
      ['in', 'cast', undefined, self, 'note()'],
      ['in', 'broadcast', '<0.0.0>', self, '[news] topic 1'],
    ]);
  });

  test('shows what it sends, calls and broadcasts, and the answers it gets', async () => {
    const server = await node.start(echo, [], { name: 'echo' });
    pubsub.join(node, 'news', server.pid);
    const pid = node.spawn(async (process: Process) => {
      await process.receive();
      process.send('echo', 'a message');
      await call(node, 'echo', 'echo', 7, { from: process });
      pubsub.broadcast(process, 'news', 'topic', 'text');
      process.send({ name: 'x', node: 'here@test' }, 1);
      await process.receive();
    });
    await settle(node);
    const trace = await inspector.trace(pid.toString());
    node.send(pid, 'go');
    await settle(node);
    node.exit(pid, 'kill');
    const self = pid.toString();
    expect(await trace.ended).toEqual({ reason: 'exited', reported: 6, leftOut: 0 });
    expect(plain(await all(trace))).toEqual([
      ['in', 'message', undefined, self, "'go'"],
      ['out', 'message', self, 'echo', "'a message'"],
      ['out', 'call', self, 'echo', 'echo(7)'],
      ['in', 'reply', 'echo', self, '7'],
      ['out', 'broadcast', self, 'news', "[news] topic 'text'"],
      ['out', 'message', self, 'x@here@test', '1'],
    ]);
  });

  test('shows signals, and leaves the process as it was', async () => {
    const other = node.spawn(idle);
    const pid = node.spawn((process) => {
      process.trapExit(true);
      process.link(other);
      return new Promise<void>((resolve) => {
        process.signal.addEventListener('abort', () => {
          resolve();
        });
      });
    });
    for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate); // oxlint-disable-line no-await-in-loop
    const process = node.find(pid) as Process;
    const before = Object.keys(process);
    const [first, second] = [await inspector.trace(pid.toString()), await inspector.trace(pid.toString())];
    node.exit(other, 'over');
    first.stop();
    expect(plain(await all(first))).toEqual([
      ['in', 'signal', other.toString(), pid.toString(), expect.stringContaining('over')],
    ]);
    expect(Object.keys(process)).not.toEqual(before);
    second.stop();
    expect((await second.ended).reported).toBe(1);
    expect(Object.keys(process)).toEqual(before);
    expect(node.tap).toBeNull();
  });
});

describe('limits', () => {
  let pid: Pid;
  beforeEach(() => {
    pid = node.spawn(idle);
  });
  const send = (count: number): void => {
    for (let index = 0; index < count; index++) node.send(pid, index);
  };

  test('it ends after a number of messages', async () => {
    const trace = await inspector.trace(pid.toString(), { limit: 3 });
    send(5);
    expect(await trace.ended).toEqual({ reason: 'limit', reported: 3, leftOut: 0 });
    expect((await all(trace)).map(({ text }) => text)).toEqual(['0', '1', '2']);
    expect(node.tap).toBeNull();
  });

  test('what comes too fast is left out and counted', async () => {
    const trace = await inspector.trace(pid.toString(), { perSecond: 2, limit: 4 });
    send(5);
    await clock.advance(1_000);
    send(3);
    expect(await trace.ended).toEqual({ reason: 'limit', reported: 4, leftOut: 3 });
    expect((await all(trace)).map(({ text }) => text)).toEqual(['0', '1', '0', '1']);
  });

  test('it ends after a time', async () => {
    const trace = await inspector.trace(pid.toString());
    await clock.advance(60_000);
    expect(await trace.ended).toEqual({ reason: 'time', reported: 0, leftOut: 0 });
  });

  test('long messages are cut', async () => {
    const trace = await inspector.trace(pid.toString(), { limit: 1, textMax: 10 });
    node.send(pid, 'x'.repeat(100));
    expect((await all(trace))[0]?.text).toBe(`'${'x'.repeat(9)}…`);
  });

  test('leaving the loop stops it', async () => {
    const trace = await inspector.trace(pid.toString());
    send(1);
    for await (const event of trace) {
      expect(event.text).toBe('0');
      break;
    }
    expect((await trace.ended).reason).toBe('stopped');
  });

  test.each([{ limit: 0 }, { limit: 100_001 }, { perSecond: 10_001 }, { forMs: 3_600_001 }, { textMax: 0 }])(
    '%j is refused',
    async (options) => {
      await expect(inspector.trace(pid.toString(), options)).rejects.toMatchObject({
        code: 'TROUPE_BAD_ARGUMENT',
      });
    },
  );
});

describe('a channel', () => {
  test('shows what is broadcast here and on other nodes, whoever the members are', async () => {
    const network = createMemoryNetwork();
    const nodes = ['a@test', 'b@test'].map((name) => createNode({ name, carrier: network.carrier(name) }));
    const [a, b] = nodes as [Node, Node];
    await a.connect('b@test');
    for (const each of nodes) pubsub.join(each, 'news', each.spawn(idle));
    await settle(nodes);
    const trace = await inspectNode(a).trace({ channel: 'news' });
    pubsub.broadcast(a, 'news', 'here', 1);
    pubsub.broadcast(b, 'news', 'there', 2);
    pubsub.broadcast(a, 'other', 'here', 3);
    await settle(nodes);
    trace.stop();
    expect((await all(trace)).map(({ to, text }) => [to, text])).toEqual([
      ['news', 'here 1'],
      ['news', 'there 2'],
    ]);
    await Promise.all(nodes.map((each) => each.stop()));
  });
});

test('a trace is drawn as a sequence chart for Mermaid', () => {
  const event = { at: 0, direction: 'in', to: '<0.2.0>' } as const;
  const chart = sequenceChart([
    { ...event, kind: 'call', from: '<0.1.0>', text: 'add(1)' },
    { at: 0, direction: 'out', kind: 'reply', from: '<0.2.0>', to: '<0.1.0>', text: '2; end <script>' },
    { ...event, kind: 'message', from: undefined, text: 'a\nb' },
  ]);
  expect(chart).toBe(
    [
      'sequenceDiagram',
      '  participant p0 as #60;0.1.0#62;',
      '  participant p1 as #60;0.2.0#62;',
      '  participant p2 as ?',
      '  p0->>p1: call add(1)',
      '  p1-->>p0: reply 2#59; end #60;script#62;',
      '  p2-)p1: message a#10;b',
    ].join('\n'),
  );
});
