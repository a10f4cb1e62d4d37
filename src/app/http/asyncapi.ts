// The WebSocket at `/notifications`, as AsyncAPI 3: what a client sends, and each frame that it gets.
//
// "send" and "receive" are the service's, as AsyncAPI has it. What the frames mean stands in docs/http-api.md.
import { Type, type TSchema } from 'typebox';
import { Note } from '../notes/note.ts';
import { namedMax } from '../notifications/watch.ts';

const Nothing = Type.Object({}, { additionalProperties: false });
const Position = Type.String({
  pattern: '^[\\w-]{1,64}:(0|[1-9]\\d{0,15})$',
  description:
    'A position in the history of changes. Connect with `?since=` and the last one to get what came after it.',
  examples: ['kq3:42'],
});

/** A frame with a position, which a client has that asked for them with `since`. */
function frame(event: string, data: TSchema): TSchema {
  return Type.Object({ event: Type.Literal(event), data, id: Type.Optional(Position) });
}

function mark(event: string): TSchema {
  return Type.Object({ event: Type.Literal(event), data: Nothing, id: Position });
}

const AN_EXAMPLE = {
  id: 1,
  title: 'Hello',
  body: 'from curl',
  author: 'me',
  createdAt: '2026-11-23T23:44:38.276Z',
  updatedAt: '2026-11-23T23:44:38.276Z',
};

interface Message {
  readonly summary: string;
  readonly payload: TSchema;
  readonly example: unknown;
  /** Its sender. */
  readonly by: 'service' | 'client';
}

/** All messages, by name. */
const messages: Readonly<Record<string, Message>> = {
  note_created: {
    summary: 'A note was made.',
    payload: frame('note_created', Note),
    example: { event: 'note_created', data: AN_EXAMPLE, id: 'kq3:42' },
    by: 'service',
  },
  note_updated: {
    summary: 'A note was changed.',
    payload: frame('note_updated', Note),
    example: { event: 'note_updated', data: AN_EXAMPLE, id: 'kq3:43' },
    by: 'service',
  },
  note_deleted: {
    summary: 'A note was deleted.',
    payload: frame('note_deleted', Type.Object({ id: Note.properties.id })),
    example: { event: 'note_deleted', data: { id: 1 }, id: 'kq3:44' },
    by: 'service',
  },
  resync: {
    summary: 'Changes may have been missed: read the notes again.',
    payload: frame('resync', Nothing),
    example: { event: 'resync', data: {} },
    by: 'service',
  },
  live: {
    summary: 'Only with `since`: you have everything up to this position; what follows is new.',
    payload: mark('live'),
    example: { event: 'live', data: {}, id: 'kq3:41' },
    by: 'service',
  },
  reset: {
    summary:
      'Only with `since`: what was missed cannot be given; read the notes, which are not older than this position.',
    payload: mark('reset'),
    example: { event: 'reset', data: {}, id: 'kq3:41' },
    by: 'service',
  },
  pong: {
    summary: 'The answer to `ping`.',
    payload: Type.Literal('pong'),
    example: 'pong',
    by: 'service',
  },
  connection: {
    summary:
      'Only after `watch`: the process of this connection; `hidden` where nothing is shown, `full` when too many watch, `observer` for who can reach `/observer/`.',
    payload: Type.Object({
      event: Type.Literal('connection'),
      data: Type.Union([
        Type.Object({ hidden: Type.Literal(true), observer: Type.Optional(Type.Literal(true)) }),
        Type.Object({
          pid: Type.String(),
          node: Type.String(),
          channel: Type.String(),
          full: Type.Optional(Type.Literal(true)),
          observer: Type.Optional(Type.Literal(true)),
        }),
      ]),
    }),
    example: { event: 'connection', data: { pid: '<0.57.0>', node: 'one@127.0.0.1', channel: 'notes' } },
    by: 'service',
  },
  members: {
    summary: 'Only after `watch`: the members of the channel on each node, and again when they have changed.',
    payload: Type.Object({
      event: Type.Literal('members'),
      data: Type.Object({
        channel: Type.String(),
        nodes: Type.Array(
          Type.Object({
            node: Type.String(),
            count: Type.Integer({ minimum: 1, description: 'All members; not all are named.' }),
            members: Type.Array(Type.Object({ pid: Type.String(), name: Type.Optional(Type.String()) }), {
              maxItems: namedMax.pids,
            }),
          }),
          { maxItems: namedMax.nodes },
        ),
        nodeCount: Type.Integer({ minimum: 0, description: 'All nodes; not all are named.' }),
      }),
    }),
    example: {
      event: 'members',
      data: {
        channel: 'notes',
        nodes: [{ node: 'one@127.0.0.1', count: 1, members: [{ pid: '<0.12.0>', name: 'note_indexer' }] }],
        nodeCount: 1,
      },
    },
    by: 'service',
  },
  message: {
    summary:
      'Only after `watch`: a broadcast as the process of this connection got it, before the frame of its event.',
    payload: Type.Object({
      event: Type.Literal('message'),
      data: Type.Object({
        channel: Type.String(),
        sender: Type.String({ description: 'The pid of the sender.' }),
        node: Type.String({ description: 'The node of the sender.' }),
        topic: Type.String(),
        payload: Type.Object(
          {},
          { description: 'The payload; of a note its id and the beginning of its title.' },
        ),
        id: Type.Optional(Position),
      }),
    }),
    example: {
      event: 'message',
      data: {
        channel: 'notes',
        sender: '<0.99.0>',
        node: 'one@127.0.0.1',
        topic: 'note_deleted',
        payload: { id: 1 },
        id: 'kq3:44',
      },
    },
    by: 'service',
  },
  watch: {
    summary: 'Asks for `connection`, `members` and `message`, until `unwatch`.',
    payload: Type.Literal('watch'),
    example: 'watch',
    by: 'client',
  },
  unwatch: {
    summary: 'Ends `watch`.',
    payload: Type.Literal('unwatch'),
    example: 'unwatch',
    by: 'client',
  },
  ping: {
    summary:
      'Asks for `pong`. Other text frames are ignored; a binary frame closes the connection with 1003.',
    payload: Type.Literal('ping'),
    example: 'ping',
    by: 'client',
  },
};

