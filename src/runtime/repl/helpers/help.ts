// All helpers of a REPL, and help().
import { Fault, type Helpers, type Shell } from '../shell.ts';
import { cut, present } from '../show.ts';
import { groupHelpers, messageHelpers } from './messages.ts';
import { inspectHelpers } from './inspect.ts';
import { nodeHelpers, processHelpers, treeHelpers } from './processes.ts';

/** The helpers of one REPL. */
export function allHelpers(shell: Shell, extra: readonly string[]): Helpers {
  const sections: Readonly<Record<string, Helpers>> = {
    Processes: { ...processHelpers(shell), ...treeHelpers(shell) },
    'What goes on': inspectHelpers(shell),
    'Groups and channels': groupHelpers(shell),
    'Messages and calls': messageHelpers(shell),
    'Other nodes': nodeHelpers(shell),
  };
  const helpers: Helpers = Object.assign({}, ...Object.values(sections));
  return {
    help: {
      usage: "help('members')",
      about: 'this list, or one of its lines',
      run: (...args: unknown[]) => (args.length === 0 ? helpAll(sections, extra) : helpOne(helpers, args[0])),
    },
    ...helpers,
  };
}

interface HelpRow {
  readonly name: string;
  readonly usage: string;
  readonly about: string;
}

function helpAll(sections: Readonly<Record<string, Helpers>>, extra: readonly string[]): readonly HelpRow[] {
  const rows = Object.values(sections).flatMap(rowsOf);
  return present(rows, (format) => {
    const width = Math.max(...rows.map(({ usage }) => usage.length));
    const lines = Object.entries(sections).flatMap(([title, helpers]) => [
      format.colour ? `\u001B[1m${title}\u001B[22m` : title,
      ...rowsOf(helpers).map(({ usage, about }) => {
        const line = `  ${usage.padEnd(width)}  ${about}`;
        return format.columns > 0 ? cut(line, format.columns, format) : line;
      }),
      '',
    ]);
    const variables = ['node', '_ (the last value)', '_error (the last error)', ...extra];
    return [
      ...lines,
      `Variables: ${variables.join(', ')}.`,
      "A process is given by its pid, its text '<0.12.0>' or its registered name. Promises are waited for; Ctrl-C gives up.",
      'Ctrl-D or .exit leaves; .help shows what else begins with a dot.',
    ].join('\n');
  });
}

function rowsOf(helpers: Helpers): HelpRow[] {
  return Object.entries(helpers).map(([name, { usage, about }]) => ({ name, usage, about }));
}

function helpOne(helpers: Helpers, asked: unknown): HelpRow {
  const name = typeof asked === 'function' ? asked.name : String(asked);
  const helper = Object.hasOwn(helpers, name) ? helpers[name] : undefined;
  if (helper === undefined) throw new Fault(`there is no helper '${name}'; help() lists them`);
  const { usage, about } = helper;
  return present({ name, usage, about }, () => `${usage}\n  ${about}`);
}
