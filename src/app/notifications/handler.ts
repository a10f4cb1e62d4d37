// The WebSocket connections at /notifications: each is a process that is a member of the channel `notes`.
//
// - Without `since` a client gets the events from now on, `{"event": topic, "data": payload}`. The join is made in `init`, which runs in
//   the connection's own process, so that the membership ends with the connection.
// - With `?since=<position>` it gets what it has missed, with positions, then `live`, then what comes; `reset` first when that cannot be given
//   to it. An empty `since` begins with `live`.
// - With the text frame `watch` it also sees the processes behind its connection, until `unwatch`; see `watch.ts`.
// - An event is checked and encoded once, however many connections it goes to.
import type { FastifyRequest } from 'fastify';
import { ChannelLive, ChannelReset, type Followed, type Follower, UNHANDLED } from 'troupe';
import { close, defineWebSocketHandler, encodeOnce, text } from 'troupe/fastify';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { notes } from '../notes/channel.ts';
import type { IncomingEvents, NoteEvent } from '../notes/incoming.ts';
import { arrived, asMessage, LOOK, type Watch, Watcher } from './watch.ts';

interface Connection {
  readonly incoming: IncomingEvents;
  /** Of a client that asked to be brought up to date. */
  readonly follower: Follower | undefined;
  readonly watch: Watch;
  readonly observer: boolean;
  /** Of a client that has watched. */
  watcher: Watcher | undefined;
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

  init(
    self,
    request: FastifyRequest,
    incoming: IncomingEvents,
    watch: Watch,
    reachesObserver: (request: FastifyRequest) => boolean,
  ): Connection {
    const since = sinceOf(request.query);
    const follower = since === undefined ? undefined : notes.follow(self, since);
    if (follower === undefined) notes.join(self);
    return { incoming, follower, watch, observer: reachesObserver(request), watcher: undefined };
  },

  handle(connection, frame, self) {
    if (frame.type === 'text' && frame.data === 'ping') return pong;
    if (frame.type === 'binary') return close(1003, 'text frames only');
    if (frame.type === 'text' && frame.data === 'watch')
      return (connection.watcher ??= new Watcher(connection.watch, self, connection.observer)).begin();
    if (frame.type === 'text' && frame.data === 'unwatch') connection.watcher?.end();
    return undefined;
  },

  terminate: ({ watcher }) => watcher?.end(),

  info(connection, message) {
    if (message === LOOK) return connection.watcher?.lookAgain();
    const { incoming, follower } = connection;
    if (follower === undefined) {
      if (message instanceof ChannelReset && message.channel === notes.name) return asEvent(missed);
      if (!notes.matches(message)) return UNHANDLED;
      const event = incoming.read(message);
      if (event === undefined) return undefined;
      if (!isWatching(connection)) return asEvent(event);
      return [asMessage(arrived(message, event)), asEvent(event)];
    }
    const read = follower.read(message);
    if (read === undefined) return UNHANDLED;
    return read instanceof Promise ? whenRead(connection, read) : framesOf(connection, read);
  },
});

function isWatching({ watcher }: Connection): boolean {
  return watcher?.isWatching === true;
}

/** The position that a client names; an invalid one if it names several. */
function sinceOf(query: unknown): string | undefined {
  if (typeof query !== 'object' || query === null || !('since' in query)) return undefined;
  return typeof query.since === 'string' ? query.since : 'none';
}

function framesOf(connection: Connection, followed: readonly Followed[]) {
  if (isWatching(connection)) return followed.flatMap((one) => watchedFramesOf(connection, one));
  const [only, ...more] = followed;
  if (only !== undefined && more.length === 0) return frameOf(connection.incoming, only);
  return followed.map((one) => frameOf(connection.incoming, one)).filter((frame) => frame !== undefined);
}

function watchedFramesOf({ incoming }: Connection, one: Followed) {
  if (one instanceof ChannelReset || one instanceof ChannelLive) return [asMark(one)];
  const event = incoming.read(one);
  return event === undefined ? [] : [asMessage(arrived(one, event)), asStoredEvent(event)];
}

function frameOf(incoming: IncomingEvents, one: Followed) {
  if (one instanceof ChannelReset || one instanceof ChannelLive) return asMark(one);
  const event = incoming.read(one);
  return event && asStoredEvent(event);
}

async function whenRead(connection: Connection, read: Promise<readonly Followed[]>) {
  try {
    return framesOf(connection, await read);
  } catch (error) {
    if (error instanceof DatabaseUnavailableError) return close(1013, 'the history cannot be read now');
    throw error;
  }
}
