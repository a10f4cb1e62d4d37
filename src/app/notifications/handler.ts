// The WebSocket connections at /notifications: each is a process that is a member of the channel `notes`.
//
// The join is made in `init`, which runs in the connection's own process, so that the membership ends with the
// connection. A broadcast is encoded once, however many connections it goes to.
import { on } from '../../runtime/index.ts';
import { close, defineWebSocketHandler, encodeOnce, text } from '../../runtime/fastify/index.ts';
import { notes } from '../notes/channel.ts';

/** `{"event": topic, "data": payload}`. */
const asEvent = encodeOnce(({ topic, payload }: { readonly topic: string; readonly payload: unknown }) =>
  JSON.stringify({ event: topic, data: payload }),
);

const pong = text('pong');

/** Sends every broadcast on `notes` to the client, and answers its pings. */
export const notificationsHandler = defineWebSocketHandler({
  name: 'notifications',

  init(self) {
    notes.join(self);
  },

  handle(_state, frame) {
    if (frame.type === 'text' && frame.data === 'ping') return pong;
    if (frame.type === 'binary') return close(1003, 'text frames only');
    return undefined;
  },

  info: on(notes, {
    note_created: (_state, _note, _self, message) => asEvent(message),
    note_updated: (_state, _note, _self, message) => asEvent(message),
    note_deleted: (_state, _deleted, _self, message) => asEvent(message),
  }),
});
