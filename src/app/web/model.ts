// What the page knows of a note and of a request that failed. Pure types and the check of what the server sends;
// no wording (wording.ts), no limits (limits.ts).

/** A note as the server sends it; times are ISO 8601. */
export type Note = Readonly<{
  id: number;
  title: string;
  body: string;
  author: string;
  createdAt: string;
  updatedAt: string;
  /** Who made the last change; left out when there was none, or nobody said. */
  updatedBy?: string;
}>;

/** A change of a note; `what` names the texts that it changed, or is `created` or `restored`. */
export type Change = Readonly<{ at: string; by?: string; what: readonly string[] }>;

/** The part of a note that can be edited. */
export type NoteText = Readonly<{ title: string; body: string }>;

/** What a new note is made of. */
export type NoteDraft = NoteText & Readonly<{ author: string }>;

/** A field of a note that is typed by hand. */
export type Field = keyof NoteDraft;

/**
 * Why a request failed: nobody answered, the server cannot serve it for now, it refused what was sent (both with a
 * `reason` in its words), it does not know the note, or it answered something that the page does not understand.
 */
export type Failure =
  | Readonly<{ kind: 'unreachable' }>
  | Readonly<{ kind: 'unavailable'; reason: string; retryAfterSeconds: number | null }>
  | Readonly<{ kind: 'refused'; reason: string }>
  | Readonly<{ kind: 'missing' }>
  | Readonly<{ kind: 'broken'; detail: string }>;

/**
 * A part of the list, newest first, or of a search result, best first. `next` asks for the part that follows; null after
 * the last one. `indexing` tells that a result may lack notes that the server is still indexing.
 */
export type NotePage = Readonly<{ notes: readonly Note[]; next: string | null; indexing: boolean }>;

/** What a request came to. */
export type Outcome<T> = Readonly<{ ok: true; value: T }> | Readonly<{ ok: false; failure: Failure }>;

/** Whether a value from the network is a note. */
export function isNote(value: unknown): value is Note {
  if (typeof value !== 'object' || value === null) return false;
  const note = value as Record<string, unknown>;
  return (
    typeof note['id'] === 'number' &&
    typeof note['title'] === 'string' &&
    typeof note['body'] === 'string' &&
    typeof note['author'] === 'string' &&
    isTime(note['createdAt']) &&
    isTime(note['updatedAt']) &&
    (note['updatedBy'] === undefined || typeof note['updatedBy'] === 'string')
  );
}

/** Whether a value from the network is a change. */
export function isChange(value: unknown): value is Change {
  if (typeof value !== 'object' || value === null) return false;
  const { at, by, what } = value as Record<string, unknown>;
  return (
    isTime(at) &&
    (by === undefined || typeof by === 'string') &&
    Array.isArray(what) &&
    what.every((each) => typeof each === 'string')
  );
}

function isTime(value: unknown): boolean {
  return typeof value === 'string' && !Number.isNaN(Date.parse(value));
}

/** Whether two texts are the same but for the way their lines end, which a text area changes. */
export function sameText(a: NoteText, b: NoteText): boolean {
  return unixLines(a.title) === unixLines(b.title) && unixLines(a.body) === unixLines(b.body);
}

/** The text with every line ended by \n, as a text area gives it back. */
export function unixLines(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll('\r', '\n');
}

/** Whether `a` was written after `b`, by the server's clock. */
export function isNewer(a: Note, b: Note): boolean {
  return Date.parse(a.updatedAt) > Date.parse(b.updatedAt);
}

/** How much text a note holds, in UTF-16 code units. */
export function sizeOf({ title, body, author }: Note): number {
  return title.length + body.length + author.length;
}
