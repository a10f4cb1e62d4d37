// A PostgreSQL server for one test file: its own data in a temporary folder, its own port on 127.0.0.1, fast and unsafe
// settings. It can be stopped, started again and paused, to show an outage.
// It does not outlive the process that started it: the kernel stops it when that process ends, however it ends.
// Ask `requirePart('postgres')` first; `startPostgres` throws where PostgreSQL is missing.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { chownSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { userId } from '../../scripts/lib/parts.mjs';
import { isAlive } from '../../scripts/lib/run.mjs';
import { freeze, thaw } from './freeze.ts';
import { requirePart } from './parts.ts';

const USER = 'troupe';
const FOLDER_PREFIX = 'troupe-postgres-';
const START_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 10_000;
const PORT_ATTEMPTS_MAX = 20;
/** Below the range that the kernel takes ports for outgoing connections from, so that a stopped server's stays free. */
const PORTS = { from: 15_000, to: 32_000 };
const SETTINGS = {
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  shared_buffers: '16MB',
  max_connections: '60',
  autovacuum: 'off',
  log_min_messages: 'warning',
  logging_collector: 'off',
  lc_messages: 'C',
};

export interface TestDatabase {
  /** For DATABASE_URL. */
  readonly url: string;
  /** Removes the database and cuts who is connected to it. The server must be running. */
  drop(): Promise<void>;
}

export interface TestPostgres {
  readonly port: number;
  /** Makes an empty database with a name of its own. */
  createDatabase(): Promise<TestDatabase>;
  /** Ends the server: its connections are cut, new ones are refused. With `immediate` as a crash does: it recovers at the next start. */
  stop(how?: 'fast' | 'immediate'): Promise<void>;
  /** Starts a stopped server on the same port with the same data; answers when it takes connections. */
  start(): Promise<void>;
  /** Freezes the server with all its connections: it takes connections and answers nothing. */
  pause(): void;
  /** Lets a frozen server go on. */
  resume(): void;
  /** Ends the server, whatever its state, and removes its data. Call it in `afterAll`. */
  remove(): Promise<void>;
}

/** Makes and starts a server, with settings besides its own. Takes about a second. */
export async function startPostgres(more: Readonly<Record<string, string>> = {}): Promise<TestPostgres> {
  const { path: bin } = requirePart('postgres');
  const account = process.getuid?.() === 0 ? userId('postgres') : undefined;
  removeAbandoned();
  const folder = mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
  const data = join(folder, 'data');
  const password = randomBytes(12).toString('hex');
  const command = (program: string, args: string[]): [string, string[]] =>
    asAccount(account, join(bin, program), args);
  let server: ChildProcess | undefined;

  try {
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, password, { mode: 0o600 });
    mkdirSync(data);
    if (account !== undefined) {
      for (const path of [folder, data, passwordFile]) chownSync(path, account.uid, account.gid);
    }
    initialise(command, data, passwordFile);
    return await serve();
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }

  async function serve(): Promise<TestPostgres> {
    const port = await freePort();
    const run = async () => {
      if (server !== undefined) throw new Error('the server is running already');
      server = await startServer(command, data, port, folder, more);
    };
    const stop = async (how: 'fast' | 'immediate' = 'fast') => {
      if (server === undefined) return;
      await stopServer(server, how);
      server = undefined;
    };
    await run();
    return {
      port,
      createDatabase: () => createDatabase(`postgres://${USER}:${password}@127.0.0.1:${port}`),
      start: run,
      stop,
      pause: () => onTree(server, freeze),
      resume: () => onTree(server, thaw),
      async remove() {
        onTree(server, thaw);
        await stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  }
}

/** Removes the data of servers whose owner was killed. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(FOLDER_PREFIX) ? parseInt(name.slice(FOLDER_PREFIX.length), 10) : NaN;
    if (!Number.isNaN(owner) && !isAlive(owner))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

type Command = (program: string, args: string[]) => [string, string[]];

/** The command that runs a program as the account given, and ends it with the process that started it. */
function asAccount(
  account: { uid: number; gid: number } | undefined,
  program: string,
  args: string[],
): [string, string[]] {
  if (process.platform !== 'linux') return [program, args];
  const identity =
    account === undefined
      ? []
      : ['--reuid', String(account.uid), '--regid', String(account.gid), '--clear-groups'];
  return ['setpriv', [...identity, '--pdeathsig', 'INT', '--', program, ...args]];
}

function initialise(command: Command, data: string, passwordFile: string): void {
  const authentication = ['--username', USER, '--auth', 'scram-sha-256', '--pwfile', passwordFile];
  const plain = ['--no-sync', '--no-instructions', '--encoding', 'UTF8', '--locale', 'C'];
  const [program, args] = command('initdb', ['--pgdata', data, ...authentication, ...plain]);
  const result = spawnSync(program, args, { cwd: data, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`initdb failed: ${result.error?.message ?? result.stderr}`);
}

/** Starts the server; answers when it says that it is ready. */
function startServer(
  command: Command,
  data: string,
  port: number,
  cwd: string,
  more: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const settings = Object.entries({ ...SETTINGS, ...more, port: String(port) });
  const [program, args] = command('postgres', [
    '-D',
    data,
    ...settings.flatMap(([key, value]) => ['-c', `${key}=${value}`]),
  ]);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    const fail = (reason: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`PostgreSQL did not start: ${reason}\n${log}`));
    };
    const timer = setTimeout(() => fail(`not ready after ${START_LIMIT_MS} ms`), START_LIMIT_MS);
    const onExit = (code: number | null) => fail(`ended with exit code ${code}`);
    child.on('error', (error) => fail(error.message));
    child.on('exit', onExit);
    const onLog = (chunk: Buffer) => {
      log += chunk.toString();
      if (!log.includes('ready to accept connections')) return;
      clearTimeout(timer);
      child.off('exit', onExit);
      child.stderr.off('data', onLog);
      child.stderr.resume(); // a full pipe would block the server
      resolve(child);
    };
    child.stderr.on('data', onLog);
  });
}

/** Stops the server: fast, which ends its connections in order, then, or from the start, at once. */
function stopServer(child: ChildProcess, how: 'fast' | 'immediate'): Promise<void> {
  return new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_LIMIT_MS);
    child.on('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
  });
}

/** Freezes or thaws the server, and then the processes of its connections: a frozen server makes no more of them. */
function onTree(server: ChildProcess | undefined, act: typeof freeze): void {
  if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
  act(server.pid);
  const table = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout;
  for (const line of table.split('\n')) {
    const [pid, parent] = line.trim().split(/\s+/).map(Number);
    if (pid !== undefined && parent === server.pid) act(pid);
  }
}

async function createDatabase(server: string): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  const administer = async (statement: string) => {
    const sql = postgres(`${server}/postgres`, { max: 1, onnotice: () => {} });
    try {
      await sql.unsafe(statement);
    } finally {
      await sql.end({ timeout: 5 });
    }
  };
  await administer(`create database ${name}`);
  return { url: `${server}/${name}`, drop: () => administer(`drop database if exists ${name} with (force)`) };
}

/** A port of 127.0.0.1 that nobody listens on. */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS_MAX; attempt++) {
    const port = randomInt(PORTS.from, PORTS.to);
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port between ${PORTS.from} and ${PORTS.to} in ${PORT_ATTEMPTS_MAX} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
