/**
 * The port on which a node lets others in. Hands over sockets that are ready for the handshake: connected, and with TLS when
 * the node uses that. How many may be between connecting and being up is limited; what comes on top is closed at once.
 *
 * It keeps nothing of a socket that it has handed over, but for its place among those: see `release`.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Server as SecureServer, TLSSocket } from 'node:tls';
import { TroupeError } from '../../errors.ts';
import type { SecureIdentity } from './tls.ts';

/** What a listener is made with. */
export interface ListenerOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly tls: SecureIdentity | undefined;
  /** How long the TLS handshake may take. */
  readonly setupTimeoutMs: number;
  readonly maxPending: number;
  /** A socket is ready; its place has to be given back with `release`. */
  accept(socket: Socket): void;
  /** A socket was closed before that. */
  refused(address: string, reason: string): void;
}

/** Lets other nodes in. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #secureServer: SecureServer | undefined;
  /** Sockets in the TLS handshake, by the address of the other side. */
  readonly #securing = new Map<string, Socket>();
  #handedOver = 0;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#connected(socket));
    if (options.tls !== undefined) {
      this.#secureServer = options.tls.server(options.setupTimeoutMs);
      this.#secureServer.on('secureConnection', (socket) => this.#secured(socket));
      this.#secureServer.on('tlsClientError', (error, socket) => this.#notSecured(error, socket));
    }
  }

  /** Begins to listen. @returns the port. @throws TroupeError TROUPE_LISTEN_FAILED */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const failed = (error: Error) => {
        reject(
          new TroupeError(
            'TROUPE_LISTEN_FAILED',
            `${host}:${port} could not be listened on: ${error.message}.`,
            {
              cause: error,
              reason: 'code' in error ? error.code : undefined,
            },
          ),
        );
      };
      this.#server.once('error', failed);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', failed);
        // What goes wrong from now on concerns one connection, such as having no file descriptor left for it.
        this.#server.on('error', (error) => this.#options.refused('', `accept: ${error.message}`));
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Gives back the place of a socket that was handed over: its set-up has ended. */
  release(): void {
    this.#handedOver--;
  }

  /** Stops listening. Sockets that were handed over are left alone. */
  close(): Promise<void> {
    for (const socket of this.#securing.values()) socket.destroy();
    this.#securing.clear();
    // Not its callback: that waits for all connections to end, which may go on.
    this.#server.close();
    return Promise.resolve();
  }

  #connected(socket: Socket): void {
    if (this.#handedOver + this.#securing.size >= this.#options.maxPending) {
      this.#options.refused(addressOf(socket), 'too_many');
      socket.destroy();
      return;
    }
    if (this.#secureServer === undefined) {
      this.#handOver(socket);
      return;
    }
    const key = addressOf(socket);
    this.#securing.set(key, socket);
    socket.once('close', () => {
      if (this.#securing.get(key) === socket) this.#securing.delete(key);
    });
    this.#secureServer.emit('connection', socket);
  }

  #secured(socket: TLSSocket): void {
    this.#securing.delete(addressOf(socket));
    this.#handOver(socket);
  }

  #notSecured(error: Error, socket: TLSSocket): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
    this.#options.refused(addressOf(socket), `tls: ${code}`);
    socket.destroy();
  }

  #handOver(socket: Socket): void {
    this.#handedOver++;
    this.#options.accept(socket);
  }
}

/** The other end of a socket, as text; empty when it is closed. */
export function addressOf(socket: Socket): string {
  return socket.remoteAddress === undefined ? '' : `${socket.remoteAddress}:${socket.remotePort}`;
}
