// Clients that read all that comes, and count it: what they cost this program is little beside what the service does for them.
//
// They share one buffer, look at nothing but the headers of frames, and answer pings.
import { connect, type Socket } from 'node:net';

const BUFFER_BYTES = 262_144;
const EVENTS_BETWEEN = 4;
const HEADER_MAX = 10;
const PING = 9;
const CONTROL_MAX = 125;

/** WebSocket clients, and when what is sent to all has arrived at each of them. */
export class Crowd {
  deliveries = 0;
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  readonly #clients: Client[] = [];
  #sentAt = 0;
  #arrived = 0;
  #latencies: number[] = [];
  #all = (): void => undefined;

  async gather(port: number, count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      const client = new Client(port, this.#buffer, () => this.#hear());
      this.#clients.push(client);
      await client.opened;
    }
  }

  /**
   * Has the clients hear events.
   * @param between called after some of them
   * @returns the 99th percentile of their latencies, in milliseconds
   */
  async hear(port: number, size: number, events: number, between?: () => Promise<void>): Promise<number> {
    this.#latencies = [];
    for (let count = 1; count <= events; count++) {
      await this.write(port, size);
      if (count % EVENTS_BETWEEN === 0) await between?.();
    }
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  }

  /** Writes a note, and waits until all have it. @returns its id */
  async write(port: number, size: number): Promise<number> {
    const all = new Promise<void>((resolve) => {
      this.#all = resolve;
    });
    this.#arrived = 0;
    this.#sentAt = performance.now();
    const answer = await fetch(`http://127.0.0.1:${port}/api/notes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title: 'slow', body: 'x'.repeat(size), author: 'torture' }),
    });
    if (answer.status !== 201) throw new Error(`a note was answered with ${answer.status}`);
    const { id } = (await answer.json()) as { id: number };
    await all;
    return id;
  }

  leave(): void {
    for (const client of this.#clients) client.leave();
  }

  #hear(): void {
    this.deliveries += 1;
    this.#latencies.push(performance.now() - this.#sentAt);
    this.#arrived += 1;
    if (this.#arrived === this.#clients.length) this.#all();
  }
}

class Client {
  readonly opened: Promise<void>;
  readonly #socket: Socket;
  readonly #heard: () => void;
  #upgraded = false;
  readonly #header = Buffer.alloc(HEADER_MAX);
  #headerBytes = 0;
  /** What is left of the payload of the frame that comes. */
  #left = 0;
  #control: number[] | undefined;

  constructor(port: number, buffer: Buffer, heard: () => void) {
    this.#heard = heard;
    let open = (): void => undefined;
    let fail = (_error: Error): void => undefined;
    this.opened = new Promise((resolve, reject) => {
      open = resolve;
      fail = reject;
    });
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback: (length) => {
          if (this.#upgraded) {
            this.#read(buffer, 0, length);
            return true;
          }
          const head = buffer.toString('latin1', 0, length);
          const end = head.indexOf('\r\n\r\n') + 4;
          if (!head.startsWith('HTTP/1.1 101') || end < 4) {
            fail(new Error(`no upgrade but ${head.slice(0, 40)}`));
            return true;
          }
          this.#upgraded = true;
          open();
          this.#read(buffer, end, length);
          return true;
        },
      },
    });
    this.#socket.on('error', fail);
    const lines = ['GET /notifications HTTP/1.1', 'Host: 127.0.0.1', 'Connection: Upgrade'];
    lines.push('Upgrade: websocket', 'Sec-WebSocket-Version: 13');
    lines.push('Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '\r\n');
    this.#socket.write(lines.join('\r\n'));
  }

  leave(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to) {
      if (this.#left === 0) {
        this.#header[this.#headerBytes++] = bytes[at++] ?? 0;
        if (!this.#begins()) continue;
      }
      const taken = Math.min(this.#left, to - at);
      this.#control?.push(...bytes.subarray(at, at + taken));
      at += taken;
      this.#left -= taken;
      if (this.#left === 0) this.#ends();
    }
  }

  /** Whether the header of a frame is there, and its payload begins. */
  #begins(): boolean {
    const header = this.#header;
    const short = header[1] ?? 0;
    const length = short < 126 ? 2 : short === 126 ? 4 : HEADER_MAX;
    if (this.#headerBytes < 2 || this.#headerBytes < length) return false;
    this.#headerBytes = 0;
    this.#left = length === 2 ? short : length === 4 ? header.readUInt16BE(2) : header.readUInt32BE(6);
    this.#control = (header[0] ?? 0) & 8 ? [] : undefined;
    return true;
  }

  #ends(): void {
    const control = this.#control;
    this.#control = undefined;
    if (control === undefined) this.#heard();
    else if (((this.#header[0] ?? 0) & 15) === PING) {
      // The mask is 0, which leaves the payload as it is.
      const pong = [0x8a, 0x80 | Math.min(control.length, CONTROL_MAX), 0, 0, 0, 0, ...control];
      this.#socket.write(Buffer.from(pong));
    }
  }
}
