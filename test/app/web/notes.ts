// Notes for tests.
import type { Note } from '../../../src/app/web/internal.ts';

const startMs = Date.UTC(2026, 0, 1);

/** A note; `created` and `version` count minutes. */
export function noteOf(id: number, { created = 0, version = created, ...rest }: NoteOptions = {}): Note {
  return {
    id,
    title: `title ${id}`,
    body: `body ${id}`,
    author: 'Ada',
    createdAt: minute(created),
    updatedAt: minute(version),
    ...rest,
  };
}

type NoteOptions = { created?: number; version?: number } & Partial<Note>;

function minute(count: number): string {
  return new Date(startMs + count * 60_000).toISOString();
}
