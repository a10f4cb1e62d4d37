// One connection to the REPL's socket: lines in, lines out.
//
// - Before it says what it is, a client has a limited time.
// - A client that does not read must not fill the memory: what is printed beside results is left out when much waits
//   already, and counted; results come in answer to a request, and when they fill the buffer the connection ends.
// - However it ends, `onClose` is called once, and nothing is written afterwards.
import type { Socket } from 'node:net';
import {
  CLIENT_LINE_MAX,
  type ClientMessage,
  encodeLine,
  type Hello,
  LineReader,
  parseClientMessage,
  parseHello,
  ProtocolError,
  type ServerMessage,
} from './protocol.ts';

/** How long a client may take to say what it is. */
export const HELLO_TIMEOUT_MS = 5_000;
/** How much may wait to be sent before prints are left out, in bytes. */
export const PRINT_BUFFER_MAX = 4_194_304;
/** How much may wait to be sent before the connection ends, in bytes. */
export const BUFFER_MAX = 67_108_864;
/** How long a client may take to close its end. */
const CLOSE_TIMEOUT_MS = 1_000;

/** What a session does with its connection. */
export interface ConnectionEvents {
  onMessage(message: ClientMessage): void;
  onClose(): void;
}

/** A connection, from the moment it is accepted. */
export class Connection {
  readonly #socket: Socket;
  readonly #lines = new LineReader(CLIENT_LINE_MAX);
  #onHello: ((hello: Hello) => void) | undefined;
  #events: ConnectionEvents | undefined;
  /** What has come before there were events to tell it to. */
  #early: ClientMessage[] = [];
  #ended = false;
  #leftOut = 0;

  /** @param onHello is called when the client has said what it is; it is to call `use`, or `bye`. */
  constructor(socket: Socket, onHello: (hello: Hello) => void) {
    this.#socket = socket;
    this.#onHello = onHello;
    const timer = setTimeout(() => {
      this.bye(`the client said nothing for ${HELLO_TIMEOUT_MS} ms`);
    }, HELLO_TIMEOUT_MS);
    socket.on('data', (chunk: Buffer) => {
      this.#received(chunk, timer);
    });
    socket.on('error', () => {
      socket.destroy(); // the client has gone; that it has is what `close` tells
    });
    socket.on('close', () => {
      clearTimeout(timer);
      this.#ended = true;
      this.#events?.onClose();
    });
    socket.on('drain', () => {
      this.#drained();
    });
    socket.resume();
  }

  /** Says who gets what comes from now on. */
  use(events: ConnectionEvents): void {
    this.#events = events;
    for (const message of this.#early.splice(0)) events.onMessage(message);
    if (this.#socket.destroyed) events.onClose();
  }

  /** True when so much waits to be sent that prints are left out. */
  get congested(): boolean {
    return this.#socket.writableLength > PRINT_BUFFER_MAX;
  }

  /** Counts a print that is not even made. */
  leaveOut(): void {
    this.#leftOut++;
  }

  /** Sends a message. */
  send(message: ServerMessage): void {
    if (this.#ended) return;
    if (message.type === 'print' && this.congested) {
      this.leaveOut();
      return;
    }
    this.#socket.write(encodeLine(message));
    if (this.#socket.writableLength > BUFFER_MAX) this.#socket.destroy();
  }

  /** Says why the connection ends, and ends it. */
  bye(text: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#socket.end(encodeLine({ type: 'bye', text }));
    // A client that is stopped does not close its end, and the application must be able to end.
    setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    this.#socket.unref();
  }

  #received(chunk: Buffer, timer: NodeJS.Timeout): void {
    if (this.#ended) return;
    try {
      for (const line of this.#lines.push(chunk)) {
        if (this.#onHello !== undefined) {
          const onHello = this.#onHello;
          const hello = parseHello(line);
          this.#onHello = undefined;
          clearTimeout(timer);
          onHello(hello);
        } else {
          const message = parseClientMessage(line);
          if (this.#events === undefined) this.#early.push(message);
          else this.#events.onMessage(message);
        }
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.bye(error.message);
    }
  }

  #drained(): void {
    if (this.#leftOut === 0) return;
    const text = `(left out: ${this.#leftOut} prints, which came faster than they could be shown)\n`;
    this.#leftOut = 0;
    this.send({ type: 'print', stream: 'err', text });
  }
}
