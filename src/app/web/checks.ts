// What is wrong with the fields of a form. The server has the last word; this says it earlier.
import { FIELD_MAX } from './limits.ts';
import type { Field, NoteText } from './model.ts';

export type Problem = Readonly<{ field: Field; kind: 'missing' | 'too_long'; length: number }>;

type Fields = NoteText & Readonly<{ author?: string }>;
const order: readonly Field[] = ['title', 'body', 'author'];

/** What is wrong with one field, or null. */
export function problemOf(field: Field, value: string): Problem | null {
  if (value.trim() === '') return { field, kind: 'missing', length: 0 };
  const length = characters(value);
  return length > FIELD_MAX[field] ? { field, kind: 'too_long', length } : null;
}

/** The name for a change: what was typed, unless it is no name. */
export function nameIn(author: string): string | undefined {
  return problemOf('author', author) === null ? author : undefined;
}

/** How many characters (Unicode code points) a text has. */
export function characters(text: string): number {
  return text.length - (text.match(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g)?.length ?? 0);
}

/** The first thing that is wrong with a form, in the order of its fields, or null. */
export function firstProblem(fields: Fields): Problem | null {
  for (const field of order) {
    const value = fields[field];
    const problem = value === undefined ? null : problemOf(field, value);
    if (problem !== null) return problem;
  }
  return null;
}
