// The commands of `troupe`: what each is called with, what it says of itself, and the question that it asks in the program.
import type { ParseArgsConfig } from 'node:util';

type OptionsConfig = NonNullable<ParseArgsConfig['options']>;
/** What was given to a command. */
export interface Given {
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
}

/** A command. */
export interface Command {
  /** Its arguments, as `--help` shows them. */
  readonly takes: string;
  readonly about: string;
  /** How many arguments it takes: at least and at most. */
  readonly arity: readonly [min: number, max: number];
  /** Its own options. */
  readonly options: OptionsConfig;
  /** The lines of `--help` for its own options. */
  readonly help: readonly string[];
  /** What its arguments are, and the values of its options, for shells that complete them. */
  readonly completes?: {
    readonly arguments?: readonly Completed[];
    readonly values?: Readonly<Record<string, Completed>>;
  };
  /** The line that is run in the program; undefined for a REPL. @throws Wrong */
  readonly line: ((given: Given) => string) | undefined;
  /** The line that is run at a terminal, where each of its tables takes the place of the one before; undefined for `line`. */
  readonly live?: (given: Given, rows: number) => string | undefined;
  /** It may evaluate; all others only ask. */
  readonly evaluates?: true;
  /** It goes on until it is interrupted. */
  readonly endless?: true;
}

/** What a word of a command line can stand for: something in the program, or one of some words. */
export type Completed = 'process' | 'group' | 'scope' | 'channel' | 'node' | 'file' | readonly string[];

/** What is wrong with the command line: one sentence. */
export class Wrong extends Error {
  override readonly name = 'Wrong';
}

const SORTS = ['pid', 'name', 'label', 'mailbox', 'handled', 'age', 'busy', 'oldest', 'rate'];
const ON_ANOTHER_NODE =
  '    --node <name>     runs there if the REPL of that node was started with remote: true; otherwise only questions';
const TEXT = { type: 'string' } as const;
const FLAG = { type: 'boolean' } as const;

const question = (name: string, about: string): Command => ({
  takes: '',
  about,
  arity: [0, 0],
  options: {},
  help: [],
  line: () => `${name}()`,
});

