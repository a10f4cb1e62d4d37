// What `/openapi.json` and `/asyncapi.json` say is what the service does: each route is described, each answer is one of those that
// are described, each example is valid, and each frame of the WebSocket is one of its messages.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { request as httpRequest } from 'node:http';
import type { FastifyInstance, RouteOptions } from 'fastify';
import Schema from 'typebox/schema';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openClient } from '../support/client.ts';
import { DatabaseUnavailableError } from '../../../src/app/database/internal.ts';
import { FaultyDatabase, openPgliteForTests, type OpenedDatabase } from '../support/faulty-database.ts';
import { type Ask, startTestApp, type TestApp } from '../support/test-app.ts';

type Json = Record<string, unknown>;
interface Media {
  readonly schema: Json;
  readonly example?: unknown;
  readonly examples?: Record<string, { value: unknown }>;
}
interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: { name: string; in: string; schema: Json; example?: unknown }[];
  readonly requestBody?: { content: Record<string, Media> };
  readonly responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface OpenApi {
  readonly components: { readonly schemas: Record<string, Json> };
  readonly paths: Record<string, Record<string, Operation>>;
}
interface AsyncApi {
  readonly channels: {
    readonly notifications: {
      readonly messages: Record<string, { payload: Json; examples: { payload: unknown }[] }>;
    };
  };
  readonly operations: Record<string, { action: string; messages: { $ref: string }[] }>;
}

let opened: OpenedDatabase;
let database: FaultyDatabase;
let app: TestApp;
let document: OpenApi;
let channels: AsyncApi;
const routes: RouteOptions[] = [];

beforeAll(async () => {
  const watch = (message: unknown): void => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', (route) => {
      routes.push(route);
    });
  };
  subscribe('fastify.initialization', watch);
  opened = await openPgliteForTests();
  database = new FaultyDatabase(opened.database);
  app = await startTestApp({ database, env: { METRICS: 'public', BODY_LIMIT_BYTES: '2048' } });
  unsubscribe('fastify.initialization', watch);
  document = (await app.ask('GET', '/openapi.json')).body as OpenApi;
  channels = (await app.ask('GET', '/asyncapi.json')).body as AsyncApi;
});
afterAll(async () => {
  await app.stop();
  await opened.remove();
});

const operations = () =>
  Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
const isValid = (schema: Json, value: unknown): boolean =>
  Schema.Check({ ...schema, components: document.components }, value);

test('each route is described, and nothing else is', () => {
  const served = routes
    .filter(({ method, url }) => method !== 'HEAD' && !url.includes('*') && !url.startsWith('/observer'))
    .map(({ method, url }) => `${String(method)} ${url.replace(/:(\w+)/g, '{$1}')}`);
  expect(operations().map(({ method, path }) => `${method} ${path}`)).toEqual(expect.arrayContaining(served));
  expect(operations()).toHaveLength(served.length);
  expect(served).toContain('GET /notifications');
  const ids = operations().map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const { operation } of operations()) expect(operation.summary).not.toBe('');
});

test('each example is valid, and each body and each error has one', () => {
  let checked = 0;
  const check = ({ schema, example, examples }: Media, needsOne: boolean): void => {
    const own = (schema['$ref'] as string | undefined)?.split('/').at(-1);
    const values = [
      ...(example === undefined ? [] : [example]),
      ...Object.values(examples ?? {}).map(({ value }) => value),
      ...(((own === undefined ? [] : document.components.schemas[own]?.['examples']) as unknown[]) ?? []),
    ];
    expect(values.length).toBeGreaterThanOrEqual(Number(needsOne));
    expect(values.filter((value) => !isValid(schema, value))).toEqual([]);
    checked += values.length;
  };
  for (const { operation } of operations()) {
    for (const media of Object.values(operation.requestBody?.content ?? {})) check(media, true);
    for (const [status, { content = {} }] of Object.entries(operation.responses))
      for (const media of Object.values(content)) check(media, Number(status) >= 400);
    for (const { schema, example } of operation.parameters ?? [])
      check({ schema, ...(example !== undefined && { example }) }, false);
  }
  for (const [name, schema] of Object.entries(document.components.schemas))
    for (const example of (schema['examples'] ?? []) as unknown[])
      expect(isValid({ $ref: `#/components/schemas/${name}` }, example)).toBe(true);
  expect(checked).toBeGreaterThan(30);
});

