// Pids and refs as values: how they print, when they are equal, and how a printed pid is read back.
import { inspect } from 'node:util';
import { createNode, Pid, Ref } from 'troupe';
import { expect, test } from 'vitest';
import { Origin } from '../../../src/runtime/terms/internal.ts';
import { deaf, idle, makeNode } from './helpers.ts';

test('erlang:pid_to_list/1: a pid prints as <node.id.serial>, in text, JSON and inspect', () => {
  const node = makeNode();
  const pid = node.spawn(idle);
  expect(String(pid)).toMatch(/^<\d+\.1\.0>$/);
  expect(JSON.stringify({ pid })).toBe(`{"pid":"${pid.toString()}"}`);
  expect(inspect({ pid })).toBe(`{ pid: ${pid.toString()} }`);
});

test('erlang:list_to_pid/1: what a pid prints as stands for the same process, alive or not', () => {
  const node = makeNode();
  const pid = node.spawn(idle);
  expect(node.pid(pid.toString())).toBe(pid);
  node.exit(pid, 'kill');
  const dead = node.pid(pid.toString());
  expect(dead.equals(pid)).toBe(true);
  expect(node.isAlive(dead)).toBe(false);
});

test('erlang:list_to_pid/1: a pid is read before any of its node has been printed', () => {
  // Nodes are numbered as they are made, so that the first is <0.…>: the number of the second follows.
  const first = makeNode({ name: 'read_first@test' });
  const second = makeNode({ name: 'read_second@test' });
  const numberOfFirst = Number(/^<(\d+)\./.exec(String(first.initPid))?.[1]);
  expect(second.pid(`<${numberOfFirst + 1}.0.0>`)).toBe(second.initPid);
});

test.each([
  '',
  'x',
  '<0.1>',
  '<0.1.2.3>',
  '<a.1.0>',
  '0.1.0',
  '<0.-1.0>',
  '<999999999.1.0>',
  '<0.12345678901.0>',
])('erlang:list_to_pid/1: badarg for %j', (text) => {
  const node = makeNode();
  expect(() => node.pid(text)).toThrow(expect.objectContaining({ code: 'TROUPE_BAD_ARGUMENT' }));
});

test('pids of the same node, creation, id and serial are equal, whatever object carries them', () => {
  const origin = new Origin('a@test', 7);
  const pid = new Pid(origin, 3, 1);
  const same = new Pid(new Origin('a@test', 7), 3, 1);
  expect(pid.equals(same)).toBe(true);
  expect(pid.key).toBe(same.key);
  for (const other of [
    new Pid(new Origin('b@test', 7), 3, 1),
    new Pid(new Origin('a@test', 8), 3, 1),
    new Pid(origin, 4, 1),
    new Pid(origin, 3, 2),
  ]) {
    expect(pid.equals(other)).toBe(false);
    expect(pid.key).not.toBe(other.key);
  }
  expect(pid.equals(undefined)).toBe(false);
  expect(pid.equals(pid.toString())).toBe(false);
});

test('a copy of a pid reaches the process: send, exit, isAlive and process info go by value', () => {
  const node = makeNode();
  const pid = node.spawn(deaf);
  const copy = new Pid(new Origin(pid.node, pid.creation), pid.id, pid.serial);
  expect(node.isAlive(copy)).toBe(true);
  node.send(copy, 'hello');
  expect(node.processInfo(copy)?.messageQueueLength).toBe(1);
  node.exit(copy, 'kill');
  expect(node.isAlive(pid)).toBe(false);
});

test('a pid of an earlier incarnation of the node names no process here', () => {
  const node = makeNode({ creation: 100 });
  const pid = node.spawn(idle);
  const stale = new Pid(new Origin(node.name, 99), pid.id, pid.serial);
  expect(node.isAlive(stale)).toBe(false);
  expect(stale.equals(pid)).toBe(false);
});

test('erlang:pid_to_list/1: two nodes print different first fields', () => {
  const one = makeNode({ name: 'print_one@test' });
  const two = makeNode({ name: 'print_two@test' });
  expect(one.initPid.toString()).not.toBe(two.initPid.toString());
});

test('erlang:make_ref/0: refs are unique, equal only to themselves and their copies', () => {
  const node = makeNode();
  const ref = node.makeRef();
  const keys = new Set(Array.from({ length: 1000 }, () => node.makeRef().key));
  expect(keys.size).toBe(1000);
  expect(keys.has(ref.key)).toBe(false);
  const copy = new Ref(new Origin(ref.node, ref.creation), 0, 0, ref.words);
  expect(ref.equals(copy)).toBe(true);
  expect(copy.equals(ref)).toBe(true);
  expect(copy.key).toBe(ref.key);
  expect(ref.equals(node.makeRef())).toBe(false);
  expect(ref.equals('ref')).toBe(false);
});

test('erlang:make_ref/0: refs go on where their low word overflows', () => {
  const node = makeNode();
  const keys = new Set<string>();
  for (let i = 0; i < 0x40000 + 10; i++) keys.add(node.makeRef().words.join('.'));
  expect(keys.size).toBe(0x40000 + 10);
});

test('erlang:ref_to_list/1: a ref prints as #Ref<node.words>, the words of another system unchanged', () => {
  const node = makeNode();
  expect(String(node.makeRef())).toMatch(/^#Ref<\d+\.\d+\.\d+\.\d+>$/);
  const foreign = new Ref(new Origin('beam@test', 9), 0, 0, [1, 2, 3, 4, 5]);
  expect(foreign.words).toEqual([1, 2, 3, 4, 5]);
  expect(String(foreign)).toMatch(/^#Ref<\d+\.5\.4\.3\.2\.1>$/);
  expect(JSON.stringify(foreign)).toBe(JSON.stringify(String(foreign)));
  expect(inspect(foreign)).toBe(String(foreign));
});

test('refs of two nodes differ', () => {
  const creation = 50;
  const one = createNode({ name: 'ref_one@test', creation });
  const two = createNode({ name: 'ref_two@test', creation });
  const [a, b] = [one.makeRef(), two.makeRef()];
  expect(a.words).toEqual(b.words);
  expect(a.equals(b)).toBe(false);
  expect(a.key).not.toBe(b.key);
});
