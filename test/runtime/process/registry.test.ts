// Registered names: erlang:register/2, unregister/1, whereis/1, registered/0, and sending to a name.
import { createProbe, settle } from 'troupe/testing';
import { expect, test } from 'vitest';
import { idle, inProcess, makeNode } from './helpers.ts';

const withCode = (code: string) => expect.objectContaining({ code }) as Error;

test('erlang:register/2, whereis/1 and registered/0', () => {
  const node = makeNode();
  const pid = node.spawn(idle);
  node.register('service', pid);
  expect(node.whereis('service')).toBe(pid);
  expect(node.registered().toSorted()).toEqual(['init', 'service']);
  expect(node.processInfo(pid)?.registeredName).toBe('service');
});

test('erlang:whereis/1: undefined for an unregistered name', () => {
  expect(makeNode().whereis('nobody')).toBeUndefined();
});

test('erlang:register/2: badarg when the name is taken, even by the process itself', () => {
  const node = makeNode();
  const [a, b] = [node.spawn(idle), node.spawn(idle)];
  node.register('service', a);
  expect(() => node.register('service', b)).toThrow(withCode('TROUPE_NAME_TAKEN'));
  expect(() => node.register('service', a)).toThrow(withCode('TROUPE_NAME_TAKEN'));
  expect(node.whereis('service')).toBe(a);
});

test('erlang:register/2: badarg when the process has a name already', () => {
  const node = makeNode();
  const pid = node.spawn(idle);
  node.register('one', pid);
  expect(() => node.register('two', pid)).toThrow(withCode('TROUPE_NAME_TAKEN'));
  expect(node.whereis('two')).toBeUndefined();
});

test('erlang:register/2: badarg when the process is not alive', async () => {
  const node = makeNode();
  const dead = node.spawn(() => undefined);
  await settle(node);
  expect(() => node.register('late', dead)).toThrow(withCode('TROUPE_NOPROC'));
});

test.each(['', 'undefined', undefined, 5])('erlang:register/2: badarg for the name %j', (name) => {
  const node = makeNode();
  const pid = node.spawn(idle);
  expect(() => node.register(name as string, pid)).toThrow(withCode('TROUPE_BAD_ARGUMENT'));
});

test('erlang:unregister/1 frees the name; badarg when it is not registered', () => {
  const node = makeNode();
  const pid = node.spawn(idle);
  node.register('service', pid);
  node.unregister('service');
  expect(node.whereis('service')).toBeUndefined();
  expect(node.processInfo(pid)?.registeredName).toBeUndefined();
  expect(() => node.unregister('service')).toThrow(withCode('TROUPE_NOT_REGISTERED'));
  node.register('other', pid);
  expect(node.whereis('other')).toBe(pid);
});

test('reference manual, "Registered Processes": the name is free as soon as the process ends', () => {
  const node = makeNode();
  const first = node.spawnWith({ name: 'service' }, idle);
  node.exit(first, 'kill');
  expect(node.whereis('service')).toBeUndefined();
  const second = node.spawnWith({ name: 'service' }, idle);
  expect(node.whereis('service')).toBe(second);
});

test('the end of a process that gave its name up leaves the name with its new process', () => {
  const node = makeNode();
  const first = node.spawnWith({ name: 'service' }, idle);
  node.unregister('service');
  const second = node.spawnWith({ name: 'service' }, idle);
  node.exit(first, 'kill');
  expect(node.whereis('service')).toBe(second);
});

test('erlang:send/2: to a name, to {name, node}, and to what has a pid', async () => {
  const node = makeNode();
  const probe = createProbe(node, { name: 'service' });
  node.send('service', 1);
  node.send({ name: 'service', node: node.name }, 2);
  node.send(probe, 3);
  await inProcess(node, (self) => {
    self.send('service', 4);
    self.send({ name: 'service', node: node.name }, 5);
    self.send(probe, 6);
  });
  await settle(node);
  expect(probe.messages()).toEqual([1, 2, 3, 4, 5, 6]);
});

test('erlang:send/2: badarg for an unregistered name, but not for {name, node}', async () => {
  const node = makeNode();
  expect(() => node.send('nobody', 1)).toThrow(withCode('TROUPE_NOT_REGISTERED'));
  expect(() => node.send({ name: 'nobody', node: node.name }, 1)).not.toThrow();
  await expect(inProcess(node, (self) => self.send('nobody', 1))).rejects.toMatchObject({
    code: 'TROUPE_NOT_REGISTERED',
  });
});

test('erlang:send/2: to a pid that is not alive is lost in silence', async () => {
  const node = makeNode();
  const dead = node.spawn(() => undefined);
  await settle(node);
  expect(() => node.send(dead, 1)).not.toThrow();
  await expect(inProcess(node, (self) => self.send(dead, 1))).resolves.toBeUndefined();
});

test('reference manual, "Signal Delivery": messages of one process to another arrive in the order sent', async () => {
  const node = makeNode();
  const probe = createProbe(node, { name: 'service' });
  await inProcess(node, (self) => {
    for (let i = 0; i < 1000; i++) {
      if (i % 3 === 0) self.send('service', i);
      else if (i % 3 === 1) self.send(probe.pid, i);
      else self.send({ name: 'service', node: node.name }, i);
    }
  });
  await settle(node);
  expect(probe.messages()).toEqual(Array.from({ length: 1000 }, (_, i) => i));
});
