/**
 * An epmd in this process, for machines on which none runs.
 *
 * It registers nodes, finds them and lists them; any other input ends its connection, and no other. Only this machine may
 * register; anyone who reaches the port may ask. A name lasts as long as the connection that registered it. The server never
 * keeps the operating system process alive.
 *
 * Limits: connections at a time, names, names of one user, the size of a request, and how long a connection without a name may
 * last, whatever it does. Names are counted by user, since TCP does not tell which process is at the other end, and a process
 * of one user can stop all others of that user anyway.
 *
 * Source: "Protocol between a Node and epmd"; `epmd_srv.c`.
 */
import { readFile } from 'node:fs/promises';
import { type Server, type Socket, createServer } from 'node:net';
import {
  type Entry,
  EpmdFailure,
  Gathered,
  REQUEST_MAX_BYTES,
  codeOf,
  decodeRequest,
  encodeLookupAnswer,
  encodeNamesAnswer,
  encodeRegisterAnswer,
  isLoopback,
  isName,
} from './protocol.ts';

const KEEPALIVE_MS = 60_000;

/** 0 to 3 are not assigned: old nodes, and nodes without epmd, start from these. */
const FIRST_CREATION = 4;
const CREATIONS = 0x1_0000_0000 - FIRST_CREATION;

/**
 * The registered names, each with what its node said about itself.
 *
 * A name is registered once. Each registration gets a new creation: a count that starts from the time, so that an epmd that
 * succeeds another does not repeat its creations. The number of names is limited.
 */
export class NameTable {
  readonly #maxEntries: number;
  /** By the bytes of the name, as Latin-1. */
  readonly #entries = new Map<string, Entry>();
  #count: number;

  /** @param seed where the creations begin; the seconds since 1970 when left out */
  constructor(maxEntries: number, seed: number = Math.floor(Date.now() / 1_000)) {
    this.#maxEntries = maxEntries;
    this.#count = seed;
  }

  /** @returns the creation; undefined if the name is taken or invalid, or the table is full */
  add(entry: Entry): number | undefined {
    const key = keyOf(entry.name);
    if (!isName(entry.name) || this.#entries.has(key) || this.#entries.size >= this.#maxEntries) {
      return undefined;
    }
    this.#entries.set(key, entry);
    return FIRST_CREATION + (this.#count++ % CREATIONS);
  }

  remove(entry: Entry): void {
    this.#entries.delete(keyOf(entry.name));
  }

  find(name: Buffer): Entry | undefined {
    return this.#entries.get(keyOf(name));
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }
}

function keyOf(name: Buffer): string {
  return name.toString('latin1');
}

/** Where it listens, and its limits. */
export interface EpmdServerOptions {
  readonly host: string;
  readonly port: number;
  /** Connections at a time; further ones are closed as they arrive. Default 1,024. */
  readonly maxConnections?: number;
  /** Names at a time; further ones are refused. Default 768, which leaves connections for lookups. */
  readonly maxNames?: number;
  /**
   * Names that one user of this machine may have; more are refused. Where the system does not tell the user (other than Linux),
   * it is the names of one address. Default 384, which leaves as many to others.
   */
  readonly maxNamesPerUser?: number;
  /** How many milliseconds a connection without a name may last. Default 10,000. */
  readonly requestMs?: number;
}

/** The server; it listens from `listen` to `close`. */
export class EpmdServer {
  readonly #options: EpmdServerOptions;
  readonly #names: NameTable;
  readonly #requestMs: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** The names that were registered over connections. */
  readonly #held = new Map<Socket, { readonly entry: Entry; readonly holder: string }>();
  /** How many names each holder has: a user, or an address. */
  readonly #counts = new Map<string, number>();
  /** The last search for a user. One runs at a time: the tables of the system may be large. */
  #search: Promise<unknown> = Promise.resolve();

  constructor(options: EpmdServerOptions) {
    this.#options = options;
    this.#names = new NameTable(options.maxNames ?? 768);
    this.#requestMs = options.requestMs ?? 10_000;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = options.maxConnections ?? 1_024;
    // Once it listens, an error means that one connection could not be accepted, mostly for lack of file descriptors. That client
    // tries again; stopping would cost all others their names. An error before that is handled by `listen`.
    this.#server.on('error', () => undefined);
  }

