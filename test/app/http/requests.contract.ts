// What every request is answered, on either database: the table of the design, its limits, and what goes wrong.
import { beforeEach, describe, expect, test } from 'vitest';
import { noteLimits } from '../../../src/app/notes/internal.ts';
import type { TestApp } from '../support/test-app.ts';

const TIMESTAMP = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ALL_REQUIRED = { error: 'title, body and author required' };
const BOTH_REQUIRED = { error: 'title and body required' };
const NOT_FOUND = { error: 'note not found' };
const NO_NUMBER = { error: 'the id of a note must be a whole number' };
const STORABLE = 'must not contain the character U+0000 or half of a surrogate pair';
const note = { title: 'Title', body: 'Body', author: 'Ada' };

/** Ids that are numbers and that no note has. */
const ABSENT_IDS = ['0', '2147483647', '2147483648', '9007199254740993', '9'.repeat(40)];
const NO_IDS = [
  'abc',
  '1.5',
  '-1',
  '+1',
  '1e3',
  '0x1',
  '1%20',
  '%31%00',
  '١',
  'NaN',
  '__proto__',
  'constructor',
];

export function describeRequests(app: () => TestApp): void {
  const ask: TestApp['ask'] = (...request) => app().ask(...request);
  const post = (json: unknown) => ask('POST', '/api/notes', { json });

  beforeEach(() => app().clear());

  describe('POST /api/notes', () => {
    test('answers 201 with the note and where it is', async () => {
      const { status, headers, body } = await post(note);
      expect(status).toBe(201);
      expect(body).toEqual({
        id: expect.any(Number),
        ...note,
        createdAt: expect.stringMatching(TIMESTAMP),
        updatedAt: expect.stringMatching(TIMESTAMP),
      });
      const { id, createdAt, updatedAt } = body as { id: number; createdAt: string; updatedAt: string };
      expect(updatedAt).toBe(createdAt);
      expect(headers.get('location')).toBe(`notes/${id}`);
      expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
      expect((await ask('GET', `/api/notes/${id}`)).body).toEqual(body);
    });

    test('answers 422 when a text is missing, blank or none', async () => {
      const bodies: unknown[] = [{}, [], [note], 'text', 1, true, null];
      for (const field of ['title', 'body', 'author']) {
        for (const value of [undefined, null, '', ' \n\t', 1, true, [], ['a'], { a: 1 }]) {
          bodies.push({ ...note, [field]: value });
        }
      }
      for (const json of bodies) {
        const { status, body } = await post(json);
        expect({ json, status, body }).toEqual({ json, status: 422, body: ALL_REQUIRED });
      }
      expect((await ask('GET', '/api/notes')).body).toEqual({ notes: [], next: null });
    });

    test('answers 422 when there is no body', async () => {
      expect(await ask('POST', '/api/notes')).toMatchObject({ status: 422, body: ALL_REQUIRED });
      const headers = { 'content-type': 'application/json' };
      expect(await ask('POST', '/api/notes', { headers })).toMatchObject({ status: 422, body: ALL_REQUIRED });
    });

    test('takes the longest texts, and none that is longer', async () => {
      for (const character of ['x', '😀', '\u0001']) {
        const longest = {
          title: `x${character.repeat(noteLimits.title - 1)}`,
          body: `x${character.repeat(noteLimits.body - 1)}`,
          author: `x${character.repeat(noteLimits.author - 1)}`,
        };
        const made = await post(longest);
        expect(made.status).toBe(201);
        expect(made.body).toMatchObject(longest);
        for (const field of ['title', 'body', 'author'] as const) {
          const { status, body } = await post({ ...longest, [field]: `${longest[field]}${character}` });
          expect(status).toBe(422);
          expect(body).toEqual({ error: `${field} must have at most ${noteLimits[field]} characters` });
        }
      }
    });

    test('keeps every text as it is', async () => {
      const texts = [
        'ÄÖÜ ß é e\u0301 漢字 עברית ไทย 👩‍👩‍👧‍👦 \u{10ffff}',
        `'"\\; -- $1 %s {} <script>alert(1)</script> &amp;`,
        '\u2028\u2029\u0001\u007f\ufeff\ufffd\uffff',
        '__proto__',
      ];
      for (const text of texts) {
        const sent = { title: text, body: text, author: text };
        const { body } = await post(sent);
        expect(body).toMatchObject(sent);
        const { id } = body as { id: number };
        expect((await ask('GET', `/api/notes/${id}`)).body).toMatchObject(sent);
      }
    });

    test('refuses text that cannot be stored', async () => {
      for (const text of ['a\u0000b', 'a\ud800', '\udc00b']) {
        const { status, body } = await ask('POST', '/api/notes', {
          body: JSON.stringify({ ...note, body: text }),
          headers: { 'content-type': 'application/json' },
        });
        expect({ status, body }).toEqual({ status: 422, body: { error: `body ${STORABLE}` } });
      }
    });

    test('leaves out what a note does not have', async () => {
      const { status, body } = await post({ ...note, id: 7, createdAt: 'then', admin: true, constructor: 1 });
      expect(status).toBe(201);
      expect(Object.keys(body as object)).toEqual([
        'id',
        'title',
        'body',
        'author',
        'createdAt',
        'updatedAt',
      ]);
      expect(body).not.toMatchObject({ id: 7 });
    });
  });

  describe('GET /api/notes', () => {
    test('answers the notes, newest first', async () => {
      expect(await ask('GET', '/api/notes')).toMatchObject({ status: 200, body: { notes: [], next: null } });
      const made = [await app().make('a'), await app().make('b'), await app().make('c')];
      expect(await ask('GET', '/api/notes')).toMatchObject({
        status: 200,
        body: { notes: made.toReversed(), next: null },
      });
      for (const q of ['', '%20', '+']) {
        expect((await ask('GET', `/api/notes?q=${q}`)).body).toEqual({
          notes: made.toReversed(),
          next: null,
        });
      }
    });

    test('does not mind parameters that it does not know', async () => {
      const made = await app().make('a');
      const path = '/api/notes?__proto__=1&constructor=2&offset=-1&a[b]=c';
      expect(await ask('GET', path)).toMatchObject({ status: 200, body: { notes: [made], next: null } });
    });
  });

  describe('GET /api/notes/:id', () => {
    test('answers the note, or 404', async () => {
      const made = await app().make('a');
      expect(await ask('GET', `/api/notes/${made.id}`)).toMatchObject({ status: 200, body: made });
      for (const id of [...ABSENT_IDS, made.id + 1]) {
        expect(await ask('GET', `/api/notes/${id}`)).toMatchObject({ status: 404, body: NOT_FOUND });
      }
    });
  });

  describe('PUT /api/notes/:id', () => {
    test('changes title and body, and nothing else', async () => {
      const made = await app().make('a');
      const change = { title: 'b', body: 'c', author: 'someone else', id: 99, createdAt: 'then' };
      const { status, body } = await ask('PUT', `/api/notes/${made.id}`, { json: change });
      expect(status).toBe(200);
      expect(body).toEqual({ ...made, title: 'b', body: 'c', updatedAt: expect.stringMatching(TIMESTAMP) });
      expect((body as { updatedAt: string }).updatedAt > made.updatedAt).toBe(true);
      expect((await ask('GET', `/api/notes/${made.id}`)).body).toEqual(body);
    });

    test('answers 422 when a text is missing or too long, whatever the id', async () => {
      const { id } = await app().make('a');
      for (const json of [{}, { title: 'b' }, { body: 'c' }, { title: '', body: 'c' }, [], null]) {
        for (const path of [`/api/notes/${id}`, '/api/notes/2147483647']) {
          expect(await ask('PUT', path, { json })).toMatchObject({ status: 422, body: BOTH_REQUIRED });
        }
      }
      const tooLong = { title: 'x'.repeat(201), body: 'c' };
      const error = 'title must have at most 200 characters';
      expect(await ask('PUT', `/api/notes/${id}`, { json: tooLong })).toMatchObject({
        status: 422,
        body: { error },
      });
      expect((await ask('GET', `/api/notes/${id}`)).body).toMatchObject({ title: 'a' });
    });

    test('answers 404 for a note that is not there', async () => {
      const json = { title: 'b', body: 'c' };
      for (const id of ABSENT_IDS) {
        expect(await ask('PUT', `/api/notes/${id}`, { json })).toMatchObject({
          status: 404,
          body: NOT_FOUND,
        });
      }
    });
  });

  describe('GET /api/notes/:id/changes', () => {
    test('answers who changed what, the newest first; or 404', async () => {
      const made = await app().make('a');
      const path = `/api/notes/${made.id}`;
      const json = { title: 'b', body: made.body, updatedBy: 'Joe' };
      const { body } = await ask('PUT', path, { json });
      expect(body).toMatchObject({ title: 'b', author: made.author, updatedBy: 'Joe' });
      expect(await ask('GET', `${path}/changes`)).toMatchObject({
        status: 200,
        body: {
          changes: [
            { at: (body as { updatedAt: string }).updatedAt, by: 'Joe', what: ['title'] },
            { at: made.createdAt, by: made.author, what: ['created'] },
          ],
        },
      });
      for (const id of ABSENT_IDS) {
        expect(await ask('GET', `/api/notes/${id}/changes`)).toMatchObject({ status: 404, body: NOT_FOUND });
      }
    });

    test('a name that is none is answered 422', async () => {
      const { id } = await app().make('a');
      const json = { title: 'b', body: 'c', updatedBy: ' ' };
      const refusal = { status: 422, body: { error: 'updatedBy must be a name, or be left out' } };
      expect(await ask('PUT', `/api/notes/${id}`, { json })).toMatchObject(refusal);
      expect(await ask('POST', `/api/notes/${id}/restore`, { json: { updatedBy: 7 } })).toMatchObject(
        refusal,
      );
    });
  });

  describe('POST /api/notes/:id/restore', () => {
    test('brings a deleted note back: it is read, listed, found and told of', async () => {
      const made = await app().make('come back');
      const path = `/api/notes/${made.id}`;
      const client = await app().connect();
      await ask('DELETE', path);
      expect(await app().search('come')).toEqual([]);
      const restored = await ask('POST', `${path}/restore`, { json: { updatedBy: 'Joe' } });
      expect(restored).toMatchObject({
        status: 200,
        body: { ...made, updatedBy: 'Joe', updatedAt: expect.stringMatching(TIMESTAMP) },
      });
      expect((await ask('GET', path)).body).toEqual(restored.body);
      expect((await ask('GET', '/api/notes')).body).toEqual({ notes: [restored.body], next: null });
      expect(await app().search('come')).toEqual(['come back']);
      expect([await client.next(), await client.next()].map((frame) => JSON.parse(frame) as unknown)).toEqual(
        [
          { event: 'note_deleted', data: { id: made.id } },
          { event: 'note_created', data: restored.body },
        ],
      );
      await client.terminate();
    });

    test('answers a note that is there, and tells nobody', async () => {
      const made = await app().make('a');
      const client = await app().connect();
      for (const what of [{}, { json: {} }, { headers: { 'content-type': 'application/json' } }]) {
        expect(await ask('POST', `/api/notes/${made.id}/restore`, what)).toMatchObject({
          status: 200,
          body: made,
        });
      }
      const next = await app().make('b');
      expect(JSON.parse(await client.next())).toEqual({ event: 'note_created', data: next });
      await client.terminate();
    });

    test('answers 404 for a note that never was', async () => {
      for (const id of ABSENT_IDS) {
        expect(await ask('POST', `/api/notes/${id}/restore`)).toMatchObject({ status: 404, body: NOT_FOUND });
      }
    });
  });

  describe('DELETE /api/notes/:id', () => {
    test('answers 204 once, then 404', async () => {
      const { id } = await app().make('a');
      expect(await ask('DELETE', `/api/notes/${id}`)).toMatchObject({ status: 204, body: '' });
      expect(await ask('DELETE', `/api/notes/${id}`)).toMatchObject({ status: 404, body: NOT_FOUND });
      expect((await ask('GET', '/api/notes')).body).toEqual({ notes: [], next: null });
      for (const absent of ABSENT_IDS) {
        expect(await ask('DELETE', `/api/notes/${absent}`)).toMatchObject({ status: 404, body: NOT_FOUND });
      }
    });

    test('does not mind a type without a body', async () => {
      const { id } = await app().make('a');
      const headers = { 'content-type': 'application/json' };
      expect((await ask('DELETE', `/api/notes/${id}`, { headers })).status).toBe(204);
    });
  });

  test('an id that is no number is answered 400', async () => {
    const json = { title: 'b', body: 'c' };
    for (const id of NO_IDS) {
      expect(await ask('GET', `/api/notes/${id}`)).toMatchObject({ status: 400, body: NO_NUMBER });
      expect(await ask('PUT', `/api/notes/${id}`, { json })).toMatchObject({ status: 400, body: NO_NUMBER });
      expect(await ask('DELETE', `/api/notes/${id}`)).toMatchObject({ status: 400, body: NO_NUMBER });
      expect(await ask('GET', `/api/notes/${id}/changes`)).toMatchObject({ status: 400, body: NO_NUMBER });
      expect(await ask('POST', `/api/notes/${id}/restore`)).toMatchObject({ status: 400, body: NO_NUMBER });
    }
  });

  test('many changes at the same time all happen', async () => {
    const made = await Promise.all(Array.from({ length: 40 }, (_, n) => app().make(`note ${n}`)));
    expect(new Set(made.map(({ id }) => id)).size).toBe(40);
    const answers = await Promise.all(
      made.map(({ id }, n) =>
        n % 2 === 0
          ? ask('DELETE', `/api/notes/${id}`)
          : ask('PUT', `/api/notes/${id}`, { json: { title: `changed ${n}`, body: 'b' } }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(made.map((_, n) => (n % 2 === 0 ? 204 : 200)));
    const { body } = await ask('GET', '/api/notes');
    const titles = (body as { notes: { title: string }[] }).notes.map(({ title }) => title);
    expect(titles).toHaveLength(20);
    expect(titles.every((title) => title.startsWith('changed '))).toBe(true);
  });
}
