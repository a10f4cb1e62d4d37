// The REPL of the notes application itself, from a script and at a terminal.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attachTo, cleanEnv, runClient, temporaryFolder } from './application.ts';
import { KEYS, pty, TestTerminal } from './terminal.ts';

const folder = temporaryFolder();
let application: ChildProcessWithoutNullStreams;
let address: string;

beforeAll(async () => {
  application = spawn(process.execPath, ['--import', 'tsx', 'src/app/main.ts'], {
    cwd: join(import.meta.dirname, '../../..'),
    env: {
      ...cleanEnv({ DATA_DIR: folder.path, PORT: '0', HOST: '127.0.0.1', LOG_LEVEL: 'info' }),
      DATABASE_URL: '',
    },
  });
  let output = '';
  address = await new Promise((resolve, reject) => {
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      const found = /Server listening at (http:[^"\s]+)/.exec(output)?.[1];
      if (found !== undefined) resolve(found);
    };
    application.stdout.on('data', read);
    application.stderr.on('data', read);
    application.once('exit', () => {
      reject(new Error(`the application did not start:\n${output}`));
    });
  });
});
afterAll(async () => {
  if (application.exitCode === null) {
    application.kill('SIGKILL');
    await once(application, 'exit');
  }
  folder.remove();
});

const DATA = { env: { DATA_DIR: folder.path } };

test('shows who listens to the notes, and the tree', async () => {
  const members = await runClient(['--eval', "members('notes')"], DATA);
  expect(members).toMatchObject({ code: 0, err: '' });
  expect(members.out).toMatch(/^PID +JOINED +NAME +LABEL\n<[\d.]+> +1 +note_indexer /);
  const { out } = await runClient(['--json', '--eval', 'tree().children.map(({ name }) => name)'], DATA);
  expect(JSON.parse(out)).toContain('notes_sup');
});

test('has the channel of the application, and does not end it', async () => {
  const code = "Promise.reject(new Error('dropped')); notes.getMembers(node).length >= 1";
  expect(await runClient(['--eval', code], DATA)).toMatchObject({ code: 0, out: 'true\n' });
  expect((await fetch(`${address}/livez`)).status).toBe(200);
});

test('says that a node is alone when no other is connected', async () => {
  const { code, err } = await runClient(['--eval', 'peers()'], DATA);
  expect([code, err]).toEqual([
    1,
    '** this node has no connections to others; the notes application sets them up with TROUPE_NODE\n',
  ]);
});

test.skipIf(pty.missing)('watches the notes at a terminal', async () => {
  const terminal = new TestTerminal(folder.path, { env: { TROUPE_REPL_HISTORY: '' } });
  await terminal.sees('> ');
  terminal.type(`watch('notes')${KEYS.enter}`);
  await terminal.sees("'ok'");
  const made = await fetch(`${address}/api/notes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ title: 'Seen from inside', body: 'b', author: 'a' }),
  });
  expect(made.status).toBe(201);
  await terminal.sees('[notes] note_created from <');
  await terminal.sees('Seen from inside');
  terminal.type(KEYS.ctrlD);
  expect(await terminal.exitCode()).toBe(0);
});

describe('the sessions in the documents are true', () => {
  /** The lines of the first block of a document that begins with a text. */
  function session(document: string, begin: string): string[] {
    const text = readFileSync(join(import.meta.dirname, '../../../docs', document), 'utf8');
    const start = text.indexOf(`\`\`\`text\n${begin}`);
    expect(start).toBeGreaterThan(0);
    return text
      .slice(start, text.indexOf('\n```\n', start + 3))
      .split('\n')
      .slice(1);
  }

  /** What stands after each prompt, up to the next one. */
  function stepsOf(lines: readonly string[], prompt: string): [typed: string, answer: string[]][] {
    const steps: [string, string[]][] = [];
    for (const line of lines) {
      if (line.startsWith(prompt)) steps.push([line.slice(prompt.length), []]);
      else steps.at(-1)?.[1].push(line);
    }
    return steps;
  }

  /** Without what is another one each time: pids, numbers, times, folders, the widths of columns. */
  const lasting = (text: string): string[] =>
    text
      .trimEnd()
      .split('\n')
      .map((line) =>
        line
          .replaceAll(/<[\d.]+>/g, '<pid>')
          .replaceAll(/\S*\/repl\.sock/g, 'repl.sock')
          .replaceAll(/\d+(?:[.:]\d+)*/g, '0')
          .replaceAll(/ +/g, ' '),
      );

  /** `…` stands for the rest of a line. */
  function expectLines(shown: string, answer: readonly string[]): void {
    const expected = lasting(answer.join('\n'));
    const found = lasting(shown).map((line, index) => {
      const [begin = '', rest] = expected[index]?.split('…') ?? [];
      return rest === undefined || !line.startsWith(begin) ? line : `${begin}…${rest}`;
    });
    expect(found).toEqual(expected);
  }

  const make = async (): Promise<unknown> =>
    await fetch(`${address}/api/notes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'Hello', body: 'b', author: 'a' }),
    });

  test('of the command', async () => {
    const steps = stepsOf(session('guide/inspecting.md', '$ npx troupe'), '$ npx troupe ');
    expect(steps.length).toBeGreaterThan(4);
    for (const [typed, answer] of steps) {
      const args = [...typed.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
      const running = runClient(args, DATA);
      const over = running.then(() => true);
      // oxlint-disable-next-line no-await-in-loop
      while (typed.startsWith('trace') && (await Promise.race([over, make()])) !== true);
      // oxlint-disable-next-line no-await-in-loop
      const { out, err } = await running;
      expectLines(out + err, answer);
    }
  });

  test('of the REPL', async () => {
    const repl = await attachTo({ socket: join(folder.path, 'repl.sock') });
    const [, ...lines] = session('repl.md', '$ npm run repl');
    expect(lines[0]).toMatch(
      /^Troupe REPL <[\d.]+> on nonode@nohost; help\(\) lists the helpers, \.exit leaves$/,
    );
    const steps = stepsOf(lines, 'nonode@nohost> ');
    expect(steps.length).toBeGreaterThan(3);
    for (const [typed, answer] of steps) {
      // oxlint-disable-next-line no-await-in-loop
      let shown = await repl.run(typed);
      if (typed.startsWith('watch')) {
        // oxlint-disable-next-line no-await-in-loop
        await Promise.all([repl.prints('[notes] note_created'), make()]);
        shown += `\n${repl.printed.join('')}`;
      }
      expectLines(shown, answer);
    }
    repl.connection.close();
  });
});

test('kills the indexer, and finds it again', async () => {
  const indexer = async (): Promise<string> =>
    (await runClient(['--eval', "whereis('note_indexer')"], DATA)).out;
  const before = await indexer();
  expect(before).toMatch(/^<[\d.]+>\n$/);
  // What is started again with the indexer may take this REPL along.
  await runClient(['--eval', "exit('note_indexer', 'kill')"], DATA);
  let now = await indexer();
  while (now === '' || now === before) {
    // oxlint-disable-next-line no-await-in-loop
    now = await indexer();
  }
  expect(now).toMatch(/^<[\d.]+>\n$/);
});

test('the application stops in good order with a REPL attached', async () => {
  const [attached, exited] = [
    runClient(['--eval', 'await new Promise(() => {})'], DATA),
    once(application, 'exit'),
  ];
  let shown = '';
  while (!shown.includes('1')) {
    // oxlint-disable-next-line no-await-in-loop
    shown = (
      await runClient(
        ['--eval', "processes({match: 'repl'}).filter(({behaviour}) => behaviour === 'repl').length - 1"],
        DATA,
      )
    ).out;
  }
  application.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  expect(await attached).toEqual({ code: 1, out: '', err: 'the application has ended this REPL\n' });
});
