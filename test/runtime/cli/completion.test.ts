// What shells offer for a command line of `troupe`: which words, what is asked of the program for them, and that bash, zsh and fish put
// them into the line on Tab.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFailed, test, vi } from 'vitest';
import { type Ask, askProgram, completeLine, SCRIPTS } from '../../../src/runtime/cli/internal.ts';
import { requirePart } from '../../support/parts.ts';
import {
  type Application,
  CLIENT,
  runClient,
  startApplication,
  temporaryFolder,
} from '../repl/application.ts';
import { KEYS, pty, TestTerminal } from '../repl/terminal.ts';

const folder = temporaryFolder();
let application: Application;

beforeAll(async () => {
  application = await startApplication(folder.path);
});
afterAll(async () => {
  await application.kill();
  folder.remove();
});

const ANSWERS: Readonly<Record<string, unknown>> = {
  ps: [
    { pid: '<0.2.0>', name: 'note_indexer', label: 'indexer' },
    { pid: '<0.7.0>', name: undefined, label: "it's\na\tworker" },
  ],
  groups: [{ group: 'notes' }, { group: 'news' }],
  channels: [{ channel: 'notes' }],
  scopes: [{ scope: 'nova_scope' }],
  nodes: [{ node: 'one@127.0.0.1' }, { node: 'two@127.0.0.1' }],
};
const ask = vi.fn<Ask>((question) => Promise.resolve(ANSWERS[question.split('(')[0] ?? '']));

/** The words that are offered. */
async function words(line: string): Promise<string[]> {
  const answer = await completeLine(line, ask);
  return answer.split('\n').flatMap((each) => (each === '' ? [] : [each.split('\t')[0] ?? '']));
}

describe('a command line', () => {
  test.each([
    ['troupe t', ['tree', 'top', 'trace']],
    ['troupe completion ', ['bash', 'zsh', 'fish']],
    ['troupe info no', ['note_indexer']],
    ['troupe info 0.', ['0.2.0', '0.7.0']],
    ["troupe info '<0.7", ['<0.7.0>']],
    ['troupe info x ', []],
    ['troupe members n', ['notes', 'news']],
    ['troupe members notes ', ['nova_scope']],
    ['troupe groups ', ['nova_scope']],
    ['troupe watch ', ['notes']],
    ['troupe trace --channel ', ['notes']],
    ['troupe trace --channel=n', ['--channel=notes']],
    ['troupe ps --sort h', ['handled']],
    ['troupe ps --sort=ha', ['--sort=handled']],
    ['troupe ps --l', ['--limit']],
    ['troupe ps --match ', []],
    ['troupe --node t', ['two@127.0.0.1']],
    ['troupe --json tre', ['tree']],
    ['troupe nothing ', []],
    ['troupe --socket ', [':files']],
  ])('%s', async (line, expected) => {
    expect(await words(line)).toEqual(expected);
  });

  test('options and commands are all there, without their opposite', async () => {
    expect(await words('troupe top --')).toEqual(
      expect.arrayContaining(['--json', '--socket', '--node', '--help', '--sort', '--every', '--times']),
    );
    expect(await words('troupe --')).toContain('--read-only');
    expect(await words('troupe ')).toEqual(expect.arrayContaining(['repl', 'eval', 'ps', 'completion']));
  });

  test('what is offered says what it is, on one line', async () => {
    expect(await completeLine('troupe info 0.7', ask)).toBe("0.7.0\tit's a worker\n");
  });

  test('the program that is named is asked, about the node that is named', async () => {
    ask.mockClear();
    await words('troupe --socket /tmp/x --node=two@127.0.0.1 members ');
    expect(ask.mock.calls).toEqual([['groups()', '/tmp/x', 'two@127.0.0.1']]);
  });

  test('no more than five hundred words are offered', async () => {
    const many = Array.from({ length: 2_000 }, (_, index) => ({ channel: `c${index}` }));
    const answer = await completeLine('troupe watch ', () => Promise.resolve(many));
    expect(answer.trim().split('\n')).toHaveLength(500);
  });
});

describe('the program', () => {
  test('answers with what it has', async () => {
    const answer = await completeLine(`troupe --socket ${application.socket} info cou`, askProgram({}));
    expect(answer).toBe('counter\tcounter\n');
  });

  test('that is not there, or does not answer within a second, offers nothing', async () => {
    expect(
      await askProgram({ DATA_DIR: folder.path })('ps()', join(folder.path, 'none'), undefined),
    ).toBeUndefined();
    const silent = createServer((socket) => socket.resume());
    const path = join(folder.path, 'silent.sock');
    await new Promise<void>((resolve) => silent.listen(path, resolve));
    expect(await askProgram({})('ps()', path, undefined)).toBeUndefined();
    await new Promise((resolve) => silent.close(resolve));
  });

  test('only `completion` with a shell or a line is right', async () => {
    const fails = async (...args: string[]): Promise<unknown> => await runClient(['completion', ...args]);
    expect(await fails('tcsh')).toMatchObject({
      code: 2,
      out: '',
      err: expect.stringContaining("'tcsh'") as string,
    });
    expect(await fails()).toMatchObject({ code: 2 });
    expect(await fails('bash')).toEqual({ code: 0, out: SCRIPTS['bash'], err: '' });
  });
});

