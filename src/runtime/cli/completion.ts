// How the beginning of a command line of `troupe` can go on: commands, options, and what the running program has: pids, names, groups,
// channels, nodes.
//
// The program is asked by one question, as any client asks, and has a second to answer. A shell waits for this on each Tab, so what does
// not come in time, or from no program, is left out without a word. The answer is bounded.
import { setTimeout as delay } from 'node:timers/promises';
import { attach } from '../repl/client-connection.ts';
import { COMMON, defaultSocket } from './arguments.ts';
import { type Command, type Completed, COMMANDS } from './commands.ts';

/** How long the program may take, in milliseconds. */
const ASK_MS = 1_000;
/** How many candidates are offered. */
const CANDIDATES_MAX = 500;

/** A word that the last one can become, and what that is. */
interface Candidate {
  readonly word: string;
  readonly about?: string | undefined;
}

/** Asks the program: runs a question. @returns undefined when there is no answer */
export type Ask = (
  question: string,
  socket: string | undefined,
  node: string | undefined,
) => Promise<unknown>;

/** What a shell offers for a command line up to the cursor, a candidate a line. */
export async function completeLine(line: string, ask: Ask): Promise<string> {
  const { before, begun } = wordsOf(line);
  const found = await candidatesFor(before.slice(1), begun, ask);
  if (found === 'files') return ':files\n';
  return found
    .filter(({ word }) => word.startsWith(begun))
    .slice(0, CANDIDATES_MAX)
    .map(({ word, about = '' }) => `${shown(word)}\t${shown(about)}\n`)
    .join('');
}

/** Text that cannot be taken for another line or column. */
function shown(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.replaceAll(/[\u0000-\u001F\u007F-\u009F\u2028\u2029]/g, ' ');
}

/** The words of a command line: those before the last, and the last, without the quotes of shells. */
function wordsOf(line: string): { readonly before: readonly string[]; readonly begun: string } {
  const words = [''];
  let quote = '';
  let escaped = false;
  for (const character of line) {
    if (escaped || (quote !== '' && character !== quote && (character !== '\\' || quote === "'"))) {
      words.push(`${words.pop()}${character}`);
      escaped = false;
    } else if (character === '\\') escaped = true;
    else if (character === quote) quote = '';
    else if (character === "'" || character === '"') quote = character;
    else if (/\s/.test(character)) {
      if (words.at(-1) !== '') words.push('');
    } else words.push(`${words.pop()}${character}`);
  }
  return { before: words.slice(0, -1), begun: words.at(-1) ?? '' };
}

async function candidatesFor(
  before: readonly string[],
  begun: string,
  ask: Ask,
): Promise<readonly Candidate[] | 'files'> {
  const { name, command, positionals, values, open } = readWords(before);
  const valued = /^--([\w-]+)=/.exec(begun);
  const option = open ?? valued?.[1];
  if (option !== undefined) {
    const found = await valuesOf(optionKind(command, option), '', values, ask);
    const prefix = valued?.[0] ?? '';
    return found === 'files' ? found : found.map(({ word, about }) => ({ word: prefix + word, about }));
  }
  if (begun.startsWith('-')) return Object.keys(optionsOf(command)).map((each) => ({ word: `--${each}` }));
  if (name === undefined) {
    return Object.entries(COMMANDS).map(([word, { about }]) => ({ word, about }));
  }
  return await valuesOf(command?.completes?.arguments?.[positionals.length], begun, values, ask);
}

interface Words {
  readonly name: string | undefined;
  readonly command: Command | undefined;
  readonly positionals: readonly string[];
  readonly values: Readonly<Record<string, string>>;
  /** The option whose value is the last word. */
  readonly open: string | undefined;
}

function readWords(words: readonly string[]): Words {
  const values: Record<string, string> = Object.create(null) as Record<string, string>;
  const rest: string[] = [];
  let open: string | undefined;
  for (const word of words) {
    const [, option, value] = /^--([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (open !== undefined) {
      values[open] = word;
      open = undefined;
    } else if (option === undefined) {
      if (!word.startsWith('-')) rest.push(word);
    } else if (value !== undefined) values[option] = value;
    else if (takesValue(commandOf(rest[0]), option)) open = option;
  }
  const [name, ...positionals] = rest;
  return { name, command: commandOf(name), positionals, values, open };
}

function commandOf(name: string | undefined): Command | undefined {
  return name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
}

/** Without a command the options of the REPL are there. */
function optionsOf(command: Command | undefined): typeof COMMON & Command['options'] {
  return { ...COMMON, ...(command ?? commandOf('repl'))?.options };
}

function takesValue(command: Command | undefined, option: string): boolean {
  const options: Command['options'] = optionsOf(command);
  return Object.hasOwn(options, option) && options[option]?.type === 'string';
}

function optionKind(command: Command | undefined, option: string): Completed | undefined {
  if (option === 'socket') return 'file';
  return option === 'node' ? 'node' : command?.completes?.values?.[option];
}

/** The questions whose answers hold what is looked for. */
const QUESTIONS = {
  process: `ps({ sort: 'name', limit: ${CANDIDATES_MAX} })`,
  group: 'groups()',
  scope: 'scopes()',
  channel: 'channels()',
  node: 'nodes()',
} as const;

async function valuesOf(
  kind: Completed | undefined,
  begun: string,
  { socket, node }: Readonly<Record<string, string>>,
  ask: Ask,
): Promise<readonly Candidate[] | 'files'> {
  if (kind === undefined) return [];
  if (kind === 'file') return 'files';
  if (typeof kind === 'object') return kind.map((word) => ({ word }));
  const answer = await ask(QUESTIONS[kind], socket, kind === 'node' ? undefined : node);
  const rows = Array.isArray(answer) ? (answer as Readonly<Record<string, unknown>>[]) : [];
  if (kind !== 'process') return rows.map((row) => ({ word: textOf(row[kind]) }));
  const about = ({ label }: Readonly<Record<string, unknown>>): string => textOf(label);
  const named = rows.filter(({ name }) => typeof name === 'string');
  return [
    ...named.map((row) => ({ word: textOf(row['name']), about: about(row) })),
    // Shells give the brackets of a pid a meaning of their own, so it is offered without, unless they are typed.
    ...rows.map((row) => {
      const pid = textOf(row['pid']);
      return { word: begun.startsWith('<') ? pid : pid.slice(1, -1), about: about(row) };
    }),
  ];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Asks the program that an environment means, or the one behind a socket. */
export function askProgram(env: Readonly<Record<string, string | undefined>>): Ask {
  return async (question, socket, node) => {
    const hello = {
      columns: 0,
      colour: false,
      unicode: true,
      json: true,
      interactive: false,
      readOnly: true,
    };
    try {
      const connection = await attach(
        socket ?? defaultSocket(env),
        { ...hello, target: node ?? '' },
        { readyMs: ASK_MS },
      );
      connection.use({ onPrint: () => undefined, onEnd: () => undefined });
      const late = new AbortController();
      const answer = await Promise.race([
        connection.evaluate(question),
        delay(ASK_MS, undefined, { signal: late.signal }),
      ]);
      late.abort();
      connection.close();
      return answer?.status === 'ok' ? (JSON.parse(answer.text) as unknown) : undefined;
    } catch {
      return undefined; // no program, or one that has something better to do
    }
  };
}
