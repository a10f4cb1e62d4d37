// The notes of another instance, used from here: calls to its `note_store` over the cluster.
//
// - The state is `ready` while that server answers. Otherwise it is `unavailable`, with the reason. As with a PostgreSQL server,
//   attempts continue forever, with growing waits, and at once when its node connects: nothing has to be restarted when the
//   instance comes back.
// - A call that is not answered in time fails; its change may have been made all the same.
// - Replies are bounded: both instances agree on what a page is.
import { type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import {
  type EventSource,
  Down,
  type Node,
  NodeUp,
  type Process,
  TIMEOUT,
  TroupeError,
  call,
  formatReason,
  matching,
} from 'troupe';
import { RETRY_AFTER_MS, retryMs, WithStatus } from '../database/status.ts';
import type { DatabaseStatus } from '../database/database.ts';
import { DatabaseUnavailableError } from '../database/errors.ts';
import type { Backlog } from '../indexer/backlog.ts';
import { queryMax } from '../indexer/query.ts';
import type { NoteChanges } from './changes.ts';
import { notes as channel } from './channel.ts';
import { Change, changesMax } from './history.ts';
import { type NewNote, Note, type NoteChange } from './note.ts';
import {
  BadCursorError,
  type NoteSearch,
  type PageRequest,
  assertPage,
  cursorMax,
  pageNotesMax,
} from './page.ts';
import { type NoteReader, isNoteId } from './repository.ts';
import { storeName } from './store.ts';

/** The notes of another instance. */
export interface InstanceSettings {
  readonly kind: 'instance';
  /** The name of its node. */
  readonly node: string;
  /** The time limit of one call. */
  readonly queryTimeoutMs: number;
  /** The longest wait between two attempts to reach it. */
  readonly retryMaxMs: number;
}

/** Unexpected messages that the process keeps, at most: any process may receive some. */
const STRAYS_MAX = 100;

const PageFields = {
  notes: Type.Array(Note, { maxItems: pageNotesMax }),
  next: Type.Union([Type.String({ minLength: 1, maxLength: cursorMax }), Type.Null()]),
};
const Page = Type.Object(PageFields);
const Found = Type.Object({ ...PageFields, indexing: Type.Boolean() });
const OrNull = <Schema extends TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
const MaybeNote = OrNull(Note);
const Position = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const Epoch = Type.String({ pattern: '^[\\w-]{1,64}$' });
const Event = Type.Object({
  channel: Type.Literal(channel.name),
  epoch: Epoch,
  position: Position,
  topic: Type.String({ minLength: 1 }),
  payload: Type.String(),
});
const Events = Type.Object({ epoch: Epoch, head: Position, first: Position, events: Type.Array(Event) });
const Changed = <Schema extends TSchema>(value: Schema) => Type.Object({ value, event: Event });
const Restored = Type.Object({ value: Note, event: Type.Optional(Event) });
const Changes = Type.Array(Change, { maxItems: changesMax });
const Answer = Type.Union([
  Type.Object({ ok: Type.Unknown() }),
  Type.Object({
    unavailable: Type.Enum(['starting', 'unreachable', 'timeout', 'busy', 'closed']),
    message: Type.String(),
    retryAfterMs: Type.Integer({ minimum: 0 }),
    maybeDone: Type.Optional(Type.Boolean()),
  }),
  Type.Object({ badCursor: Type.String() }),
  Type.Object({ failed: Type.String() }),
]);

interface NotesOfOther {
  readonly changes: NoteChanges;
  readonly events: EventSource;
  readonly database: DatabaseStatus;
  readonly repository: NoteReader;
  readonly search: NoteSearch;
  readonly backlog: Backlog;
}

/** Begins to connect to the notes of an instance; their state is `starting` when this returns. */
export function openNotesOf(settings: InstanceSettings, node: Node): NotesOfOther {
  const notes = new NotesOfInstance(settings, node);
  return {
    database: notes,
    repository: repositoryOf(notes),
    changes: changesOf(notes),
    events: eventsOf(notes),
    search: searchOf(notes),
    backlog: backlogOf(notes),
  };
}

class NotesOfInstance extends WithStatus implements DatabaseStatus {
  readonly kind = 'instance';
  readonly description: string;
  readonly #settings: InstanceSettings;
  readonly #node: Node;
  readonly #watcher;
  #failures = 0;

  constructor(settings: InstanceSettings, node: Node) {
    super();
    this.#settings = settings;
    this.#node = node;
    this.description = `the notes of ${settings.node}`;
    const options = {
      label: this.description,
      mailbox: { limit: STRAYS_MAX, policy: 'dropOldest' },
    } as const;
    this.#watcher = node.spawnWith(options, (self) => this.#watch(self));
  }

  close(): Promise<void> {
    this.status.closed();
    this.#node.exit(this.#watcher, 'shutdown');
    return Promise.resolve();
  }

  /** Calls the other instance. @throws DatabaseUnavailableError, BadCursorError, or Error for a failure over there */
  async ask<Schema extends TSchema>(name: string, argument: unknown, schema: Schema) {
    this.status.assertReady();
    const answer = await this.#call(name, argument);
    if (!Value.Check(schema, answer))
      throw new Error(`${this.#settings.node} sent an invalid reply to '${name}'`);
    return answer;
  }

  async #call(name: string, argument: unknown, from?: Process): Promise<unknown> {
    const { node, queryTimeoutMs: timeoutMs } = this.#settings;
    let answer: unknown;
    try {
      const options = from === undefined ? { timeoutMs } : { timeoutMs, from };
      answer = await call(this.#node, { name: storeName, node }, name, argument, options);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      throw unavailable(error, node);
    }
    if (!Value.Check(Answer, answer)) throw new Error(`${node} sent a reply that no store of notes sends`);
    if ('ok' in answer) return answer.ok;
    if ('badCursor' in answer) throw new BadCursorError(answer.badCursor);
    if ('failed' in answer) throw new Error(`${node}: ${answer.failed}`);
    const { unavailable: reason, message, retryAfterMs } = answer;
    // An older instance does not say whether the call may have been carried out.
    const { maybeDone = reason === 'timeout' || reason === 'unreachable' } = answer;
    throw new DatabaseUnavailableError(reason, message, retryAfterMs, maybeDone);
  }

  /** Runs in a process of its own until the notes are closed. */
  async #watch(self: Process): Promise<never> {
    const { node, retryMaxMs } = this.#settings;
    const comesUp = (message: unknown): boolean => message instanceof NodeUp && message.node === node;
    this.#node.monitorNodes(self.pid, true);
    for (;;) {
      const reason = await this.#untilLost(self);
      const retryInMs = retryMs(++this.#failures, retryMaxMs);
      this.status.unavailable(`the notes of ${node} cannot be reached: ${reason}`, this.#failures, retryInMs);
      if ((await self.receive(comesUp, { after: retryInMs })) !== TIMEOUT) this.#failures = 0;
    }
  }

  /** @returns why the notes cannot be reached, or can no longer be reached */
  async #untilLost(self: Process): Promise<string> {
    try {
      await this.#call('ping', undefined, self);
    } catch (error) {
      return error instanceof Error ? error.message : formatReason(error);
    }
    self.monitor({ name: storeName, node: this.#settings.node });
    this.#failures = 0;
    this.status.ready();
    const { reason } = await self.receive(matching(Down));
    return formatReason(reason);
  }
}

/** Translates the failure of a call. */
function unavailable({ code, reason }: TroupeError, node: string): DatabaseUnavailableError {
  const failed = (why: 'timeout' | 'busy' | 'unreachable', what: string, maybeDone: boolean) =>
    new DatabaseUnavailableError(why, what, RETRY_AFTER_MS, maybeDone);
  if (code === 'TROUPE_CALL_TIMEOUT') return failed('timeout', `${node} did not answer in time`, true);
  if (code === 'TROUPE_MAILBOX_FULL')
    return failed('busy', `too many calls wait for the notes of ${node}`, false);
  if (code === 'TROUPE_CALL_NODEDOWN')
    return failed('unreachable', `there is no connection to ${node}`, true);
  if (code === 'TROUPE_CALL_NOPROC') {
    return failed(
      'unreachable',
      `${node} has no notes of its own that others can use, or has not started yet`,
      false,
    );
  }
  return failed('unreachable', `the call to ${node} failed: ${formatReason(reason)}`, true);
}

function searchOf(notes: NotesOfInstance): NoteSearch {
  return {
    async search(query, page) {
      checkPage(page);
      const argument = { query: query.slice(0, queryMax), ...page };
      const { next, ...found } = await notes.ask('search', argument, Found);
      return { ...found, next: next ?? undefined };
    },
  };
}

/** The other instance indexes its notes: nothing to do here, but it must be reachable. */
function backlogOf(notes: NotesOfInstance): Backlog {
  return {
    async step() {
      await notes.ask('ping', undefined, Type.Null());
      return false;
    },
    tidy: () => Promise.resolve(false),
    prepare: () => Promise.resolve(undefined),
  };
}

function repositoryOf(notes: NotesOfInstance): NoteReader {
  return {
    async list(page) {
      checkPage(page);
      const { notes: found, next } = await notes.ask('list', page, Page);
      return { notes: found, next: next ?? undefined };
    },

    async get(id) {
      if (!isNoteId(id)) return undefined;
      return (await notes.ask('get', id, MaybeNote)) ?? undefined;
    },

    async changes(id) {
      if (!isNoteId(id)) return undefined;
      return (await notes.ask('changes', id, OrNull(Changes))) ?? undefined;
    },
  };
}

function changesOf(notes: NotesOfInstance): NoteChanges {
  return {
    create: (note: NewNote) => notes.ask('create', note, Changed(Note)),
    async update(id: number, change: NoteChange) {
      if (!isNoteId(id)) return undefined;
      return (await notes.ask('update', { id, change }, OrNull(Changed(Note)))) ?? undefined;
    },
    async delete(id) {
      if (!isNoteId(id)) return undefined;
      return (await notes.ask('delete', id, OrNull(Changed(Type.Literal(true))))) ?? undefined;
    },
    async restore(id, updatedBy) {
      if (!isNoteId(id)) return undefined;
      const argument = updatedBy === undefined ? { id } : { id, updatedBy };
      const restored = await notes.ask('restore', argument, OrNull(Restored));
      return restored === null ? undefined : { value: restored.value, event: restored.event };
    },
  };
}

/** The history is the other instance's, which trims it, too. */
function eventsOf(notes: NotesOfInstance): EventSource {
  const read = (after: number) => notes.ask('events', { after }, Events);
  return {
    read: (_channel, after) => read(after),
    async extent() {
      const { epoch, head, first } = await read(Number.MAX_SAFE_INTEGER);
      return { epoch, head, first };
    },
    trim: () => Promise.resolve(false),
  };
}

/** Checks what the other instance requires of a page. */
function checkPage(page: PageRequest): void {
  assertPage(page);
  if ((page.after ?? '').length > cursorMax) throw new BadCursorError('the cursor is too long');
}
