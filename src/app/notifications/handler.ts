// The WebSocket connections at /notifications: each is a process that is a member of the channel `notes`.
//
// - Without `since` a client gets what is told from now on, `{"event": topic, "data": payload}`. The join is made in `init`, which runs in
//   the connection's own process, so that the membership ends with the connection.
// - With `?since=<position>` it gets what it has missed, with positions, then `live`, then what comes; `reset` first when that cannot be given
//   to it. An empty `since` begins with `live`.
// - An event is checked and encoded once, however many connections it goes to.
import type { FastifyRequest } from 'fastify';
import { ChannelLive, ChannelReset, type Followed, type Follower, UNHANDLED } from 'troupe';
import { close, defineWebSocketHandler, encodeOnce, text } from 'troupe/fastify';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { notes } from '../notes/channel.ts';
import type { IncomingEvents, NoteEvent } from '../notes/incoming.ts';

interface Connection {
  readonly incoming: IncomingEvents;
  /** Of a client that asked to be brought up to date. */
  readonly follower: Follower | undefined;
}

const asEvent = encodeOnce(({ topic, payload }: NoteEvent) =>
  JSON.stringify({ event: topic, data: payload }),
);
const asStoredEvent = encodeOnce(({ topic, payload, id }: NoteEvent) =>
  JSON.stringify({ event: topic, data: payload, id }),
);
const asMark = encodeOnce((mark: ChannelReset | ChannelLive) =>
  JSON.stringify({
    event: mark instanceof ChannelReset ? 'reset' : 'live',
    data: {},
    id: mark.id,
  }),
);
const missed: NoteEvent = { topic: 'resync', payload: {} };
const pong = text('pong');

/** Sends the events of `notes` to the client, and answers its pings. */
export const notificationsHandler = defineWebSocketHandler({
  name: 'notifications',

  init(self, request: FastifyRequest, incoming: IncomingEvents): Connection {
    const since = sinceOf(request.query);
    if (since !== undefined) return { incoming, follower: notes.follow(self, since) };
    notes.join(self);
    return { incoming, follower: undefined };
  },

  handle(_connection, frame) {
    if (frame.type === 'text' && frame.data === 'ping') return pong;
    if (frame.type === 'binary') return close(1003, 'text frames only');
    return undefined;
  },

  info({ incoming, follower }, message) {
    if (follower === undefined) {
      if (message instanceof ChannelReset && message.channel === notes.name) return asEvent(missed);
      if (!notes.matches(message)) return UNHANDLED;
      const event = incoming.read(message);
      return event === undefined ? undefined : asEvent(event);
    }
    const read = follower.read(message);
    if (read === undefined) return UNHANDLED;
    return read instanceof Promise ? whenRead(incoming, read) : framesOf(incoming, read);
  },
});

/** The position that a client names; one that names several names none that there is. */
function sinceOf(query: unknown): string | undefined {
  if (typeof query !== 'object' || query === null || !('since' in query)) return undefined;
  return typeof query.since === 'string' ? query.since : 'none';
}

function framesOf(incoming: IncomingEvents, followed: readonly Followed[]) {
  const [only, ...more] = followed;
  if (only !== undefined && more.length === 0) return frameOf(incoming, only);
  return followed.map((one) => frameOf(incoming, one)).filter((frame) => frame !== undefined);
}

function frameOf(incoming: IncomingEvents, one: Followed) {
  if (one instanceof ChannelReset || one instanceof ChannelLive) return asMark(one);
  const event = incoming.read(one);
  return event && asStoredEvent(event);
}

async function whenRead(incoming: IncomingEvents, read: Promise<readonly Followed[]>) {
  try {
    return framesOf(incoming, await read);
  } catch (error) {
    if (error instanceof DatabaseUnavailableError) return close(1013, 'the history cannot be read now');
    throw error;
  }
}
