// What the events of the distribution become in the log: each one line, at the level that says whether somebody is needed.
import { channel } from 'node:diagnostics_channel';
import Fastify, { type FastifyBaseLogger } from 'fastify';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { boundedLines, holdErrors, logDatabase, logRuntime } from '../../src/app/internal.ts';
import {
  type DatabaseEvent,
  type DatabaseStatus,
  DatabaseUnavailableError,
} from '../../src/app/database/internal.ts';
import { createNode, type TelemetryEvents, type TelemetryName } from 'troupe';

interface Line {
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const [DEBUG, INFO, WARN, ERROR] = [20, 30, 40, 50];
const from = createNode({ name: 'b@test' }).initPid;
let lines: Line[];
let log: FastifyBaseLogger;
let unsubscribe: () => void;

beforeEach(() => {
  lines = [];
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as Line) };
  ({ log } = Fastify({ logger: { level: 'debug', ...boundedLines, stream } }));
  unsubscribe = logRuntime(log);
});
afterEach(() => {
  unsubscribe();
});

function publish<Name extends TelemetryName>(name: Name, event: Omit<TelemetryEvents[Name], 'node'>): void {
  channel(name).publish({ node: 'a@test', ...event });
}

test('each event is a line', () => {
  const peer = 'b@test';
  publish('troupe:distribution:refused', {
    peer,
    address: '127.0.0.1:1',
    reason: 'cookie: has another cookie',
  });
  publish('troupe:distribution:bad_frame', { peer, reason: 'bad tag' });
  publish('troupe:distribution:busy', { peer, queuedBytes: 1 });
  publish('troupe:distribution:queue_full', { peer, queuedBytes: 2 });
  publish('troupe:distribution:dropped', { peer, what: 'a spawn' });
  publish('troupe:distribution:epmd', { state: 'serving' });
  publish('troupe:distribution:epmd', { state: 'lost', error: new Error('gone') });
  publish('troupe:distribution:io', { from, text: 'x'.repeat(20_000) });
  publish('troupe:node:up', { peer });
  publish('troupe:node:down', { peer, reason: 'net_tick_timeout' });
  expect(lines.map(({ level, msg }) => [level, msg.slice(0, 60)])).toEqual([
    [WARN, 'a connection with a node could not be made'],
    [ERROR, 'a node sent what cannot be read; its connection was closed'],
    [WARN, 'a node takes messages slower than they are sent'],
    [ERROR, 'a node was too slow; its connection was closed'],
    [WARN, 'something that a node sent was left out'],
    [INFO, 'no epmd was running: this process serves as epmd now'],
    [WARN, 'the connection to epmd was lost; the node registers again as'],
    [INFO, 'x'.repeat(60)],
    [INFO, 'a node is connected'],
    [WARN, 'a node is gone'],
  ]);
  expect(lines[0]).toMatchObject({ peer, address: '127.0.0.1:1', reason: 'cookie: has another cookie' });
  expect(lines[6]).toMatchObject({ err: { message: 'gone' } });
  expect([lines[7]?.msg.length, lines[7]?.['peer']]).toEqual([2_000, peer]);
  expect(lines[9]).toMatchObject({ reason: 'net_tick_timeout' });
});

test('a request that a server does not know is logged with its name, without what it is about', () => {
  const unknown = (kind: 'call' | 'cast' | 'info', message: unknown): void =>
    channel('troupe:server:unexpected').publish({ pid: from, label: 'indexer', kind, message });
  unknown('call', { name: 'serch', argument: 'private' });
  unknown('cast', { name: 'x'.repeat(200), argument: 'private' });
  unknown('info', { name: 'private' });
  expect(lines.map(({ level, kind, request }) => [level, kind, request])).toEqual([
    [WARN, 'call', 'serch'],
    [WARN, 'cast', 'x'.repeat(100)],
    [WARN, 'info', undefined],
  ]);
  expect(JSON.stringify(lines)).not.toContain('private');
});

test('what others can cause any number of times is told once in ten seconds, with how often', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const all = (): void => {
      channel('troupe:server:unexpected').publish({
        pid: from,
        label: 'x',
        kind: 'cast',
        message: { name: 'y' },
      });
      channel('troupe:pg:bad_message').publish({ scope: 'pg', node: 'a@test', message: 1 });
      publish('troupe:node:bad_signal', { peer: 'b@test', error: new Error('bad') });
      publish('troupe:distribution:dropped', { peer: 'b@test', what: 'a call' });
    };
    for (let n = 0; n < 7; n++) all();
    expect(lines.map(({ level, count }) => `${level} ${String(count)}`)).toEqual(Array(4).fill(`${WARN} 1`));
    publish('troupe:distribution:dropped', { peer: 'c@test', what: 'a call' });
    expect(lines[4]).toMatchObject({ peer: 'c@test', count: 1 });
    vi.advanceTimersByTime(10_000);
    all();
    expect(lines.slice(5).map(({ level, count }) => `${level} ${String(count)}`)).toEqual(
      Array(4).fill(`${WARN} 7`),
    );
  } finally {
    vi.useRealTimers();
  }
});

