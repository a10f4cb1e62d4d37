/**
 * An epmd in this process, for machines on which none runs.
 *
 * It registers nodes, finds them and lists them; whatever else is sent ends the connection it came on, and no other. Only
 * this machine may register, whoever reaches the port may ask. A name is kept as long as the connection that registered it.
 * The server never keeps the operating system process alive by itself.
 *
 * Limits: connections at a time, names, the size of a request, and how long a connection that holds no name may take,
 * however it spends that time.
 *
 * Source: "Protocol between a Node and epmd"; `epmd_srv.c`.
 */
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

/** 0 to 3 are not given out: they are what old nodes and nodes without epmd count from. */
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

  /** @returns the creation; undefined when the name is taken or none can be had */
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
  /** Connections at a time; more are closed as they come. Default 1,024. */
  readonly maxConnections?: number;
  /** Names at a time; more are refused. Default 768, which leaves connections for those who ask. */
  readonly maxNames?: number;
  /** Names that one address may have; more are refused. Default 384. */
  readonly maxNamesPerAddress?: number;
  /** How many milliseconds a connection may last that holds no name. Default 10,000. */
  readonly requestMs?: number;
}

/** The server; it listens from `listen` to `close`. */
export class EpmdServer {
  readonly #options: EpmdServerOptions;
  readonly #names: NameTable;
  readonly #requestMs: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** How many names each address has. */
  readonly #named = new Map<string, number>();

  constructor(options: EpmdServerOptions) {
    this.#options = options;
    this.#names = new NameTable(options.maxNames ?? 768);
    this.#requestMs = options.requestMs ?? 10_000;
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
    this.#server.maxConnections = options.maxConnections ?? 1_024;
    // Once it listens, an error is that one connection could not be taken, mostly for want of file descriptors. Who came asks
    // again; to stop for it would cost all others their names. The error before that is for `listen`.
    this.#server.on('error', () => undefined);
  }

  /** Begins to listen. @throws EpmdFailure `port_taken` or `unreachable` */
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

  /** Registers a node of this process until the server is closed. @returns false when the name is taken */
  add(entry: Entry): boolean {
    return this.#names.add(entry) !== undefined;
  }

  /** Ends all connections, and with them all registrations. */
  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      // The error that it can have is that it did not listen.
      this.#server.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.unref();
    const gathered = new Gathered(2 + REQUEST_MAX_BYTES);
    const timer = setTimeout(() => socket.destroy(), this.#requestMs).unref();
    const address = socket.remoteAddress ?? '';
    let entry: Entry | undefined;
    let isAnswered = false;

    socket.on('data', (chunk: Buffer) => {
      // There is one request for each connection.
      if (isAnswered || !gathered.add(chunk)) return void socket.destroy();
      const { bytes } = gathered;
      if (bytes.length < 2) return;
      const end = 2 + bytes.readUInt16BE(0);
      if (end > 2 + REQUEST_MAX_BYTES || bytes.length > end) return void socket.destroy();
      if (bytes.length < end) return;
      isAnswered = true;
      entry = this.#answer(socket, bytes.subarray(2, end));
      if (entry !== undefined) clearTimeout(timer);
    });
    // A failure of the connection is its end, and `close` comes after it.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      this.#sockets.delete(socket);
      if (entry === undefined) return;
      this.#names.remove(entry);
      const left = (this.#named.get(address) ?? 1) - 1;
      if (left === 0) this.#named.delete(address);
      else this.#named.set(address, left);
    });
  }

  /** @returns the entry when one was registered, which lasts as long as the connection */
  #answer(socket: Socket, body: Buffer): Entry | undefined {
    const request = decodeRequest(body);
    switch (request?.kind) {
      case 'register': {
        const address = socket.remoteAddress ?? '';
        if (!isLoopback(address)) return void socket.destroy();
        const named = this.#named.get(address) ?? 0;
        const isFull = named >= (this.#options.maxNamesPerAddress ?? 384);
        const creation = isFull ? undefined : this.#names.add(request.entry);
        const answer = encodeRegisterAnswer(request.entry.highest, creation);
        if (creation === undefined) return void socket.end(answer);
        this.#named.set(address, named + 1);
        socket.setKeepAlive(true, KEEPALIVE_MS);
        socket.write(answer);
        return request.entry;
      }
      case 'lookup':
        return void socket.end(encodeLookupAnswer(this.#names.find(request.name)));
      case 'names':
        return void socket.end(encodeNamesAnswer(this.#options.port, this.#names.entries()));
      case undefined:
        return void socket.destroy();
    }
  }
}
