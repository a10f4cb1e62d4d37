// The notes over HTTP. Each request runs in a process of its own; after a change it broadcasts on the channel `notes`. Lists and
// searches are answered in pages.
//
// A controller that makes a change traps exits: if its client disconnects between commit and broadcast, others still hear of the
// change at once, rather than when a log finds it. For the same reason its time limit is longer than the database's. When the
// database fails and the change may have been stored all the same, the indexers check.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type, type Static } from 'typebox';
import type { Process } from 'troupe';
import { controller } from 'troupe/fastify';
import type { PageLimits } from '../config.ts';
import { queryMax } from '../indexer/query.ts';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { HttpError } from '../http/errors.ts';
import { Lane } from '../http/lane.ts';
import type { Traffic } from '../http/traffic.ts';
import type { Changed, NoteChanges } from './changes.ts';
import { notes } from './channel.ts';
import { Change } from './history.ts';
import {
  checkNewNote,
  checkNoteChange,
  checkRestoration,
  NewNote,
  Note,
  NoteChange,
  Restoration,
} from './note.ts';
import {
  BadCursorError,
  cursorMax,
  type NotePage,
  type NoteSearch,
  type PageRequest,
  type SearchPage,
} from './page.ts';
import type { NoteReader } from './repository.ts';

/** What the controllers work with. */
export interface NotesOptions {
  readonly repository: NoteReader;
  readonly changes: NoteChanges;
  readonly search: NoteSearch;
  /** The limits of a page. */
  readonly page: PageLimits;
  /** Counts the bytes of a page before it is read. */
  readonly traffic: Traffic;
  /** How long a change may take, in milliseconds; longer than the database's limit for a call. */
  readonly changeTimeoutMs: number;
  /** Called when a change failed but may have been stored: whatever shows or indexes notes must read again. */
  readonly onUnsure: () => void;
}

/**
 * The lanes of lists, of searches and of single notes. A flood of any kind leaves the others, and changes above all, a share of
 * a database that takes one call at a time.
 */
const laneLimits = { insideMax: 4, waitingMax: 250, waitMs: 5_000 } as const;
const getLimits = { insideMax: 64, waitingMax: 2_000, waitMs: 5_000 } as const;

const NoteList = Type.Object({
  notes: Type.Array(Note),
  next: Type.Union([Type.String(), Type.Null()], {
    description: 'The cursor of the page that follows; null on the last one.',
    examples: ['bm90ZSA4', null],
  }),
  indexing: Type.Optional(
    Type.Boolean({
      description: 'Of a search: whether notes are still being indexed, so that some may be missing.',
    }),
  ),
});
const ChangeList = Type.Object({ changes: Type.Array(Change) });
const Query = Type.Object({
  q: Type.Optional(
    Type.String({ maxLength: queryMax, description: 'Words to search for.', examples: ['hello'] }),
  ),
  limit: Type.Optional(
    Type.String({
      maxLength: 20,
      description: 'Notes on the page, at most; a whole number.',
      examples: ['20'],
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      maxLength: cursorMax,
      description: 'The `next` of the page before, of the same list or search.',
      examples: ['bm90ZSA4'],
    }),
  ),
});
type Query = Static<typeof Query>;
const Params = Type.Object({ id: Type.String({ description: 'A whole number.', examples: ['1'] }) });

