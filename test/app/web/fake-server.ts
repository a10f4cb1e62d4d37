// A server as the page knows it, in memory: the page's files under the strict CSP, the notes over HTTP, the socket at
// /notifications. It can change notes behind the page's back, refuse, hold answers back, drop its sockets, and go away
// and come back at the same address. It is not the application; it stands for its interface.
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Note, NoteDraft, NoteText } from '../../../src/app/web/internal.ts';

const CSP = "default-src 'self'; connect-src 'self'";
const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

type Answer = { status: number; body?: unknown; headers?: Record<string, string> };

export class FakeServer {
  readonly notes = new Map<number, Note>();
  readonly deleted = new Map<number, Note>();
  /** Requests to the API so far, as "METHOD path". */
  readonly requests: string[] = [];
  /** While set, every request to the API is answered so. */
  refusal: Answer | null = null;
  /** Notes on a page, whatever is asked for. */
  pageNotes = 100;
  /** What every result says. */
  indexing = false;
  #pageDir: string;
  #server: Server | null = null;
  #sockets: WebSocketServer | null = null;
  #port = 0;
  #lastId = 0;
  #nowMs: number;
  #epoch = 1;
  #history: string[] = [];
  readonly #watching = new Set<WebSocket>();
  #held: { pattern: RegExp; arrived: () => void; until: Promise<void> }[] = [];

