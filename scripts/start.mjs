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

/** The same signal within this time is the same wish; on a busy machine npm takes a while to pass its own on. */
const ECHO_MS = 500;
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
    /** @type {import('node:child_process').ChildProcess | undefined} */
    let child = undefined;
    /** When each signal came: another one in between makes no second wish of its echo. */
    const came = /** @type {Map<NodeJS.Signals, number>} */ (new Map());
    /** What came before there was somebody to pass it on to. */
    const early = /** @type {NodeJS.Signals[]} */ ([]);
    // First: until somebody listens, a signal ends this script, and the application would run on alone.
    for (const signal of FORWARDED) {
      process.on(signal, () => {
        const echo = performance.now() - (came.get(signal) ?? -Infinity) < ECHO_MS;
        came.set(signal, performance.now());
        if (echo) return;
        if (child === undefined) early.push(signal);
        else child.kill(signal);
      });
    }
    child = spawn(process.execPath, [join(root, 'dist/app/main.js'), ...process.argv.slice(2)], {
      stdio: 'inherit',
      detached: true,
    });
    for (const signal of early) child.kill(signal);
    child.on('error', reject);
    child.on('exit', (code, signal) =>
      resolve(code ?? (signal && constants.signals[signal] ? signalCode(signal) : 1)),
    );
  });
}
