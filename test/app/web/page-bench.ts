// The page without a screen, over a server, a socket and a clock that a test drives by hand.
import { setImmediate as settled } from 'node:timers/promises';
import {
  type App,
  createMemory,
  type Failure,
  type PageEvent,
  rowsOf,
  startApp,
  type State,
  type Store,
} from '../../../src/app/web/internal.ts';
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
  /** The socket that the server knows. */
  #joined: FakeSocket | undefined;

  constructor({ server = new FakeApi(), session = new FakeStore(), local = new FakeStore() } = {}) {
    this.server = server;
    this.session = session;
    this.local = local;
    server.onEvent = (frame) => {
      if (this.#joined === this.socket && !this.socket.closed) this.frames.push(frame);
    };
    this.app = startApp({
      api: server,
      notifications: new URL('ws://127.0.0.1/notifications'),
      openSocket: (url) => {
        const socket = new FakeSocket(url);
        this.sockets.push(socket);
        return socket;
      },
      timers: this.time,
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

  /** Opens the present socket: what the page has missed, and that it is live, are on their way to it. */
  open(): void {
    if (this.state.connection.phase === 'waiting') this.app.tryNow();
    if (this.#joined === this.socket) return;
    this.#joined = this.socket;
    this.socket.open();
    this.socket.answers = true;
    this.frames = this.server.resume(this.socket.since);
  }

  /** Opens the present socket, and delivers what makes the page live. */
  connect(): void {
    this.open();
    while (this.frames.length > 0 && this.state.connection.phase !== 'online') this.deliverFrame();
  }

  /** Drops the socket and what was on its way. */
  drop(): void {
    this.#joined = undefined;
    this.frames = [];
    if (this.state.connection.phase !== 'waiting') this.socket.drop();
  }

  /** Delivers the next frame. */
  deliverFrame(): void {
    const frame = this.frames.shift();
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

  /** Carries everything on its way to its end. */
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