  constructor(pageDir: string, nowMs: number) {
    this.#pageDir = pageDir;
    this.#nowMs = nowMs;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.#serve(request, response));
    const sockets = new WebSocketServer({ server, path: '/notifications' });
    sockets.on('connection', (socket, { url = '' }) => {
      for (const frame of this.#resume(new URL(url, this.url).searchParams.get('since'))) socket.send(frame);
      socket.on('message', (data) => {
        const text = (data as Buffer).toString();
        if (text === 'ping') socket.send('pong');
        if (text === 'unwatch') this.#watching.delete(socket);
        if (text !== 'watch') return;
        this.#watching.add(socket);
        for (const frame of watched) socket.send(JSON.stringify(frame));
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
    this.#sockets = sockets;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    for (const socket of this.#sockets?.clients ?? []) socket.terminate();
    server.closeAllConnections();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  /** Closes every socket with this code, as a server does that stops, or whose reader is too slow. */
  closeSockets(code: number): void {
    for (const socket of this.#sockets?.clients ?? []) socket.close(code);
  }

  /** Loses the history of events, as a server does whose database was restored, and its sockets with it. */
  forget(): void {
    this.#epoch += 1;
    this.#history = [];
    this.closeSockets(1001);
  }

  /** Sends a frame that holds this to every socket. */
  send(text: string): void {
    for (const socket of this.#sockets?.clients ?? []) socket.send(text);
  }

  /** Holds answers to requests that match, e.g. /^PUT/, until the function in the result is called. */
  hold(pattern: RegExp): { arrived: Promise<void>; release: () => void } {
    let release = (): void => {};
    const until = new Promise<void>((resolve) => (release = resolve));
    let seen = (): void => {};
    const arrived = new Promise<void>((resolve) => (seen = resolve));
    const entry = { pattern, arrived: seen, until };
    this.#held.push(entry);
    return {
      arrived,
      release: () => {
        this.#held = this.#held.filter((other) => other !== entry);
        release();
      },
    };
  }

  /** Creates a note as another page would; `ageMs` puts it into the past. */
  create(draft: NoteDraft, ageMs = 0): Note {
    const at = new Date(this.#tick() - ageMs).toISOString();
    const note = { id: ++this.#lastId, ...pick(draft), author: draft.author, createdAt: at, updatedAt: at };
    this.notes.set(note.id, note);
    this.#broadcast('note_created', note);
    return note;
  }

  update(id: number, text: NoteText & { updatedBy?: string }): Note | undefined {
    const old = this.notes.get(id);
    if (old === undefined) return undefined;
    const { updatedBy: _before, ...kept } = old;
    const by = text.updatedBy === undefined ? {} : { updatedBy: text.updatedBy };
    const note: Note = { ...kept, ...pick(text), updatedAt: new Date(this.#tick()).toISOString(), ...by };
    this.notes.set(id, note);
    this.#broadcast('note_updated', note);
    return note;
  }

  remove(id: number): boolean {
    const note = this.notes.get(id);
    if (note === undefined) return false;
    this.notes.delete(id);
    this.deleted.set(id, note);
    this.#broadcast('note_deleted', { id });
    return true;
  }

  restore(id: number): Note | undefined {
    const old = this.deleted.get(id);
    if (old === undefined) return this.notes.get(id);
    const note = { ...old, updatedAt: new Date(this.#tick()).toISOString() };
    this.deleted.delete(id);
    this.notes.set(id, note);
    this.#broadcast('note_created', note);
    return note;
  }

  list(): Note[] {
    return [...this.notes.values()].toSorted((a, b) => b.id - a.id);
  }

  #tick(): number {
    this.#nowMs = Math.max(this.#nowMs + 1, Date.now());
    return this.#nowMs;
  }

  #broadcast(event: string, data: { readonly id: number; readonly title?: string }): void {
    const { id, title } = data;
    const payload = title === undefined ? { id } : { id, title };
    const told = { channel: 'notes', sender: '<0.99.0>', node: 'one@127.0.0.1', topic: event, payload };
    for (const socket of this.#watching) socket.send(JSON.stringify({ event: 'message', data: told }));
    const frame = JSON.stringify({ event, data, id: `e${this.#epoch}:${this.#history.length + 1}` });
    this.#history.push(frame);
    this.send(frame);
  }

  /** What a socket that was opened with `since` gets first. */
  #resume(since: string | null): string[] {
    if (since === null) return [];
    const mark = (event: string): string =>
      JSON.stringify({ event, data: {}, id: `e${this.#epoch}:${this.#history.length}` });
    if (since === '') return [mark('live')];
    const [epoch, position] = since.split(':');
    if (epoch !== `e${this.#epoch}`) return [mark('reset'), mark('live')];
    return [...this.#history.slice(Number(position)), mark('live')];
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url);
    if (!pathname.startsWith('/api/')) return this.#file(pathname, response);
    const line = `${request.method ?? ''} ${pathname}`;
    this.requests.push(line);
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const answer = this.refusal ?? this.#answer(line, searchParams, text);
    const held = this.#held.find(({ pattern }) => pattern.test(line));
    held?.arrived();
    await held?.until;
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(answer.body === undefined ? undefined : JSON.stringify(answer.body));
  }

  #answer(line: string, asked: URLSearchParams, text: string): Answer {
    const [method, path] = line.split(' ') as [string, string];
    const id = Number(/^\/api\/notes\/(\d+)(?:\/\w+)?$/.exec(path)?.[1]);
    const missing: Answer = { status: 404, body: { error: 'note not found' } };
    switch (method) {
      case 'GET':
        if (path.endsWith('/changes')) {
          const note = this.notes.get(id);
          return note === undefined ? missing : { status: 200, body: { changes: changesOf(note) } };
        }
        if (!Number.isNaN(id))
          return this.notes.has(id) ? { status: 200, body: this.notes.get(id) } : missing;
        return { status: 200, body: this.#page(asked) };
      case 'POST': {
        if (!Number.isNaN(id)) {
          const back = this.restore(id);
          return back === undefined ? missing : { status: 200, body: back };
        }
        const draft = JSON.parse(text) as NoteDraft;
        if (draft.title === 'refuse me')
          return { status: 422, body: { error: 'title, body and author required' } };
        return { status: 201, body: this.create(draft) };
      }
      case 'PUT': {
        const note = this.update(id, JSON.parse(text) as NoteText);
        return note === undefined ? missing : { status: 200, body: note };
      }
      default:
        return this.remove(id) ? { status: 204 } : missing;
    }
  }

  /** A cursor is a place in what there is now; an event or the next answer puts right what that misses. */
  #page(asked: URLSearchParams): object {
    const query = asked.get('q');
    const notes = query === null ? this.list() : this.#search(query);
    const from = Number(asked.get('cursor') ?? 0);
    const end = from + Math.min(this.pageNotes, Number(asked.get('limit')));
    const next = end < notes.length ? String(end) : null;
    return {
      notes: notes.slice(from, end),
      next,
      ...(query !== null && this.indexing ? { indexing: true } : {}),
    };
  }

  /** Notes that hold the words, those that hold them in their title first. */
  #search(query: string): Note[] {
    const wanted = query.toLowerCase();
    const has = (text: string): boolean => text.toLowerCase().includes(wanted);
    const found = this.list().filter(({ title, body, author }) => has(title) || has(body) || has(author));
    return found.toSorted((a, b) => Number(has(b.title)) - Number(has(a.title)));
  }

  async #file(pathname: string, response: ServerResponse): Promise<void> {
    const name = normalize(pathname === '/' ? '/index.html' : pathname);
    try {
      const bytes = await readFile(join(this.#pageDir, name));
      const type = types[extname(name)] ?? 'application/octet-stream';
      response.writeHead(200, { 'content-type': type, 'content-security-policy': CSP });
      response.end(bytes);
    } catch (error) {
      response.writeHead(404, { 'content-type': 'text/plain' });
      response.end(String(error));
    }
  }
}

/** What a socket that watches gets first. */
const watched = [
  { event: 'connection', data: { pid: '<0.57.0>', node: 'one@127.0.0.1', channel: 'notes', observer: true } },
  {
    event: 'members',
    data: {
      channel: 'notes',
      nodes: [
        {
          node: 'one@127.0.0.1',
          count: 14,
          members: [{ pid: '<0.12.0>', name: 'note_indexer' }, { pid: '<0.57.0>' }, { pid: '<0.58.0>' }],
        },
        { node: 'beam@127.0.0.1', count: 1, members: [{ pid: '<8123.85.0>' }] },
      ],
      nodeCount: 2,
    },
  },
];

function changesOf({ createdAt, updatedAt, author, updatedBy }: Note): object[] {
  const created = { at: createdAt, by: author, what: ['created'] };
  const changed = { at: updatedAt, what: ['body'], ...(updatedBy === undefined ? {} : { by: updatedBy }) };
  return updatedAt === createdAt ? [created] : [changed, created];
}

function pick({ title, body }: NoteText): NoteText {
  return { title, body };
}
