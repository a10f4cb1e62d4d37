// npm run test:node: the tests that need neither a BEAM node nor a browser nor a database server on Node.js 22, 24 and 26.
//   npm run test:node -- 26                   on one release
//   npm run test:node -- 22 26 test/runtime   some files only
// The releases are installed from npm into ~/.cache/troupe-node, or TROUPE_NODE_CACHE. The last line is always
// `N passed, N failed, N skipped`.
import { ensureModules } from './lib/fresh.mjs';
import { testOnNode } from './lib/matrix.mjs';
import { NODES } from './lib/nodes.mjs';
import { script } from './lib/run.mjs';
import { conclude } from './lib/vitest.mjs';

await script(async () => {
  const args = process.argv.slice(2);
  const releases = args.filter((arg) => /^\d+$/.test(arg));
  const files = args.filter((arg) => !releases.includes(arg));
  await ensureModules();
  return conclude(await testOnNode(releases.length > 0 ? releases : NODES, { install: true, files }));
});
