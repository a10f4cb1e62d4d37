// npm run attack: attacks the built output from outside, with good peers beside it that must not notice. Prints for each kind the
// longest stop of the event loop, the peak of memory and what good peers have lost; exit code 1 when a limit is broken.
//   npm run attack                                   everything, over TCP and TLS
//   npm run attack -- peers --tcp                    one family, over one of the two
//   npm run attack -- peers:terms --stop-ms 1000     one kind, with another limit, on a machine that is busy with other things
//   --peak-mb 1536 is the limit of memory; --no-erlang leaves the Erlang node out
import { ensureBuild, ensureModules } from './lib/fresh.mjs';
import { run, script } from './lib/run.mjs';

await script(async () => {
  await ensureModules();
  await ensureBuild();
  return run(process.execPath, ['--import', 'tsx', 'attack/main.ts', ...process.argv.slice(2)]);
});