test('an attempt to connect that fails as the one before is no warning, until there was a connection', () => {
  const refuse = (peer: string | undefined, reason: string, port = 1): void =>
    publish('troupe:distribution:refused', { peer, address: `127.0.0.1:${port}`, reason });
  refuse('b@test', 'not_registered');
  refuse('b@test', 'not_registered');
  refuse('c@test', 'not_registered');
  refuse('b@test', 'cookie');
  refuse(undefined, 'timeout', 2);
  refuse(undefined, 'timeout', 3);
  publish('troupe:node:up', { peer: 'b@test' });
  refuse('b@test', 'cookie');
  expect(lines.map(({ level }) => level)).toEqual([WARN, DEBUG, WARN, WARN, WARN, DEBUG, INFO, WARN]);
});

test('what the observer does is a warning, with who did it; what it was kept from is told seldom', () => {
  const act = (problem?: string): void =>
    publish('troupe:observer:act', {
      pid: from,
      address: '192.0.2.7',
      act: 'send',
      target: 'note_indexer',
      what: 'x'.repeat(20_000),
      problem,
    });
  act();
  act();
  act('Only looking is allowed here.');
  act('Only looking is allowed here.');
  publish('troupe:observer:session', { address: '192.0.2.7', outcome: 'started' });
  for (let count = 0; count < 5; count++)
    publish('troupe:observer:session', { address: '192.0.2.7', outcome: 'wrong' });
  expect(lines.map(({ level, address }) => [level, address])).toEqual(
    [WARN, WARN, INFO, INFO, WARN].map((level) => [level, '192.0.2.7']),
  );
  expect(lines[0]).toMatchObject({ act: 'send', target: 'note_indexer', what: 'x'.repeat(2_000) });
  expect(lines[2]).toMatchObject({ problem: 'Only looking is allowed here.' });
});

test('a log of a channel that fails is an error, unless the database is away', () => {
  const fail = (error: unknown): void => publish('troupe:channel:log_failed', { channel: 'notes', error });
  fail(new Error('column is missing'));
  fail(new DatabaseUnavailableError('unreachable', 'away', 1_000));
  fail(new Error('column is missing'));
  expect(lines).toMatchObject([{ level: ERROR, channel: 'notes', err: { message: 'column is missing' } }]);
});

test('errors of a start wait for its outcome: what the caller reports is not logged twice', () => {
  const crash = (): void =>
    channel('troupe:process:crash').publish({ pid: from, label: 'database', reason: new Error('no folder') });
  const outcomes = ['failed', 'succeeded'] as const;
  const levels = outcomes.map((outcome) => {
    unsubscribe();
    lines = [];
    const held = holdErrors(log);
    unsubscribe = logRuntime(held.log);
    crash();
    publish('troupe:node:up', { peer: 'b@test' });
    expect(lines.map(({ level }) => level)).toEqual([INFO]);
    held[outcome]();
    publish('troupe:distribution:bad_frame', { peer: 'b@test', reason: 'bad tag' });
    return lines.map(({ level }) => level);
  });
  expect(levels).toEqual([
    [INFO, DEBUG, ERROR],
    [INFO, ERROR, ERROR],
  ]);
});

test('the reasons of a thousand nodes are remembered', () => {
  const refuse = (peer: string): void =>
    publish('troupe:distribution:refused', { peer, address: `${peer}:1`, reason: 'not_registered' });
  refuse('b@test');
  for (let n = 0; n < 1_000; n++) refuse(`n${n}@test`);
  refuse('b@test');
  expect(lines.at(-1)).toMatchObject({ level: WARN, peer: 'b@test' });
});

test('of the refusals of one host, whoever it says it is, twenty are warnings in ten seconds', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const refuse = (peer: string, address = '10.0.0.1:1'): void =>
      publish('troupe:distribution:refused', { peer, address, reason: 'cookie' });
    for (let n = 0; n < 200; n++) refuse(`n${n}@test`);
    expect(lines.filter(({ level }) => level === WARN)).toHaveLength(20);
    refuse('other@test', '10.0.0.2:1');
    expect(lines.at(-1)).toMatchObject({ level: WARN, count: 1 });
    vi.advanceTimersByTime(10_000);
    refuse('late@test');
    expect(lines.at(-1)).toMatchObject({ level: WARN, peer: 'late@test', count: 181 });
  } finally {
    vi.useRealTimers();
  }
});

