// npm run build: makes dist/ anew, whatever its state.
import { build, ensureModules } from './lib/fresh.mjs';
import { script } from './lib/run.mjs';

await script(async () => {
  await ensureModules();
  await build();
  return 0;
});