/** The routes below `/api/notes`. */
export const notesController: FastifyPluginAsyncTypebox<NotesOptions> = async (
  app,
  { repository, changes, search, page: limits, traffic, changeTimeoutMs: timeoutMs, onUnsure },
) => {
  /** Publishes a change as soon as it is stored. */
  const change = async <T>(
    self: Process,
    stored: Promise<Changed<T> | { readonly value: T; readonly event: undefined } | undefined>,
  ): Promise<T | undefined> => {
    try {
      const changed = await stored;
      if (changed === undefined) return undefined;
      if (changed.event !== undefined) notes.publish(self, changed.event);
      return changed.value;
    } catch (error) {
      if (error instanceof DatabaseUnavailableError && error.maybeDone) onUnsure();
      throw error;
    }
  };

  const [lists, searches, gets] = [new Lane(laneLimits), new Lane(laneLimits), new Lane(getLimits)];

  app.get(
    '/api/notes',
    {
      schema: {
        tags: ['notes'],
        operationId: 'list_notes',
        summary: 'A page of the notes, the newest first, or of those that a search finds, the best first',
        querystring: Query,
        response: { 200: NoteList },
      },
      config: { api: { errors: [400] } },
    },
    controller(
      async (_self, request, reply) => {
        const { limit, cursor } = request.query;
        const query = request.query.q?.trim() ?? '';
        const page: PageRequest = {
          limit: limitOf(limit, limits),
          maxBytes: limits.bytes,
          ...(cursor !== undefined && { after: cursor }),
        };
        const read = (): Promise<NotePage | SearchPage> => {
          traffic.expect(request, limits.bytes);
          return query === '' ? repository.list(page) : search.search(query, page);
        };
        const lane = query === '' ? lists : searches;
        const { notes: listed, next, ...more } = await lane.run(reply.raw, read).catch(badCursor);
        if (next !== undefined) void reply.header('link', `<${linkTo(request.query, next)}>; rel="next"`);
        return { notes: [...listed], next: next ?? null, ...more };
      },
      { name: 'list_notes' },
    ),
  );

  app.get(
    '/api/notes/:id',
    {
      schema: {
        tags: ['notes'],
        operationId: 'get_note',
        summary: 'One note',
        params: Params,
        response: { 200: Note },
      },
      config: { api: { errors: [400, 404] } },
    },
    controller(
      async (_self, request, reply) => {
        const id = idOf(request.params.id);
        return found(await gets.run(reply.raw, () => repository.get(id)));
      },
      { name: 'get_note' },
    ),
  );

  app.get(
    '/api/notes/:id/changes',
    {
      schema: {
        tags: ['notes'],
        operationId: 'list_changes',
        summary: 'The last changes of a note, the newest first',
        params: Params,
        response: { 200: ChangeList },
      },
      config: { api: { errors: [400, 404] } },
    },
    controller(
      async (_self, request, reply) => {
        const id = idOf(request.params.id);
        const listed = await gets.run(reply.raw, () => repository.changes(id));
        return { changes: [...found(listed)] };
      },
      { name: 'list_changes' },
    ),
  );

  app.post(
    '/api/notes',
    {
      schema: {
        tags: ['notes'],
        operationId: 'create_note',
        summary: 'Makes a note',
        response: { 201: Note },
      },
      config: { api: { body: NewNote, errors: [400, 413, 415, 422] } },
    },
    controller(
      async (self, request, reply) => {
        self.trapExit(true);
        const note = found(await change(self, changes.create(valid(checkNewNote(request.body)))));
        // Relative, like the link to the next page.
        return reply.code(201).header('location', `notes/${note.id}`).send(note);
      },
      { name: 'create_note', timeoutMs },
    ),
  );

  app.put(
    '/api/notes/:id',
    {
      schema: {
        tags: ['notes'],
        operationId: 'update_note',
        summary: 'Changes a note; its author stays',
        params: Params,
        response: { 200: Note },
      },
      config: { api: { body: NoteChange, errors: [400, 404, 413, 415, 422] } },
    },
    controller(
      async (self, request) => {
        self.trapExit(true);
        const id = idOf(request.params.id);
        return found(await change(self, changes.update(id, valid(checkNoteChange(request.body)))));
      },
      { name: 'update_note', timeoutMs },
    ),
  );

  app.delete(
    '/api/notes/:id',
    {
      schema: {
        tags: ['notes'],
        operationId: 'delete_note',
        summary: 'Deletes a note; for a while this can be undone',
        params: Params,
        response: { 204: Type.Null() },
      },
      config: { api: { errors: [400, 404] } },
    },
    controller(
      async (self, request, reply) => {
        self.trapExit(true);
        const id = idOf(request.params.id);
        if (!(await change(self, changes.delete(id)))) throw new HttpError(404, 'note not found');
        return reply.code(204).send(null);
      },
      { name: 'delete_note', timeoutMs },
    ),
  );

  app.post(
    '/api/notes/:id/restore',
    {
      schema: {
        tags: ['notes'],
        operationId: 'restore_note',
        summary:
          'Undoes the deletion of a note, within DELETED_MAX_AGE_MS; answers the note, also when it is there already',
        params: Params,
        response: { 200: Note },
      },
      config: { api: { body: Restoration, errors: [400, 404, 413, 415, 422] } },
    },
    controller(
      async (self, request) => {
        self.trapExit(true);
        const id = idOf(request.params.id);
        const { updatedBy } = valid(checkRestoration(request.body));
        return found(await change(self, changes.restore(id, updatedBy)));
      },
      { name: 'restore_note', timeoutMs },
    ),
  );
};

function limitOf(text: string | undefined, { notes: usual, notesMax }: PageLimits): number {
  if (text === undefined) return usual;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= notesMax) return limit;
  throw new HttpError(400, `limit must be a whole number from 1 to ${notesMax}`);
}

function badCursor(error: unknown): never {
  if (!(error instanceof BadCursorError)) throw error;
  throw new HttpError(400, 'cursor must be the `next` of an answer to the same request');
}

/** The address of the next page, relative to this one: behind a proxy the service does not know its own address. */
function linkTo({ q, limit }: Query, cursor: string): string {
  const parameters = new URLSearchParams();
  if (q !== undefined) parameters.set('q', q);
  if (limit !== undefined) parameters.set('limit', limit);
  parameters.set('cursor', cursor);
  return `?${parameters.toString()}`;
}

/** An id that no note can have is not found; anything other than a number is a bad request. */
function idOf(text: string): number {
  if (!/^\d+$/.test(text)) throw new HttpError(400, 'the id of a note must be a whole number');
  return Number(text);
}

function found<T>(value: T | undefined): T {
  if (value === undefined) throw new HttpError(404, 'note not found');
  return value;
}

function valid<T>(checked: { ok: true; value: T } | { ok: false; error: string }): T {
  if (!checked.ok) throw new HttpError(422, checked.error);
  return checked.value;
}
