// Who can attach: the socket, its permissions, what is there already, and what goes with a client that goes.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, lstatSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { listenPrivately } from '../../../src/runtime/repl/internal.ts';
import {
  type Application,
  attachTo,
  cleanEnv,
  CLIENT,
  runClient,
  startApplication,
  temporaryFolder,
} from './application.ts';

const started: Application[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((application) => application.kill()));
});

function folder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return path;
}

async function start(dataDir = folder()): Promise<Application> {
  const application = await startApplication(dataDir);
  started.push(application);
  return application;
}

function mode(path: string): number {
  return lstatSync(path).mode & 0o777;
}

describe('permissions', () => {
  test('only the user can open the socket, from the moment it is there', async () => {
    const path = join(folder(), 'new', 'repl.sock');
    const umask = process.umask();
    const listening = listenPrivately(path, () => undefined);
    // Bound, under a name of its own, and nothing awaited yet.
    const [bound] = readdirSync(dirname(path));
    expect(bound).toMatch(/^repl\.[0-9a-f]{6}$/);
    expect(mode(join(path, '..', bound as string))).toBe(0o600);
    const listener = await listening;
    expect(readdirSync(dirname(path))).toEqual(['repl.sock']);
    expect(lstatSync(path).isSocket()).toBe(true);
    expect(mode(path)).toBe(0o600);
    expect(mode(join(path, '..'))).toBe(0o700);
    expect(process.umask()).toBe(umask);
    listener.close();
    expect(existsSync(path)).toBe(false);
  });

  const other = otherUser();
  test.skipIf(other === undefined)('another user cannot connect', async () => {
    const application = await start();
    chmodSync(application.dataDir, 0o755);
    const [command = '', ...args] = other ?? [];
    const connect = `require('net').connect(${JSON.stringify(application.socket)}).on('connect', () => { console.log('connected'); process.exit() }).on('error', (error) => console.log(error.code))`;
    expect(execFileSync(command, [...args, process.execPath, '-e', connect], { encoding: 'utf8' })).toBe(
      'EACCES\n',
    );
    // The one who may, may.
    expect((await runClient(['-e', '1', '--socket', application.socket])).out).toBe('1\n');
  });
});

describe('what is there already', () => {
  test('the socket of an application that was killed is replaced', async () => {
    const first = await start();
    await first.kill();
    expect(lstatSync(first.socket).isSocket()).toBe(true);
    const gone = await runClient(['-e', '1'], { env: { DATA_DIR: first.dataDir } });
    expect(gone).toMatchObject({ code: 1, out: '' });
    expect(gone.err).toMatch(
      /^no program with a REPL runs here: nothing listens at .* \(it was killed; start it again\)\n$/,
    );
    await start(first.dataDir);
    expect(await runClient(['-e', '1'], { env: { DATA_DIR: first.dataDir } })).toMatchObject({ out: '1\n' });
  });

  test('a live socket is not stolen', async () => {
    const first = await start();
    await expect(startApplication(first.dataDir)).rejects.toThrow(
      /cannot listen on .*repl\.sock: another process listens there; two applications cannot share a data folder/,
    );
    expect((await attachTo(first)).connection.node).toBe('fixture@test');
  });

  test('a file that is not a socket is left alone', async () => {
    const path = join(folder(), 'repl.sock');
    writeFileSync(path, 'precious');
    await expect(listenPrivately(path, () => undefined)).rejects.toThrow(
      /a file of that name exists and is not a socket/,
    );
    expect(lstatSync(path).isFile()).toBe(true);
  });

  test('of many that start at once, over a socket that is stale, one gets the name', async () => {
    const dead = await start();
    await dead.kill();
    const outcomes = await Promise.allSettled(
      Array.from({ length: 10 }, () => listenPrivately(dead.socket, (socket) => socket.destroy())),
    );
    const listening = outcomes.filter(({ status }) => status === 'fulfilled');
    expect(listening).toHaveLength(1);
    expect(readdirSync(dead.dataDir)).toEqual(['repl.sock']);
    for (const outcome of outcomes) {
      if (outcome.status === 'fulfilled') outcome.value.close();
      else if (!/another process listens there/.test(String(outcome.reason))) throw outcome.reason;
    }
    expect(readdirSync(dead.dataDir)).toEqual([]);
  });

  test('the application removes its socket when it stops', async () => {
    const application = await start();
    expect(await application.stop()).toBe(0);
    expect(existsSync(application.socket)).toBe(false);
  });
});

