// What requests and answers may hold in memory, of all connections together: bodies as they arrive, until their requests are
// answered; answers until their clients have taken them. What does not fit is answered 503. Neither kind can take all: a quarter is
// left to the other, so that clients who do not read leave room for changes, and those who send do not keep others from reading.
//
// Bytes are those on the wire. While a body is read, and while an answer is on its way, Node.js holds a few copies of them.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';

/** The part of the whole that either kind may take, where it holds anything already: one body, and one answer, always has a turn. */
export const shareMax = 0.75;

type Kind = 'bodies' | 'answers';

/** Bytes of either kind. */
type Bytes = Record<Kind, number>;

/** What one request holds. */
interface Held extends Bytes {
  /** Those of the answer that stand for one which is not there yet. */
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

  /** Bytes that are held now. */
  get bytes(): number {
    return this.#all.bodies + this.#all.answers;
  }

  /** Follows the answers of an application. To be called before routes are added. */
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
      // It is there already, so it is counted also where it does not fit: what comes next has to wait for it.
      if (typeof payload === 'string' || Buffer.isBuffer(payload)) {
        this.#add(request, 'answers', Buffer.byteLength(payload) - (this.#held.get(request)?.expected ?? 0));
      }
      done(null, payload);
    });
  }

  /**
   * Counts bytes that have come with a request.
   * @throws HttpError 503 when there is no room for them
   */
  take(request: FastifyRequest, bytes: number): void {
    this.#reserve(request, 'bodies', bytes);
  }

  /**
   * Counts the bytes that an answer may have, before it is made; when it is there, its own count in their place.
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

  /** A request that has been answered, or whose client is gone, holds nothing any more. */
  #add(request: FastifyRequest, kind: Kind, bytes: number): void {
    const held = this.#held.get(request);
    if (held === undefined) return;
    held[kind] += bytes;
    this.#all[kind] += bytes;
  }
}
