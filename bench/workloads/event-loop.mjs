/** What the event loop feels while processes flood each other. */
import { createNode } from '../../dist/runtime/index.js';

/**
 * The 99th percentile of the delay of a 10 ms timer, in milliseconds late, while `processes` processes send to each other
 * without end.
 */
export async function timerDelay(processes = 100_000, samples = 300) {
  const node = createNode();
  const pids = [];
  const flood = {
    name: 'flood',
    init(self, index) {
      self.send(self.pid, 'go');
      return index;
    },
    handle(self, message, index) {
      self.send(pids[(index * 7 + 1) % processes], message);
    },
  };
  for (let i = 0; i < processes; i++) pids.push(node.spawn(flood, i));
  const late = [];
  while (late.length < samples) {
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 10));
    late.push(performance.now() - start - 10);
  }
  await node.stop();
  late.sort((a, b) => a - b);
  return late[Math.floor(samples * 0.99)];
}