test('schemas that are used often have a name', () => {
  expect(Object.keys(document.components.schemas)).toEqual(['Note', 'NewNote', 'NoteChange', 'Error']);
  const { responses, requestBody } = document.paths['/api/notes']!['post']!;
  const refOf = (content?: Record<string, Media>) => content?.['application/json']?.schema['$ref'];
  expect(refOf(responses['201']!.content)).toBe('#/components/schemas/Note');
  expect(refOf(responses['422']!.content)).toBe('#/components/schemas/Error');
  expect(refOf(requestBody!.content)).toBe('#/components/schemas/NewNote');
});

describe('what the service answers is described', () => {
  const seen = new Set<string>();
  /** The answer to a request, checked against the document. */
  async function ask(method: string, path: string, id: string, what?: Ask): Promise<number> {
    const { status, headers, body } = await app.ask(method, path, what);
    const { operation } = operations().find(({ operation: each }) => each.operationId === id)!;
    const described = operation.responses[String(status)];
    expect(described, `${id} answers ${status}`).toBeDefined();
    const media = described!.content?.[headers.get('content-type')?.split(';')[0] ?? ''];
    const isDescribed = status === 204 ? body === '' : isValid(media!.schema, body);
    expect(isDescribed, `${id} ${status} ${JSON.stringify(body)}`).toBe(true);
    seen.add(`${id} ${status}`);
    return status;
  }
  const NOTE = { title: 'a', body: 'b', author: 'c' };

  test('when it succeeds', async () => {
    const { id } = await app.make('described');
    expect(await ask('GET', '/api/notes', 'list_notes')).toBe(200);
    expect(await ask('GET', '/api/notes?q=described', 'list_notes')).toBe(200);
    expect(await ask('GET', `/api/notes/${id}`, 'get_note')).toBe(200);
    expect(await ask('POST', '/api/notes', 'create_note', { json: NOTE })).toBe(201);
    expect(await ask('PUT', `/api/notes/${id}`, 'update_note', { json: NOTE })).toBe(200);
    expect(await ask('GET', `/api/notes/${id}/changes`, 'list_changes')).toBe(200);
    expect(await ask('DELETE', `/api/notes/${id}`, 'delete_note')).toBe(204);
    expect(await ask('POST', `/api/notes/${id}/restore`, 'restore_note')).toBe(200);
    for (const name of ['livez', 'readyz', 'metrics']) expect(await ask('GET', `/${name}`, name)).toBe(200);
    for (const name of ['openapi', 'asyncapi']) expect(await ask('GET', `/${name}.json`, name)).toBe(200);
  });

  test('when the client is wrong', async () => {
    const large = { json: { ...NOTE, body: 'x'.repeat(3_000) } };
    const plain = { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } };
    const broken = { body: '{', headers: { 'content-type': 'application/json' } };
    expect(await ask('GET', '/api/notes?limit=0', 'list_notes')).toBe(400);
    expect(await ask('GET', '/api/notes?q=a&q=b', 'list_notes')).toBe(400);
    for (const [method, id] of [
      ['GET', 'get_note'],
      ['DELETE', 'delete_note'],
    ] as const) {
      expect(await ask(method, '/api/notes/abc', id)).toBe(400);
      expect(await ask(method, '/api/notes/999999', id)).toBe(404);
    }
    expect(await ask('PUT', '/api/notes/999999', 'update_note', { json: NOTE })).toBe(404);
    expect(await ask('GET', '/api/notes/abc/changes', 'list_changes')).toBe(400);
    expect(await ask('GET', '/api/notes/999999/changes', 'list_changes')).toBe(404);
    expect(await ask('POST', '/api/notes/999999/restore', 'restore_note')).toBe(404);
    for (const [method, path, id] of [
      ['POST', '/api/notes', 'create_note'],
      ['PUT', '/api/notes/1', 'update_note'],
      ['POST', '/api/notes/1/restore', 'restore_note'],
    ] as const) {
      expect(await ask(method, path, id, broken)).toBe(400);
      expect(await ask(method, path, id, large)).toBe(413);
      expect(await ask(method, path, id, plain)).toBe(415);
      expect(await ask(method, path, id, { json: { updatedBy: '' } })).toBe(422);
    }
    expect(await ask('GET', '/notifications', 'notifications')).toBe(426);
  });

  test('when the database is away, or fails', async () => {
    onTestFinished(() => {
      database.fault = undefined;
      database.pretended = undefined;
    });
    for (const [error, status] of [
      [new DatabaseUnavailableError('unreachable', 'it is away', 1_000), 503],
      [new Error('it fails'), 500],
    ] as const) {
      database.fault = {
        before: () => {
          throw error;
        },
      };
      expect(await ask('GET', '/api/notes', 'list_notes')).toBe(status);
      expect(await ask('GET', '/api/notes/1', 'get_note')).toBe(status);
      expect(await ask('POST', '/api/notes', 'create_note', { json: NOTE })).toBe(status);
      expect(await ask('PUT', '/api/notes/1', 'update_note', { json: NOTE })).toBe(status);
      expect(await ask('DELETE', '/api/notes/1', 'delete_note')).toBe(status);
      expect(await ask('GET', '/api/notes/1/changes', 'list_changes')).toBe(status);
      expect(await ask('POST', '/api/notes/1/restore', 'restore_note')).toBe(status);
    }
    database.pretended = 'unavailable';
    expect(await ask('GET', '/readyz', 'readyz')).toBe(503);
  });

  test('when the request is for another host, or a page of another origin opens the WebSocket', async () => {
    const status = (path: string, headers: Record<string, string>) =>
      new Promise<number | undefined>((resolve, reject) => {
        const request = httpRequest({ port: app.port, path, headers }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        request.on('error', reject).end();
      });
    for (const { operation } of operations()) {
      expect(Object.keys(operation.responses)).toContain('421');
    }
    for (const path of Object.keys(document.paths))
      expect(await status(path.replace('{id}', '1'), { host: 'example.org' })).toBe(421);
    expect(Object.keys(document.paths['/notifications']!['get']!.responses)).toEqual(
      expect.arrayContaining(['101', '403', '426']),
    );
    const refused = openClient(`ws://127.0.0.1:${app.port}/notifications`, { origin: 'http://example.org' });
    await expect(refused).rejects.toThrow('403');
    await (await app.connect()).terminate();
  });

  test('and nothing is described that was not answered above', () => {
    const described = operations().flatMap(({ operation: { operationId, responses } }) =>
      Object.keys(responses).map((status) => `${operationId} ${status}`),
    );
    const others = described.filter((each) => !seen.has(each) && !/ (421|500|503)$/.test(each));
    expect(others).toEqual(['notifications 101', 'notifications 403']);
  });
});