/** The commands by name, in the order in which `--help` lists them. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  repl: {
    takes: '',
    about: 'a REPL inside of the program; without a terminal it runs the lines of standard input',
    arity: [0, 0],
    options: { eval: { ...TEXT, short: 'e' }, 'read-only': FLAG },
    help: [
      '-e, --eval <code>     runs this and ends, as `troupe eval`',
      '    --read-only       only questions',
      ON_ANOTHER_NODE,
    ],
    line: undefined,
    evaluates: true,
  },
  eval: {
    takes: '<expression>',
    about: 'runs an expression in the program and prints what it comes to',
    arity: [1, 1],
    options: { 'read-only': FLAG },
    help: ['    --read-only       only questions', ON_ANOTHER_NODE],
    line: ({ positionals }) => positionals[0] as string,
    evaluates: true,
  },
  ps: {
    takes: '',
    about: 'the processes with their figures',
    arity: [0, 0],
    options: { sort: TEXT, limit: TEXT, match: TEXT },
    help: [
      `    --sort <order>    ${SORTS.join(', ')}`,
      '    --limit <count>   how many are listed (default 1000)',
      '    --match <text>    those whose name, label or behaviour contains this',
    ],
    completes: { values: { sort: SORTS } },
    line: ({ values }) => call('ps', { ...rowOptions(values), ...numbers(values, 'limit') }),
  },
  info: {
    takes: '<pid or name>',
    about: 'everything about one process',
    arity: [1, 1],
    options: {},
    help: [],
    completes: { arguments: ['process'] },
    line: ({ positionals }) => call('i', processText(positionals[0])),
  },
  tree: question('tree', 'the supervision tree'),
  scopes: question('scopes', 'the pg scopes'),
  groups: {
    takes: '[scope]',
    about: 'the groups of a scope and their members by node; of the channels when none is named',
    arity: [0, 1],
    options: {},
    help: [],
    completes: { arguments: ['scope'] },
    line: ({ positionals }) => call('groups', ...positionals),
  },
  members: {
    takes: '<group> [scope]',
    about: 'the members of a group on all nodes',
    arity: [1, 2],
    options: {},
    help: [],
    completes: { arguments: ['group', 'scope'] },
    line: ({ positionals }) => call('members', ...positionals),
  },
  channels: question('channels', 'the channels, their members and how much is broadcast on them'),
  nodes: question('nodes', 'the node and those that it is connected with'),
  peers: question('peers', 'the connections with other nodes, and what waits for them'),
  load: question('load', 'how busy the node is, and which handlers have blocked it'),
  top: {
    takes: '',
    about: 'what the node is busy with, as a table; at a terminal a new one each second, until q',
    arity: [0, 0],
    options: { sort: TEXT, limit: TEXT, match: TEXT, times: TEXT, every: TEXT },
    help: [
      `    --sort <order>    ${SORTS.join(', ')} (default busy)`,
      '    --limit <count>   how many processes (default 20)',
      '    --match <text>    those whose name, label or behaviour contains this',
      '    --times <count>   how many tables (default 1; at a terminal until q or Ctrl-C)',
      '    --every <ms>      the time between two (default 1000)',
    ],
    completes: { values: { sort: SORTS } },
    line: ({ values }) => call('top', topOptions(values)),
    live: ({ values }, rows) =>
      values['times'] === undefined && values['json'] !== true
        ? call('top', {
            limit: Math.max(1, rows - TOP_LINES),
            ...topOptions(values),
            times: Number.MAX_SAFE_INTEGER,
          })
        : undefined,
    endless: true,
  },
  watch: {
    takes: '<channel>',
    about: 'the messages of a channel as they come',
    arity: [1, 1],
    options: {},
    help: [],
    completes: { arguments: ['channel'] },
    line: ({ positionals }) => call('watch', positionals[0]),
    endless: true,
  },
  completion: {
    takes: '<bash|zsh|fish>',
    about: 'the script that completes command lines in a shell',
    arity: [0, 1],
    options: { line: TEXT },
    help: [
      '    --line <text>     what the scripts ask: how this beginning of a command line can go on',
      '',
      '  bash: eval "$(troupe completion bash)" in ~/.bashrc',
      '  zsh:  eval "$(troupe completion zsh)" in ~/.zshrc, after compinit',
      '  fish: troupe completion fish > ~/.config/fish/completions/troupe.fish',
    ],
    completes: { arguments: [['bash', 'zsh', 'fish']] },
    line: undefined,
  },
  trace: {
    takes: '<pid or name>',
    about: 'the messages of a process, in and out, as they come',
    arity: [0, 1],
    options: { channel: TEXT, limit: TEXT, rate: TEXT, for: TEXT, chart: FLAG },
    help: [
      '    --channel <name>  traces a channel in place of a process',
      '    --limit <count>   ends after this many messages (default 1000)',
      '    --rate <count>    how many of one second are shown (default 100)',
      '    --for <ms>        ends after this time (default 60000)',
      '    --chart           prints a sequence chart at the end, as text for Mermaid',
    ],
    completes: { arguments: ['process'], values: { channel: 'channel' } },
    line: ({ positionals, values }) => {
      const { channel } = text(values, 'channel');
      const [target] = positionals;
      if ((target === undefined) === (channel === undefined)) {
        throw new Wrong('trace takes a process, or --channel');
      }
      const { rate, for: forMs, ...limits } = numbers(values, 'limit', 'rate', 'for');
      return call('trace', target === undefined ? { channel } : processText(target), {
        ...limits,
        ...(rate === undefined ? {} : { perSecond: rate }),
        ...(forMs === undefined ? {} : { forMs }),
        ...(values['chart'] === true ? { chart: true } : {}),
      });
    },
    endless: true,
  },
};

/** The lines of a live table besides those of processes: the load, the heading, and what leaves it. */
const TOP_LINES = 3;

function topOptions(values: Given['values']): Readonly<Record<string, unknown>> {
  const { every, ...rest } = numbers(values, 'limit', 'times', 'every');
  return { ...rowOptions(values), ...rest, ...(every === undefined ? {} : { everyMs: every }) };
}

function rowOptions(values: Given['values']): Record<string, string> {
  const { sort, ...rest } = text(values, 'sort', 'match');
  if (sort === undefined) return rest;
  if (!SORTS.includes(sort)) throw new Wrong(`--sort is one of ${SORTS.join(', ')}`);
  return { sort, ...rest };
}

/** A process as the program takes it. A pid may be given without its brackets, which mean something to shells. */
function processText(target: string | undefined): string | undefined {
  return target !== undefined && /^\d+\.\d+\.\d+$/.test(target) ? `<${target}>` : target;
}

/** A call with literals as arguments. */
function call(name: string, ...args: unknown[]): string {
  return `${name}(${args.map((each) => JSON.stringify(each)).join(', ')})`;
}

function text(values: Given['values'], ...names: string[]): Record<string, string> {
  const found = names.map((name) => [name, values[name]] as const);
  return Object.fromEntries(found.filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

function numbers(values: Given['values'], ...names: string[]): Record<string, number> {
  return Object.fromEntries(
    Object.entries(text(values, ...names)).map(([name, value]) => {
      if (!/^\d{1,10}$/.test(value)) throw new Wrong(`--${name} is a whole number`);
      return [name, Number(value)];
    }),
  );
}