  /** Starts to listen. @throws EpmdFailure `port_taken` or `unreachable` */
  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const refused = (error: Error) => {
        const code = codeOf(error);
        const kind = code === 'EADDRINUSE' ? 'port_taken' : 'unreachable';
        reject(new EpmdFailure(kind, `This process cannot be the epmd at ${host}:${port}: ${code}.`, error));
      };
      this.#server.once('error', refused);
      this.#server.listen({ host, port, exclusive: true }, () => {
        this.#server.off('error', refused);
        this.#server.unref();
        resolve();
      });
    });
  }

  /** Registers a node of this process until the server closes. @returns false if the name is taken */
  add(entry: Entry): boolean {
    return this.#names.add(entry) !== undefined;
  }

  /** Ends all connections, and with them all registrations. */
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      // Its only error is that the server was not listening.
      this.#server.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.unref();
    const gathered = new Gathered(2 + REQUEST_MAX_BYTES);
    const timer = setTimeout(() => socket.destroy(), this.#requestMs).unref();
    let isAnswered = false;

    socket.on('data', (chunk: Buffer) => {
      // There is one request per connection.
      if (isAnswered || !gathered.add(chunk)) return void socket.destroy();
      const { bytes } = gathered;
      if (bytes.length < 2) return;
      const end = 2 + bytes.readUInt16BE(0);
      if (end > 2 + REQUEST_MAX_BYTES || bytes.length > end) return void socket.destroy();
      if (bytes.length < end) return;
      isAnswered = true;
      void this.#answer(socket, bytes.subarray(2, end)).then((isNode) => isNode && clearTimeout(timer));
    });
    // A failure ends the connection, and `close` follows.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      this.#release(socket);
    });
  }

  /** @returns whether the connection holds a name from now on */
  async #answer(socket: Socket, body: Buffer): Promise<boolean> {
    const request = decodeRequest(body);
    switch (request?.kind) {
      case 'register':
        return await this.#register(socket, request.entry);
      case 'lookup':
        socket.end(encodeLookupAnswer(this.#names.find(request.name)));
        return false;
      case 'names':
        socket.end(encodeNamesAnswer(this.#options.port, this.#names.entries()));
        return false;
      case undefined:
        socket.destroy();
        return false;
    }
  }

  async #register(socket: Socket, entry: Entry): Promise<boolean> {
    const address = socket.remoteAddress ?? '';
    if (!isLoopback(address)) {
      socket.destroy();
      return false;
    }
    const search = this.#search.then(() => (socket.destroyed ? undefined : userOf(socket)));
    this.#search = search;
    const holder = (await search) ?? address;
    if (socket.destroyed) return false;
    const count = this.#counts.get(holder) ?? 0;
    const isFull = count >= (this.#options.maxNamesPerUser ?? 384);
    const creation = isFull ? undefined : this.#names.add(entry);
    const answer = encodeRegisterAnswer(entry.highest, creation);
    if (creation === undefined) {
      socket.end(answer);
      return false;
    }
    this.#counts.set(holder, count + 1);
    this.#held.set(socket, { entry, holder });
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.write(answer);
    return true;
  }

  /** The connection is closed: the name that it held is free. */
  #release(socket: Socket): void {
    const held = this.#held.get(socket);
    if (held === undefined) return;
    this.#held.delete(socket);
    this.#names.remove(held.entry);
    const left = (this.#counts.get(held.holder) ?? 1) - 1;
    if (left === 0) this.#counts.delete(held.holder);
    else this.#counts.set(held.holder, left);
  }
}

/** The user whose socket is at the other end of a connection from this machine; undefined where the system does not tell. */
async function userOf({
  remoteAddress = '',
  remotePort = 0,
  localPort = 0,
}: Socket): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  const tables = await Promise.all(
    // A system without IPv6 has no second table; without /proc there is neither.
    ['tcp', 'tcp6'].map((table) => readFile(`/proc/net/${table}`, 'latin1').catch(() => '')),
  );
  // Addresses are in words of four bytes in the byte order of the machine, which is taken for little-endian.
  const [a = 0, b = 0, c = 0, d = 0] = remoteAddress.replace('::ffff:', '').split('.').map(Number);
  const address = remoteAddress === '::1' ? '01000000' : Buffer.of(d, c, b, a).toString('hex').toUpperCase();
  const [there, here] = [remotePort, localPort].map((port) =>
    port.toString(16).toUpperCase().padStart(4, '0'),
  );
  // local address, remote address, state, queues, timer, retransmissions, user
  const line = new RegExp(`${address}:${there} [0-9A-F]+:${here} (?:\\S+ +){4}(\\d+) `);
  const [, user] = tables.map((table) => line.exec(table)).find((found) => found !== null) ?? [];
  return user === undefined ? undefined : `user ${user}`;
}