describe('the WebSocket', () => {
  const read = (text: string): unknown => (text.startsWith('{') ? JSON.parse(text) : text);
  const messageOf = (value: unknown): string[] => {
    return Object.entries(channels.channels.notifications.messages)
      .filter(([, { payload }]) => Schema.Check(payload, value))
      .map(([name]) => name);
  };

  test('each example is its message, and each operation names messages that there are', () => {
    for (const [name, { payload, examples }] of Object.entries(channels.channels.notifications.messages))
      for (const example of examples) {
        expect(Schema.Check(payload, example.payload)).toBe(true);
        expect(messageOf(example.payload)).toEqual([name]);
      }
    const named = Object.values(channels.operations).flatMap(({ messages }) =>
      messages.map(({ $ref }) => $ref.split('/').at(-1)!),
    );
    expect(named.toSorted()).toEqual(Object.keys(channels.channels.notifications.messages).toSorted());
  });

  test('each frame is one message, with and without positions', async () => {
    const url = `ws://127.0.0.1:${app.port}/notifications`;
    const [plain, since, lost] = await Promise.all([
      openClient(url),
      openClient(`${url}?since=`),
      openClient(`${url}?since=nowhere:1`),
    ]);
    onTestFinished(async () => {
      await Promise.all([plain, since, lost].map((client) => client.terminate()));
    });
    plain.send('ping');
    expect(messageOf(read(await plain.next()))).toEqual(['pong']);
    expect(messageOf(read(await since.next()))).toEqual(['live']);
    expect([messageOf(read(await lost.next())), messageOf(read(await lost.next()))]).toEqual([
      ['reset'],
      ['live'],
    ]);
    const { id } = await app.make('told');
    await app.ask('PUT', `/api/notes/${id}`, { json: { title: 'told', body: 'again' } });
    await app.ask('DELETE', `/api/notes/${id}`);
    for (const client of [plain, since, lost])
      for (const name of ['note_created', 'note_updated', 'note_deleted']) {
        const text = await client.next();
        expect(messageOf(read(text))).toEqual([name]);
        expect('id' in (JSON.parse(text) as Json)).toBe(client !== plain);
      }
    since.send('watch');
    for (const name of ['connection', 'members']) expect(messageOf(read(await since.next()))).toEqual([name]);
    await app.make('watched');
    for (const name of ['message', 'note_created'])
      expect(messageOf(read(await since.next()))).toEqual([name]);
  });
});