/** The query of the route. */
export const NotificationsQuery = Type.Object({
  since: Type.Optional(
    Type.String({
      description:
        'The `id` of the last frame that was seen, to get what came after it; empty to begin with `live` and get positions. ' +
        'Without it frames have no positions, and nothing that was missed comes.',
      examples: ['', 'kq3:42'],
    }),
  ),
});

const CHANNEL = '#/channels/notifications';

/** The document. */
export function asyncApi(): object {
  const referenceTo = ([name]: [string, Message]) => ({ $ref: `${CHANNEL}/messages/${name}` });
  const of = (by: Message['by']) => Object.entries(messages).filter(([, message]) => message.by === by);
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Changes of notes',
      version: '1',
      description:
        'A WebSocket tells of each change, as text frames of JSON. A client that takes too little is closed with 1013, and with 1001 ' +
        'when the service stops: connect again with the last position.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    channels: {
      notifications: {
        address: '/notifications',
        messages: Object.fromEntries(
          Object.entries(messages).map(([name, { summary, payload, example }]) => [
            name,
            {
              name,
              summary,
              ...(typeof example === 'string' && { contentType: 'text/plain' }),
              payload,
              examples: [{ payload: example }],
            },
          ]),
        ),
        bindings: { ws: { method: 'GET', query: NotificationsQuery, bindingVersion: '0.1.0' } },
      },
    },
    operations: {
      sendChanges: { action: 'send', channel: { $ref: CHANNEL }, messages: of('service').map(referenceTo) },
      receivePing: { action: 'receive', channel: { $ref: CHANNEL }, messages: of('client').map(referenceTo) },
    },
  };
}
