// A WebSocket client that keeps what it gets, in order, and a plain connection for what no HTTP client would send.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';

export interface TestClient {
  readonly socket: WebSocket;
  send(data: string | Buffer): void;
  /** The next text frame that was not asked for yet. Fails when the connection ends first. */
  next(): Promise<string>;
  /** Text frames that were not asked for yet. */
  readonly pending: readonly string[];
  /** How it ended. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Ends it without a word. */
  terminate(): Promise<void>;
}

/** Opens a WebSocket. @throws Error with the status when the upgrade is refused. */
export async function openClient(url: string, headers: Record<string, string> = {}): Promise<TestClient> {
  const socket = new WebSocket(url, { headers, perMessageDeflate: false });
  const pending: string[] = [];
  const waiting: { resolve(text: string): void; reject(error: Error): void }[] = [];
  socket.on('message', (data: Buffer) => {
    const text = data.toString();
    const next = waiting.shift();
    if (next === undefined) pending.push(text);
    else next.resolve(text);
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    socket.on('close', (code, reason) => {
      resolve({ code, reason: reason.toString() });
      for (const { reject } of waiting.splice(0)) reject(new Error(`the connection ended with ${code}`));
    });
  });
  await once(socket, 'open');
  socket.on('error', () => {}); // `closed` tells
  return {
    socket,
    pending,
    closed,
    send: (data) => socket.send(data),
    next() {
      const text = pending.shift();
      if (text !== undefined) return Promise.resolve(text);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    async terminate() {
      socket.terminate();
      await closed;
    },
  };
}

export interface Raw {
  readonly socket: Socket;
  write(text: string | Buffer): void;
  /** Everything that comes until the other side ends the connection, or breaks it. */
  readonly rest: Promise<string>;
  /** What has come so far, as soon as it has this in it. */
  until(text: string): Promise<string>;
}

/** Opens a connection and says something on it. */
export async function openRaw(port: number, text: string | Buffer = ''): Promise<Raw> {
  const socket = connect(port, '127.0.0.1');
  let got = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => (got += chunk));
  const rest = new Promise<string>((resolve) => {
    socket.on('error', () => {}); // a connection that breaks closes too
    socket.on('close', () => resolve(got));
  });
  await once(socket, 'connect');
  if (text.length > 0) socket.write(text);
  return {
    socket,
    rest,
    write: (more) => void socket.write(more),
    until: (wanted) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (got.includes(wanted)) resolve(got);
          else if (socket.destroyed) reject(new Error(`closed without ${wanted}; there was: ${got}`));
        };
        socket.on('data', look);
        socket.on('close', look);
        look();
      }),
  };
}

/** A request that becomes a WebSocket, for `openRaw`. */
export const UPGRADE = [
  'GET /notifications HTTP/1.1',
  'host: 127.0.0.1',
  'connection: upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\n',
].join('\r\n');
