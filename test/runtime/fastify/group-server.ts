// A server whose connections are members of a group, for tests of their limits.
import { defineWebSocketHandler, text, webSocketHandler, type WebSocketOptions } from 'troupe/fastify';
import type { ManualClock } from 'troupe/testing';
import { Group, serve } from './helpers.ts';

/** A server that echoes text, sends what is broadcast, and says when it was joined. */
export async function serveGroup(webSocket: WebSocketOptions, clock?: ManualClock) {
  let group: Group | undefined;
  const server = await serve(
    (app, node) => {
      const made = (group = new Group(node));
      const handler = defineWebSocketHandler({
        name: 'member',
        init: (self) => {
          made.join(self);
        },
        handle: (_state, frame) => text(`${frame.type}:${frame.data.toString()}`),
        info: (_state, message) => text(message as string),
      });
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    },
    { webSocket, ...(clock === undefined ? {} : { node: { clock } }) },
  );
  return { ...server, group: group as Group };
}
