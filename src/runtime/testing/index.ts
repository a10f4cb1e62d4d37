/** The public entry point for tests of actors: `import { ... } from 'troupe/testing'`. */
export {
  createMemoryNetwork,
  type MemoryNetwork,
  type MemoryNetworkOptions,
} from '../distribution/memory.ts';
export { awaitConverged } from './await-converged.ts';
export { awaitExit } from './await-exit.ts';
export { awaitMessage } from './await-message.ts';
export { DEFAULT_WITHIN_MS, type WaitOptions } from './guard.ts';
export { createManualClock, type ManualClock, type ManualClockOptions } from './manual-clock.ts';
export { createProbe, type Probe, type ProbeOptions, type ReceivedCall } from './probe.ts';
export { settle, type SettleOptions } from './settle.ts';
