// npm run bench: measures the built output. Builds first when dist/ is stale; arguments go to bench/main.mjs.
import { ensureBuild } from './lib/fresh.mjs';
import { run, script } from './lib/run.mjs';

await script(async () => {
  await ensureBuild();
  return run(process.execPath, ['--expose-gc', 'bench/main.mjs', ...process.argv.slice(2)]);
});
