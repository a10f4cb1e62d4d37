// A note in another program's form: one written in Erlang or Elixir has no `createdAt` and `updatedAt`, but `inserted_at` and
// `updated_at` in the form of its database library, or no times at all.
//
// Known forms of a time: ISO 8601 with any precision and any zone, UTC without one; `{{Year, Month, Day}, {Hour, Minute, Second}}`;
// the structs `DateTime` and `NaiveDateTime`; seconds since 1970. A text may be a binary or a list of characters.
import { text, Tuple } from 'troupe';
import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { Note, noteLimits } from './note.ts';

const CREATED = ['createdAt', 'created_at', 'inserted_at'];
const UPDATED = ['updatedAt', 'updated_at'];
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(Z|[+-]\d\d:?\d\d)?$/;
/** The year 10000, which our form of a time cannot hold. */
const SECONDS_END = 253_402_300_800;

/** Texts of others may be empty, but not longer than any here. */
export const toldTexts = {
  title: Type.String({ maxLength: noteLimits.title }),
  body: Type.String({ maxLength: noteLimits.body }),
  author: Type.String({ maxLength: noteLimits.author }),
};

/**
 * Reads a note. A time that is missing is the other one, or `now`.
 * @returns undefined when it has no id, title, body or author that a note can have
 */
export function readToldNote(payload: unknown, topic: string, now: Date): Note | undefined {
  if (typeof payload !== 'object' || payload === null) return undefined;
  const fields = new Map<string, unknown>(Object.entries(payload));
  const id = fields.get('id');
  const [title, body, author] = (['title', 'body', 'author'] as const).map((name) => {
    const value = text(fields.get(name));
    return Value.Check(toldTexts[name], value) ? value : undefined;
  });
  if (!Value.Check(Note.properties.id, id)) return undefined;
  if (title === undefined || body === undefined || author === undefined) return undefined;
  const created = timeIn(fields, CREATED);
  // A note that was just made has not been changed since.
  const updated =
    timeIn(fields, UPDATED) ?? (topic === 'note_created' ? created : undefined) ?? now.toISOString();
  return { id, title, body, author, createdAt: created ?? updated, updatedAt: updated };
}

function timeIn(fields: ReadonlyMap<string, unknown>, names: readonly string[]): string | undefined {
  for (const name of names) {
    const date = dateOf(fields.get(name));
    if (date !== undefined && !Number.isNaN(date.getTime())) return date.toISOString();
  }
  return undefined;
}

function dateOf(value: unknown): Date | undefined {
  if (typeof value === 'number') {
    return value >= 0 && value < SECONDS_END ? new Date(value * 1_000) : undefined;
  }
  if (value instanceof Tuple) return dateOfTuple(value);
  const written = text(value);
  const [, day, time, zone = 'Z'] = ISO.exec(written ?? '') ?? [];
  if (day !== undefined) return new Date(`${day}T${String(time).slice(0, 12)}${zone}`);
  return typeof value === 'object' && value !== null ? dateOfParts(Object.values(pick(value))) : undefined;
}

function dateOfTuple({ elements }: Tuple): Date | undefined {
  const [day, time] = elements;
  if (!(day instanceof Tuple) || !(time instanceof Tuple)) return undefined;
  return dateOfParts([...day.elements, ...time.elements]);
}

/** The parts of a `DateTime`. */
function pick(value: object) {
  const { year, month, day, hour, minute, second }: Record<string, unknown> = { ...value };
  return { year, month, day, hour, minute, second };
}

function dateOfParts(parts: readonly unknown[]): Date | undefined {
  if (parts.length !== 6 || !parts.every((part) => typeof part === 'number')) return undefined;
  const [year, month, day, hour, minute, second] = parts as [number, number, number, number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, 0, Math.floor(second * 1_000)));
  // A day that does not exist, such as the 31st of June, would become another one.
  return year >= 1_000 && year < 10_000 && date.getUTCDate() === day && date.getUTCHours() === hour
    ? date
    : undefined;
}