interface Shell {
  readonly name: 'bash' | 'zsh' | 'fish';
  /** Starts it at a terminal; its prompt is `ready> `. */
  readonly start: (path: string) => string;
  /** The files of its settings, by path below the home folder. */
  readonly files: Readonly<Record<string, string>>;
}

const SHELLS: readonly Shell[] = [
  {
    name: 'bash',
    start: (path) => `${path} --noprofile --rcfile $HOME/.bashrc -i`,
    files: { '.bashrc': `PS1='ready> '\nbind 'set bell-style none'\n${SCRIPTS['bash']}` },
  },
  {
    name: 'zsh',
    start: (path) => `${path} -d -i`,
    files: {
      '.zshrc': `autoload -U compinit; compinit -u -D\nPS1='ready> '\nunsetopt beep\n${SCRIPTS['zsh']}`,
    },
  },
  {
    name: 'fish',
    start: (path) => `${path} -i`,
    files: {
      '.config/fish/config.fish': "function fish_prompt; echo -n 'ready> '; end\nset -g fish_greeting\n",
      '.config/fish/completions/troupe.fish': SCRIPTS['fish'] ?? '',
      // Where this folder is missing, fish fills it in the background, also while the test removes it.
      '.local/share/fish/generated_completions/README': '',
    },
  },
];

describe('bash runs nothing of a name', () => {
  const shell = requirePart('bash');
  const NAMES = ['room', 'room $(x)', 'room`x`', "room';x;#", 'room";x;#', 'room\\', 'room!x'];
  const ESCAPED = [
    'room',
    'room\\ \\$\\(x\\)',
    'room\\`x\\`',
    "room\\'\\;x\\;#",
    'room\\"\\;x\\;#',
    'room\\\\',
    'room\\!x',
  ];

  test.skipIf(shell.missing).each([
    ['ro', ESCAPED],
    ['"ro', ['room']],
    ["'ro", ['room']],
    ['"r"o', []],
    ['r"o', []],
    ["r\\'o", ESCAPED],
  ])('that Tab puts behind %s', (typed, expected) => {
    const program = `troupe_names=("$@")
      troupe() { printf '%s\\t\\n' "\${troupe_names[@]}"; }
      COMP_LINE="troupe members $TYPED" COMP_POINT=1000 COMP_WORDS=(troupe members "$TYPED") COMP_CWORD=2
      ${SCRIPTS['bash']}
      _troupe troupe; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, TYPED: typed };
    const printed = execFileSync(shell.path, ['-c', program, 'bash', ...NAMES], { env, encoding: 'utf8' });
    expect(printed.split('\n').filter((line) => line !== '')).toEqual(expected);
  });
});

describe.each(SHELLS)('$name', ({ name, start, files }) => {
  const shell = requirePart(name);

  test.skipIf(shell.missing || pty.missing)(
    'takes its script, and puts words into the line on Tab',
    async () => {
      const home = temporaryFolder();
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(join(home.path, path, '..'), { recursive: true });
        writeFileSync(join(home.path, path), text);
      }
      const bin = join(home.path, 'bin');
      mkdirSync(bin);
      writeFileSync(join(bin, 'troupe'), `#!/bin/sh\nexec ${CLIENT.join(' ')} "$@"\n`);
      chmodSync(join(bin, 'troupe'), 0o755);
      if (name !== 'fish') execFileSync(shell.path, ['-n', join(home.path, Object.keys(files)[0] as string)]);

      const env = { HOME: home.path, ZDOTDIR: home.path, PATH: `${bin}:${process.env['PATH']}` };
      const terminal = new TestTerminal(folder.path, { env, program: start(shell.path), columns: 200 });
      onTestFailed(() => {
        process.stderr.write(`${JSON.stringify(terminal.raw)}\n`);
      });
      await terminal.sees('ready> ');
      for (const [begun, completed] of [
        ['echo; troupe inf', 'troupe info '],
        ['cou', 'troupe info counter '],
      ] as const) {
        terminal.type(begun + KEYS.tab);
        // oxlint-disable-next-line no-await-in-loop
        await terminal.shows(completed, ({ lines }) => lines.join('\n').includes(completed.trimEnd()));
      }
      terminal.type(`--js${KEYS.tab}`);
      await terminal.shows('the option', ({ lines }) => lines.join('\n').includes('counter --json'));
      terminal.type(KEYS.enter);
      await terminal.sees('"name":"counter"');
      expect(terminal.running).toBe(true);
      terminal.type(`troupe trace --channel=no${KEYS.tab}`);
      await terminal.shows('the channel', ({ lines }) => lines.join('\n').includes('--channel=notes'));
      terminal.type(KEYS.ctrlC);
      terminal.type(`exit${KEYS.enter}`);
      await terminal.close();
      home.remove();
    },
  );
});
