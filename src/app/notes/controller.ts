// The notes over HTTP. Each request runs in a process of its own; after a change it broadcasts on the channel `notes`.
//
// A controller that changes something traps exits: when its client goes away between the commit and the broadcast, the
// broadcast must still be made, or everybody else would miss the change. Its time is longer than what the database may take,
// for the same reason. When the database breaks off, so that nobody knows whether the change was stored, the indexers are
// told to look for themselves.
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { controller } from '../../runtime/fastify/index.ts';
import { queryMax } from '../indexer/query.ts';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { HttpError } from '../http/errors.ts';
import { notes } from './channel.ts';
import { checkNewNote, checkNoteChange, Note } from './note.ts';
import type { NoteSearch } from './page.ts';
import type { NoteRepository } from './repository.ts';

/** What the controllers work with. */
export interface NotesOptions {
  readonly repository: NoteRepository;
  readonly search: NoteSearch;
  /** How long a change may take, in milliseconds; longer than the database may take for a call. */
  readonly changeTimeoutMs: number;
  /** Called when nobody knows whether a change was made: whoever shows or indexes notes has to look. */
  readonly onUnsure: () => void;
}

/** One answer of a search. */
const SEARCH_PAGE = { limit: 100, maxBytes: 10_000_000 } as const;

const NoteList = Type.Object({ notes: Type.Array(Note) });
const Query = Type.Object({ q: Type.Optional(Type.String({ maxLength: queryMax })) });
const Params = Type.Object({ id: Type.String() });

/** The routes below `/api/notes`. */
export const notesController: FastifyPluginAsyncTypebox<NotesOptions> = async (
  app,
  { repository, search, changeTimeoutMs: timeoutMs, onUnsure },
) => {
  const change = async <T>(stored: Promise<T>): Promise<T> => {
    try {
      return await stored;
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) onUnsure();
      throw error;
    }
  };

  app.get(
    '/api/notes',
    { schema: { querystring: Query, response: { 200: NoteList } } },
    controller(
      async (_self, request) => {
        const query = request.query.q?.trim() ?? '';
        if (query === '') return { notes: await repository.list() };
        const page = await search.search(query, SEARCH_PAGE);
        return { notes: [...page.notes] };
      },
      { name: 'list_notes' },
    ),
  );

  app.get(
    '/api/notes/:id',
    { schema: { params: Params, response: { 200: Note } } },
    controller(async (_self, request) => found(await repository.get(idOf(request.params.id))), {
      name: 'get_note',
    }),
  );

  app.post(
    '/api/notes',
    { schema: { response: { 201: Note } } },
    controller(
      async (self, request, reply) => {
        self.trapExit(true);
        const note = await change(repository.create(valid(checkNewNote(request.body))));
        notes.broadcast(self, 'note_created', note);
        return reply.code(201).header('location', `/api/notes/${note.id}`).send(note);
      },
      { name: 'create_note', timeoutMs },
    ),
  );

  app.put(
    '/api/notes/:id',
    { schema: { params: Params, response: { 200: Note } } },
    controller(
      async (self, request) => {
        self.trapExit(true);
        const id = idOf(request.params.id);
        const note = found(await change(repository.update(id, valid(checkNoteChange(request.body)))));
        notes.broadcast(self, 'note_updated', note);
        return note;
      },
      { name: 'update_note', timeoutMs },
    ),
  );

  app.delete(
    '/api/notes/:id',
    { schema: { params: Params, response: { 204: Type.Null() } } },
    controller(
      async (self, request, reply) => {
        self.trapExit(true);
        const id = idOf(request.params.id);
        if (!(await change(repository.delete(id)))) throw new HttpError(404, 'note not found');
        notes.broadcast(self, 'note_deleted', { id });
        return reply.code(204).send(null);
      },
      { name: 'delete_note', timeoutMs },
    ),
  );
};

/** A number that no note can have is an id that is not found; what is no number is a mistake. */
function idOf(text: string): number {
  if (!/^\d+$/.test(text)) throw new HttpError(400, 'the id of a note is a whole number');
  return Number(text);
}

function found(note: Note | undefined): Note {
  if (note === undefined) throw new HttpError(404, 'note not found');
  return note;
}

function valid<T>(checked: { ok: true; value: T } | { ok: false; error: string }): T {
  if (!checked.ok) throw new HttpError(422, checked.error);
  return checked.value;
}
