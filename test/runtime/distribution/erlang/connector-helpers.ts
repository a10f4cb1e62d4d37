// What the tests of the connector share: connectors that note what they tell, in place of what runs connections.
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import {
  Connector,
  type ConnectorOptions,
  type EstablishedConnection,
} from '../../../../src/runtime/distribution/erlang/internal.ts';

/** Where connectors of a test listen, by the names of their nodes. */
export type Places = Map<string, { host: string; port: number }>;

/** A connector with what it told. */
export interface Site {
  readonly name: string;
  readonly connector: Connector;
  readonly port: number;
  /** The connections that are up: by the name of the other. */
  readonly up: Map<string, EstablishedConnection>;
  /** What happened, as `up name`, `retire name`, `down name`. */
  readonly log: string[];
  readonly refused: Array<{ peer: string | undefined; address: string; reason: string }>;
  /** Waits until the log or what was refused has a line that matches. */
  happened(pattern: RegExp): Promise<void>;
}

/** Makes a connector that listens, for as long as the test runs. */
export async function site(
  name: string,
  places: Places,
  changes: Partial<ConnectorOptions> = {},
): Promise<Site> {
  const connections = new Map<string, EstablishedConnection>();
  const log: string[] = [];
  const refused: Site['refused'] = [];
  const waiting = new Set<() => void>();
  const told = () => {
    for (const look of waiting) look();
  };
  const connector = new Connector({
    name,
    creation: 100 + places.size,
    cookie: () => 'secret',
    listen: { host: '127.0.0.1', port: 0 },
    setupTimeoutMs: 5_000,
    resolve: (node) => Promise.resolve(places.get(node)),
    events: {
      up(established) {
        log.push(`up ${established.peer}`);
        connections.set(established.peer, established);
        established.socket.on('error', () => established.socket.destroy());
        established.socket.on('close', () => {
          log.push(`down ${established.peer}`);
          if (connections.get(established.peer) === established) connections.delete(established.peer);
          told();
        });
        established.socket.resume();
        told();
      },
      isUp: (peer) => connections.has(peer),
      retire(peer) {
        log.push(`retire ${peer}`);
        connections.get(peer)?.socket.destroy();
        connections.delete(peer);
        told();
      },
    },
    refused(peer, address, reason) {
      refused.push({ peer, address, reason });
      log.push(`refused ${peer} ${reason}`);
      told();
    },
    ...changes,
  });
  onTestFinished(async () => {
    await connector.close();
    for (const established of connections.values()) established.socket.destroy();
  });
  const port = await connector.listen();
  if (port !== 0) places.set(name, { host: '127.0.0.1', port });
  const happened = (pattern: RegExp) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!log.some((line) => pattern.test(line))) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { name, connector, port, up: connections, log, refused, happened };
}

/** A plain connection on which a test speaks the handshake itself. */
export class Wire {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
    onTestFinished(() => void socket.destroy());
  }

  static to(port: number): Wire {
    return new Wire(connect(port, '127.0.0.1'));
  }

  /** Sends messages, each behind its length of two bytes. */
  send(...messages: Buffer[]): this {
    for (const message of messages) {
      const length = Buffer.alloc(2);
      length.writeUInt16BE(message.length);
      this.socket.write(Buffer.concat([length, message]));
    }
    return this;
  }

  /** The next message; undefined when the connection ends before it. */
  async receive(): Promise<Buffer | undefined> {
    for (;;) {
      const length = this.#received.length < 2 ? Infinity : 2 + this.#received.readUInt16BE();
      if (this.#received.length >= length) {
        const message = this.#received.subarray(2, length);
        this.#received = this.#received.subarray(length);
        return message;
      }
      if (this.socket.closed) return undefined;
      await Promise.race([new Promise((resolve) => this.socket.once('data', resolve)), this.closed]);
    }
  }
}
