/**
 * The port on which a node accepts others. Hands over sockets that are ready for the handshake: connected, and secured if the node
 * uses TLS.
 *
 * The number of connections between connecting and being up is limited, in total and per address. When there is no free slot, the
 * oldest connection that has proven nothing gives way, of the address with the most: a node proves its name within milliseconds, so
 * that silent connections keep nobody out. With TLS, a verified certificate is a proof.
 *
 * Of a socket that was handed over it keeps only the slot.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { Server as SecureServer, TLSSocket } from 'node:tls';
import { TroupeError } from '../../../errors.ts';
import type { SecureIdentity } from './credentials.ts';

/** What a listener is made with. */
export interface ListenerOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  readonly tls: SecureIdentity | undefined;
  /** How long the TLS handshake may take. */
  readonly setupTimeoutMs: number;
  readonly maxPending: number;
  /** How many of them may come from one address. */
  readonly maxPerAddress: number;
  /** A socket is ready; its slot must be released. */
  accept(socket: Socket, slot: SetupSlot): void;
  /** A socket was closed before it was ready. */
  refused(address: string, reason: string): void;
}

/** The slot of a connection that is being set up. */
export class SetupSlot {
  /** The address of the other side, without its port. */
  readonly address: string;
  readonly #slots: Set<SetupSlot>;
  proven = false;
  /** Ends the set-up in favour of another. */
  giveWay: () => void;

  constructor(slots: Set<SetupSlot>, address: string, giveWay: () => void) {
    this.#slots = slots;
    this.address = address;
    this.giveWay = giveWay;
    slots.add(this);
  }

  /** The set-up has ended. */
  release(): void {
    this.#slots.delete(this);
  }
}

/** Accepts connections of other nodes. */
export class Listener {
  readonly #options: ListenerOptions;
  readonly #server: Server;
  readonly #secureServer: SecureServer | undefined;
  /** Sockets in the TLS handshake, by the address of the other side. */
  readonly #securing = new Map<string, { readonly socket: Socket; readonly slot: SetupSlot }>();
  /** The oldest first. */
  readonly #slots = new Set<SetupSlot>();

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true, keepAlive: true }, (socket) => this.#connected(socket));
    if (options.tls !== undefined) {
      this.#secureServer = options.tls.server(options.setupTimeoutMs);
      this.#secureServer.on('secureConnection', (socket) => this.#secured(socket));
      this.#secureServer.on('tlsClientError', (error, socket) => this.#notSecured(error, socket));
    }
  }

  /** Starts to listen. @returns the port. @throws TroupeError TROUPE_LISTEN_FAILED */
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
        // Later errors concern one connection, such as a lack of file descriptors.
        this.#server.on('error', (error) => this.#options.refused('', `accept: ${error.message}`));
        resolve((this.#server.address() as AddressInfo).port);
      });
    });
  }

  /** Stops listening. Sockets that were handed over stay open. */
  close(): Promise<void> {
    for (const { socket } of this.#securing.values()) socket.destroy();
    this.#securing.clear();
    // Without its callback, which waits until all connections have ended, and those may go on.
    this.#server.close();
    return Promise.resolve();
  }

  #connected(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    if (!this.#makeRoom(address)) {
      this.#options.refused(addressOf(socket), 'too_many');
      socket.destroy();
      return;
    }
    const slot = new SetupSlot(this.#slots, address, () => socket.destroy());
    if (this.#secureServer === undefined) {
      this.#options.accept(socket, slot);
      return;
    }
    const key = addressOf(socket);
    this.#securing.set(key, { socket, slot });
    socket.once('close', () => {
      if (this.#securing.get(key)?.socket !== socket) return;
      this.#securing.delete(key);
      slot.release();
    });
    this.#secureServer.emit('connection', socket);
  }

  /** @returns false if all slots are taken by connections that have proven their names. */
  #makeRoom(address: string): boolean {
    const { maxPending, maxPerAddress } = this.#options;
    const counts = new Map<string, number>();
    for (const slot of this.#slots) counts.set(slot.address, (counts.get(slot.address) ?? 0) + 1);
    if ((counts.get(address) ?? 0) >= maxPerAddress) return this.#giveWay((slot) => slot.address === address);
    if (this.#slots.size < maxPending) return true;
    const most = Math.max(...counts.values());
    return this.#giveWay((slot) => counts.get(slot.address) === most) || this.#giveWay(() => true);
  }

  #giveWay(concerns: (slot: SetupSlot) => boolean): boolean {
    for (const slot of this.#slots) {
      if (slot.proven || !concerns(slot)) continue;
      slot.release();
      slot.giveWay();
      this.#options.refused(slot.address, 'gave_way');
      return true;
    }
    return false;
  }

  #secured(socket: TLSSocket): void {
    const key = addressOf(socket);
    const slot = this.#securing.get(key)?.slot;
    if (slot === undefined) {
      // It has just been closed.
      socket.destroy();
      return;
    }
    this.#securing.delete(key);
    slot.proven = socket.authorized;
    this.#options.accept(socket, slot);
  }

  #notSecured(error: Error, socket: TLSSocket): void {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
    this.#options.refused(addressOf(socket), `tls: ${code}`);
    socket.destroy();
  }
}

/** The remote end of a socket, as text; empty if it is closed. */
export function addressOf(socket: Socket): string {
  return socket.remoteAddress === undefined ? '' : `${socket.remoteAddress}:${socket.remotePort}`;
}
