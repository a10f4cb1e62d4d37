/** Processes: spawning and ending, and what an idle one costs. */
import { createNode, Down } from '../../dist/runtime/index.js';
import { bestSeconds, signal } from '../lib/measure.mjs';

/** A process that ends at once, monitored; one after the other. Processes per second. */
export async function spawnExit(count = 500_000) {
  const node = createNode();
  const seconds = await bestSeconds(async () => {
    const { fire, fired } = signal();
    const body = () => undefined;
    let ended = 0;
    node.spawn({
      name: 'parent',
      init(self) {
        self.spawnMonitor(body);
      },
      handle(self, message) {
        if (!(message instanceof Down)) return;
        if (++ended === count) {
          fire();
          self.exit('normal');
        }
        self.spawnMonitor(body);
      },
    });
    await fired;
  });
  await node.stop();
  return count / seconds;
}

/** Heap bytes of a process that waits for its first message. */
export async function idleProcess(count = 200_000) {
  const node = createNode();
  const idle = { name: 'idle', init: () => undefined, handle: () => undefined };
  const settled = () => new Promise((resolve) => setTimeout(resolve, 200));
  globalThis.gc?.();
  await settled();
  const before = process.memoryUsage().heapUsed;
  node.spawn((self) => {
    for (let i = 0; i < count; i++) self.spawn(idle);
  });
  await settled();
  globalThis.gc?.();
  const bytes = (process.memoryUsage().heapUsed - before) / count;
  await node.stop();
  return bytes;
}
