/**
 * The clients of the WebSocket and HTTP workloads, in a process of their own. The parent sends one order after the other; each is
 * answered with what was measured. It reads with one buffer for all sockets and looks at no more than it must, so that the server is
 * what limits the figures.
 *
 *   { what: 'open', port, clients }    opens so many WebSockets
 *   { what: 'fanout', writers, forMs } so many of them write in turns: each when its last message has come back
 *   { what: 'close' }                  closes them
 *   { what: 'http', port, forMs }      64 connections, each with one request after the other
 */
import { connect } from 'node:net';

const HTTP_CONNECTIONS = 64;
const SAMPLES_MAX = 1_000_000;
const BODY = 'any process joins a channel, and a broadcast reaches every member on every node'.repeat(2);
const PING = 0x89;
const PONG = 0x8a;

let counted = 0;
/** @type {number[]} */
let delays = [];
let writing = false;
/** @type {Client[]} */
let clients = [];
const buffer = Buffer.allocUnsafe(262_144);

/** A WebSocket client that counts frames. */
class Client {
  /** What is left of the frame that the last read cut off. */
  #rest = Buffer.alloc(0);
  /** @param {number} port */
  constructor(port) {
    this.open = new Promise((resolve, reject) => {
      this.opened = resolve;
      this.failed = reject;
    });
    this.reads = true;
    this.samples = false;
    this.name = '';
    this.seq = 0;
    this.upgraded = false;
    this.skip = 0;
    this.socket = connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback: (length) => {
          this.#read(length);
          return true;
        },
      },
    });
    this.socket.setNoDelay(true);
    this.socket.on('error', (error) => this.failed(error));
    const lines = ['GET / HTTP/1.1', 'Host: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket'];
    lines.push('Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '\r\n');
    this.socket.write(lines.join('\r\n'));
  }

  /** @param {number} length */
  #read(length) {
    if (!this.upgraded) {
      if (!buffer.latin1Slice(0, length).startsWith('HTTP/1.1 101')) this.failed(new Error('no upgrade'));
      this.upgraded = true;
      this.opened(undefined);
      return;
    }
    let chunk = buffer;
    let end = length;
    let at = 0;
    if (this.#rest.length > 0) {
      chunk = Buffer.concat([this.#rest, buffer.subarray(0, length)]);
      end = chunk.length;
      this.#rest = Buffer.alloc(0);
    }
    while (end - at >= 2) {
      const short = chunk[at + 1];
      if (short === 126 && end - at < 4) break;
      const size = short < 126 ? 2 + short : 4 + chunk.readUInt16BE(at + 2);
      if (at + size > end) break;
      if (chunk[at] === PING) {
        // As `write` does: the mask is 0.
        const data = chunk.subarray(at + 2, at + size);
        this.socket.write(Buffer.concat([Buffer.from([PONG, 0x80 | short, 0, 0, 0, 0]), data]));
      } else {
        counted++;
        if (this.samples) this.#look(chunk, at, at + size);
      }
      at += size;
    }
    if (at < end) this.#rest = Buffer.from(chunk.subarray(at, end));
  }

  #look(chunk, from, to) {
    const text = chunk.latin1Slice(from, to);
    const at = text.indexOf('"at":') + 5;
    if (delays.length < SAMPLES_MAX) delays.push(performance.now() - parseFloat(text.slice(at)));
    if (this.name !== '' && text.includes(this.name) && text.includes(`"seq":${this.seq},`)) this.write();
  }

  write() {
    if (!writing) return;
    this.seq++;
    const message = Buffer.from(
      JSON.stringify({
        at: performance.now(),
        seq: this.seq,
        writer: this.name,
        title: 'groups',
        body: BODY,
      }),
    );
    // The mask is 0, which leaves the payload as it is.
    const header = Buffer.alloc(8);
    header[0] = 0x81;
    header[1] = 0x80 | 126;
    header.writeUInt16BE(message.length, 2);
    this.socket.write(Buffer.concat([header, message]));
  }
}

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until nothing comes any more. */
async function quiet() {
  for (let before = -1; before !== counted;) {
    before = counted;
    await wait(50);
  }
}

const orders = {
  async open({ port, count }) {
    for (let index = 0; index < count; index += 200) {
      const batch = Array.from({ length: Math.min(200, count - index) }, () => new Client(port));
      await Promise.all(batch.map((client) => client.open));
      clients.push(...batch);
    }
  },

  async fanout({ writers, forMs }) {
    clients.forEach((client, index) => {
      client.name = index < writers ? `writer-${index}-` : '';
      client.samples = index < writers || index % 50 === 0;
    });
    writing = true;
    for (const client of clients.slice(0, writers)) client.write();
    await wait(forMs / 4);
    delays = [];
    const before = counted;
    const start = performance.now();
    await wait(forMs);
    const perSecond = ((counted - before) * 1_000) / (performance.now() - start);
    const sorted = Float64Array.from(delays).toSorted();
    writing = false;
    await quiet();
    return { perSecond, p99: sorted[Math.floor(sorted.length * 0.99)] };
  },

  async close() {
    for (const { socket } of clients) socket.destroy();
    clients = [];
    await wait(200);
  },

  async http({ port, forMs }) {
    let answers = 0;
    let size = 0;
    const request = 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
    const sockets = Array.from({ length: HTTP_CONNECTIONS }, () => {
      const socket = connect({
        port,
        host: '127.0.0.1',
        onread: {
          buffer,
          callback(length) {
            if (size === 0) size = length;
            if (length !== size) throw new Error(`an answer of ${length} bytes and not ${size}`);
            answers++;
            socket.write(request);
            return true;
          },
        },
      });
      socket.setNoDelay(true);
      socket.write(request);
      return socket;
    });
    await wait(forMs / 4);
    const before = answers;
    const start = performance.now();
    await wait(forMs);
    const perSecond = ((answers - before) * 1_000) / (performance.now() - start);
    for (const socket of sockets) socket.destroy();
    return { perSecond, answers };
  },
};

process.on('disconnect', () => process.exit());
process.on('message', (order) => {
  const { what, ...options } = /** @type {{ what: keyof typeof orders }} */ (order);
  void Promise.resolve(orders[what](options)).then((figures) => process.send?.(figures ?? {}));
});
