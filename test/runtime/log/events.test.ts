// Events of the runtime as lines of a logger: for whom, how often, and how much of them.
import { channel } from 'node:diagnostics_channel';
import { afterEach, expect, test } from 'vitest';
import { createNode, defineServer, type Node } from 'troupe';
import { type EventLogger, logEvents, type LogEventsOptions } from 'troupe/log';
import { awaitExit } from 'troupe/testing';

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const lines: Line[] = [];
const line = (level: string) => (fields: object, message: string) => {
  lines.push({ level, message, fields: fields as Line['fields'] });
};
const log: EventLogger = {
  debug: line('debug'),
  info: line('info'),
  warn: line('warn'),
  error: line('error'),
};
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
  lines.length = 0;
});

function follow(options?: LogEventsOptions): void {
  ends.push(logEvents(log, options));
}

async function crash(node: Node, label: string, reason: unknown): Promise<void> {
  const pid = node.spawnWith({ label }, () => {
    throw reason;
  });
  await awaitExit(node, pid);
}

test('a crash is one line, and the same crash again is counted', async () => {
  follow();
  const node = createNode();
  for (let count = 0; count < 3; count++) {
    // oxlint-disable-next-line no-await-in-loop
    await crash(node, 'printer', new Error('out of paper'));
  }
  await crash(node, 'printer', new Error('on fire'));
  expect(lines).toMatchObject([
    { level: 'error', message: 'a process crashed', fields: { label: 'printer', count: 1 } },
    { level: 'error', fields: { err: { message: 'on fire' }, count: 1 } },
  ]);
  expect(lines[0]?.fields['process']).toMatch(/^<0\.\d+\.0>$/);
  expect(lines[0]?.fields).not.toHaveProperty('pid');
});

test('an error that cannot be read, or is very long, is described by another', async () => {
  follow();
  const node = createNode();
  const getter = Object.defineProperty(new Error('odd'), 'stack', {
    get: () => {
      throw new Error('read');
    },
  });
  const many = new AggregateError(
    Array.from({ length: 1_000 }, () => new Error('one')),
    'many',
  );
  const odd: Record<string, unknown> = {
    getter,
    object: Object.assign(new Error('odd'), { message: { length: 3 } }),
    long: new Error('x'.repeat(1_000_000)),
    many,
    wide: { text: 'x'.repeat(1_000_000) },
  };
  for (const [label, reason] of Object.entries(odd)) {
    // oxlint-disable-next-line no-await-in-loop
    await crash(node, label, reason);
  }
  expect(lines.map(({ fields }) => fields['label'])).toEqual(Object.keys(odd));
  for (const { fields } of lines) {
    const { message, stack } = fields['err'] as Error;
    expect(`${message}${stack}`.length).toBeLessThan(20_000);
    expect(fields['err']).not.toHaveProperty('errors');
  }
});

test('only the node that is named', async () => {
  const [here, there] = [createNode({ name: 'here@test' }), createNode({ name: 'there@test' })];
  follow({ node: here });
  await crash(there, 'there', new Error('no'));
  await crash(here, 'here', new Error('no'));
  const publish = (node: string): void => {
    channel('troupe:node:up').publish({ node, peer: 'peer@test' });
  };
  publish('there@test');
  publish('here@test');
  expect(lines.map(({ message, fields }) => [message, fields['label'] ?? fields['peer']])).toEqual([
    ['a process crashed', 'here'],
    ['a node is connected', 'peer@test'],
  ]);
});

test('what is expected is not logged', async () => {
  follow({ isExpected: (reason) => reason instanceof RangeError });
  const node = createNode();
  await crash(node, 'a', new RangeError('known'));
  await crash(node, 'b', new TypeError('unknown'));
  expect(lines.map(({ fields }) => fields['label'])).toEqual(['b']);
});

test('texts are cut, and an unexpected message is not shown', async () => {
  follow();
  const node = createNode();
  const server = await node.start(defineServer({ name: 'x'.repeat(5_000), init: () => 0 }));
  node.send(server.pid, { secret: 'of a client' });
  await server.stop();
  const unexpected = lines.find(({ message }) => message.includes('does not know'));
  expect(unexpected).toMatchObject({ level: 'warn', fields: { label: 'x'.repeat(2_000), kind: 'info' } });
  expect(JSON.stringify(lines)).not.toContain('of a client');
});

test('nothing is logged any more after its end', async () => {
  follow();
  ends.splice(0)[0]?.();
  await crash(createNode(), 'late', undefined);
  expect(lines).toEqual([]);
});

test('what is no logger is refused', () => {
  const { warn: _warn, ...rest } = log;
  expect(() => logEvents(rest as EventLogger)).toThrow('this one has no warn');
  expect(() => logEvents(undefined as never)).toThrow('this one has no debug');
});
