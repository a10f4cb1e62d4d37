// What the reference shows, in the form in which a subject shows it.
import type { Letter, Reference } from './reference.ts';

/** What can be seen of a process, or its exit reason. */
export function lookAt(reference: Reference, id: number): unknown {
  const process = reference.processes[id];
  if (process?.alive !== true) return { ended: String(process?.reason) };
  return {
    trapExit: process.trapExit,
    name: process.name,
    links: [...process.links].map((linked) => `#${linked}`).toSorted(),
    monitors: reference.monitors
      .filter(({ owner }) => owner === id)
      .map(({ target }) => target)
      .toSorted(),
    monitoredBy: reference.monitors
      .filter(({ watched }) => watched === id)
      .map(({ owner }) => `#${owner}`)
      .toSorted(),
  };
}

/** Brings messages that came at one time, and so have no order, into one. */
export function inAnOrder(mailbox: readonly string[], letters: readonly Letter[]): string[] {
  const groups = new Map<number, string[]>();
  mailbox.forEach((text, index) => {
    const at = letters[index]?.at ?? Infinity;
    groups.set(at, [...(groups.get(at) ?? []), text]);
  });
  return [...groups.values()].flatMap((group) => group.toSorted());
}
