// Removes deleted notes for good when their time is over: a server of the supervision tree. It looks once a minute, and goes on in turns
// while there is more, so that other processes and other calls of the database get theirs. Several instances may do so at once.
//
// Its work can wait: when the database is away, or refuses, the next look does it. A deletion whose time is over cannot be undone, whether the
// note has been removed or not.
import { defineServer, type Process, UNHANDLED } from 'troupe';
import { DatabaseUnavailableError } from '../database/errors.ts';
import type { DeletedLimit } from './deleted.ts';
import type { NoteRepository } from './repository.ts';

/** The name that the server is registered under. */
export const purgeName = 'deleted_notes';

/** The time between two looks; a random part more. */
const LOOK_MS = 60_000;
const SPREAD = 0.3;

const LOOK = Symbol('look');
const STEP = Symbol('step');

/** What the server works with. */
export interface PurgeOptions {
  readonly notes: Pick<NoteRepository, 'purge'>;
  readonly limit: DeletedLimit;
  /** Called with why the work failed although the database is there. */
  readonly onFailed: (error: unknown) => void;
}

/** Keeps the deleted notes within their limit. */
export const deletedNotesServer = defineServer({
  name: 'deleted_notes',

  init(self, options: PurgeOptions) {
    lookLater(self);
    return options;
  },

  cast: {
    /** Looks now, besides. */
    look: (options, _nothing: undefined, self) => step(options, self),
  },

  info(options: PurgeOptions, message, self) {
    if (message === STEP) return step(options, self);
    if (message !== LOOK) return UNHANDLED;
    lookLater(self);
    return step(options, self);
  },
});

function lookLater(self: Process): void {
  self.sendAfter(Math.round(LOOK_MS * (1 + Math.random() * SPREAD)), self.pid, LOOK);
}

async function step({ notes, limit, onFailed }: PurgeOptions, self: Process): Promise<void> {
  try {
    if (await notes.purge(limit)) self.send(self.pid, STEP);
  } catch (error) {
    if (!self.signal.aborted && !(error instanceof DatabaseUnavailableError)) onFailed(error);
  }
}
