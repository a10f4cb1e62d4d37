// The server's HTTP interface. Every request comes to an outcome, within REQUEST_TIMEOUT_MS; none throws, and none is
// repeated here: whoever asked decides.
import { PAGE_NOTES, REQUEST_TIMEOUT_MS } from './limits.ts';
import {
  isChange,
  isNote,
  type Change,
  type Failure,
  type Note,
  type NoteDraft,
  type NotePage,
  type NoteText,
  type Outcome,
} from './model.ts';

export type Api = {
  /** A page of the list: the newest notes, or what follows the page that gave this cursor. */
  list(cursor: string | null, signal?: AbortSignal): Promise<Outcome<NotePage>>;
  get(id: number): Promise<Outcome<Note>>;
  /** The last changes of a note, the newest first. */
  changes(id: number): Promise<Outcome<readonly Change[]>>;
  /** A page of the notes that match. */
  search(query: string, cursor: string | null, signal?: AbortSignal): Promise<Outcome<NotePage>>;
  create(draft: NoteDraft): Promise<Outcome<Note>>;
  /** @param by who makes the change; undefined for somebody without a name */
  update(id: number, text: NoteText, by: string | undefined): Promise<Outcome<Note>>;
  remove(id: number): Promise<Outcome<null>>;
  /** Undoes a deletion. */
  restore(id: number, by: string | undefined): Promise<Outcome<Note>>;
};

type Fetch = typeof fetch;
type Parse<T> = (body: unknown) => T | undefined;

/** The interface below `base`, where the page is. `fetcher` is the browser's fetch. */
export function createApi(fetcher: Fetch, base: string): Api {
  const notes = new URL('api/notes', base).href;
  const part = (query: string | null, cursor: string | null): string => {
    const parameters = new URLSearchParams({ limit: String(PAGE_NOTES) });
    if (cursor !== null) parameters.set('cursor', cursor);
    if (query !== null) parameters.set('q', query);
    return `${notes}?${parameters.toString()}`;
  };
  const json = (method: string, body: object): RequestInit => ({
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return {
    list: (cursor, signal) => request(fetcher, part(null, cursor), { signal: signal ?? null }, parsePage),
    get: (id) => request(fetcher, `${notes}/${id}`, {}, parseNote),
    changes: (id) => request(fetcher, `${notes}/${id}/changes`, {}, parseChanges),
    search: (query, cursor, signal) =>
      request(fetcher, part(query, cursor), { signal: signal ?? null }, parsePage),
    create: (draft) => request(fetcher, notes, json('POST', draft), parseNote),
    update: (id, text, by) =>
      request(fetcher, `${notes}/${id}`, json('PUT', { ...text, ...named(by) }), parseNote),
    remove: (id) => request(fetcher, `${notes}/${id}`, { method: 'DELETE' }, () => null),
    restore: (id, by) => request(fetcher, `${notes}/${id}/restore`, json('POST', named(by)), parseNote),
  };
}

function named(by: string | undefined): { updatedBy?: string } {
  return by === undefined ? {} : { updatedBy: by };
}

async function request<T>(
  fetcher: Fetch,
  path: string,
  init: RequestInit,
  parse: Parse<T>,
): Promise<Outcome<T>> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const signal = init.signal ? AbortSignal.any([timeout, init.signal]) : timeout;
  let status: number;
  let retryAfter: string | null;
  let text: string;
  try {
    const response = await fetcher(path, { ...init, signal, cache: 'no-store' });
    status = response.status;
    retryAfter = response.headers.get('retry-after');
    text = await response.text();
  } catch {
    return fail({ kind: 'unreachable' }); // no network, no server, too slow, or given up: fetch tells no more
  }
  const body = parseJson(text);
  if (status < 200 || status > 299) return fail(failureOf(status, body, retryAfter, path));
  const value = parse(body);
  if (value === undefined) return fail({ kind: 'broken', detail: 'its answer is not what the page expects' });
  return { ok: true, value };
}

function fail(failure: Failure): Outcome<never> {
  return { ok: false, failure };
}

function failureOf(status: number, body: unknown, retryAfter: string | null, path: string): Failure {
  const said = errorOf(body);
  if (status === 503 || status === 429) {
    const retryAfterSeconds = /^\d{1,5}$/.test(retryAfter ?? '') ? Number(retryAfter) : null;
    return { kind: 'unavailable', reason: said ?? 'it is busy', retryAfterSeconds };
  }
  if (status === 404 && /\/\d+(\/\w+)?$/.test(path)) return { kind: 'missing' };
  if (status >= 400 && status < 500) return { kind: 'refused', reason: said ?? `status ${status}` };
  return { kind: 'broken', detail: said ?? `status ${status}` };
}

function errorOf(body: unknown): string | null {
  if (typeof body !== 'object' || body === null || !('error' in body)) return null;
  return typeof body.error === 'string' && body.error !== '' ? body.error : null;
}

function parseNote(body: unknown): Note | undefined {
  return isNote(body) ? body : undefined;
}

function parseChanges(body: unknown): readonly Change[] | undefined {
  if (typeof body !== 'object' || body === null || !('changes' in body)) return undefined;
  const { changes } = body;
  return Array.isArray(changes) && changes.every(isChange) ? changes : undefined;
}

/** An answer without `next` is all there is. */
function parsePage(body: unknown): NotePage | undefined {
  if (typeof body !== 'object' || body === null || !('notes' in body)) return undefined;
  const { notes } = body;
  const next = 'next' in body ? body.next : null;
  if (!Array.isArray(notes) || !notes.every(isNote)) return undefined;
  if (next !== null && typeof next !== 'string') return undefined;
  return { notes, next, indexing: 'indexing' in body && body.indexing === true };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // an empty or foreign body; whoever needs one finds nothing in it
  }
}
