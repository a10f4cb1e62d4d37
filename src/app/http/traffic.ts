// What requests and answers may hold in memory, of all connections together: bodies as they arrive, until their requests are
// answered; answers until their clients have taken them. What does not fit is answered 503.
//
// Bytes are those on the wire. While a body is read, and while an answer is on its way, Node.js holds a few copies of them.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';

/** What one request holds. */
interface Held {
  bytes: number;
  /** Those of them that stand for an answer which is not there yet. */
  expected: number;
}

/** The bytes that all requests hold. */
export class Traffic {
  readonly #maxBytes: number;
  readonly #held = new WeakMap<FastifyRequest, Held>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes that are held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Follows the answers of an application. To be called before routes are added. */
  follow(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      this.#held.set(request, { bytes: 0, expected: 0 });
      reply.raw.once('close', () => {
        this.#bytes -= this.#held.get(request)?.bytes ?? 0;
        this.#held.delete(request);
      });
      done();
    });
    app.addHook('onSend', (request, _reply, payload, done) => {
      // It is there already, so it is counted also where it does not fit: what comes next has to wait for it.
      if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
        this.#add(request, Buffer.byteLength(payload) - (this.#held.get(request)?.expected ?? 0));
      }
      done(null, payload);
    });
  }

  /**
   * Counts bytes that have come with a request.
   * @throws HttpError 503 when there is no room for them
   */
  take(request: FastifyRequest, bytes: number): void {
    if (this.#bytes + bytes > this.#maxBytes) {
      throw new HttpError(503, 'the service has too much to send and to receive, try again soon', 1);
    }
    this.#add(request, bytes);
  }

  /**
   * Counts the bytes that an answer may have, before it is made; when it is there, its own count in their place.
   * @throws HttpError 503 when there is no room for them
   */
  expect(request: FastifyRequest, bytes: number): void {
    this.take(request, bytes);
    const held = this.#held.get(request);
    if (held !== undefined) held.expected = bytes;
  }

  /** A request that has been answered, or whose client is gone, holds nothing any more. */
  #add(request: FastifyRequest, bytes: number): void {
    const held = this.#held.get(request);
    if (held === undefined) return;
    held.bytes += bytes;
    this.#bytes += bytes;
  }
}
