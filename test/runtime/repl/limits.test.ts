// The limits of the connection: times, sizes, queues. Each is reached.
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import {
  attach,
  BUFFER_MAX,
  CANCEL_TIMEOUT_MS,
  CLIENT_LINE_MAX,
  Connection,
  encodeLine,
  HELLO_TIMEOUT_MS,
  Inbox,
  INBOX_MAX,
  LineReader,
  LINES_WAITING_MAX,
  parseClientMessage,
  parseHello,
  PRINT_BUFFER_MAX,
  PROTOCOL_VERSION,
  READY_TIMEOUT_MS,
  runCode,
} from '../../../src/runtime/repl/internal.ts';
import { type Application, startApplication, temporaryFolder } from './application.ts';

const HELLO = {
  repl: PROTOCOL_VERSION,
  columns: 0,
  colour: false,
  unicode: true,
  json: false,
  interactive: false,
};

/** The server's end of a connection whose client is in the hands of the test. */
class FakeSocket extends Duplex {
  readonly sent: string[] = [];
  /** Whether the client reads. */
  reads = true;
  #stuck: (() => void) | undefined;

  override _read(): void {}
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.sent.push(chunk.toString());
    this.emit('sent');
    if (this.reads) done();
    else this.#stuck = done;
  }
  goOn(): void {
    this.reads = true;
    this.#stuck?.();
  }
  says(text: string): void {
    this.push(text);
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  get texts(): string[] {
    return this.sent.map((line) => (JSON.parse(line) as { text?: string }).text ?? '');
  }
}

function fake(onHello: (connection: Connection) => void = () => undefined): {
  socket: FakeSocket;
  connection: Connection;
} {
  const socket = new FakeSocket();
  const connection = new Connection(socket, () => {
    onHello(connection);
  });
  return { socket, connection };
}

afterEach(() => {
  vi.useRealTimers();
});

describe('the server, with its client', () => {
  test('one that says nothing is left after a time', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { socket } = fake();
    vi.advanceTimersByTime(HELLO_TIMEOUT_MS - 1);
    expect(socket.sent).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(socket.texts).toEqual([`the client said nothing for ${HELLO_TIMEOUT_MS} ms`]);
  });

  test.each([
    ['no JSON', 'hello\n', /a line is not JSON/],
    ['no object', '[1]\n', /a line is not a JSON object/],
    ['another version', '{"repl":99}\n', /the client speaks version 99 .* and the application version 2/],
    ['a wrong width', `${JSON.stringify({ ...HELLO, columns: -1 })}\n`, /columns is not a whole number/],
    ['no flag', `${JSON.stringify({ ...HELLO, json: 'yes' })}\n`, /json is not true or false/],
    ['an unknown message', `${encodeLine(HELLO)}{"type":"nope"}\n`, /unknown message "nope"/],
    ['no id', `${encodeLine(HELLO)}{"type":"eval","code":"1"}\n`, /id is not a whole number/],
    ['no code', `${encodeLine(HELLO)}{"type":"eval","id":1}\n`, /code is not a text/],
    ['too long a line', 'x'.repeat(CLIENT_LINE_MAX + 1), /a line is longer than 1048576 characters/],
  ])('%s ends the connection with a reason', async (_what, text, reason) => {
    const { socket } = fake();
    socket.says(text);
    await once(socket, 'sent');
    expect(socket.texts[0]).toMatch(reason);
    expect(socket.writableEnded).toBe(true);
  });

  test('prints are left out while it does not read, and counted', () => {
    const { socket, connection } = fake();
    socket.reads = false;
    const text = 'x'.repeat(PRINT_BUFFER_MAX / 4);
    for (let i = 0; i < 10; i++) connection.send({ type: 'print', stream: 'out', text });
    expect(connection.congested).toBe(true);
    socket.goOn();
    expect(socket.texts.at(-1)).toMatch(
      /^\(left out: [56] prints, which came faster than they could be shown\)\n$/,
    );
    expect(
      socket.texts.filter((sent) => sent === text).length +
        Number(/\d+/.exec(socket.texts.at(-1) as string)?.[0]),
    ).toBe(10);
  });

  test('the connection ends when results fill the buffer', () => {
    const { socket, connection } = fake();
    socket.reads = false;
    const text = 'x'.repeat(BUFFER_MAX / 4);
    for (let id = 0; id < 5; id++) connection.send({ type: 'result', id, status: 'ok', text });
    expect(socket.destroyed).toBe(true);
  });

  test('one that does not close its end is cut off', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { socket, connection } = fake();
    socket.reads = false;
    connection.bye('enough');
    expect(socket.destroyed).toBe(false);
    vi.advanceTimersByTime(1_000);
    expect(socket.destroyed).toBe(true);
  });
});

