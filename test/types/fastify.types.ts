// What the compiler must accept and refuse in users' code of `troupe/fastify`. Checked by `tsc`, never run.
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyRequest } from 'fastify';
import { type Broadcast, createNode, defineChannel, on, type Process } from 'troupe';
import {
  close,
  controller,
  defineWebSocketHandler,
  encodeOnce,
  stop,
  text,
  troupeFastify,
  UNHANDLED,
  webSocketHandler,
} from 'troupe/fastify';
import { Type } from 'typebox';

const plain = Fastify();
const typed = Fastify().withTypeProvider<TypeBoxTypeProvider>();
const schema = {
  params: Type.Object({ id: Type.Integer() }),
  querystring: Type.Object({ since: Type.Integer() }),
  response: { 200: Type.Object({ ok: Type.Boolean() }) },
};

// ---- the plugin ----

plain.register(troupeFastify, { node: createNode() });
// @ts-expect-error: the node is needed
plain.register(troupeFastify, {});
// @ts-expect-error: no such policy
plain.register(troupeFastify, { node: createNode(), webSocket: { slowClient: 'wait' } });
export const connections: number = plain.troupe.connections;

// ---- controllers ----

plain.get(
  '/plain',
  controller((self, request, reply) => {
    const own: Process = self;
    return reply.code(200).send({ pid: own.pid, id: request.id });
  }),
);
// With types of its own a route wants its options too, or the compiler tries other overloads first and settles on theirs.
plain.get<{ Params: { name: string } }>(
  '/generic/:name',
  {},
  controller(async (_self, request) => request.params.name.toUpperCase()),
);
typed.get(
  '/:id',
  { schema },
  controller(async (_self, request) => {
    const id: number = request.params.id;
    // @ts-expect-error: the id is a number by its schema
    const wrong: string = request.params.id;
    return { ok: id > request.query.since && wrong === '' };
  }),
);
typed.get(
  '/reply/:id',
  { schema },
  controller(async (_self, _request, reply) => {
    // @ts-expect-error: not what the schema says
    reply.send({ ok: 'yes' });
    return reply.send({ ok: true });
  }),
);
typed.get(
  '/wrong/:id',
  { schema },
  // @ts-expect-error: not what the schema says
  controller(async () => ({ ok: 'yes' })),
);
typed.route({
  method: 'GET',
  url: '/route/:id',
  schema,
  handler: controller((_self, request) => ({ ok: request.params.id > 0 })),
});
// @ts-expect-error: no such option
controller(() => 1, { timeout: 5 });

// ---- WebSocket handlers ----

const counter = defineWebSocketHandler({
  name: 'counter',
  init: async (self, request, step: number, label?: string) => ({
    own: self.pid,
    id: request.id,
    count: 0,
    step,
    label,
  }),
  opened: (state) => text(String(state.count)),
  handle: (state, frame) => {
    state.count += state.step;
    if (frame.type === 'binary') return text(String(frame.data.byteLength));
    if (frame.type === 'text') return [text(frame.data.toUpperCase()), close(1000)];
    return undefined;
  },
  info: [
    (state, message) => (message === 'count' ? text(String(state.count)) : UNHANDLED),
    async (_state, _message, self) => (self.alive ? stop('normal') : undefined),
  ],
  terminate: (state, _reason, self) => {
    self.send(state.own, state.count);
  },
});
plain.get('/counter', { websocket: true }, webSocketHandler(counter, 1));
plain.get('/counter', { websocket: true }, webSocketHandler(counter, 1, 'label'));
typed.get(
  '/counter',
  { websocket: true, schema: { querystring: schema.querystring } },
  webSocketHandler(counter, 1),
);
plain.route({ method: 'GET', url: '/', websocket: true, handler: webSocketHandler(counter, 1) });
// @ts-expect-error: init wants a step
webSocketHandler(counter);
// @ts-expect-error: the step is a number
webSocketHandler(counter, '1');
// @ts-expect-error: one argument too many
webSocketHandler(counter, 1, 'label', 2);

/** A handler can say what its route validates. */
export const since = defineWebSocketHandler({
  name: 'since',
  init: (_self, request: FastifyRequest<{ Querystring: { since: number } }>) => request.query.since + 1,
  handle: (state) => text(state.toFixed()),
});

defineWebSocketHandler({
  name: 'wrong',
  init: () => ({ count: 0 }),
  // @ts-expect-error: a string is no frame
  handle: () => 'text',
});
defineWebSocketHandler({
  name: 'wrong',
  init: () => ({ count: 0 }),
  // @ts-expect-error: the state has no such field
  opened: (state) => text(state.total),
});
defineWebSocketHandler({
  name: 'wrong',
  init: () => ({ count: 0 }),
  // @ts-expect-error: the state has no such field
  info: (state) => text(state.total),
});

const notes = defineChannel<{ created: { title: string }; deleted: { id: number } }>('notes');
const asEvent = encodeOnce(({ topic, payload }: Broadcast) =>
  JSON.stringify({ event: topic, data: payload }),
);
/** A channel's handlers know the state and the payload. */
export const follower = defineWebSocketHandler({
  name: 'follower',
  init: (self: Process) => {
    notes.join(self);
    return { seen: 0 };
  },
  info: on(notes, {
    created: (state, payload, _self, message) => {
      state.seen += payload.title.length;
      return asEvent(message);
    },
    // @ts-expect-error: the payload of another topic
    deleted: (_state, payload) => text(payload.title),
  }),
});
// @ts-expect-error: a handler has an init
defineWebSocketHandler({ name: 'wrong' });

// ---- encoding ----

const encode = encodeOnce((message: { body: string }) => message.body);
encode({ body: 'x' });
// @ts-expect-error: another message
encode({ text: 'x' });
// @ts-expect-error: remembered by identity, which a string has not
encodeOnce((message: string) => message);
