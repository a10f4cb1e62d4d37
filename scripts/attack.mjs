// npm run attack: plays hostile and unlucky clients against the built application, beside good ones, and prints for each kind
// the longest stop of the event loop, the most memory, and what the good clients lost. Builds first when dist/ is stale.
//   npm run attack                       all kinds, in a few minutes
//   npm run attack -- --short lists      less of it, and only this kind
//   npm run attack -- --stop-ms 1000     on a busy machine, where everything stands longer
// Exits with 1 when the service has ended, stood too long, taken too much, or a good client has lost anything.
import { ensureBuild } from './lib/fresh.mjs';
import { run, script } from './lib/run.mjs';

await script(async () => {
  await ensureBuild();
  return run(process.execPath, ['--import', 'tsx', 'attack/main.ts', ...process.argv.slice(2)]);
});
