// The WebSocket connections at /notifications: each is a process that is a member of the channel `notes`.
//
// The join is made in `init`, which runs in the connection's own process, so that the membership ends with the
// connection. An event is checked and encoded once, however many connections it goes to.
import { UNHANDLED } from 'troupe';
import { close, defineWebSocketHandler, encodeOnce, text } from 'troupe/fastify';
import { notes } from '../notes/channel.ts';
import type { IncomingEvents, NoteEvent } from '../notes/incoming.ts';

/** `{"event": topic, "data": payload}`. */
const asEvent = encodeOnce(({ topic, payload }: NoteEvent) =>
  JSON.stringify({ event: topic, data: payload }),
);

const pong = text('pong');

/** Sends every event of `notes` to the client, and answers its pings. */
export const notificationsHandler = defineWebSocketHandler({
  name: 'notifications',

  init(self, _request, incoming: IncomingEvents) {
    notes.join(self);
    return incoming;
  },

  handle(_incoming, frame) {
    if (frame.type === 'text' && frame.data === 'ping') return pong;
    if (frame.type === 'binary') return close(1003, 'text frames only');
    return undefined;
  },

  info(incoming, message) {
    if (!notes.matches(message)) return UNHANDLED;
    const event = incoming.read(message);
    return event === undefined ? undefined : asEvent(event);
  },
});
