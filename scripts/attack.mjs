// npm run attack: plays hostile and unlucky clients against the built service, and hostile nodes against a node, with good ones
// beside them. Prints for each kind the longest stop of the event loop, the most memory, and what the good ones have lost. Builds
// first when dist/ is stale.
//   npm run attack                                  everything, in some minutes
//   npm run attack -- --short service:lists         less of it, and only this kind
//   npm run attack -- peers --tcp --no-erlang       other nodes, over TCP alone, without an Erlang node beside
//   npm run attack -- --stop-ms 1000                on a busy machine, where everything stands longer
// Exits with 1 when the attacked program has ended, stood too long, taken too much, or a good client or node has lost anything.
import { ensureBuild, ensureModules } from './lib/fresh.mjs';
import { run, script } from './lib/run.mjs';

await script(async () => {
  await ensureModules();
  await ensureBuild();
  return run(process.execPath, ['--import', 'tsx', 'attack/main.ts', ...process.argv.slice(2)]);
});
