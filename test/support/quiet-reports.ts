// Processes crash on purpose in many tests: with a subscriber the runtime does not report them on standard error. A test of the
// reports ends these subscriptions first. It does without the runtime, which most test files do not need.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

const FAILURES = [
  'troupe:process:crash',
  'troupe:server:terminated',
  'troupe:supervisor:child_terminated',
  'troupe:supervisor:intensity_reached',
  'troupe:fastify:failed',
];
const ignore = (): void => undefined;

for (const name of FAILURES) subscribe(name, ignore);

/** Lets failures be reported, for the rest of the file. */
export function reportAloud(): void {
  for (const name of FAILURES) unsubscribe(name, ignore);
}
