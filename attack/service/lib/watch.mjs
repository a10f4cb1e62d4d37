// Loaded into the program that is attacked, by `node --import`: measures how long its event loop stands, and tells the
// attacker when asked over the IPC channel. It keeps the program neither running nor busy.
import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 5;
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
delay.enable();

process.on('message', (message) => {
  if (message === 'reset') delay.reset();
  if (message === 'report') process.send?.({ longestStopMs: Math.max(0, delay.max / 1e6 - RESOLUTION_MS) });
});
process.channel?.unref();
