/**
 * Takes one socket through the handshake: feeds input to a machine, sends its answers, and limits the time between two messages.
 * Ends in one of three ways: done, failed, or cancelled by its owner, which is then not notified.
 *
 * When done, the socket is handed on paused and without listeners of this file, along with any surplus input. Otherwise it is
 * closed, after the last messages for the other side.
 */
import type { Socket } from 'node:net';
import { FrameReader, type FrameSink } from '../wire/frames.ts';
import type { Agreed, HandshakeMachine, HandshakeReason, Step } from './handshake.ts';
import { MAX_HANDSHAKE_BYTES } from './handshake-messages.ts';

/** Why a connection could not be set up: reasons of the handshake, and those before it. */
export type SetupReason = HandshakeReason | 'unreachable' | 'tls';

/** Why a connection could not be set up, as a word and as a sentence that begins with the other node. */
export interface SetupFault {
  readonly reason: SetupReason;
  readonly detail: string;
}

/** The owner of a set-up; one of the two methods is called, once. */
export interface SetupOwner {
  /** `send` has yet to be written; the socket belongs to the owner now. */
  done(setup: Setup, agreed: Agreed, send: readonly Buffer[], leftover: Buffer): void;
  failed(setup: Setup, fault: SetupFault): void;
}

/** What a set-up is made with. */
export interface SetupOptions {
  readonly socket: Socket;
  readonly machine: HandshakeMachine;
  /** Whether the socket uses TLS; lengths then have four bytes. */
  readonly secure: boolean;
  /** Whether the socket is connected, including TLS: the other node dialled. */
  readonly connected: boolean;
  /** How long a step may take: connecting, and each message from the other side. */
  readonly timeoutMs: number;
  readonly owner: SetupOwner;
}

/** The handshake on one socket. */
export class Setup implements FrameSink {
  readonly socket: Socket;
  readonly machine: HandshakeMachine;
  readonly #owner: SetupOwner;
  readonly #reader: FrameReader;
  readonly #secure: boolean;
  readonly #readyEvent: 'connect' | 'secureConnect';
  readonly #timeoutMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #dialled: boolean;
  #connected: boolean;
  #heard = false;
  #over = false;
  #last: Step | undefined;

  constructor(options: SetupOptions) {
    this.socket = options.socket;
    this.machine = options.machine;
    this.#owner = options.owner;
    this.#secure = options.secure;
    this.#connected = options.connected;
    this.#dialled = !options.connected;
    this.#readyEvent = options.secure ? 'secureConnect' : 'connect';
    this.#timeoutMs = options.timeoutMs;
    this.#reader = new FrameReader(this, {
      prefixBytes: options.secure ? 4 : 2,
      maxFrameBytes: MAX_HANDSHAKE_BYTES,
    });
    this.#timer = setTimeout(this.#onTimeout, options.timeoutMs);
    this.socket.on('error', this.#onError);
    this.socket.on('close', this.#onClose);
    this.socket.on('data', this.#onData);
    if (this.#connected) this.#write(this.machine.start());
    else this.socket.once(this.#readyEvent, this.#onReady);
  }

  /** Gives up without notifying the owner. */
  cancel(): void {
    if (this.#over) return;
    this.#detach();
    this.#closeSocket();
  }

  /** A message from the other side; see FrameSink. */
  frame(buffer: Buffer, start: number, end: number): boolean {
    this.#heard = true;
    this.#timer.refresh();
    const step = this.machine.receive(buffer, start, end);
    if (step.kind === 'next') {
      this.#write(step.send);
      // The machine may have caused its owner to cancel this.
      return !this.#over;
    }
    this.#last = step;
    return false;
  }

  readonly #onReady = (): void => {
    this.#connected = true;
    this.#timer.refresh();
    this.#write(this.machine.start());
  };

  readonly #onData = (chunk: Buffer): void => {
    const result = this.#reader.push(chunk);
    if (this.#over || result === 'ok') return;
    if (result === 'too_large') {
      this.#fail({ reason: 'bad_message', detail: 'sent a message longer than any of the protocol' });
      return;
    }
    const last = this.#last;
    if (last?.kind === 'done') {
      this.#detach();
      this.socket.pause();
      this.#owner.done(this, last.agreed, last.send, this.#reader.rest());
    } else if (last?.kind === 'fault') {
      this.#write(last.send);
      this.#fail(last.fault);
    }
  };

  readonly #onTimeout = (): void => {
    this.#fail(
      this.#connected
        ? this.machine.timedOut()
        : { reason: 'timeout', detail: 'could not be reached in time' },
    );
  };

  readonly #onError = (error: Error): void => {
    const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message;
    if (this.#connected) {
      // With TLS 1.3 the dialling side learns only now that its certificate was refused; OTP says why, Node.js just closes.
      this.#fail(
        this.#secure && /SSL|TLS|CERT/.test(code)
          ? { reason: 'tls', detail: `does not let this node in (${code})` }
          : this.#closedFault(),
      );
    } else if (this.#secure && !('syscall' in error)) {
      this.#fail({ reason: 'tls', detail: `failed the TLS handshake (${code})` });
    } else {
      this.#fail({ reason: 'unreachable', detail: `could not be reached (${code})` });
    }
  };

  readonly #onClose = (): void => {
    this.#fail(
      this.#connected
        ? this.#closedFault()
        : { reason: this.#secure ? 'tls' : 'unreachable', detail: 'closed the connection at once' },
    );
  };

  #closedFault(): SetupFault {
    if (this.#secure && this.#dialled && !this.#heard) {
      return {
        reason: 'tls',
        detail: 'closed the connection at once: it probably refuses the certificate of this node',
      };
    }
    return this.machine.closed();
  }

  #write(messages: readonly Buffer[]): void {
    writeMessages(this.socket, messages, this.#secure);
  }

  #fail(fault: SetupFault): void {
    if (this.#over) return;
    this.#detach();
    this.#closeSocket();
    this.#owner.failed(this, fault);
  }

  #detach(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.socket.off('error', this.#onError);
    this.socket.off('close', this.#onClose);
    this.socket.off('data', this.#onData);
    this.socket.off(this.#readyEvent, this.#onReady);
  }

  /** Closes a socket that has no owner; what was written still goes out if the other side reads it in time. */
  #closeSocket(): void {
    const { socket } = this;
    socket.on('error', () => socket.destroy());
    if (!this.#connected) {
      socket.destroy();
      return;
    }
    const limit = setTimeout(() => socket.destroy(), this.#timeoutMs);
    limit.unref();
    socket.once('close', () => clearTimeout(limit));
    socket.resume();
    socket.destroySoon();
  }
}

/** Writes messages of a handshake, each after its length: four bytes over TLS, otherwise two. */
export function writeMessages(socket: Socket, messages: readonly Buffer[], secure: boolean): void {
  if (messages.length === 0 || !socket.writable) return;
  const parts: Buffer[] = [];
  for (const message of messages) {
    const length = Buffer.alloc(secure ? 4 : 2);
    length.writeUIntBE(message.length, 0, length.length);
    parts.push(length, message);
  }
  socket.write(Buffer.concat(parts));
}