test.skipIf(process.platform !== 'linux')(
  'a data folder may be deeper than a socket address is long',
  async () => {
    const deep = join(folder(), 'd'.repeat(60), 'e'.repeat(60));
    mkdirSync(deep, { recursive: true });
    const application = await start(deep);
    expect(lstatSync(join(deep, 'repl.sock')).isSocket()).toBe(true);
    const ran = await runClient(['-e', "registered().find(({ name }) => name === 'repl_server').name"], {
      env: { DATA_DIR: deep },
    });
    expect(ran).toEqual({ code: 0, out: 'repl_server\n', err: '' });
    expect(await application.stop()).toBe(0);
    expect(existsSync(join(deep, 'repl.sock'))).toBe(false);
  },
);

describe('clients', () => {
  test('one that is killed takes its process, its memberships and its watches along', async () => {
    const application = await start();
    const other = await attachTo(application);
    await other.run("watch('said')");
    const [command, ...args] = [...CLIENT, '-e'];
    const code = `join('crowd'); watch('crowd'); broadcast('said', 'here', String(self())); await new Promise(() => {})`;
    const client = spawn(command, [...args, code], {
      cwd: root,
      env: cleanEnv({ DATA_DIR: application.dataDir }),
    });
    await other.prints('here from');
    const pid = /'(<[\d.]+>)'/.exec(other.printed.join(''))?.[1] as string;
    expect(await other.run("members('crowd').length")).toBe('2');
    await other.run(`const ref = monitor('${pid}')`);
    client.kill('SIGKILL');
    expect(await other.run('(await receive()).reason')).toBe("'shutdown'");
    expect(await other.run("members('crowd')")).toBe(
      "! ** no group 'crowd' in nova_scope; groups() lists those that have members",
    );
    other.connection.close();
  });

  test('there is a limit to how many are attached, and one that leaves makes room', async () => {
    const application = await start();
    const clients = await Promise.all(Array.from({ length: 8 }, () => attachTo(application)));
    await expect(attachTo(application)).rejects.toThrow('8 clients are attached already, which is the limit');
    const [first, second] = clients;
    await second?.run(`monitor('${first?.connection.pid}')`);
    first?.connection.close();
    await second?.run('await receive()');
    const last = await attachTo(application);
    expect(await last.run('1')).toBe('1');
    for (const { connection } of [...clients, last]) connection.close();
  });

  test('the server of the REPL is killed: its REPLs end, and it comes back', async () => {
    const application = await start();
    const client = await attachTo(application);
    client.connection.evaluate("exit('repl_server', 'kill')").catch(() => undefined);
    expect(await client.ended).toMatch(/\(EXIT from <[\d.]+>\) killed/);
    await appears(application.socket);
    const again = await attachTo(application);
    expect(await again.run("info('repl_server').pid.id > 6")).toBe('true');
    again.connection.close();
  });
});

const root = join(import.meta.dirname, '../../..');

/** Waits until there is a file. */
async function appears(path: string): Promise<void> {
  await vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 20_000, interval: 10 });
}

/** A command that runs another one as nobody, when we may. */
function otherUser(): string[] | undefined {
  const command = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];
  const possible = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0;
  if (possible) return command;
  process.stderr.write('tests skipped: only root, with setpriv, can connect as another user\n');
  return undefined;
}

test('a listener that does not accept counts as live', async () => {
  // It is bound and listens, and its queue holds the connection of who asks.
  const path = join(folder(), 'repl.sock');
  const busy = createServer();
  busy.listen(path);
  await once(busy, 'listening');
  await expect(listenPrivately(path, () => undefined)).rejects.toThrow(/another process listens there/);
  busy.close();
});
