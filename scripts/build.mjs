// npm run build: rebuilds dist/ from scratch.
import { build, ensureModules } from './lib/fresh.mjs';
import { script } from './lib/run.mjs';

await script(async () => {
  await ensureModules();
  await build();
  return 0;
});
