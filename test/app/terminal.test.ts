// The log on a terminal. That the program uses it is in program.test.ts.
import Fastify from 'fastify';
import { expect, test, vi } from 'vitest';
import { boundedLines, terminalLog } from '../../src/app/internal.ts';

function fakeTerminal(isTTY: boolean) {
  const written: string[] = [];
  const on = vi.fn<(event: 'error', listener: (error: Error) => void) => void>();
  return { written, on, isTTY, write: (text: string) => void written.push(text) };
}

async function logTo(terminal: ReturnType<typeof fakeTerminal>) {
  const found = await terminalLog(terminal);
  return Fastify({ logger: { ...boundedLines, ...(found?.logger as object) } }).log;
}

test('each line has time, level, pid, text and fields', async () => {
  const terminal = fakeTerminal(true);
  const log = await logTo(terminal);
  log.info({ id: 'database' }, 'started');
  log.warn('slow');
  expect(terminal.written).toEqual([
    expect.stringMatching(
      new RegExp(
        `^\\[\\d\\d:\\d\\d:\\d\\d\\.\\d{3}\\] INFO \\(${process.pid}\\): started \\{"id":"database"\\}\\n$`,
      ),
    ),
    expect.stringMatching(/ WARN \(\d+\): slow\n$/),
  ]);
});

test('an error has its stack, with what caused it, on lines of its own', async () => {
  const terminal = fakeTerminal(true);
  const log = await logTo(terminal);
  log.error({ err: new Error('above', { cause: new Error('below') }) }, 'it failed');
  expect(terminal.written[0]?.split('\n').map((line) => line.trim())).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/it failed/),
      expect.stringContaining('caused by: Error: below'),
    ]),
  );
});

test('no text commands the terminal', async () => {
  const terminal = fakeTerminal(true);
  const log = await logTo(terminal);
  const bad = 'a\u001b[2Jb\u009b1mc\u0007d\re\u007f\\u001b';
  log.info({ url: bad, err: new Error(bad) }, bad);
  const text = terminal.written.join('');
  expect(text).toContain('a\uFFFD[2Jb\uFFFD1mc\uFFFDd\uFFFDe\uFFFD\\u001b');
  // oxlint-disable-next-line no-control-regex -- these are what is looked for
  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
});

test('a terminal that goes away ends nothing', async () => {
  const terminal = fakeTerminal(true);
  await logTo(terminal);
  expect(terminal.on).toHaveBeenCalledExactlyOnceWith('error', expect.any(Function));
});

test('what is no terminal gets what pino writes', async () => {
  expect(await terminalLog(fakeTerminal(false))).toBeUndefined();
});
