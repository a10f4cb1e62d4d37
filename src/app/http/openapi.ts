// What the service can be asked, for programs: OpenAPI at `/openapi.json`, made from the schemas that the routes have anyway, and
// AsyncAPI at `/asyncapi.json` for the WebSocket.
//
// - A route adds with `config.api` what its schema does not say: a body that its controller checks, the errors that it answers.
//   Nothing there changes how a request is served.
// - Every answer other than success is `ErrorAnswer`; those that any route can give stand in `ANYWHERE`.
// - Both documents are made once, when the application is ready, and are the same for all who ask.
import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifyPluginAsync, FastifySchema } from 'fastify';
import { Type, type TSchema } from 'typebox';
import { NewNote, Note, NoteChange } from '../notes/note.ts';
import { asyncApi } from './asyncapi.ts';

/** What a route tells of itself beside its schema. */
export interface RouteApi {
  /** What its body has to be, where the controller checks it and not Fastify. */
  readonly body?: TSchema;
  /** Its query, where Fastify does not check it. */
  readonly querystring?: TSchema;
  /** The statuses other than success that it answers itself. */
  readonly errors?: readonly number[];
  /** What it answers where that has no schema: a description by status. */
  readonly answers?: Readonly<Record<number, string>>;
  /** The type of that answer; JSON when left out. */
  readonly type?: string;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    api?: RouteApi;
  }
}

/** The answer to what goes wrong. */
const ErrorAnswer = Type.Object({
  error: Type.String({ description: 'What is wrong, and what to do about it.' }),
});

/** What each status means, and an answer with it. */
const STATUSES: Readonly<Record<number, readonly [meaning: string, error: string]>> = {
  400: ['A parameter or the body cannot be read.', 'the id of a note must be a whole number'],
  403: [
    'A page of another origin may not open a WebSocket here.',
    'a page of another origin may not open a WebSocket here',
  ],
  404: ['There is no such note.', 'note not found'],
  413: ['The body is too large.', 'the body has more than 2097152 bytes'],
  415: [
    'The body is not JSON, or is compressed.',
    'the body must be JSON, with content-type: application/json',
  ],
  421: [
    'The request was sent to a host that this service does not answer for.',
    'the host "example.org" is not a host of this service; ALLOWED_HOSTS lists further ones',
  ],
  422: ['A text is missing, blank, too long or cannot be stored.', 'title, body and author required'],
  426: ['The route is for WebSockets.', 'open this with a WebSocket'],
  500: ['The service failed.', 'internal server error'],
  503: [
    'The database is away or the service is busy; `retry-after` says when to try again.',
    'the service is busy, try again soon',
  ],
};
/** What any route can answer. */
const ANYWHERE = [421, 500, 503] as const;

/** The schemas that have a name in the document. */
const NAMED = { Note, NewNote, NoteChange, Error: ErrorAnswer };

/** Serves both documents. Register it before the routes that they are about. */
export async function describeApi(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Notes',
        version: '1',
        description:
          'Notes that are searched and changed over HTTP. Changes arrive over a WebSocket, which `/asyncapi.json` describes. ' +
          'Every answer other than success is an object with the text of the error.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'notes', description: 'Reading and changing notes' },
        { name: 'service', description: 'Whether the service runs, and what it can be asked' },
      ],
    },
    convertConstToEnum: false,
    transform: ({ schema, url, route }) => {
      return { schema: documented(schema, route.config?.api), url };
    },
    transformObject: (document) => {
      if (!('openapiObject' in document)) throw new Error('the document is not one of OpenAPI');
      const { openapiObject } = document;
      openapiObject.components = { ...openapiObject.components, schemas: named() };
      openapiObject.paths = withNames(openapiObject.paths) as NonNullable<typeof openapiObject.paths>;
      return openapiObject;
    },
  });
  await app.register(documents);
}

/** `GET /openapi.json` and `GET /asyncapi.json`. */
const documents: FastifyPluginAsync = async (app) => {
  const answers = { 200: 'The document.' };
  let openApi = '';
  const channels = JSON.stringify(asyncApi());
  app.addHook('onReady', async () => {
    openApi = JSON.stringify(app.swagger());
  });
  const schema = { tags: ['service'], operationId: 'openapi', summary: 'This document' };
  app.get('/openapi.json', { schema, config: { api: { answers } } }, (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(openApi),
  );
  const other = {
    tags: ['service'],
    operationId: 'asyncapi',
    summary: 'The messages of the WebSocket, as AsyncAPI',
  };
  app.get('/asyncapi.json', { schema: other, config: { api: { answers } } }, (_request, reply) =>
    reply.type('application/json; charset=utf-8').send(channels),
  );
};

/** The schema of a route with everything that it tells. */
function documented(schema: FastifySchema = {}, api: RouteApi = {}): FastifySchema {
  const { body, querystring, errors = [], answers = {}, type } = api;
  const response: Record<string, unknown> = {};
  for (const [status, description] of Object.entries(answers)) {
    const isText = type !== undefined && !type.startsWith('application/json');
    const content = { [type ?? 'application/json']: { schema: isText ? Type.String() : {} } };
    response[status] = Number(status) < 200 ? { description } : { description, content };
  }
  for (const [status, each] of Object.entries((schema.response ?? {}) as Record<string, object>))
    response[status] = { description: DONE[status] ?? 'Done.', ...each };
  for (const status of new Set([...errors, ...ANYWHERE])) response[status] ??= errorAnswer(status);
  return {
    ...schema,
    // `@fastify/websocket` hides its routes.
    ...(Object.keys(api).length > 0 && { hide: false }),
    ...(body !== undefined && { body }),
    ...(querystring !== undefined && { querystring }),
    response,
  };
}

function errorAnswer(status: number): object {
  const [description, error] = STATUSES[status] ?? [];
  if (error === undefined) throw new Error(`the status ${status} has no meaning yet`);
  return { description, ...ErrorAnswer, examples: [{ error }] };
}

const DONE: Readonly<Record<string, string>> = {
  200: 'What was asked for.',
  201: 'It was made; `location` is its address, relative to that of the request.',
  204: 'It is deleted.',
};

function named(): Record<string, object> {
  const write = ([name, schema]: [string, object]): [string, object] => [
    name,
    withNames(schema, schema) as object,
  ];
  return Object.fromEntries(Object.entries(NAMED).map(write));
}

/** The references to the named schemas, by what they say. */
const references = new Map(
  Object.entries(NAMED).map(([name, schema]) => [textOf(schema), { $ref: `#/components/schemas/${name}` }]),
);

/** Puts a reference in the place of each named schema, but for the one that is being written. */
function withNames(value: unknown, except?: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((each) => withNames(each, except));
  const reference = value === except ? undefined : references.get(textOf(value));
  if (reference !== undefined) return reference;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withNames(each, except)]));
}

/** What a schema says, without what is only for readers: swagger moves that to other places. */
function textOf(schema: object): string {
  return JSON.stringify({ ...schema, description: undefined, examples: undefined });
}
