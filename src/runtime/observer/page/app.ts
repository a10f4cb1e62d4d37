// The page without its screen: holds the state, and does what follows from each event. The browser's parts are handed in.
import type { Act, FromPage, ToPage } from '../protocol.ts';
import { LOOK_EVERY_MS, TICK_MS } from './limits.ts';
import { viewsOf } from './looking.ts';
import { reduce } from './reduce.ts';
import type { Route } from './route.ts';
import { ServerLink, type ServerOptions } from './server.ts';
import { initialState, type PageEvent, type State, type TraceTarget } from './state.ts';

/** What the page needs of a browser. */
export interface AppOptions extends Omit<ServerOptions, 'onSession' | 'onConnection' | 'onMessage'> {
  readonly route: Route;
  /** Called after every change of the state. */
  draw(): void;
}

/** The page. */
export class App {
  readonly #options: AppOptions;
  readonly #link: ServerLink;
  #state: State;
  #looked = '';
  #lookedAt = -Infinity;
  #cancelLook: (() => void) | undefined;
  #lastId = 0;
  /** What is sent for an earlier `look` is about another node, or from before the connection. */
  #firstLook = 0;

  constructor(options: AppOptions) {
    this.#options = options;
    this.#state = initialState(options.now(), options.route);
    this.#link = new ServerLink({
      ...options,
      onSession: ({ open, tokenNeeded }) => this.send({ type: 'session_read', signedIn: open, tokenNeeded }),
      onConnection: (connection) => this.send({ type: 'connection_changed', connection }),
      onMessage: (message) => this.#take(message),
    });
  }

  get state(): State {
    return this.#state;
  }

  /** Begins. */
  start(): void {
    this.#tick();
    void this.#link.connect();
  }

  /** Takes an event, and does what follows from it. */
  send(event: PageEvent): void {
    const before = this.#state;
    this.#state = reduce(before, event);
    if (this.#state === before) return;
    this.#follow(before, this.#state);
    this.#options.draw();
  }

  /** Tries to connect now. */
  tryNow(): void {
    if (this.#state.access.phase !== 'out') void this.#link.connect();
  }

  /** Signs in. */
  async signIn(token: string): Promise<void> {
    if (this.#state.access.checking) return;
    this.send({ type: 'sign_in_submitted' });
    const problem = await this.#link.signIn(token);
    if (problem === undefined) await this.#link.connect();
    else this.send({ type: 'sign_in_failed', text: problem });
  }

  /** Signs out; without the server that cannot be done, and the page says so. */
  async signOut(): Promise<void> {
    const problem = await this.#link.signOut();
    if (problem === undefined) this.send({ type: 'signed_out' });
    else this.send({ type: 'problem', view: 'load', text: problem });
  }

  /** Begins a trace; the one before ends. */
  trace(target: TraceTarget): void {
    const id = ++this.#lastId;
    this.untrace();
    if (this.#link.send({ type: 'trace', id, target })) this.send({ type: 'trace_begun', id, target });
  }

  /** Ends the trace that runs; what it has shown stays. */
  untrace(): void {
    const { trace } = this.#state;
    if (trace === undefined || trace.end !== undefined) return;
    this.#link.send({ type: 'untrace', id: trace.id });
    this.send({ type: 'traced', id: trace.id, events: [], end: 'stopped' });
  }

  /** Does something to a process of the node that is looked into. */
  act(act: Act): void {
    const { node } = this.#state.route;
    const id = ++this.#lastId;
    const message: FromPage = { type: 'act', id, act, ...(node !== undefined && { node }) };
    this.send({ type: 'act_begun', id, act });
    if (!this.#link.send(message)) this.send({ type: 'answered', id, problem: 'Not connected.' });
  }

  #take(message: ToPage): void {
    switch (message.type) {
      case 'hello':
        this.#looked = '';
        this.#firstLook = this.#lastId + 1;
        this.send({ type: 'greeted', node: message.node, allow: message.allow });
        break;
      case 'changes':
        if (message.look < this.#firstLook) break;
        this.send({ type: 'changed', changes: message.changes, now: this.#options.now() });
        break;
      case 'problem':
        if (message.look < this.#firstLook) break;
        this.send({ type: 'problem', view: message.view, text: message.text });
        break;
      case 'trace':
        this.send({ type: 'traced', id: message.id, events: message.events, end: message.end });
        break;
      case 'answer':
        this.send({ type: 'answered', id: message.id, problem: message.problem });
        break;
    }
  }

  #follow(before: State, { trace, route, hidden }: State): void {
    // What is not at the side any more is not traced either.
    if (before.trace !== undefined && before.trace.end === undefined && trace === undefined) {
      this.#link.send({ type: 'untrace', id: before.trace.id });
    }
    if (before.route.node !== route.node) this.#firstLook = this.#lastId + 1;
    if (before.route !== route || before.hidden !== hidden) this.#lookedAt = -Infinity; // a person waits
    this.#look();
  }

  /** Tells the server what is looked at, when that is something else than before; not too often. */
  #look(): void {
    const { hello, stale, connection } = this.#state;
    if (hello === undefined || stale || connection.phase !== 'online') return;
    const views = viewsOf(this.#state);
    const text = JSON.stringify(views);
    if (text === this.#looked) return;
    const waitMs = this.#lookedAt + LOOK_EVERY_MS - this.#options.now();
    this.#cancelLook?.();
    if (waitMs > 0) {
      this.#cancelLook = this.#options.after(waitMs, () => this.#look());
      return;
    }
    if (!this.#link.send({ type: 'look', id: ++this.#lastId, views })) return;
    this.#looked = text;
    this.#lookedAt = this.#options.now();
    this.#link.expect(views.load === true);
  }

  #tick(): void {
    this.send({ type: 'ticked', now: this.#options.now() });
    this.#options.after(TICK_MS, () => this.#tick());
  }
}
