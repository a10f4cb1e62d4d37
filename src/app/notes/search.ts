// The search of an instance: the indexer says which notes, the repository has them.
//
// A query finds the best `searchMax` notes. A cursor says how many of them came before; what the query finds may have changed
// since, so that a note may come twice or not at all.
import type { ServerRef } from '../../runtime/index.ts';
import { HttpError } from '../http/errors.ts';
import type { noteIndexer } from '../indexer/indexer.ts';
import type { Note } from './note.ts';
import { BadCursorError, type NoteSearch, type PageRequest, type SearchPage } from './page.ts';
import type { NoteRepository } from './repository.ts';

/** Notes that are read at once; a page may have so many more bytes than it should. */
const PART = 5;

/** The search over an indexer, by name: the process behind it changes when it is restarted. */
export function createNoteSearch(
  indexer: ServerRef<typeof noteIndexer>,
  repository: Pick<NoteRepository, 'getMany'>,
): NoteSearch {
  return {
    async search(query: string, { limit, maxBytes, after }: PageRequest): Promise<SearchPage> {
      const from = after === undefined ? 0 : readCursor(after);
      const ids = await indexer.call('search', query);
      if (ids === 'building') throw new HttpError(503, 'the search index is being built, try again soon', 1);
      const found: Note[] = [];
      let at = from;
      for (let bytes = 0; at < ids.length && found.length < limit && bytes < maxBytes;) {
        const part = ids.slice(at, at + Math.min(PART, limit - found.length));
        at += part.length;
        for (const note of await repository.getMany(part)) {
          found.push(note);
          bytes += bytesOf(note);
        }
      }
      return { notes: found, next: at < ids.length ? writeCursor(at) : undefined, indexing: false };
    },
  };
}

function bytesOf({ title, body, author }: Note): number {
  return Buffer.byteLength(title) + Buffer.byteLength(body) + Buffer.byteLength(author);
}

function writeCursor(from: number): string {
  return Buffer.from(`found ${from}`).toString('base64url');
}

function readCursor(cursor: string): number {
  const from = Number(
    /^found ([1-9]\d{0,4})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'))?.[1],
  );
  if (Number.isNaN(from) || writeCursor(from) !== cursor) {
    throw new BadCursorError('the cursor is none that a search has answered');
  }
  return from;
}
