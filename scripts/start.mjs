// npm start: from a fresh clone to the running application. Installs and builds when that is due, then runs
// `node dist/app/main.js` and ends with its exit code.
// The application runs in a process group of its own and gets its signals from here alone: Ctrl-C in a terminal reaches
// npm and this script both, npm passes its own on, and the application would take the second for "stop at once".
// (package.json says `exec node ...`, as a signal to npm would otherwise end the shell between and never come here.)
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import './lib/env.mjs';
import { ensureBuild, ensureModules } from './lib/fresh.mjs';
import { root, say, script, signalCode } from './lib/run.mjs';

/** The same signal within this time is the same wish. */
const ECHO_MS = 200;
const FORWARDED = /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP']);

await script(async () => {
  await ensureModules();
  await ensureBuild();
  say('start: node dist/app/main.js');
  return application();
});

/**
 * Runs the application to its end.
 * @returns {Promise<number>} its exit code
 */
function application() {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, 'dist/app/main.js'), ...process.argv.slice(2)], {
      stdio: 'inherit',
      detached: true,
    });
    let last = /** @type {{ signal?: NodeJS.Signals, at: number }} */ ({ at: 0 });
    for (const signal of FORWARDED) {
      process.on(signal, () => {
        const echo = last.signal === signal && performance.now() - last.at < ECHO_MS;
        last = { signal, at: performance.now() };
        if (!echo) child.kill(signal);
      });
    }
    child.on('error', reject);
    child.on('exit', (code, signal) =>
      resolve(code ?? (signal && constants.signals[signal] ? signalCode(signal) : 1)),
    );
  });
}
