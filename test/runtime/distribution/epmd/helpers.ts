// What the tests of epmd share: connections on which bytes are sent as they are, and Epmds that write down what they tell.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import {
  encodeRequest,
  entryOf,
  Epmd,
  type EpmdOptions,
  type Request,
} from '../../../../src/runtime/distribution/epmd/internal.ts';
import { freePort } from '../../../support/erl.ts';

/** A connection on which a test writes what it likes. */
export class Raw {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  readonly closed: Promise<void>;

  /** @param from its own address */
  constructor(port: number, host = '127.0.0.1', from?: string) {
    this.socket = connect({
      port,
      host,
      noDelay: true,
      ...(from === undefined ? {} : { localAddress: from }),
    });
    this.socket.on('data', (chunk: Buffer) => this.#chunks.push(chunk));
    this.socket.on('error', () => this.socket.destroy()); // a reset is an end too
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    onTestFinished(() => void this.socket.destroy());
  }

  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  send(...chunks: Uint8Array[]): this {
    for (const chunk of chunks) this.socket.write(chunk);
    return this;
  }

  /** What is received, once it has so many bytes. */
  async bytes(count: number): Promise<Buffer> {
    while (this.received.length < count && !this.socket.closed) {
      await Promise.race([once(this.socket, 'data'), this.closed]);
    }
    return this.received;
  }

  /** What was received when the other side has closed. */
  async all(): Promise<Buffer> {
    await this.closed;
    return this.received;
  }
}

/** An address of this machine that others reach, where it has one. */
export const outsideAddress = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

/** The bytes of a request to register. */
export function registering(name: string | Buffer, highest = 6, port = 5_000): Buffer {
  return encodeRequest({
    kind: 'register',
    entry: { ...entryOf('', port, false), name: Buffer.from(name), highest, lowest: 5 },
  });
}

/** Sends a request on a connection of its own. @returns all that is answered */
export function answerTo(port: number, request: Request | Buffer): Promise<Buffer> {
  return new Raw(port).send(Buffer.isBuffer(request) ? request : encodeRequest(request)).all();
}

/** An Epmd that notes what it tells; closed when the test ends. */
export function recorded(options: Partial<EpmdOptions>): {
  epmd: Epmd;
  states: string[];
  errors: unknown[];
  /** Waits until it has told something, since the start or the last wait for it. */
  told: (state: string) => Promise<void>;
} {
  const states: string[] = [];
  const errors: unknown[] = [];
  let seen = 0;
  const epmd = new Epmd(
    { retryMs: 20, ...options },
    {
      state(state, error) {
        states.push(state);
        errors.push(error);
      },
    },
  );
  onTestFinished(() => epmd.close());
  const told = (state: string) =>
    vi.waitFor(
      () => {
        const at = states.indexOf(state, seen);
        if (at === -1) throw new Error(`not told '${state}' but: ${states.slice(seen).join()}`);
        seen = at + 1;
      },
      { interval: 5, timeout: 15_000 },
    );
  return { epmd, states, errors, told };
}

/** A server that does with each connection what the test says; closed when the test ends. */
export async function scripted(
  accept: (socket: Socket) => void,
  host = '127.0.0.1',
): Promise<{ port: number; accepted: () => number }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()); // the other side may break off
    accept(socket);
  });
  server.listen(await freePort(), host);
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, accepted: () => sockets.size };
}

/**
 * Starts epmd-program.ts; killed when the test ends, and gone when this process is.
 * @param stays whether it has something else to do than to be registered
 */
export function startProgram({
  port,
  alive = 'program',
  stays,
}: {
  port: number;
  alive?: string;
  stays: boolean;
}): {
  child: ChildProcess;
  lines: string[];
  printed: (line: string) => Promise<void>;
} {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', join(import.meta.dirname, 'epmd-program.ts'), String(port), alive, String(stays)],
    { stdio: [stays ? 'pipe' : 'ignore', 'pipe', 'inherit'] },
  );
  const lines: string[] = [];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')));
  onTestFinished(() => void child.kill('SIGKILL'));
  const printed = (line: string) =>
    vi.waitFor(
      () => {
        if (!lines.includes(line)) throw new Error(`not printed '${line}' but: ${lines.join()}`);
      },
      { interval: 10, timeout: 15_000 },
    );
  return { child, lines, printed };
}
