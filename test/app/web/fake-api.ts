// The server behind the page, stepped by hand: each request waits to be carried out, then its answer waits to be
// delivered, so that a test chooses any order of the two. Events are kept, with their positions, and go to the page's socket.
import type {
  Api,
  Change,
  Failure,
  Note,
  NoteDraft,
  NotePage,
  NoteText,
  Outcome,
} from '../../../src/app/web/internal.ts';

export type PendingRequest = {
  readonly name: string;
  /** Carries it out; what it finds now is what the answer will say. */
  carryOut(): void;
  readonly done: boolean;
  /** Delivers the answer, or this failure instead of it; carries it out first if that has not happened. */
  deliver(failure?: Failure): void;
};

export class FakeApi implements Api {
  readonly notes = new Map<number, Note>();
  /** Notes whose deletion can be undone. */
  readonly deleted = new Map<number, Note>();
  /** Requests that have not been answered, oldest first. */
  requests: PendingRequest[] = [];
  /** Gets each event as the text of a frame, when it has been kept. */
  onEvent: (frame: string) => void = () => {};
  /** Every event that can be given again, as the text of its frame; positions count from the first there ever was. */
  history: string[] = [];
  /** Names the history. */
  #epoch = 1;
  #lastId = 0;
  #nowMs = Date.UTC(2026, 0, 1);

  /** Notes on a page, at most. */
  pageNotes = Number.POSITIVE_INFINITY;
  /** What every result says. */
  indexing = false;

  list = (cursor: string | null): Promise<Outcome<NotePage>> =>
    this.#request('list', () => {
      const below = cursor === null ? Number.POSITIVE_INFINITY : Number(cursor.replace('below ', ''));
      const rest = this.listed().filter(({ id }) => id < below);
      const notes = rest.slice(0, this.pageNotes);
      const next = notes.length < rest.length ? `below ${notes.at(-1)?.id}` : null;
      return ok({ notes, next, indexing: false });
    });
  changes = (id: number): Promise<Outcome<readonly Change[]>> =>
    this.#request('changes', () => {
      const note = this.notes.get(id);
      return okOrMissing(note && [{ at: note.createdAt, by: note.author, what: ['created'] }]);
    });
  get = (id: number): Promise<Outcome<Note>> => this.#request('get', () => okOrMissing(this.notes.get(id)));
  /** A cursor is a place in the result, so that a result that changes between two pages shifts the second. */
  search = (query: string, cursor: string | null): Promise<Outcome<NotePage>> =>
    this.#request('search', () => {
      const from = cursor === null ? 0 : Number(cursor.replace('from ', ''));
      const found = this.found(query);
      const notes = found.slice(from, from + this.pageNotes);
      const end = from + notes.length;
      return ok({ notes, next: end < found.length ? `from ${end}` : null, indexing: this.indexing });
    });
  create = (draft: NoteDraft): Promise<Outcome<Note>> => this.#request('create', () => ok(this.add(draft)));
  update = (id: number, text: NoteText, by: string | undefined): Promise<Outcome<Note>> =>
    this.#request('update', () => okOrMissing(this.change(id, text, by)));
  remove = (id: number): Promise<Outcome<null>> =>
    this.#request('remove', () => okOrMissing(this.drop(id) ? null : undefined));
  restore = (id: number): Promise<Outcome<Note>> =>
    this.#request('restore', () => okOrMissing(this.bringBack(id)));

  /** Loses the history of events, as a server does whose database was restored. */
  forget(): void {
    this.#epoch += 1;
    this.history = [];
  }

  /** The frames of a client that connects: what it has missed, or that this is gone, then that it is live. */
  resume(since: string): string[] {
    const head = `e${this.#epoch}:${this.history.length}`;
    const mark = (event: string): string => JSON.stringify({ event, data: {}, id: head });
    if (since === '') return [mark('live')];
    const [epoch, position] = since.split(':');
    if (epoch !== `e${this.#epoch}`) return [mark('reset'), mark('live')];
    return [...this.history.slice(Number(position)), mark('live')];
  }

  listed(): Note[] {
    return [...this.notes.values()].toSorted((a, b) => b.id - a.id);
  }

  found(query: string): Note[] {
    return this.listed().filter(({ title }) => title.includes(query));
  }

  add({ title, body, author }: NoteDraft): Note {
    const at = this.#tick();
    const note: Note = { id: ++this.#lastId, title, body, author, createdAt: at, updatedAt: at };
    this.notes.set(note.id, note);
    this.#tell('note_created', note);
    return note;
  }

  change(id: number, { title, body }: NoteText, by?: string): Note | undefined {
    const old = this.notes.get(id);
    if (old === undefined) return undefined;
    const { updatedBy: _before, ...kept } = old;
    const said = by === undefined ? {} : { updatedBy: by };
    const note: Note = { ...kept, title, body, updatedAt: this.#tick(), ...said };
    this.notes.set(id, note);
    this.#tell('note_updated', note);
    return note;
  }

  drop(id: number): boolean {
    const note = this.notes.get(id);
    if (note === undefined) return false;
    this.notes.delete(id);
    this.deleted.set(id, note);
    this.#tell('note_deleted', { id });
    return true;
  }

  /** Undoes a deletion; answers a note that is there, too. */
  bringBack(id: number): Note | undefined {
    const old = this.deleted.get(id);
    if (old === undefined) return this.notes.get(id);
    const note = { ...old, updatedAt: this.#tick() };
    this.deleted.delete(id);
    this.notes.set(id, note);
    this.#tell('note_created', note);
    return note;
  }

  #tick(): string {
    this.#nowMs += 1;
    return new Date(this.#nowMs).toISOString();
  }

  #tell(event: string, data: unknown): void {
    const frame = JSON.stringify({ event, data, id: `e${this.#epoch}:${this.history.length + 1}` });
    this.history.push(frame);
    this.onEvent(frame);
  }

  #request<T>(name: string, carryOut: () => Outcome<T>): Promise<Outcome<T>> {
    return new Promise((resolve) => {
      let outcome: Outcome<T> | null = null;
      const request: PendingRequest = {
        name,
        carryOut: () => void (outcome ??= carryOut()),
        get done() {
          return outcome !== null;
        },
        deliver: (failure) => {
          this.requests = this.requests.filter((other) => other !== request);
          request.carryOut();
          resolve(failure === undefined ? (outcome as Outcome<T>) : { ok: false, failure });
        },
      };
      this.requests.push(request);
    });
  }
}

function ok<T>(value: T): Outcome<T> {
  return { ok: true, value };
}

function okOrMissing<T>(value: T | undefined): Outcome<T> {
  return value === undefined ? { ok: false, failure: { kind: 'missing' } } : ok(value);
}
