// The first minute of a newcomer: `npm start` in a fresh clone, a note, the REPL, Ctrl-C. The clone is a copy of this checkout
// without what is derived; its node_modules has the packages of this one, so nothing is downloaded.
import { cpSync, mkdirSync, readdirSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { root } from '../../scripts/lib/run.mjs';
import { openClient } from './support/client.ts';
import { makeNote, startProgram, temporaryFolder, titlesAt } from './support/program.ts';

const LEFT_OUT = /^(node_modules|dist(\..*)?|data|coverage|\.git|\.tmp|\.env)$/;

function clone(): string {
  const folder = join(temporaryFolder(), 'clone');
  mkdirSync(folder);
  for (const name of readdirSync(root).filter((entry) => !LEFT_OUT.test(entry))) {
    cpSync(join(root, name), join(folder, name), { recursive: true });
  }
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules'))) {
    const [from, to] = [join(root, 'node_modules', name), join(folder, 'node_modules', name)];
    // A copy is newer than the lock file, as after npm ci.
    if (name === '.package-lock.json') cpSync(from, to);
    else symlinkSync(from, to);
  }
  return folder;
}

test('npm start builds and serves, the REPL attaches, and a signal to npm ends all of it', async () => {
  const cwd = clone();
  const npm = startProgram({ command: ['npm', 'start'], cwd });
  const [, pid] = await npm.printed(/"pid":(\d+)/);
  onTestFinished(() => endAt(Number(pid)));
  const port = await npm.port;
  const client = await openClient(`ws://127.0.0.1:${port}/notifications`);
  client.send('ping');
  expect(await client.next()).toBe('pong');
  await makeNote(port, 'Hello');
  expect(JSON.parse(await client.next())).toMatchObject({ event: 'note_created', data: { title: 'Hello' } });
  expect(await titlesAt(port, 'hello')).toEqual(['Hello']);
  expect((await fetch(`http://127.0.0.1:${port}/`)).status).toBe(200);

  const command = ['npm', 'run', '-s', 'repl', '--'] as const;
  const repl = startProgram({ command: [...command], args: ['--eval', "members('notes').length"], cwd });
  expect(await repl.ended).toMatchObject({ code: 0, stdout: '2\n' });

  npm.signal('SIGINT');
  expect(await client.closed).toMatchObject({ code: 1001 });
  const { code, stderr } = await npm.ended;
  expect(code).toBe(0);
  expect(stderr.split('\n').filter((line) => /^(npm ci|build|start):/.test(line))).toEqual([
    'build: dist is missing',
    'start: node dist/app/main.js',
  ]);
  expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH');

  // Who builds it need not be who runs it.
  const dist = join(cwd, 'dist');
  const closed = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) => {
    const file = statSync(join(dist, name));
    return (~file.mode & (file.isDirectory() ? 0o005 : 0o004)) !== 0;
  });
  expect(closed).toEqual([]);
}, 240_000);

/** The application runs in a process group of its own: it would outlive an npm that is killed. */
function endAt(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
