// The way to the server: the session over HTTP, then one WebSocket. A lost connection is tried again, after waits that grow and differ
// from page to page; a page that is not signed in does not try. Whatever comes in is handed on as it is.
import type { FromPage, SessionStart, SessionState, ToPage } from '../protocol.ts';
import { RETRY_BASE_MS, RETRY_CAP_MS, SILENCE_MS } from './limits.ts';
import type { Connection } from './state.ts';

/** What the way needs of a browser. */
export interface ServerOptions {
  /** The address of the page. */
  readonly base: string;
  fetch(url: URL, init?: RequestInit): Promise<Response>;
  openSocket(url: URL): WebSocket;
  readonly now: () => number;
  readonly random: () => number;
  /** Runs something later; what it returns prevents that. */
  after(delayMs: number, run: () => void): () => void;
  onSession(session: SessionState): void;
  onConnection(connection: Connection): void;
  onMessage(message: ToPage): void;
}

/** The way to the server. */
export class ServerLink {
  readonly #options: ServerOptions;
  #socket: WebSocket | undefined;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  #cancelSilence: (() => void) | undefined;
  #asking = false;
  /** Whether the server has something to say, so that its silence is a sign. */
  #expecting = false;

  constructor(options: ServerOptions) {
    this.#options = options;
  }

  /** Connects, now. No effect on a connection that is there or being made. */
  async connect(): Promise<void> {
    if (this.#asking || this.#socket !== undefined) return;
    this.#cancelRetry?.();
    this.#asking = true;
    this.#options.onConnection({ phase: 'connecting' });
    const session = await this.#session();
    this.#asking = false;
    if (session === undefined) {
      this.#retry();
      return;
    }
    this.#options.onSession(session);
    if (session.open) this.#open();
  }

  /** Sends a message; false when there is no connection. */
  send(message: FromPage): boolean {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Whether something should come in every few seconds. */
  expect(expecting: boolean): void {
    this.#expecting = expecting;
    this.#watchSilence();
  }

  /** Signs in; the reason when that fails. */
  async signIn(token: string): Promise<string | undefined> {
    const headers = { 'content-type': 'application/json' };
    const start: SessionStart = { token };
    const response = await this.#fetch({ method: 'POST', headers, body: JSON.stringify(start) });
    if (response === undefined) return 'The server does not answer.';
    if (response.ok) return undefined;
    if (response.status === 429) return 'Too many attempts. Wait a little.';
    return (await errorIn(response)) ?? `The server answers ${response.status}.`;
  }

  /** Signs out; the reason when that fails. */
  async signOut(): Promise<string | undefined> {
    const response = await this.#fetch({ method: 'DELETE' });
    if (response?.ok !== true) return 'Signing out failed: the server does not answer.';
    this.#drop();
    return undefined;
  }

  async #fetch(init: RequestInit): Promise<Response | undefined> {
    const { fetch, base } = this.#options;
    try {
      return await fetch(new URL('session', base), init);
    } catch {
      return undefined; // nobody answers
    }
  }

  async #session(): Promise<SessionState | undefined> {
    const response = await this.#fetch({ cache: 'no-store' });
    if (response?.ok !== true) return undefined;
    try {
      return (await response.json()) as SessionState;
    } catch {
      return undefined; // cut short, or not the observer
    }
  }

  #open(): void {
    const url = new URL('socket', this.#options.base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = this.#options.openSocket(url);
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      if (this.#socket !== socket) return;
      this.#watchSilence();
      const message = JSON.parse(String(data)) as ToPage;
      if (message.type === 'hello') {
        this.#failures = 0;
        this.#options.onConnection({ phase: 'online' });
      }
      this.#options.onMessage(message);
    });
    // The next attempt begins with the session, and tells whether that is what has ended.
    socket.addEventListener('close', ({ reason }) => {
      if (this.#socket !== socket) return;
      this.#drop();
      this.#retry(reason);
    });
    this.#watchSilence();
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#cancelSilence?.();
    socket?.close();
  }

  #watchSilence(): void {
    this.#cancelSilence?.();
    if (this.#socket === undefined || !this.#expecting) return;
    this.#cancelSilence = this.#options.after(SILENCE_MS, () => {
      this.#drop();
      this.#retry();
    });
  }

  #retry(reason = ''): void {
    const { random, now, after, onConnection } = this.#options;
    this.#cancelRetry?.();
    const ceiling = Math.min(RETRY_CAP_MS, RETRY_BASE_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures++;
    const delay = ceiling / 2 + (random() * ceiling) / 2;
    onConnection({ phase: 'waiting', retryAt: now() + delay, reason });
    this.#cancelRetry = after(delay, () => void this.connect());
  }
}

/** The sentence of an answer that says why not; undefined for that of a server in between. */
async function errorIn(response: Response): Promise<string | undefined> {
  try {
    const { error } = (await response.json()) as { readonly error?: unknown };
    return typeof error === 'string' ? error : undefined;
  } catch {
    return undefined;
  }
}
