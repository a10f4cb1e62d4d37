// The client without a terminal: one expression, or the lines of standard input one after the other, each awaited before the
// next one is run. (node:repl, given a pipe, does not wait.)
//
// A line that fails is told on stderr and the next one is run; the exit code says that one has failed.
import { createInterface } from 'node:readline';
import { type ClientConnection, ConnectionFault } from './client-connection.ts';

/** How long the application may take to say that it has given up a line. */
export const CANCEL_TIMEOUT_MS = 3_000;

/** What a batch needs to know. */
export interface Batch {
  readonly connection: Pick<ClientConnection, 'evaluate' | 'cancel' | 'ended'>;
  /** How long one line may take, in milliseconds; undefined for ever. */
  readonly timeoutMs: number | undefined;
  readonly print: (stream: 'out' | 'err', text: string) => void;
}

/** Runs one expression. @returns the exit code @throws ConnectionFault */
export async function runCode(batch: Batch, code: string): Promise<number> {
  return (await runLine(batch, code, false)) === 'ok' ? 0 : 1;
}

/** Runs lines; one that is not complete goes on in the next. @returns the exit code @throws ConnectionFault */
export async function runLines(batch: Batch, input: NodeJS.ReadableStream): Promise<number> {
  let failed = false;
  let begun: string | undefined = undefined;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const code: string = begun === undefined ? line : `${begun}\n${line}`;
    const outcome = await runLine(batch, code, true);
    begun = outcome === 'incomplete' ? code : undefined;
    if (outcome === 'failed') failed = true;
  }
  if (begun !== undefined) await runLine(batch, begun, false);
  return failed || begun !== undefined ? 1 : 0;
}

/** @param goesOn whether an incomplete line may go on in the next */
async function runLine(
  { connection, print, timeoutMs }: Batch,
  code: string,
  goesOn: boolean,
): Promise<'ok' | 'failed' | 'incomplete'> {
  let timer: NodeJS.Timeout | undefined = undefined;
  let late = false;
  if (timeoutMs !== undefined) {
    timer = setTimeout(() => {
      late = true;
      connection.cancel();
      timer = setTimeout(() => {
        connection.ended(
          new ConnectionFault(`no result within ${timeoutMs} ms, and the application does not answer`),
        );
      }, CANCEL_TIMEOUT_MS);
    }, timeoutMs);
  }
  try {
    const { status, text } = await connection.evaluate(code);
    if (status === 'incomplete' && goesOn) return 'incomplete';
    if (status === 'ok') {
      if (text !== '') print('out', `${text}\n`);
      return 'ok';
    }
    print('err', late ? `no result within ${timeoutMs} ms\n` : `${text}\n`);
    return 'failed';
  } finally {
    clearTimeout(timer);
  }
}
