// Hostile clients below HTTP: sockets that send what they like, and read or do not.
import { connect, type Socket } from 'node:net';

/** What came of a raw request. */
export interface RawAnswer {
  /** The status of the first answer; 0 when there was none. */
  readonly status: number;
  readonly text: string;
}

const ANSWER_LIMIT_MS = 30_000;
const TEXT_MAX = 1_000_000;

/** A connection; its errors are expected, since the other side may end it at any time. */
export function open(port: number): Socket {
  return connect(port, '127.0.0.1').on('error', () => undefined);
}

/** A connection that sends and never reads. */
export function openDeaf(port: number, data: string | Buffer): Socket {
  const socket = open(port);
  socket.pause();
  socket.write(data);
  return socket;
}

/** Sends, and answers with what comes until the other side closes, or there is a whole head and `isEnough`. */
export function exchange(
  port: number,
  data: string | Buffer,
  isEnough: (text: string) => boolean = (text) => text.includes('\r\n\r\n'),
): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const socket = open(port);
    let text = '';
    const done = (): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve({ status: Number(/^HTTP\/1\.\d (\d{3})/.exec(text)?.[1] ?? 0), text });
    };
    const limit = setTimeout(done, ANSWER_LIMIT_MS);
    socket.on('data', (chunk) => {
      if (text.length < TEXT_MAX) text += chunk.toString('latin1');
      if (isEnough(text)) done();
    });
    socket.on('close', done);
    socket.write(data);
  });
}

/** A request as text. */
export function request(
  method: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  body = '',
): string {
  const length: Record<string, string> =
    body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const lines = Object.entries({ ...headers, ...length }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}
