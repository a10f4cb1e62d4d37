// Failures that nobody subscribes to: reported once, in OTP's form, and never without a bound.
import {
  child,
  childProcess,
  createNode,
  defineChannel,
  defineServer,
  defineSupervisor,
  type Node,
  on,
  onTelemetry,
  type Process,
  stop,
} from 'troupe';
import { awaitExit, settle } from 'troupe/testing';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { takeReports } from '../../../src/runtime/process/internal.ts';
import { reportAloud } from '../../support/quiet-reports.ts';

reportAloud();

const printed: string[] = [];
let node: Node;
/** Labels are new in each test: reports are counted for each. */
let count = 0;
let label = '';

beforeEach(() => {
  printed.length = 0;
  label = `label_${++count}`;
  node = createNode();
  vi.spyOn(console, 'error').mockImplementation((_format, text: string) => void printed.push(text));
});
afterEach(async () => {
  await node.stop();
  vi.restoreAllMocks();
});

async function crash(thrown: unknown = new Error('out of paper')): Promise<void> {
  const pid = node.spawnWith({ label, name: label }, () => {
    throw thrown;
  });
  await awaitExit(node, pid);
}

const server = () =>
  defineServer({
    name: label,
    init: () => undefined,
    call: { stop: (_state, reason: string) => stop(reason, { reply: 'done' }) },
    cast: {
      fail: () => {
        throw new Error('cannot');
      },
    },
  });

describe('is told', () => {
  test('a crash, with its stack, and once how to subscribe', async () => {
    await crash();
    await crash();
    expect(printed).toHaveLength(2);
    expect(printed[0]).toMatch(
      /^=CRASH REPORT==== \d\d?-[A-Z][a-z]{2}-\d{4}::\d\d:\d\d:\d\d\.\d{3} ===\n {2}crasher:\n/,
    );
    expect(printed[0]).toContain(`    initial call: ${label}\n`);
    expect(printed[0]).toContain(`    registered_name: ${label}\n`);
    expect(printed[0]).toContain('    exception: Error: out of paper\n    at ');
    expect(printed[0]).toContain("onTelemetry('troupe:process:crash'");
    expect(printed[1]).not.toContain('onTelemetry');
  });

  test('a thrown value other than an error', async () => {
    await crash('no error');
    expect(printed[0]).toContain('exception: {nocatch, no error}');
  });

  test('a server whose cast throws, once', async () => {
    const ref = await node.start(server());
    ref.cast('fail');
    await awaitExit(node, ref.pid);
    expect(printed).toHaveLength(1);
    expect(printed[0]).toContain('Error: cannot');
  });

  test('a message and a cast that no handler takes; a call only to its caller, a broadcast only where nobody looks at any', async () => {
    const ref = await node.start(server());
    node.send(ref.pid, { letter: 'for somebody else' });
    ref.cast('nobody' as never, undefined as never);
    await expect(ref.call('nobody' as never, undefined as never)).rejects.toMatchObject({
      code: 'TROUPE_UNKNOWN_CALL',
    });
    expect(printed).toEqual([
      expect.stringContaining(
        `** ${label} ${ref.pid.toString()}: no info handler takes this message, and it was dropped: {"letter":"for somebody else"}`,
      ),
      expect.stringContaining(
        `** ${label} ${ref.pid.toString()}: it has no cast of this name, and dropped it: nobody`,
      ),
    ]);
    expect(printed[0]).toMatch(/^=WARNING REPORT====/);

    const news = defineChannel<{ told: string; other: string }>(label);
    const member = (info?: Parameters<typeof defineServer>[0]['info']) =>
      defineServer({
        name: `${label} member`,
        init: (self: Process) => news.join(self),
        ...(info === undefined ? {} : { info }),
      });
    printed.length = 0;
    await node.start(member(on(news, { told: () => undefined })));
    news.broadcast(node, 'other', 'for those who care');
    await settle(node);
    expect(printed).toEqual([]);
    await node.start(member());
    news.broadcast(node, 'told', 'to one that does not listen');
    await settle(node);
    expect(printed).toEqual([
      expect.stringContaining(`message, and it was dropped: broadcast 'told' on '${label}'`),
    ]);
    printed.length = 0;
    node.send(
      ref.pid,
      new (class Letter {
        readonly text = 'hello';
      })(),
    );
    await settle(node);
    expect(printed).toEqual([expect.stringContaining('and it was dropped: [Letter]')]);
  });

  test('ten of the same in ten seconds, then how many more; nothing while somebody subscribes', async () => {
    const ref = await node.start(server());
    for (let i = 0; i < 1_000; i++) node.send(ref.pid, i);
    await settle(node);
    expect(printed).toHaveLength(10);
    const heard: unknown[] = [];
    onTestFinished(onTelemetry('troupe:server:unexpected', ({ message }) => void heard.push(message)));
    const other = await node.start(defineServer({ name: `${label} other`, init: () => undefined }));
    node.send(other.pid, 'heard');
    await settle(node);
    expect(heard).toEqual(['heard']);
    expect(printed).toHaveLength(10);
  });

  test('a server that stops with a failure', async () => {
    const ref = await node.start(server());
    expect(await ref.call('stop', 'broken')).toBe('done');
    await settle(node);
    expect(printed).toEqual([expect.stringMatching(/^=ERROR REPORT====/)]);
    expect(printed[0]).toContain('** Reason for termination == broken');
  });

  test('a child that was killed, by its supervisor', async () => {
    const tree = await node.start(
      defineSupervisor({ name: label, children: () => [child(server(), [], { name: 'victim' })] }),
    );
    node.exit(node.whereis('victim') as never, 'kill');
    await tree.countChildren();
    expect(printed).toHaveLength(1);
    expect(printed[0]).toMatch(/^=SUPERVISOR REPORT====/);
    expect(printed[0]).toContain('errorContext: child_terminated\n    reason: killed\n    offender: victim');
  });

  test('a supervisor that gives up, with the crashes of its child, each once', async () => {
    const failing = (self: Process): void => {
      self.label = `${label}_child`;
      throw new Error('again');
    };
    const tree = defineSupervisor({
      name: label,
      intensity: 2,
      children: () => [childProcess(failing, [], { id: 'failing' })],
    });
    const { ended } = await node.startMonitor(tree);
    expect(await ended).toBe('shutdown');
    expect(printed.map((text) => /^=(\w+)/.exec(text)?.[1])).toEqual([
      'CRASH',
      'CRASH',
      'CRASH',
      'SUPERVISOR',
    ]);
    expect(printed[3]).toContain(
      'errorContext: reached_max_restart_intensity\n    reason: shutdown\n    offender: failing',
    );
  });
});

