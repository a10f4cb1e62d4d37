// What the tests of processes share: nodes that are stopped with their test, code run as a process, recorded events.
import { setImmediate } from 'node:timers';
import {
  type Behaviour,
  createNode,
  formatReason,
  type Node,
  type NodeOptions,
  onTelemetry,
  type Process,
  type SpawnOptions,
  type TelemetryEvents,
  type TelemetryName,
} from 'troupe';
import { awaitExit, type WaitOptions } from 'troupe/testing';
import { onTestFinished } from 'vitest';

/** A node that is stopped when the test is over. */
export function makeNode(options?: NodeOptions): Node {
  const node = createNode(options);
  onTestFinished(() => node.stop());
  return node;
}

/** A process that takes messages and does nothing. */
export const idle: Behaviour = { name: 'idle', init: () => undefined, handle: () => undefined };

/** A process that takes no message out of its mailbox. */
export function deaf(self: Process): Promise<unknown> {
  return self.receive(() => false);
}

/**
 * Runs a function as a process and waits for its end.
 * @returns what the function returned; throws what it threw, and when the process ended otherwise.
 */
export async function inProcess<T>(
  node: Node,
  body: (self: Process) => T | Promise<T>,
  options: SpawnOptions & WaitOptions = {},
): Promise<T> {
  let result: { value: T } | undefined;
  const { withinMs, ...spawning } = options;
  const pid = node.spawnWith(spawning, async (self) => {
    result = { value: await body(self) };
  });
  const reason = await awaitExit(node, pid, withinMs === undefined ? {} : { withinMs });
  if (result !== undefined) return result.value;
  throw reason instanceof Error ? reason : new Error(`the process ended with ${formatReason(reason)}`);
}

/** The events of a telemetry channel from now to the end of the test. */
export function recordTelemetry<Name extends TelemetryName>(name: Name): Array<TelemetryEvents[Name]> {
  const events: Array<TelemetryEvents[Name]> = [];
  onTestFinished(
    onTelemetry(name, (event) => {
      events.push(event);
    }),
  );
  return events;
}

/** The promise rejections that nobody has handled, from now to the end of the test. */
export function recordUnhandledRejections(): unknown[] {
  const rejections: unknown[] = [];
  const listener = (reason: unknown): void => {
    rejections.push(reason);
  };
  process.on('unhandledRejection', listener);
  onTestFinished(() => {
    process.off('unhandledRejection', listener);
  });
  return rejections;
}

/** Lets the event loop turn, after which Node.js has reported unhandled rejections. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Code that waits until it is told to go on. */
export function makeGate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