test('a flood of one peer, or of many, is a bounded number of bounded lines', () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  try {
    const long = 'x'.repeat(100_000);
    const flood = (peer: string): void => {
      channel('troupe:distribution:io').publish({ node: 'a@test', from, text: long });
      publish('troupe:distribution:refused', { peer, address: '127.0.0.1:1', reason: long });
      publish('troupe:distribution:bad_frame', { peer, reason: long });
      publish('troupe:distribution:busy', { peer, queuedBytes: 1 });
      publish('troupe:distribution:queue_full', { peer, queuedBytes: 1 });
      publish('troupe:distribution:epmd', { state: 'lost', error: new Error(long) });
      publish('troupe:node:up', { peer });
      publish('troupe:node:down', { peer, reason: long });
      publish('troupe:node:bad_signal', { peer, error: new Error(long) });
      channel('troupe:process:crash').publish({ pid: from, label: 'x', reason: new Error(long) });
      channel('troupe:mailbox:high_water').publish({ pid: from, label: 'x', length: 1 });
      channel('troupe:mailbox:dropped').publish({ pid: from, label: 'x', policy: 'reject', dropped: 1 });
      channel('troupe:message:undeliverable').publish({ from, error: new Error(long) });
      channel('troupe:fastify:dropped').publish({ pid: from, label: 'x', dropped: 1, bufferedBytes: 1 });
    };
    const told = (): Line[] => lines.filter(({ level }) => level > DEBUG);
    for (let n = 0; n < 500; n++) flood('b@test');
    // 20 each of what is printed and of refusals, one of each other kind.
    expect(told()).toHaveLength(52);
    expect(Math.max(...told().map((line) => JSON.stringify(line).length))).toBeLessThan(13_000);
    lines = [];
    for (let n = 0; n < 2_000; n++) flood(`n${n}@test`);
    // Seven kinds tell peers apart, 200 at most and the others as one.
    expect(told().length).toBeLessThanOrEqual(7 * 201);
    lines = [];
    vi.advanceTimersByTime(10_000);
    flood('b@test');
    expect(told().find(({ msg }) => msg.startsWith('a node takes'))).toMatchObject({
      peer: 'b@test',
      count: 500,
    });
  } finally {
    vi.useRealTimers();
  }
});

test('what was applied to the database is told before that it is ready, and nothing when nothing was', () => {
  let tell: (event: DatabaseEvent) => void = () => {};
  logDatabase(log, {
    description: 'a database',
    onEvent(listener) {
      tell = listener;
      return () => {};
    },
  });
  tell({ state: 'ready', migrated: { count: 1, last: '0003_changes' } });
  tell({ state: 'ready', migrated: { count: 4, last: '0003_changes' } });
  tell({ state: 'ready' });
  const ready = [INFO, 'the database is ready: a database'];
  expect(lines.map(({ level, msg }) => [level, msg])).toEqual([
    [INFO, 'the database was migrated: 1 applied, the last is 0003_changes'],
    ready,
    [INFO, 'the database was migrated: 4 applied, the last is 0003_changes'],
    ready,
    ready,
  ]);
});

test('an outage is told when it begins, when its reason changes, and now and then', () => {
  let tell: (event: DatabaseEvent) => void = () => {};
  const database: Pick<DatabaseStatus, 'description' | 'onEvent'> = {
    description: 'a database',
    onEvent(listener) {
      tell = listener;
      return () => {};
    },
  };
  logDatabase(log, database);
  const fail = (reason: string, attempt: number) =>
    tell({ state: 'unavailable', reason, attempt, retryInMs: 10_000 });
  fail('it was lost', 1);
  for (let attempt = 2; attempt <= 250; attempt++) fail('refused', attempt);
  tell({ state: 'ready' });
  fail('refused', 1);
  expect(lines.filter(({ level }) => level > DEBUG).map(({ msg, attempt }) => [msg, attempt])).toEqual([
    ['the database is away: it was lost', 1],
    ['the database is away: refused', 2],
    ['the database is away: refused', 100],
    ['the database is away: refused', 200],
    ['the database is ready: a database', undefined],
    ['the database is away: refused', 1],
  ]);
  expect(lines).toHaveLength(252);
});
