// The process table by itself, with few ids, so that they wrap around.
import { expect, test } from 'vitest';
import type { Process } from 'troupe';
import { ProcessTable } from '../../../src/runtime/process/internal.ts';

const ID_LIMIT = 2048;

/** Adds what the table needs of a process. */
function add(table: ProcessTable): Process {
  const process = { pid: { id: table.nextId(), serial: table.serial } } as Process;
  table.add(process);
  return process;
}

test('ids count up and wrap around, and then the serial goes up: no pid is used twice', () => {
  const table = new ProcessTable(100, ID_LIMIT);
  const seen = new Set<string>();
  for (let i = 0; i < 3 * ID_LIMIT; i++) {
    const process = add(table);
    expect(process.pid.id).toBe(i % ID_LIMIT);
    expect(process.pid.serial).toBe(Math.floor(i / ID_LIMIT));
    seen.add(`${process.pid.id}.${process.pid.serial}`);
    table.delete(process);
  }
  expect(seen.size).toBe(3 * ID_LIMIT);
});

test('an id whose process is alive is passed over, and a pid of an earlier round names no process', () => {
  const table = new ProcessTable(100, ID_LIMIT);
  const kept = [add(table), add(table), add(table)];
  // A table of 1,024 slots: each of the three takes the slot of two ids.
  for (let i = 0; i < ID_LIMIT - 6; i++) table.delete(add(table));
  const next = add(table);
  expect([next.pid.id, next.pid.serial]).toEqual([3, 1]);
  expect(kept.map(({ pid }) => table.find(pid.id, pid.serial))).toEqual(kept);
  expect(table.find(next.pid.id, 0)).toBeNull();
  expect(table.find(0, 1)).toBeNull();
});

test('it grows, keeps everybody findable and lists all', () => {
  const table = new ProcessTable(10_000, 1 << 20);
  const all = Array.from({ length: 5000 }, () => add(table));
  for (let i = 0; i < 5000; i += 2) table.delete(all[i] as Process);
  const left = all.filter((_, index) => index % 2 === 1);
  expect(left.every((process) => table.find(process.pid.id, process.pid.serial) === process)).toBe(true);
  expect(table.size).toBe(2500);
  expect(new Set(table.all())).toEqual(new Set(left));
});

test('erl +P: beyond its most processes it is a system limit', () => {
  const table = new ProcessTable(2, ID_LIMIT);
  const first = add(table);
  add(table);
  expect(() => table.nextId()).toThrow(expect.objectContaining({ code: 'TROUPE_SYSTEM_LIMIT' }));
  table.delete(first);
  expect(table.nextId()).toBe(2);
});
