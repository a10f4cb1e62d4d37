// The REPL at a terminal: a real client in a pseudo-terminal, attached to a running application.
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test } from 'vitest';
import { freeze } from '../../support/freeze.ts';
import { type Application, attachTo, startApplication, temporaryFolder } from './application.ts';
import { KEYS, pty, TestTerminal } from './terminal.ts';

const PROMPT = 'fixture@test> ';

describe.skipIf(pty.missing)('the client at a terminal', () => {
  const folder = temporaryFolder();
  let application: Application;
  const terminals: TestTerminal[] = [];

  beforeAll(async () => {
    application = await startApplication(folder.path);
  });
  afterEach(async () => {
    await Promise.all(terminals.splice(0).map((terminal) => terminal.close()));
  });
  afterAll(async () => {
    await application.kill();
    folder.remove();
  });

  /** Opens a terminal with a client, and waits for its prompt. */
  async function open(options?: ConstructorParameters<typeof TestTerminal>[1]): Promise<TestTerminal> {
    const terminal = new TestTerminal(folder.path, { env: { TROUPE_REPL_HISTORY: '' }, ...options });
    terminals.push(terminal);
    onTestFailed(() => {
      process.stderr.write(`the screen:\n${terminal.screen.lines.join('\n')}\n`);
    });
    await terminal.sees('Troupe REPL');
    await terminal.sees(PROMPT);
    return terminal;
  }

  async function enter(terminal: TestTerminal, line: string, ...answers: string[]): Promise<void> {
    terminal.type(line + KEYS.enter);
    await terminal.sees(line);
    for (const answer of answers) {
      // oxlint-disable-next-line no-await-in-loop
      await terminal.sees(answer);
    }
    await terminal.sees(PROMPT);
  }

  /** Types the beginning of something and the Tab key. What comes in one piece with more is taken for pasted. */
  async function complete(terminal: TestTerminal, begun: string, line: string): Promise<void> {
    terminal.type(begun);
    await terminal.shows(begun, ({ cursorLine }) => cursorLine.endsWith(begun));
    terminal.type(KEYS.tab);
    await terminal.shows(line, ({ cursorLine }) => cursorLine === PROMPT + line);
  }

  test('evaluates with await at the top, keeps variables, knows the last value', async () => {
    const terminal = await open();
    await enter(terminal, 'const a = await new Promise((done) => setTimeout(done, 1, 20))');
    await enter(terminal, 'a + 1', '21');
    await enter(terminal, '_ * 2', '42');
    await enter(terminal, "'text'", "'text'");
    await enter(terminal, 'nobody', 'Uncaught ReferenceError: nobody is not defined');
    await enter(terminal, '_error.name', "'ReferenceError'");
    await enter(terminal, "info('nobody')", "** no process is registered as 'nobody'");
    expect(terminal.running).toBe(true);
  });

  test('several lines make one input, also when they are pasted, and each waits for the one before', async () => {
    const terminal = await open();
    terminal.type(
      'function twice(x) {\r  return x * 2\r}\rlet b = await new Promise((d) => setTimeout(d, 5, 4))\rtwice(b)\r',
    );
    await terminal.sees('8');
    await terminal.sees(PROMPT);
    expect(terminal.running).toBe(true);
  });

  test('Tab completes helpers, variables, properties, names, pids and channels', async () => {
    const terminal = await open();
    await complete(terminal, 'localM', 'localMembers');
    await complete(terminal, "('no", "localMembers('notes");
    await enter(terminal, "')", '<0.4.0>');
    await complete(terminal, "info('cou", "info('counter");
    await enter(terminal, "').label", "'counter'");
    await enter(terminal, 'const thing = { alpha: { beta: 1 } }');
    await complete(terminal, 'thing.al', 'thing.alpha');
    await complete(terminal, '.b', 'thing.alpha.beta');
    await enter(terminal, '', '1');
    await complete(terminal, "info('<0.0", "info('<0.0.0>");
    await enter(terminal, "').label", "'init'");
    expect(terminal.running).toBe(true);
  });

  test('Ctrl-C clears the line, and gives up the line that runs', async () => {
    const terminal = await open();
    terminal.type('this will not run');
    await terminal.sees('this will not run');
    terminal.type(KEYS.ctrlC);
    await terminal.sees(PROMPT);
    terminal.type(`await new Promise(() => console.log('wait' + 'ing'))${KEYS.enter}`);
    await terminal.sees('waiting\r\n');
    terminal.type(KEYS.ctrlC);
    await terminal.sees('** given up');
    await terminal.sees(PROMPT);
    await enter(terminal, '1 + 1', '2');
    terminal.type(KEYS.ctrlC);
    await terminal.sees('(To exit, press Ctrl+C again or Ctrl+D or type .exit)');
    terminal.type(KEYS.ctrlC);
    expect(await terminal.exitCode()).toBe(0);
  });

  test.each([
    ['Ctrl-D', KEYS.ctrlD],
    ['.exit', `.exit${KEYS.enter}`],
  ])('%s leaves, and the terminal is as it was before', async (_name, keys) => {
    const terminal = await open({ after: 'stty -a' });
    terminal.type(keys);
    expect(await terminal.exitCode()).toBe(0);
    expect(terminal.raw).toMatch(/(?<!-)icanon/);
    expect(terminal.raw).not.toContain('connection');
    expect(terminal.raw).toMatch(/(?<!-)echo /);
  });

  test('a client that is ended by a signal puts the terminal back', async () => {
    const terminal = await open({ after: 'stty -a' });
    process.kill(terminal.clientPid, 'SIGTERM');
    expect(await terminal.exitCode()).toBe(143);
    expect(terminal.raw).toMatch(/(?<!-)icanon/);
  });

  test('the application goes away: the client says so, puts the terminal back and ends with 1', async () => {
    const own = temporaryFolder();
    const gone = await startApplication(own.path);
    const terminal = new TestTerminal(own.path, { after: 'stty -a' });
    terminals.push(terminal);
    await terminal.sees(PROMPT);
    terminal.type('half a li');
    await terminal.sees('half a li');
    await gone.kill();
    await terminal.sees('the application has gone away');
    expect(await terminal.exitCode()).toBe(1);
    expect(terminal.raw).toMatch(/(?<!-)icanon/);
    own.remove();
  });

  test('the application stops: the client says so, also while a line runs', async () => {
    const own = temporaryFolder();
    const stopping = await startApplication(own.path);
    const terminal = new TestTerminal(own.path, {});
    terminals.push(terminal);
    await terminal.sees(PROMPT);
    terminal.type(`await new Promise(() => console.log('wait' + 'ing'))${KEYS.enter}`);
    await terminal.sees('waiting\r\n');
    expect(await stopping.stop()).toBe(0);
    await terminal.sees('the application has ended this REPL');
    expect(await terminal.exitCode()).toBe(1);
    own.remove();
  });

  test('the application hangs: the second Ctrl-C leaves', async () => {
    const own = temporaryFolder();
    const hanging = await startApplication(own.path);
    const terminal = new TestTerminal(own.path, {});
    terminals.push(terminal);
    await terminal.sees(PROMPT);
    terminal.type(`await new Promise(() => console.log('wait' + 'ing'))${KEYS.enter}`);
    await terminal.sees('waiting\r\n');
    freeze(hanging.process.pid!);
    terminal.type(KEYS.ctrlC);
    await terminal.sees('^C');
    terminal.type(KEYS.ctrlC);
    await terminal.sees('the application does not answer; disconnected');
    expect(await terminal.exitCode()).toBe(1);
    await hanging.kill();
    own.remove();
  });

  test('a watch prints above what is being typed, also when that takes several rows', async () => {
    const terminal = await open({ columns: 60 });
    const other = await attachTo(application);
    await enter(terminal, "watch('news')", "'ok'");
    const typed = `'${'0123456789'.repeat(13)}'.len`;
    terminal.type(typed);
    await terminal.shows('the line', (screen) => screen.lines.join('').includes(typed));
    expect(await other.run("broadcast('news', 'first', { of: 'two' })")).toBe("'ok'");
    expect(await other.run("broadcast('news', 'second', 2)")).toBe("'ok'");
    await terminal.shows('both', (screen) => screen.lines.join('').includes(': 2' + PROMPT + typed));
    const sender = await other.run('self()');
    const { lines } = terminal.screen;
    const first = lines.indexOf(`[news] first from ${sender}: { of: 'two' }`);
    expect(first).toBeGreaterThan(0);
    expect(lines[first + 1]).toBe(`[news] second from ${sender}: 2`);
    // The whole input once, right below, and nothing between.
    expect(lines.slice(first + 2).join('')).toBe(PROMPT + typed);
    terminal.type('gth');
    terminal.type(KEYS.enter);
    await terminal.sees('130');
    await terminal.sees(PROMPT);
    await enter(terminal, "unwatch('news')", "'ok'");
    expect(await other.run("members('news')")).toContain("no group 'news'");
    other.connection.close();
  });

  test('a message that comes is announced once', async () => {
    const terminal = await open();
    const other = await attachTo(application);
    await enter(terminal, "join('mine')", "'ok'");
    await other.run("broadcast('mine', 'topic', { n: 1 })");
    await terminal.sees('(a message has come: flush() shows it)');
    await enter(terminal, 'flush()', 'payload: { n: 1 }');
    await enter(terminal, 'flush()', 'no messages');
    const announced = terminal.raw.split('(a message has come').length - 1;
    expect(announced).toBe(1);
    other.connection.close();
  });

  test('tables are cut to the terminal, and follow its size', async () => {
    const terminal = await open({ columns: 70 });
    const widest = (): number => Math.max(...terminal.screen.lines.map((line) => line.length));
    await enter(terminal, 'processes()', 'HANDLED');
    expect(widest()).toBeLessThanOrEqual(70);
    expect(terminal.screen.lines.join('\n')).toContain('…');
    terminal.resize(200);
    await enter(terminal, 'registered()', `repl server at ${application.socket}`);
  });

  test('draws the tree with what the locale allows', async () => {
    const terminal = await open({ env: { LC_ALL: 'C', TROUPE_REPL_HISTORY: '' } });
    await enter(terminal, 'tree()', '|- counter <0.3.0>', '`- nova_scope');
    expect(terminal.raw).not.toMatch(/[├└│]/);
  });

  test('colours are for terminals, unless NO_COLOR asks for none', async () => {
    const coloured = await open();
    await enter(coloured, '123', '123');
    expect(coloured.raw).toContain('\u001B[33m123\u001B[39m');
    const plain = await open({ env: { NO_COLOR: '1', TROUPE_REPL_HISTORY: '' } });
    await enter(plain, '123', '123');
    expect(plain.raw).not.toContain('[33m');
  });

  test('the history is kept beside the socket, for its user only, and is found again', async () => {
    const first = await open({ env: {} });
    await enter(first, "'remember me'", "'remember me'");
    first.type(KEYS.ctrlD);
    expect(await first.exitCode()).toBe(0);
    const file = join(folder.path, 'repl-history');
    expect(readFileSync(file, 'utf8')).toContain("'remember me'");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const second = await open({ env: {} });
    second.type(KEYS.up);
    await second.sees("'remember me'");
    second.type(KEYS.enter);
    await second.sees("'remember me'");
    await second.sees(PROMPT);
  });

  test('TROUPE_REPL_HISTORY names another file', async () => {
    const file = join(folder.path, 'elsewhere');
    writeFileSync(file, '', { mode: 0o644 });
    const terminal = await open({ env: { TROUPE_REPL_HISTORY: file } });
    await enter(terminal, '77', '77');
    terminal.type(KEYS.ctrlD);
    expect(await terminal.exitCode()).toBe(0);
    expect(readFileSync(file, 'utf8')).toContain('77');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('.load runs a file as one input; .editor takes several lines', async () => {
    const file = join(folder.path, 'load-me.js');
    writeFileSync(file, 'function loaded() {\n  return 6\n}\nloaded() * 7\n');
    const terminal = await open();
    await enter(terminal, `.load ${file}`, '42');
    await enter(terminal, '.load /no/such/file', 'ENOENT');
    terminal.type(`.editor${KEYS.enter}`);
    await terminal.sees('Entering editor mode');
    terminal.type(`const c = 5${KEYS.enter}c * c${KEYS.enter}`);
    await terminal.sees('c * c');
    terminal.type(KEYS.ctrlD);
    await terminal.sees('25');
    expect(terminal.running).toBe(true);
  });

  test('several at once: each has its own process and variables', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    await enter(one, 'var shared = 1');
    await enter(two, 'typeof shared', "'undefined'");
    await enter(one, 'shared', '1');
    const pids = [one, two].map(({ raw }) => /Troupe REPL (<[\d.]+>)/.exec(raw)?.[1]);
    expect(new Set(pids).size).toBe(2);
    await enter(two, `info('${pids[0]}').label`, "'repl'");
    await enter(two, `send('${pids[0]}', 'hello')`, "'hello'");
    await one.sees('(a message has come');
  });
});
