// What a note is, and what may be written into one. Lengths count characters (Unicode code points), as PostgreSQL's do.
//
// A text that is missing, blank or not a string is "required"; one that is too long or cannot be stored is named with its fault.
// Fields that a note does not have, or that a change must not touch, are dropped. Who changed a note may be left out, but not blank.
import { Type, type Static, type TSchema } from 'typebox';
import type { TLocalizedValidationError } from 'typebox/error';
import { Value } from 'typebox/value';

/** The longest text of each field, in characters. */
export const noteLimits = { title: 200, body: 100_000, author: 100 } as const;

const NOT_BLANK = { pattern: '\\S' };
/** PostgreSQL stores neither the character 0 nor half of a surrogate pair. */
const STORABLE = { pattern: '^[^\\u0000\\uD800-\\uDFFF]*$' };
const STORABLE_PATH = '/allOf/1';

const text = (field: keyof typeof noteLimits) =>
  Type.String({ minLength: 1, maxLength: noteLimits[field], allOf: [NOT_BLANK, STORABLE] });

/** The body of a request that makes a note. */
export const NewNote = Type.Object(
  { title: text('title'), body: text('body'), author: text('author') },
  { examples: [{ title: 'Hello', body: 'from curl', author: 'me' }] },
);
export type NewNote = Static<typeof NewNote>;

/** Who makes a change, for requests that say so. */
const changer = Type.Optional(
  Type.String({
    ...text('author'),
    description: 'Who makes the change. It is shown with the note; left out, nobody is.',
  }),
);

/** The body of a request that changes a note; its author stays. */
export const NoteChange = Type.Object(
  { title: text('title'), body: text('body'), updatedBy: changer },
  { examples: [{ title: 'Hello', body: 'again', updatedBy: 'you' }] },
);
export type NoteChange = Static<typeof NoteChange>;

/** The body of a request that undoes a deletion; it may be left out. */
export const Restoration = Type.Object({ updatedBy: changer }, { examples: [{ updatedBy: 'you' }] });
export type Restoration = Static<typeof Restoration>;

/** A note as it is answered and broadcast. Its times are in UTC, with milliseconds, as `Date.toISOString` writes them. */
export const Note = Type.Object(
  {
    id: Type.Readonly(Type.Integer({ minimum: 1, maximum: 2_147_483_647 })),
    title: Type.Readonly(Type.String()),
    body: Type.Readonly(Type.String()),
    author: Type.Readonly(Type.String()),
    createdAt: Type.Readonly(Type.String({ format: 'date-time' })),
    updatedAt: Type.Readonly(Type.String({ format: 'date-time' })),
    updatedBy: Type.Readonly(
      Type.Optional(
        Type.String({
          description: 'Who made the last change; left out when there was none, or nobody said.',
        }),
      ),
    ),
  },
  {
    examples: [
      {
        id: 1,
        title: 'Hello',
        body: 'from curl',
        author: 'me',
        createdAt: '2026-11-23T23:44:38.276Z',
        updatedAt: '2026-11-23T23:44:38.276Z',
      },
    ],
  },
);
export type Note = Static<typeof Note>;

/** The value, without the fields that it must not have; or the text of the 422 answer. */
export type Checked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string };

/** Checks a client's new note. */
export function checkNewNote(input: unknown): Checked<NewNote> {
  if (!Value.Check(NewNote, input)) {
    return { ok: false, error: errorOf(NewNote, input, 'title, body and author required') };
  }
  const { title, body, author } = input;
  return { ok: true, value: { title, body, author } };
}

/** Checks a client's change. */
export function checkNoteChange(input: unknown): Checked<NoteChange> {
  if (!Value.Check(NoteChange, input)) {
    return { ok: false, error: errorOf(NoteChange, input, 'title and body required') };
  }
  const { title, body, updatedBy } = input;
  return { ok: true, value: { title, body, ...(updatedBy !== undefined && { updatedBy }) } };
}

/** Checks a client's wish to undo a deletion. */
export function checkRestoration(input: unknown = {}): Checked<Restoration> {
  const given = input ?? {};
  if (!Value.Check(Restoration, given))
    return { ok: false, error: errorOf(Restoration, given, 'a body must be an object') };
  const { updatedBy } = given;
  return { ok: true, value: updatedBy === undefined ? {} : { updatedBy } };
}

/** A missing field is reported before other faults. */
function errorOf(schema: TSchema, input: unknown, required: string): string {
  const faults = Value.Errors(schema, input);
  const [worst] = [...faults.filter((fault) => isMissing(fault) && !isChanger(fault)), ...faults];
  if (worst === undefined) return required;
  if (isMissing(worst)) return isChanger(worst) ? 'updatedBy must be a name, or be left out' : required;
  const field = worst.instancePath.slice(1);
  return worst.keyword === 'maxLength'
    ? `${field} must have at most ${worst.params.limit} characters`
    : `${field} must not contain the character U+0000 or half of a surrogate pair`;
}

/** Whether the fault is that of a field which may be left out. */
function isChanger({ instancePath }: TLocalizedValidationError): boolean {
  return instancePath === '/updatedBy';
}

function isMissing({ keyword, schemaPath }: TLocalizedValidationError): boolean {
  return keyword !== 'maxLength' && !schemaPath.endsWith(STORABLE_PATH);
}
