// The page without a screen, over a server, a socket and a clock that a test drives by hand.
import { setImmediate as settled } from 'node:timers/promises';
import { startApp } from '../../../src/app/web/app.ts';
import type { App } from '../../../src/app/web/app.ts';
import { createMemory } from '../../../src/app/web/memory.ts';
import type { Store } from '../../../src/app/web/memory.ts';
import type { Failure } from '../../../src/app/web/model.ts';
import { rowsOf } from '../../../src/app/web/rows.ts';
import type { PageEvent, State } from '../../../src/app/web/state.ts';
import { FakeApi } from './fake-api.ts';
import { FakeSocket } from './fake-socket.ts';
import { ManualTime } from './manual-time.ts';

/** A browser storage in memory. */
export class FakeStore implements Store {
  readonly items = new Map<string, string>();
  refuses = false;

  getItem(key: string): string | null {
    return this.items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    if (this.refuses) throw new DOMException('The quota has been exceeded.', 'QuotaExceededError');
    this.items.set(key, value);
  }
}

export class PageBench {
  readonly server: FakeApi;
  readonly time = new ManualTime();
  readonly session: FakeStore;
  readonly local: FakeStore;
  readonly sockets: FakeSocket[] = [];
  readonly app: App;
  /** Frames on their way to the page. */
  frames: string[] = [];
  #subscribed = false;

  constructor({ server = new FakeApi(), session = new FakeStore(), local = new FakeStore() } = {}) {
    this.server = server;
    this.session = session;
    this.local = local;
    server.onEvent = (frame) => {
      if (this.#subscribed) this.frames.push(frame);
    };
    this.app = startApp({
      api: server,
      openSocket: () => {
        const socket = new FakeSocket();
        this.sockets.push(socket);
        return socket;
      },
      scheduler: this.time,
      random: () => 0.5,
      memory: createMemory(session, local),
      draw: () => {},
    });
  }

  get state(): State {
    return this.app.state();
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1) as FakeSocket;
  }

  /** The titles that are shown, in order. */
  get titles(): string[] {
    return rowsOf(this.state).map(({ note }) => note.title);
  }

  get said(): string {
    return this.state.announcement.text;
  }

  send(event: PageEvent): void {
    this.app.dispatch(event);
  }

  /** Opens the present socket: the server's process joins the channel, and then answers the page's ping. */
  connect(): void {
    if (this.state.connection.phase === 'waiting') this.app.tryNow();
    if (this.state.connection.phase !== 'connecting') return;
    this.#subscribed = true;
    this.socket.open();
    this.socket.receive('pong');
    this.socket.answers = true;
  }

  /** Drops the socket and what was on its way. */
  drop(): void {
    this.#subscribed = false;
    this.frames = [];
    if (this.state.connection.phase !== 'waiting') this.socket.drop();
  }

  /** Delivers the frame at this place in the queue. */
  deliverFrame(index = 0): void {
    const [frame] = this.frames.splice(index, 1);
    if (frame !== undefined) this.socket.receive(frame);
  }

  deliverFrames(): void {
    while (this.frames.length > 0) this.deliverFrame();
  }

  /** Answers the oldest request of this name, and lets the page take the answer. */
  async answer(name: string, failure?: Failure): Promise<void> {
    const request = this.server.requests.find((pending) => pending.name === name);
    if (request === undefined) throw new Error(`The page has not asked for "${name}".`);
    request.deliver(failure);
    await settled();
  }

  /** A page that is online and has read its list. */
  async start(): Promise<this> {
    this.connect();
    await this.answer('list');
    return this;
  }

  /** Carries everything on its way to its end, with a last reading after a reconnect. */
  async quiesce(): Promise<void> {
    for (;;) {
      this.connect();
      this.deliverFrames();
      const request = this.server.requests[0];
      if (request === undefined && this.frames.length === 0 && this.state.list.failure === null) break;
      request?.deliver();
      await settled();
      if (this.state.list.failure !== null) this.app.tryNow();
    }
  }
}

export { settled };
