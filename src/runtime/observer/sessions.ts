// Who has shown the token: the sessions of browsers, and how fast a token may be guessed.
//
// - The token is compared by the hashes of both texts, so that the time says nothing about it, its length included.
// - A browser keeps a random id, not the token. Here it is kept as its hash: who reads the memory of the program, as the observer itself
//   lets one do, finds no cookie. A session ends when it is ended, when it was not used for `SESSION_MS`, and when there are
//   `SESSIONS_MAX` newer ones. What was opened in it ends with it.
// - Each address (of IPv6 each network) may be wrong `GUESSES` times at once and then once in `GUESS_EVERY_MS`; a right token does not count. Addresses are
//   forgotten when they could guess freely again. There is room for `ADDRESSES_MAX`; all further ones share one allowance,
//   so that many addresses do not guess faster, and those that are known are not locked out by them.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Node } from '../index.ts';

/** How long a session lives that nobody uses, in milliseconds. */
const SESSION_MS = 12 * 3_600_000;
/** How many sessions there are at most. */
const SESSIONS_MAX = 64;
/** How many wrong tokens an address may give at once. */
const GUESSES = 5;
/** How long it takes until an address may give one more, in milliseconds. */
export const GUESS_EVERY_MS = 10_000;
/** How many addresses are told apart. */
const ADDRESSES_MAX = 1_024;

/** What a browser got for the token. */
export class Session {
  /** When it was used last, by the clock of the node. */
  #usedAt: number;
  readonly #atEnd = new Set<() => void>();
  #ended = false;

  constructor(now: number) {
    this.#usedAt = now;
  }

  get usedAt(): number {
    return this.#usedAt;
  }

  /** Uses it, unless it has ended: nobody may have looked since it was over. @returns whether it goes on */
  use(now: number): boolean {
    if (now - this.#usedAt >= SESSION_MS) this.over();
    if (!this.#ended) this.#usedAt = now;
    return !this.#ended;
  }

  /** Calls a function when the session ends. @returns what takes it back */
  whenEnded(end: () => void): () => void {
    if (this.#ended) end();
    else this.#atEnd.add(end);
    return () => void this.#atEnd.delete(end);
  }

  /** Use `Sessions.end`. */
  over(): void {
    this.#ended = true;
    for (const end of this.#atEnd) end();
    this.#atEnd.clear();
  }
}

/** What comes of a token. */
export type Attempt = { readonly id: string } | { readonly refused: 'wrong' | 'too many' };

/** The sessions of one observer. */
export class Sessions {
  readonly #node: Node;
  readonly #token: Buffer;
  /** By the hash of the id. */
  readonly #sessions = new Map<string, Session>();
  readonly #guesses: Guesses;

  constructor(node: Node, token: string) {
    this.#node = node;
    this.#token = hash(token);
    this.#guesses = new Guesses();
  }

  /** Begins a session if the token is right. @param client whose guesses are counted together */
  start(token: string, client: string): Attempt {
    const now = this.#node.clock.now();
    if (!this.#guesses.allowed(client, now)) return { refused: 'too many' };
    if (!timingSafeEqual(hash(token), this.#token)) {
      this.#guesses.wrong(client, now);
      return { refused: 'wrong' };
    }
    this.#makeRoom(now);
    const id = randomBytes(32).toString('base64url');
    this.#sessions.set(keyOf(id), new Session(now));
    return { id };
  }

  /** The session of an id, which is used by this. */
  find(id: string | undefined): Session | undefined {
    if (id === undefined) return undefined;
    const key = keyOf(id);
    const session = this.#sessions.get(key);
    if (session === undefined) return undefined;
    if (session.use(this.#node.clock.now())) return session;
    this.#sessions.delete(key);
    return undefined;
  }

  /** Ends the session of an id; no effect when there is none. */
  end(id: string | undefined): void {
    if (id !== undefined) this.#endAt(keyOf(id));
  }

  /** Ends what nobody uses, and when there are as many as may be, the one that was not used for the longest time. */
  #makeRoom(now: number): void {
    const oldestFirst = [...this.#sessions].toSorted(([, a], [, b]) => a.usedAt - b.usedAt);
    for (const [key, session] of oldestFirst) {
      if (isOver(session, now) || this.#sessions.size >= SESSIONS_MAX) this.#endAt(key);
    }
  }

  #endAt(key: string): void {
    const session = this.#sessions.get(key);
    this.#sessions.delete(key);
    session?.over();
  }
}

/** How many wrong tokens have come from where. */
class Guesses {
  /** When each address will have its whole allowance again. */
  readonly #freeAt = new Map<string, number>();
  /** The same for all that there is no room for. */
  #othersFreeAt = 0;

  /** Whether an address may give a token. */
  allowed(address: string, now: number): boolean {
    const freeAt = this.#freeAt.get(address) ?? (this.#isFull(now) ? this.#othersFreeAt : 0);
    return freeAt - now <= (GUESSES - 1) * GUESS_EVERY_MS;
  }

  /** Counts a wrong token. */
  wrong(address: string, now: number): void {
    const later = (freeAt: number): number => Math.max(freeAt, now) + GUESS_EVERY_MS;
    const known = this.#freeAt.get(address);
    if (known === undefined && this.#isFull(now)) this.#othersFreeAt = later(this.#othersFreeAt);
    else this.#freeAt.set(address, later(known ?? 0));
  }

  #isFull(now: number): boolean {
    if (this.#freeAt.size < ADDRESSES_MAX) return false;
    for (const [address, freeAt] of this.#freeAt) if (freeAt <= now) this.#freeAt.delete(address);
    return this.#freeAt.size >= ADDRESSES_MAX;
  }
}

function isOver({ usedAt }: Session, now: number): boolean {
  return now - usedAt >= SESSION_MS;
}

function keyOf(id: string): string {
  return hash(id).toString('base64');
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