test('a reporter of a node misses nothing that another got often', async () => {
  const taken: string[] = [];
  const other = createNode();
  onTestFinished(() => other.stop());
  onTestFinished(takeReports(node, () => undefined));
  onTestFinished(takeReports(other, (text) => void taken.push(text)));
  for (let times = 0; times < 20; times++) await crash();
  const pid = other.spawnWith({ label }, () => {
    throw new Error('out of ink');
  });
  await awaitExit(other, pid);
  expect(taken).toEqual(['a process crashed']);
});

describe('is not told', () => {
  test('what is asked for', async () => {
    const ref = await node.start(server());
    await ref.stop();
    await awaitExit(
      node,
      node.spawn((self) => self.exit('enough')),
    );
    await awaitExit(
      node,
      node.spawn(() => undefined),
    );
    const waits = node.spawn((self) => self.receive());
    node.exit(waits, 'kill');
    const tree = await node.start(defineSupervisor({ name: label, children: () => [child(server())] }));
    await tree.stop('shutdown');
    expect(printed).toEqual([]);
  });

  test('what somebody subscribes to', async () => {
    const events: unknown[] = [];
    onTestFinished(onTelemetry('troupe:process:crash', (event) => events.push(event)));
    await crash();
    expect([events.length, printed]).toEqual([1, []]);
  });
});

describe('is bounded', () => {
  test('in number: the others are counted, and the count is reported', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    for (let index = 0; index < 30; index++) await crash();
    expect(printed).toHaveLength(10);
    vi.advanceTimersByTime(10_000);
    expect(printed).toHaveLength(11);
    expect(printed[10]).toContain(`** (20 more of '${label}' were left out in 10 s)`);
    await crash();
    expect(printed).toHaveLength(12);
  });

  test('in length, and what would command a terminal is taken out', async () => {
    await crash(`\u001B[2J${'x'.repeat(100_000)}`);
    expect(printed[0]).toContain('\uFFFD[2Jxxx');
    expect(printed[0]?.length).toBeLessThan(5_000);
  });
});
