// The server through which other instances use the notes of this one. It runs only where the notes are in the data folder of
// the instance, which a single process can open; instances reach a PostgreSQL server directly.
//
// - It does for another instance what a request over HTTP does here, and checks its arguments as strictly: any node of the
//   cluster can call it.
// - Failures are replies; they do not end the server.
// - One call at a time, as the embedded database allows. Calls beyond `CALLS_MAX` are refused.
// - It does not broadcast changes: the instance that asked for a change does, as for its own.
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { defineServer } from 'troupe';
import { queryMax } from '../indexer/query.ts';
import { DatabaseUnavailableError, type UnavailableReason } from '../database/errors.ts';
import { checkNewNote, checkNoteChange, type Note } from './note.ts';
import { BadCursorError, cursorMax, type NoteSearch, pageNotesMax, type PageRequest } from './page.ts';
import type { NoteRepository } from './repository.ts';

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
const UpdateArgument = Type.Object({ id: IdArgument, change: Type.Unknown() });

const REFUSED: StoreAnswer<never> = { failed: 'the argument of the call is invalid' };

/** Reads and writes the notes of this instance for others. */
export const noteStore = defineServer({
  name: 'note_store',

  /** @param pageBytesMax the size of a page at which it ends, whatever a caller asks for: PAGE_BYTES of this instance */
  init: (_self, repository: NoteRepository, search: NoteSearch, pageBytesMax: number) => ({
    repository,
    search,
    bounded: (page: PageRequest): PageRequest => ({
      ...page,
      maxBytes: Math.min(page.maxBytes, pageBytesMax),
    }),
  }),

  call: {
    /** Replies when the notes can be reached. */
    ping: (): StoreAnswer<null> => ({ ok: null }),
    list: ({ repository, bounded }, argument: unknown): Answers<StoredPage> =>
      Value.Check(ListArgument, argument)
        ? answer(async () => {
            const { notes, next = null } = await repository.list(bounded(argument));
            return { notes, next };
          })
        : REFUSED,
    search({ search, bounded }, argument: unknown): Answers<StoredPage & { readonly indexing: boolean }> {
      if (!Value.Check(SearchArgument, argument)) return REFUSED;
      const { query, ...page } = argument;
      return answer(async () => {
        const { notes, next = null, indexing } = await search.search(query, bounded(page));
        return { notes, next, indexing };
      });
    },
    get: ({ repository }, id: unknown): Answers<Note | null> =>
      Value.Check(IdArgument, id) ? answer(async () => (await repository.get(id)) ?? null) : REFUSED,
    create({ repository }, note: unknown): Answers<Note> {
      const checked = checkNewNote(note);
      return checked.ok ? answer(() => repository.create(checked.value)) : { failed: checked.error };
    },
    update({ repository }, argument: unknown): Answers<Note | null> {
      if (!Value.Check(UpdateArgument, argument)) return REFUSED;
      const checked = checkNoteChange(argument.change);
      if (!checked.ok) return { failed: checked.error };
      return answer(async () => (await repository.update(argument.id, checked.value)) ?? null);
    },
    delete: ({ repository }, id: unknown): Answers<boolean> =>
      Value.Check(IdArgument, id) ? answer(() => repository.delete(id)) : REFUSED,
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
