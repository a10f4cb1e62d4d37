// A process that registers a node and prints what it is told; for tests in which such a process ends.
// Arguments: the port of epmd, the name, and whether it stays until it is killed.
import { Epmd } from '../../../../src/runtime/distribution/epmd/internal.ts';

const [port, alive = '', stays] = process.argv.slice(2);

const epmd = new Epmd(
  { port: Number(port), retryMs: 50 },
  {
    state(state) {
      process.stdout.write(`${state}\n`);
    },
  },
);
await epmd.register(alive, 5_999, true);
if (stays === 'true') process.stdin.resume();