describe('the client, with its server', () => {
  test('one that does not answer is left after a time', async () => {
    const folder = temporaryFolder();
    const path = join(folder.path, 's');
    const silent: Server = createServer();
    silent.listen(path);
    await once(silent, 'listening');
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const attached = attach(path, HELLO);
    const refused = attached.catch((error: unknown) => (error as Error).message);
    await once(silent, 'connection');
    vi.advanceTimersByTime(READY_TIMEOUT_MS);
    expect(await refused).toBe(`the application at ${path} does not answer; it may be busy`);
    silent.close();
    folder.remove();
  });

  test('--timeout ends also with an application that cannot give up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const calls: string[] = [];
    let fail: (error: Error) => void = () => undefined;
    const connection = {
      evaluate: () =>
        new Promise<never>((_, reject) => {
          fail = reject;
        }),
      cancel: () => calls.push('cancel'),
      ended: (error: Error) => {
        fail(error);
      },
    };
    const ran = runCode({ connection, timeoutMs: 100, print: () => undefined }, '1');
    vi.advanceTimersByTime(100);
    expect(calls).toEqual(['cancel']);
    vi.advanceTimersByTime(CANCEL_TIMEOUT_MS);
    await expect(ran).rejects.toThrow('no result within 100 ms, and the application does not answer');
  });
});

describe('with a running application', () => {
  const folder = temporaryFolder();
  let application: Application;
  beforeAll(async () => {
    application = await startApplication(folder.path, 20_000);
  });
  afterAll(async () => {
    await application.kill();
    folder.remove();
  });

  test('only so many lines may wait', async () => {
    const socket = connect(application.socket);
    let received = '';
    socket.on('data', (chunk: Buffer) => (received += chunk.toString()));
    socket.write(encodeLine(HELLO));
    for (let id = 0; id <= LINES_WAITING_MAX + 1; id++) {
      socket.write(encodeLine({ type: 'eval', id, code: 'await new Promise(() => {})' }));
    }
    await once(socket, 'close');
    expect(received).toContain(`more than ${LINES_WAITING_MAX} lines wait to be run`);
  });

  test('code that is too long is refused with a reason, and the REPL goes on', async () => {
    const connection = await attach(application.socket, HELLO);
    expect(await connection.evaluate(`'${'x'.repeat(CLIENT_LINE_MAX)}'`)).toMatchObject({
      status: 'error',
      text: expect.stringMatching(/^\*\* the code has \d+ characters, more than 1048576$/) as string,
    });
    expect(await connection.evaluate('1')).toMatchObject({ status: 'ok', text: '1' });
    connection.close();
  });

  test('a result that is too long is refused with a reason', async () => {
    const connection = await attach(application.socket, HELLO);
    expect(await connection.evaluate("'x'.repeat(2 ** 25 + 1)")).toMatchObject({
      status: 'error',
      text: '** the result has 33554433 characters, more than 33554432',
    });
    const json = await attach(application.socket, { ...HELLO, json: true });
    const twice = 'let a = []; for (let i = 0; i < 60; i++) a = [a, a]; a';
    expect(await json.evaluate(twice)).toMatchObject({
      status: 'error',
      text: '** the result holds too many values to be written as JSON',
    });
    connection.close();
    json.close();
  });
});

describe('the inbox', () => {
  test('keeps the newest messages and counts the others', () => {
    const inbox = new Inbox();
    for (let i = 0; i < INBOX_MAX + 3; i++) inbox.push(i);
    expect(inbox.length).toBe(INBOX_MAX);
    expect(inbox.dropped).toBe(3);
    expect(inbox.flush()[0]).toBe(3);
    expect([inbox.length, inbox.dropped]).toEqual([0, 0]);
  });

  test('receive takes the first that matches, waits, gives up', async () => {
    const inbox = new Inbox();
    const { signal } = new AbortController();
    const even = (message: unknown): boolean => (message as number) % 2 === 0;
    for (const message of [1, 2, 3]) inbox.push(message);
    expect(await inbox.receive(even, undefined, signal)).toBe(2);
    const waits = inbox.receive(even, undefined, signal);
    expect([inbox.push(5), inbox.push(6), inbox.push(8)]).toEqual([true, false, true]);
    expect(await waits).toBe(6);
    expect(inbox.flush()).toEqual([1, 3, 5, 8]);
    expect(await inbox.receive(even, 1, signal)).toBe(undefined);
    const gaveUp = new AbortController();
    const pending = inbox.receive(even, undefined, gaveUp.signal);
    gaveUp.abort(new Error('given up'));
    await expect(pending).rejects.toThrow('given up');
    expect(inbox.push(10)).toBe(true);
  });

  test('a matcher that throws fails its receive, and keeps the message', async () => {
    const inbox = new Inbox();
    const pending = inbox.receive(
      () => {
        throw new Error('no matcher');
      },
      undefined,
      new AbortController().signal,
    );
    expect(inbox.push(1)).toBe(true);
    await expect(pending).rejects.toThrow('no matcher');
    expect(inbox.flush()).toEqual([1]);
  });
});

describe('lines', () => {
  test('are put together from pieces, also within a character', () => {
    const lines = new LineReader(100);
    const bytes = Buffer.from('{"a":"ä€"}\n{}\nrest');
    const read = [...bytes].flatMap((byte) => lines.push(Buffer.of(byte)));
    expect(read).toEqual(['{"a":"ä€"}', '{}']);
    expect(lines.push(Buffer.from('\n'))).toEqual(['rest']);
  });

  test('are read as what was written', () => {
    expect(parseHello(encodeLine(HELLO).trimEnd())).toEqual(HELLO);
    const message = { type: 'eval', id: 1, code: 'a\nb' } as const;
    expect(parseClientMessage(encodeLine(message).trimEnd())).toEqual(message);
  });
});
