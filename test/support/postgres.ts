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
  /** Makes and starts a standby: a copy that follows this server, takes no changes, and has the same databases. */
  standby(): Promise<TestStandby>;
  /** Ends the server, whatever its state, and removes its data. Call it in `afterAll`. */
  remove(): Promise<void>;
}

/** A standby of a test server. */
export interface TestStandby extends TestPostgres {
  /** The address of a database of the server that it is a copy of, here. */
  at(url: string): string;
  /** Follows no longer, and takes changes from now on. */
  promote(): Promise<void>;
}

/** Makes and starts a server, with settings besides its own. Takes about a second. */
export async function startPostgres(more: Readonly<Record<string, string>> = {}): Promise<TestPostgres> {
  removeAbandoned();
  const folder = newFolder();
  const password = randomBytes(12).toString('hex');
  try {
    const passwordFile = join(folder, 'password');
    writeFileSync(passwordFile, password, { mode: 0o600 });
    mkdirSync(join(folder, 'data'));
    own(folder, join(folder, 'data'), passwordFile);
    initialise(join(folder, 'data'), passwordFile);
    return await serve(folder, password, more);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function serve(
  folder: string,
  password: string,
  more: Readonly<Record<string, string>>,
): Promise<TestPostgres> {
  const port = await freePort();
  const address = `postgres://${USER}:${password}@127.0.0.1:${port}`;
  let server: ChildProcess | undefined;
  const run = async () => {
    if (server !== undefined) throw new Error('the server is running already');
    server = await startServer(join(folder, 'data'), port, folder, more);
  };
  const stop = async (how: 'fast' | 'immediate' = 'fast') => {
    if (server === undefined) return;
    await stopServer(server, how);
    server = undefined;
  };
  await run();
  return {
    port,
    createDatabase: () => createDatabase(address),
    start: run,
    stop,
    pause: () => onTree(server, freeze),
    resume: () => onTree(server, thaw),
    standby: () => startStandby(port, password, more),
    async remove() {
      onTree(server, thaw);
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function startStandby(
  primary: number,
  password: string,
  more: Readonly<Record<string, string>>,
): Promise<TestStandby> {
  const folder = newFolder();
  try {
    own(folder);
    const source = `host=127.0.0.1 port=${primary} user=${USER} password=${password}`;
    const data = join(folder, 'data');
    const how = ['--checkpoint=fast', '--no-sync', '--write-recovery-conf'];
    runToEnd('pg_basebackup', ['--pgdata', data, '--dbname', source, ...how], folder);
    const standby = await serve(folder, password, more);
    const at = (url: string) => {
      const here = new URL(url);
      here.port = String(standby.port);
      return here.href;
    };
    return {
      ...standby,
      at,
      promote: () =>
        administer(at(`postgres://${USER}:${password}@127.0.0.1:${primary}`), 'select pg_promote(true, 60)'),
    };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

function newFolder(): string {
  return mkdtempSync(join(tmpdir(), `${FOLDER_PREFIX}${process.pid}-`));
}

/** The account that servers run as; that of this process unless it is root. */
function account(): { uid: number; gid: number } | undefined {
  return process.getuid?.() === 0 ? userId('postgres') : undefined;
}

function own(...paths: readonly string[]): void {
  const owner = account();
  if (owner !== undefined) for (const path of paths) chownSync(path, owner.uid, owner.gid);
}

/** Removes the data of servers whose owner was killed. */
function removeAbandoned(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = name.startsWith(FOLDER_PREFIX) ? parseInt(name.slice(FOLDER_PREFIX.length), 10) : NaN;
    if (!Number.isNaN(owner) && !isAlive(owner))
      rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

/** The command that runs a program of PostgreSQL as its account, and ends it with the process that started it. */
function command(program: string, args: string[]): [string, string[]] {
  const path = join(requirePart('postgres').path, program);
  if (process.platform !== 'linux') return [path, args];
  const owner = account();
  const identity =
    owner === undefined ? [] : ['--reuid', String(owner.uid), '--regid', String(owner.gid), '--clear-groups'];
  return ['setpriv', [...identity, '--pdeathsig', 'INT', '--', path, ...args]];
}

function initialise(data: string, passwordFile: string): void {
  const authentication = ['--username', USER, '--auth', 'scram-sha-256', '--pwfile', passwordFile];
  const plain = ['--no-sync', '--no-instructions', '--encoding', 'UTF8', '--locale', 'C'];
  runToEnd('initdb', ['--pgdata', data, ...authentication, ...plain], data);
}

function runToEnd(program: string, args: string[], cwd: string): void {
  const [path, all] = command(program, args);
  const result = spawnSync(path, all, { cwd, encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`${program} failed: ${result.error?.message ?? result.stderr}`);
}

/** Starts the server; answers when it says that it is ready. */
function startServer(
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
      if (!/ready to accept (read-only )?connections/.test(log)) return;
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
  await administer(`${server}/postgres`, `create database ${name}`);
  return {
    url: `${server}/${name}`,
    drop: () => administer(`${server}/postgres`, `drop database if exists ${name} with (force)`),
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const sql = postgres(url, {
    max: 1,
    onnotice: () => {},
    database: new URL(url).pathname.slice(1) || 'postgres',
  });
  try {
    await sql.unsafe(statement);
  } finally {
    await sql.end({ timeout: 5 });
  }
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
