// Measures how much work a scope does before another process has its turn.
import type { Node } from 'troupe';
import { onTestFinished, vi } from 'vitest';
import { Members } from '../../../src/runtime/pg/internal.ts';

/** Counts the calls of some methods from one run of a busy process to the next. @returns ends it, and answers the largest count */
export function longestRun(
  node: Node,
  ...methods: readonly ('joinRemote' | 'leaveRemote' | 'removeExited')[]
): () => number {
  let [since, longest] = [0, 0];
  for (const method of methods) {
    const original = Members.prototype[method] as (...args: unknown[]) => unknown;
    const counted = function (this: Members, ...args: unknown[]): unknown {
      longest = Math.max(longest, ++since);
      return original.apply(this, args);
    };
    vi.spyOn(Members.prototype, method).mockImplementation(counted as never);
  }
  onTestFinished(() => void vi.restoreAllMocks());
  const busy = node.spawn({
    name: 'busy',
    init: () => undefined,
    handle: (self) => {
      since = 0;
      self.deliver('again');
      self.node.scheduler.reductions = 0;
    },
  });
  node.send(busy, 'begin');
  return () => {
    node.exit(busy, 'kill');
    return longest;
  };
}
