/** The public entry point for tests of actors: `import { ... } from 'troupe/testing'`. */
export {
  createMemoryNetwork,
  type MemoryNetwork,
  type MemoryNetworkOptions,
} from '../distribution/memory.ts';
export { awaitConverged } from './wait.ts';
export { awaitExit } from './wait.ts';
export { awaitMessage } from './probe.ts';
export { DEFAULT_WITHIN_MS, type WaitOptions } from './wait.ts';
export { createManualClock, type ManualClock, type ManualClockOptions } from './manual-clock.ts';
export { createProbe, type Probe, type ProbeOptions, type ReceivedCall } from './probe.ts';
export { settle, type SettleOptions } from './wait.ts';
