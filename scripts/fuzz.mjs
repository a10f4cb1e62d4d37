// npm run fuzz: feeds random, broken and hostile input to all that reads what other programs send. Prints the seed; the first
// finding ends it, with the input and the command that makes it again.
//   npm run fuzz                              all targets, more than a million inputs
//   npm run fuzz -- --inputs 20000 --seed 7   fewer, and the same ones each time
//   npm run fuzz -- term frames               only these targets
import { ensureModules } from './lib/fresh.mjs';
import { run, script } from './lib/run.mjs';

await script(async () => {
  await ensureModules();
  return run(process.execPath, ['--expose-gc', '--import', 'tsx', 'fuzz/main.ts', ...process.argv.slice(2)]);
});
