// npm run torture: loses, kills and cuts what notifications depend on, and counts what clients miss. Builds first when dist/ is stale.
//   npm run torture                                 100,000 events on PostgreSQL with three instances, 20,000 on PGlite with one
//   npm run torture -- --short                      2,000 and 500 events, under a minute
//   npm run torture -- postgres --events 5000       only this one, with as many events
//   npm run torture -- --gap 100                    more faults: after 100 answered changes, on average
//   npm run torture -- storm                        600 clients that lose their connections at once, and how they come back
//   npm run torture -- slow                         a client among a thousand that does not read, and what it costs the others
//   npm run torture -- --seed 7                     the same faults, in the same order
// Prints the seed, the faults and the counts. Exits with 1 when a client has lost an event, seen one twice, out of order or changed, or when
// what was answered is not stored. PostgreSQL has to be installed; it runs servers of its own.
import { ensureBuild, ensureModules } from './lib/fresh.mjs';
import { run, script } from './lib/run.mjs';

await script(async () => {
  await ensureModules();
  await ensureBuild();
  return run(process.execPath, ['--import', 'tsx', 'torture/main.ts', ...process.argv.slice(2)]);
});
