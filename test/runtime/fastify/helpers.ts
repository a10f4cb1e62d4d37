// What the tests of the Fastify plugin share: servers, real WebSocket clients that remember what they get, a stand-in for
// groups, and events to wait for. All of it ends with its test.
import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import {
  createNode,
  type Node,
  onTelemetry,
  type Pid,
  type Process,
  type NodeOptions,
  type TelemetryEvents,
  type TelemetryName,
} from 'troupe';
import { troupeFastify, type TroupeFastifyOptions } from 'troupe/fastify';
import { onTestFinished } from 'vitest';
import { WebSocket } from 'ws';

/** A running server. */
export interface Server {
  readonly app: FastifyInstance;
  readonly node: Node;
  readonly port: number;
}

/** Options of {@link serve}. */
export interface ServeOptions extends Omit<TroupeFastifyOptions, 'node'> {
  readonly node?: NodeOptions;
  readonly fastify?: FastifyServerOptions;
}

/** Starts a server with routes, on a port of its own. */
export async function serve(
  routes: (app: FastifyInstance, node: Node) => void,
  options: ServeOptions = {},
): Promise<Server> {
  const { node: nodeOptions, fastify, ...rest } = options;
  const node = createNode(nodeOptions);
  const app: FastifyInstance = Fastify({ forceCloseConnections: true, ...fastify });
  onTestFinished(async () => {
    await app.close();
    await node.stop();
  });
  await app.register(troupeFastify, { node, ...rest, webSocket: { closeTimeoutMs: 200, ...rest.webSocket } });
  routes(app, node);
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { app, node, port: (app.server.address() as AddressInfo).port };
}

/** A server, and `get` for its answers as seen over TCP. */
export async function serveRoutes(
  routes: (app: FastifyInstance, node: Node) => void,
  options?: ServeOptions,
) {
  const server = await serve(routes, options);
  const url = `http://127.0.0.1:${server.port}`;
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(url + path, init);
    const text = await response.text();
    return { status: response.status, text, json: () => JSON.parse(text) as unknown };
  };
  return { ...server, get };
}

/** How a connection ended, as the client saw it. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A real WebSocket client. */
export class Client {
  readonly socket: WebSocket;
  /** The end of the connection; attached from the start, so it cannot be missed. */
  readonly closed: Promise<Closed>;
  readonly #received: string[] = [];
  readonly #waiting: Array<(message: string) => void> = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        resolve({ code, reason: reason.toString() });
      });
    });
    socket.on('message', (data: Buffer, isBinary) => {
      const message = isBinary ? `0x${data.toString('hex')}` : data.toString();
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#received.push(message);
      else waiting(message);
    });
    socket.on('error', () => undefined);
  }

  /** The next message; binary ones in hexadecimal. */
  next(): Promise<string> {
    const message = this.#received.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** The next messages. */
  async take(count: number): Promise<string[]> {
    const messages: string[] = [];
    while (messages.length < count) messages.push(await this.next());
    return messages;
  }

  /** Messages that came and were not taken. */
  get waiting(): readonly string[] {
    return this.#received;
  }

  send(message: string | Buffer): void {
    this.socket.send(message);
  }
}

/** Opens a WebSocket and waits until it is open; rejects when it is refused. */
export async function open(
  port: number,
  path = '/socket',
  options: WebSocket.ClientOptions = {},
): Promise<Client> {
  const client = start(port, path, options);
  await once(client.socket, 'open');
  return client;
}

/** Opens a WebSocket without waiting. */
export function start(port: number, path = '/socket', options: WebSocket.ClientOptions = {}): Client {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
  onTestFinished(() => {
    socket.terminate();
  });
  return new Client(socket);
}

/** The HTTP status with which an upgrade was refused. */
export async function refusal(
  port: number,
  options: WebSocket.ClientOptions = {},
  path = '/socket',
): Promise<{ status: number | undefined; body: unknown }> {
  const { socket } = start(port, path, options);
  const [, response] = (await once(socket, 'unexpected-response')) as [
    unknown,
    AsyncIterable<Buffer> & { statusCode?: number },
  ];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  return { status: response.statusCode, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
}

/** A TCP connection on which an upgrade was made by hand, for what no client library sends. */
export async function openRaw(port: number, path = '/socket'): Promise<Socket> {
  const socket = connectTcp(port, '127.0.0.1');
  onTestFinished(() => {
    socket.destroy();
  });
  socket.write(
    [
      `GET ${path} HTTP/1.1`,
      'Host: 127.0.0.1',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      '\r\n',
    ].join('\r\n'),
  );
  await once(socket, 'data');
  socket.on('error', () => undefined);
  return socket;
}

/** The events of a telemetry channel from now on: those so far, and the next one to come. */
export class Events<Name extends TelemetryName> {
  readonly all: Array<TelemetryEvents[Name]> = [];
  readonly #queue: Array<TelemetryEvents[Name]> = [];
  #wake: (() => void) | undefined = undefined;

  constructor(name: Name) {
    onTestFinished(
      onTelemetry(name, (event) => {
        this.all.push(event);
        this.#queue.push(event);
        this.#wake?.();
      }),
    );
  }

  /** The next event that was not taken. One waits at a time. */
  async next(): Promise<TelemetryEvents[Name]> {
    let event = this.#queue.shift();
    while (event === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      event = this.#queue.shift();
    }
    return event;
  }
}

/** The smallest thing that is like a group: members leave when they end, all get what is sent. */
export class Group {
  readonly members = new Set<Pid>();
  readonly #node: Node;

  constructor(node: Node) {
    this.#node = node;
  }

  join(self: Process): void {
    this.members.add(self.pid);
    self.signal.addEventListener('abort', () => this.members.delete(self.pid));
  }

  broadcast(message: unknown): void {
    for (const pid of this.members) this.#node.send(pid, message);
  }
}

/** A promise and what settles it. */
export interface Gate<T = void> {
  readonly passed: Promise<T>;
  open(value: T): void;
}

/** Makes a {@link Gate}. */
export function gate<T = void>(): Gate<T> {
  let release: (value: T) => void = () => undefined;
  const passed = new Promise<T>((resolve) => {
    release = resolve;
  });
  return {
    passed,
    open: (value) => {
      release(value);
    },
  };
}
