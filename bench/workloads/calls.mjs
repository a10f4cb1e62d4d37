/** Calls: a process calls a server and waits for the answer, one call after the other. */
import { createNode, defineServer } from '../../dist/runtime/index.js';
import { bestSeconds, signal } from '../lib/measure.mjs';

const echoServer = defineServer({
  name: 'echo',
  init: () => ({ calls: 0 }),
  call: {
    echo(state, value) {
      state.calls++;
      return value;
    },
  },
});

/** Calls per second. */
export async function calls(count = 500_000) {
  const node = createNode();
  const server = await node.start(echoServer);
  const seconds = await bestSeconds(async () => {
    const { fire, fired } = signal();
    node.spawn(async (self) => {
      const options = { from: self };
      for (let i = 0; i < count; i++) await server.call('echo', i, options);
      fire();
    });
    await fired;
  });
  await node.stop();
  return count / seconds;
}
