// The server through which other instances use the notes of this one. It runs only where the notes are in the data folder of
// the instance, which a single process can open; instances reach a PostgreSQL server directly.
//
// - It does for another instance what a request over HTTP does here, and checks its arguments as strictly: any node of the
//   cluster can call it.
// - Failures are replies; they do not end the server.
// - One call at a time, as the embedded database allows. Calls beyond `CALLS_MAX` are refused.
// - The instance that asked for a change publishes its event, as it does of its own; until then the log here may do so.
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { defineServer, type EventPage, type EventSource } from 'troupe';
import { queryMax } from '../indexer/query.ts';
import { DatabaseUnavailableError, type UnavailableReason } from '../database/errors.ts';
import type { Changed, NoteChanges, Restored } from './changes.ts';
import { notes } from './channel.ts';
import type { Change } from './history.ts';
import { checkNewNote, checkNoteChange, checkRestoration, type Note } from './note.ts';
import { BadCursorError, cursorMax, type NoteSearch, pageNotesMax, type PageRequest } from './page.ts';
import type { NoteReader } from './repository.ts';

/** The name that the server is registered under. */
export const storeName = 'note_store';
/** The most calls that may wait. */
export const CALLS_MAX = 1_000;

/** A reply: the result, or the reason of a failure. */
export type StoreAnswer<T> =
  | { readonly ok: T }
  | {
      readonly unavailable: UnavailableReason;
      readonly message: string;
      readonly retryAfterMs: number;
      /** Whether the call may have been carried out all the same. Older versions leave it out. */
      readonly maybeDone?: boolean;
    }
  | { readonly badCursor: string }
  | { readonly failed: string };

/** A page as it is sent: `next` is `null` on the last one. */
export interface StoredPage {
  readonly notes: readonly Note[];
  readonly next: string | null;
}

const PageArgument = {
  limit: Type.Integer({ minimum: 1, maximum: pageNotesMax }),
  maxBytes: Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER }),
  after: Type.Optional(Type.String({ maxLength: cursorMax })),
};
const ListArgument = Type.Object(PageArgument);
const SearchArgument = Type.Object({ query: Type.String({ maxLength: queryMax }), ...PageArgument });
const IdArgument = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const RestoreArgument = Type.Object({ id: IdArgument, updatedBy: Type.Optional(Type.Unknown()) });
const UpdateArgument = Type.Object({ id: IdArgument, change: Type.Unknown() });

const EventsArgument = Type.Object({ after: IdArgument });
/** Events in one answer, and the bytes of their payloads after which there is no further one. */
const eventsMax = { events: 100, bytes: 262_144 } as const;

/** What the server works with. */
export interface StoreParts {
  readonly repository: NoteReader;
  readonly changes: NoteChanges;
  readonly search: NoteSearch;
  readonly events: EventSource;
  /** The size at which a page ends, whatever a caller asks for: PAGE_BYTES of this instance. */
  readonly pageBytes: number;
}

const REFUSED: StoreAnswer<never> = { failed: 'the argument of the call is invalid' };

/** Reads and writes the notes of this instance for others. */
export const noteStore = defineServer({
  name: 'note_store',

  init: (_self, parts: StoreParts) => ({
    ...parts,
    bounded: (page: PageRequest): PageRequest => ({
      ...page,
      maxBytes: Math.min(page.maxBytes, parts.pageBytes),
    }),
  }),

  call: {
    /** Replies when the notes can be reached. */
    ping: (): StoreAnswer<null> => ({ ok: null }),
    list: ({ repository, bounded }, argument: unknown): Answers<StoredPage> =>
      Value.Check(ListArgument, argument)
        ? answer(async () => {
            const { notes: listed, next = null } = await repository.list(bounded(argument));
            return { notes: listed, next };
          })
        : REFUSED,
    search({ search, bounded }, argument: unknown): Answers<StoredPage & { readonly indexing: boolean }> {
      if (!Value.Check(SearchArgument, argument)) return REFUSED;
      const { query, ...page } = argument;
      return answer(async () => {
        const { notes: found, next = null, indexing } = await search.search(query, bounded(page));
        return { notes: found, next, indexing };
      });
    },
    get: ({ repository }, id: unknown): Answers<Note | null> =>
      Value.Check(IdArgument, id) ? answer(async () => (await repository.get(id)) ?? null) : REFUSED,
    create({ changes }, note: unknown): Answers<Changed<Note>> {
      const checked = checkNewNote(note);
      return checked.ok ? answer(() => changes.create(checked.value)) : { failed: checked.error };
    },
    update({ changes }, argument: unknown): Answers<Changed<Note> | null> {
      if (!Value.Check(UpdateArgument, argument)) return REFUSED;
      const checked = checkNoteChange(argument.change);
      if (!checked.ok) return { failed: checked.error };
      return answer(async () => (await changes.update(argument.id, checked.value)) ?? null);
    },
    delete: ({ changes }, id: unknown): Answers<Changed<true> | null> =>
      Value.Check(IdArgument, id) ? answer(async () => (await changes.delete(id)) ?? null) : REFUSED,
    restore({ changes }, argument: unknown): Answers<Omit<Restored, 'event'> | null> {
      if (!Value.Check(RestoreArgument, argument)) return REFUSED;
      const { id, ...by } = argument;
      const checked = checkRestoration(by);
      if (!checked.ok) return { failed: checked.error };
      return answer(async () => {
        const restored = await changes.restore(id, checked.value.updatedBy);
        if (restored === undefined) return null;
        // What is undefined has no form between nodes.
        return restored.event === undefined ? { value: restored.value } : restored;
      });
    },
    changes: ({ repository }, id: unknown): Answers<readonly Change[] | null> =>
      Value.Check(IdArgument, id) ? answer(async () => (await repository.changes(id)) ?? null) : REFUSED,
    /** The events of changes after a position, for the log of another instance. */
    events: ({ events }, argument: unknown): Answers<EventPage> =>
      Value.Check(EventsArgument, argument)
        ? answer(() => events.read(notes.name, argument.after, { ...eventsMax }))
        : REFUSED,
  },
});

type Answers<T> = StoreAnswer<T> | Promise<StoreAnswer<T>>;

async function answer<T>(work: () => Promise<T>): Promise<StoreAnswer<T>> {
  try {
    return { ok: await work() };
  } catch (error) {
    if (error instanceof DatabaseUnavailableError) {
      const { reason: unavailable, message, retryAfterMs, maybeDone } = error;
      return { unavailable, message, retryAfterMs, maybeDone };
    }
    if (error instanceof BadCursorError) return { badCursor: error.message };
    return { failed: error instanceof Error ? error.message : String(error) };
  }
}
