// The command `troupe` in a pseudo-terminal: the live table, what is watched and traced, and that the terminal is as it was afterwards.
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import {
  type Application,
  attachTo,
  startApplication,
  temporaryFolder,
  type TestClient,
} from '../repl/application.ts';
import { KEYS, pty, TestTerminal } from '../repl/terminal.ts';

const OTHER_SCREEN = '\u001B[?1049h\u001B[?25l\u001B[?7l';
const OWN_SCREEN = '\u001B[?7h\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';

/** Without control sequences. */
const plain = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replaceAll(/\u001B\[[\d;?]*[A-Za-z]/g, '');

describe.skipIf(pty.missing)('troupe at a terminal', () => {
  const folder = temporaryFolder();
  let application: Application;
  let other: TestClient;
  const terminals: TestTerminal[] = [];

  beforeAll(async () => {
    application = await startApplication(folder.path);
    other = await attachTo(application);
  });
  afterEach(async () => {
    await Promise.all(terminals.splice(0).map((terminal) => terminal.close()));
  });
  afterAll(async () => {
    other.connection.close();
    await application.kill();
    folder.remove();
  });

  function open(
    args: string,
    options: Omit<NonNullable<ConstructorParameters<typeof TestTerminal>[1]>, 'args'> = {},
    dataDir = folder.path,
  ): TestTerminal {
    const terminal = new TestTerminal(dataDir, { after: 'stty -a', args, ...options });
    terminals.push(terminal);
    onTestFailed(() => {
      process.stderr.write(`${JSON.stringify(terminal.raw)}\n`);
    });
    return terminal;
  }

  /** Does something again and again until something else is done: nobody tells that a trace has begun. */
  async function repeat(until: Promise<void>, action: () => Promise<unknown>): Promise<void> {
    const over = until.then(() => true);
    // oxlint-disable-next-line no-await-in-loop
    while ((await Promise.race([over, action()])) !== true);
  }

  /** The terminal shows what it showed before, has a cursor, and takes lines. */
  function expectRestored({ raw }: TestTerminal): void {
    expect(raw.lastIndexOf(OWN_SCREEN)).toBeGreaterThan(raw.lastIndexOf(HOME));
    expect(raw.split(OWN_SCREEN)).toHaveLength(2);
    expect(raw).toMatch(/(?<!-)icanon/);
    expect(raw).toMatch(/(?<!-)echo /);
  }

  test.each([
    ['q', 'q'],
    ['Ctrl-C', KEYS.ctrlC],
  ])('top draws a table in the place of the one before, until %s', async (_name, key) => {
    const terminal = open('top --every 10 --limit 3');
    await terminal.sees('fixture@test: ');
    await terminal.sees('q leaves');
    await terminal.sees('fixture@test: ');
    await terminal.sees('q leaves');
    terminal.type(key);
    expect(await terminal.exitCode()).toBe(0);
    expectRestored(terminal);
    const tables = terminal.raw.slice(terminal.raw.indexOf(OTHER_SCREEN)).split(HOME).slice(1);
    expect(tables.length).toBeGreaterThan(1);
    const [load, heading, ...rows] = plain(tables[0] ?? '').split('\r\n');
    expect(load).toMatch(/^fixture@test: \d+ processes, /);
    expect(heading).toMatch(/^PID +NAME +LABEL +STATUS/);
    expect(rows).toHaveLength(4);
  });

  test('top follows the size of the terminal, and needs no colours', async () => {
    const terminal = open('top --every 10', { columns: 80, env: { NO_COLOR: '1' } });
    await terminal.sees('q leaves');
    expect(terminal.raw).not.toContain('\u001B[1m');
    const shown = plain(terminal.raw);
    const table = shown.slice(shown.indexOf('fixture@test: '), shown.indexOf('q leaves'));
    expect(Math.max(...table.split('\r\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(table).not.toContain('MiB');
    terminal.resize(150);
    await terminal.sees('MiB');
    terminal.type('q');
    expect(await terminal.exitCode()).toBe(0);
  });

  test('a signal ends top, and the terminal is put back', async () => {
    const terminal = open('top --every 10');
    await terminal.sees('q leaves');
    process.kill(terminal.clientPid, 'SIGTERM');
    expect(await terminal.exitCode()).toBe(143);
    expectRestored(terminal);
  });

  test('the program goes away: top says so on the own screen, and ends with 1', async () => {
    const own = temporaryFolder();
    const gone = await startApplication(own.path);
    const terminal = open('top --every 10', {}, own.path);
    await terminal.sees('q leaves');
    await gone.kill();
    expect(await terminal.exitCode()).toBe(1);
    expectRestored(terminal);
    expect(terminal.raw.slice(terminal.raw.indexOf(OWN_SCREEN))).toContain('the application has gone away');
    own.remove();
  });

  test('a wrong question ends top with 1, and a number of tables is no live table', async () => {
    const wrong = open('top --limit 99999999');
    expect(await wrong.exitCode()).toBe(1);
    expectRestored(wrong);
    expect(wrong.raw).toContain('limit must be a whole number');
    const two = open('top --every 10 --times 2');
    expect(await two.exitCode()).toBe(0);
    expect(two.raw).not.toContain(OTHER_SCREEN);
    expect(two.raw.split('fixture@test: ')).toHaveLength(3);
  });

  test('trace has colours at a terminal, and ends with its limit', async () => {
    const terminal = open('trace counter --limit 1');
    const seen = terminal.sees('limit: 1 messages');
    await repeat(seen, () => other.run("call('counter', 'add', 1)"));
    expect(terminal.raw).toContain('\u001B[36mcall\u001B[39m add(1)');
    expect(await terminal.exitCode()).toBe(0);
  });

  test('watch prints what comes, until Ctrl-C', async () => {
    const terminal = open('watch notes', { env: { NO_COLOR: '1' } });
    const seen = terminal.sees("topic 'payload'");
    await repeat(seen, () => other.run("broadcast('notes', 'topic', 'payload')"));
    terminal.type(KEYS.ctrlC);
    expect(await terminal.exitCode()).toBe(130);
    expect(terminal.raw).toMatch(/(?<!-)icanon/);
    expect(terminal.raw).toMatch(/ notes <- <[\d.]+> broadcast topic 'payload'/);
  });
});
