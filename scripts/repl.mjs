// npm run repl: the command `troupe`, attached to the running application. Builds first when dist/ is stale; otherwise silent, so that
// `--eval` can be used in scripts. (npm itself prints two lines on stdout: `npm run -s repl -- ...` does not.)
// The client runs in this very process: the terminal, the signals and the exit code are its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import './lib/env.mjs';
import { ensureBuild } from './lib/fresh.mjs';
import { Failure, root, script } from './lib/run.mjs';

const client = join(root, 'dist/runtime/cli/main.js');
let ready = false;

await script(async () => {
  await ensureBuild();
  if (!existsSync(client)) throw new Failure('dist/runtime/cli/main.js is not there: run npm run build');
  ready = true;
  return 0;
});

if (ready) {
  process.argv[1] = client;
  await import(pathToFileURL(client).href);
}
