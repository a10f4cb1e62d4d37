// Clients as they should be, who use the service while it is attacked: one that writes small notes and searches for them,
// three that follow the changes, one that asks whether the program lives. At the end nothing may be missing: what was
// answered is there, is found, and was told to everyone who followed, once, and in order.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Kind } from '../kind.ts';
import type { Service } from './service.ts';
import type { Tally } from './tally.ts';

const FOLLOWERS = 3;
const PAUSE_MS = 50;
/** Every so many writes one is searched for. */
const SEARCH_EVERY = 5;
const REQUEST_LIMIT_MS = 30_000;
const TAIL_LIMIT_MS = 30_000;

interface Follower {
  readonly socket: WebSocket;
  readonly closed: Promise<unknown>;
  /** Ids of the notes that were told as new, in this order. */
  readonly told: number[];
  /** Whether it ends the connection itself. */
  isDone: boolean;
}

export class GoodClients {
  readonly #service: Service;
  readonly #mayRefuse: Kind['mayRefuse'];
  readonly #followers: Follower[] = [];
  readonly #made: number[] = [];
  readonly #problems: Tally;
  #work: Promise<unknown> = Promise.resolve();
  #over = false;
  #refused = 0;

  private constructor(service: Service, problems: Tally, mayRefuse: Kind['mayRefuse']) {
    this.#service = service;
    this.#problems = problems;
    this.#mayRefuse = mayRefuse;
  }

  /**
   * @param problems where it adds what they have lost
   * @param mayRefuse what they put up with
   */
  static async start(service: Service, problems: Tally, mayRefuse: Kind['mayRefuse']): Promise<GoodClients> {
    const clients = new GoodClients(service, problems, mayRefuse);
    for (let count = 0; count < FOLLOWERS; count++) await clients.#follow();
    clients.#work = Promise.all([clients.#write(), clients.#ask()]);
    return clients;
  }

  /** Ends their work and looks whether they have lost anything. */
  async finish(): Promise<{ made: number; refused: number }> {
    this.#over = true;
    await this.#work;
    // Those that follow a program that has ended are about to hear of it.
    if (this.#service.ended !== undefined) await Promise.all(this.#followers.map(({ closed }) => closed));
    const last = this.#made.at(-1);
    const end = performance.now() + TAIL_LIMIT_MS;
    const isWaiting = ({ socket, told }: Follower): boolean =>
      last !== undefined && !told.includes(last) && socket.readyState === WebSocket.OPEN;
    while (this.#followers.some(isWaiting) && performance.now() < end) await pause(PAUSE_MS);
    for (const [index, follower] of this.#followers.entries()) {
      const { socket, told } = follower;
      const own = new Set(this.#made);
      const heard = told.filter((id) => own.has(id));
      if (heard.length !== this.#made.length || heard.some((id, place) => id !== this.#made[place])) {
        this.#problems.add(
          `follower ${index} was told ${heard.length} of ${this.#made.length} notes, or in another order`,
        );
      }
      follower.isDone = true;
      socket.terminate();
    }
    for (const id of this.#made) {
      const answer = await this.#request(`/api/notes/${id}`);
      if (answer?.status !== 200)
        this.#problems.add(`a note was answered 201 and is ${answer?.status ?? 'not answered'} now`);
      await answer?.arrayBuffer();
    }
    return { made: this.#made.length, refused: this.#refused };
  }

  async #follow(): Promise<void> {
    const socket = new WebSocket(`${this.#service.base.replace('http', 'ws')}/notifications`);
    const follower: Follower = { socket, closed: once(socket, 'close'), told: [], isDone: false };
    socket.on('message', (data: Buffer) => {
      const { event, data: note } = JSON.parse(data.toString()) as { event: string; data: { id: number } };
      if (event === 'note_created') follower.told.push(note.id);
    });
    socket.on('error', (error) => this.#problems.add(`a follower failed: ${error.message}`));
    socket.on('close', (code) => {
      if (!follower.isDone) this.#problems.add(`a follower was closed with ${code}`);
    });
    await once(socket, 'open');
    this.#followers.push(follower);
  }

  async #write(): Promise<void> {
    for (let count = 0; !this.#over && this.#service.ended === undefined; count++) {
      const word = `goodword${count}x`;
      const note = { title: `note ${word}`, body: 'of a good client', author: 'good' };
      const answer = await this.#request('/api/notes', note);
      if (answer?.status === 201) {
        const { id } = (await answer.json()) as { id: number };
        this.#made.push(id);
        if (count % SEARCH_EVERY === 0) await this.#search(word, id);
      } else if (answer !== undefined) {
        await answer.arrayBuffer();
        if (answer.status === 503 && this.#mayRefuse !== undefined) this.#refused++;
        else this.#problems.add(`a write was answered ${answer.status}`);
      }
      await pause(PAUSE_MS);
    }
  }

  async #search(word: string, id: number): Promise<void> {
    const answer = await this.#request(`/api/notes?q=${word}`);
    if (answer === undefined) return;
    if (answer.status === 503 && this.#mayRefuse !== undefined) return void (await answer.arrayBuffer());
    const { notes = [] } = (await answer.json()) as { notes?: { id: number }[] };
    if (!notes.some((note) => note.id === id))
      this.#problems.add('a note was not found right after it was answered');
  }

  async #ask(): Promise<void> {
    while (!this.#over && this.#service.ended === undefined) {
      const answer = await this.#request('/livez');
      if (answer !== undefined && answer.status !== 200)
        this.#problems.add(`/livez answered ${answer.status}`);
      await answer?.arrayBuffer();
      await pause(PAUSE_MS);
    }
  }

  async #request(path: string, body?: unknown): Promise<Response | undefined> {
    const signal = AbortSignal.timeout(REQUEST_LIMIT_MS);
    const init: RequestInit =
      body === undefined
        ? { signal }
        : {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body),
            signal,
          };
    try {
      return await fetch(this.#service.base + path, init);
    } catch (error) {
      if (this.#mayRefuse === 'connections' && this.#service.ended === undefined) {
        this.#refused++;
        return undefined;
      }
      const { cause } = error as Error;
      this.#problems.add(`a request failed: ${cause instanceof Error ? cause.message : String(error)}`);
      return undefined;
    }
  }
}
