// Bounds what requests and answers hold in memory, on all connections together: bodies from their arrival until their requests
// are answered, answers until their clients have taken them. What does not fit is answered 503. Each kind leaves a quarter to the
// other, so that clients that do not read leave room for changes, and clients that send leave room for reading.
//
// Bytes are counted as on the wire. While a body is read, and while an answer is sent, Node.js holds a few copies of them.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';

/** The share that either kind may take while it holds anything already: a single body, and a single answer, always fits. */
export const shareMax = 0.75;

type Kind = 'bodies' | 'answers';

/** Bytes of either kind. */
type Bytes = Record<Kind, number>;

/** What one request holds. */
interface Held extends Bytes {
  /** Bytes reserved for an answer that does not exist yet. */
  expected: number;
}

/** The bytes that all requests hold. */
export class Traffic {
  readonly #maxBytes: number;
  readonly #held = new WeakMap<FastifyRequest, Held>();
  readonly #all: Bytes = { bodies: 0, answers: 0 };

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#all.bodies + this.#all.answers;
  }

  /** Follows the answers of an application. Call it before adding routes. */
  follow(app: FastifyInstance): void {
    app.addHook('onRequest', (request, reply, done) => {
      const held: Held = { bodies: 0, answers: 0, expected: 0 };
      this.#held.set(request, held);
      reply.raw.once('close', () => {
        this.#all.bodies -= held.bodies;
        this.#all.answers -= held.answers;
        this.#held.delete(request);
      });
      done();
    });
    app.addHook('onSend', (request, _reply, payload, done) => {
      // It exists already, so it counts even if it does not fit: what comes next must wait for it.
      if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
        this.#add(request, 'answers', Buffer.byteLength(payload) - (this.#held.get(request)?.expected ?? 0));
      }
      done(null, payload);
    });
  }

  /**
   * Counts bytes that arrived with a request.
   * @throws HttpError 503 when there is no room for them
   */
  take(request: FastifyRequest, bytes: number): void {
    this.#reserve(request, 'bodies', bytes);
  }

  /**
   * Reserves the bytes that an answer may have, before it is made; the answer's own size replaces them later.
   * @throws HttpError 503 when there is no room for them
   */
  expect(request: FastifyRequest, bytes: number): void {
    this.#reserve(request, 'answers', bytes);
    const held = this.#held.get(request);
    if (held !== undefined) held.expected = bytes;
  }

  #reserve(request: FastifyRequest, kind: Kind, bytes: number): void {
    const others = this.#all[kind] - (this.#held.get(request)?.[kind] ?? 0);
    const isOverShare = others > 0 && this.#all[kind] + bytes > this.#maxBytes * shareMax;
    if (isOverShare || this.bytes + bytes > this.#maxBytes) {
      throw new HttpError(503, 'the service has too much to send and to receive, try again soon', 1);
    }
    this.#add(request, kind, bytes);
  }

  /** A request that was answered, or whose client is gone, holds nothing. */
  #add(request: FastifyRequest, kind: Kind, bytes: number): void {
    const held = this.#held.get(request);
    if (held === undefined) return;
    held[kind] += bytes;
    this.#all[kind] += bytes;
  }
}
