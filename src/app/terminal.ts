// The log on a terminal, as lines for people: time, level, the program's pid, text, fields; in colour where the terminal has it
// and NO_COLOR is not set. Where standard output is not a terminal, pino writes JSON and nothing here runs.
//
// Invariants: a text from outside cannot command the terminal, since JSON escapes control characters and this undoes that, so
// they are replaced. A terminal that goes away ends nothing: SIGHUP stops the program, which still logs.
import type { FastifyListenOptions } from 'fastify';
import type { AppParts } from './app.ts';

/** What a program changes when it logs on a terminal. */
export interface TerminalLog extends Required<Pick<AppParts, 'logger'>> {
  readonly listen: Pick<FastifyListenOptions, 'listenTextResolver'>;
}

/** The part of a terminal that the log uses. */
export interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** @returns undefined where the output is not a terminal */
export async function terminalLog(output: Terminal): Promise<TerminalLog | undefined> {
  if (output.isTTY !== true) return undefined;
  const { isColorSupported, prettyFactory } = (await import('pino-pretty')).default;
  const lineOf = prettyFactory({
    colorize: isColorSupported,
    ignore: 'hostname',
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
  });
  // A terminal that has gone fails every write (EIO), and nothing is left to write to.
  output.on('error', () => {});
  const stream = { write: (json: string) => void output.write(lineOf(withoutControls(json))) };
  return { logger: { stream }, listen: { listenTextResolver: (address) => `ready: open ${address}` } };
}

/** The line with its control characters replaced, except tabs and line breaks: a stack has these. */
function withoutControls(json: string): unknown {
  return JSON.parse(json, (_name, value: unknown) =>
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    typeof value === 'string' ? value.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD') : value,
  );
}
