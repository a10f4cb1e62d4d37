// Chat rooms: every WebSocket connection is a process, every room a process group. A client that leaves, crashes or loses its network has
// left its room; nobody keeps a list. Run it with `npx tsx examples/chat-rooms.ts`.
import Fastify from 'fastify';
import { Broadcast, createNode, GroupJoined, GroupLeft, pg, type Process, pubsub, UNHANDLED } from 'troupe';
import { defineWebSocketHandler, text, troupeFastify, webSocketHandler } from 'troupe/fastify';

/** What a client sends: `{ "join": room, "as": name }`, then `{ "say": words }`. */
interface Request {
  readonly join?: string;
  readonly as?: string;
  readonly say?: string;
}

/** Where a connection is; it starts in no room. */
interface Seat {
  name: string;
  room: string | undefined;
}

const event = (value: object) => text(JSON.stringify(value));

const chat = defineWebSocketHandler({
  name: 'chat',
  init: (): Seat => ({ name: 'nobody', room: undefined }),
  handle(seat, frame, self) {
    if (frame.type !== 'text') return undefined;
    const request = JSON.parse(frame.data) as Request; // bad JSON ends this connection, and no other
    if (request.join !== undefined) return enter(seat, self, request.join, request.as ?? 'guest');
    if (seat.room === undefined) return event({ error: 'join a room first' });
    pubsub.broadcast(self, seat.room, 'said', { by: seat.name, words: request.say ?? '' });
    return undefined;
  },
  info(seat, message, self) {
    if (message instanceof Broadcast) return event(message.payload as object);
    // The group tells who came and went, whatever the reason.
    if (message instanceof GroupJoined || message instanceof GroupLeft) {
      return event({ people: pubsub.getMembers(self, seat.room!).length });
    }
    return UNHANDLED;
  },
});

function enter(seat: Seat, self: Process, room: string, name: string) {
  if (seat.room !== undefined) return event({ error: `you are in ${seat.room}` });
  seat.room = room;
  seat.name = name;
  pubsub.join(self, room);
  const { members } = pg.monitor(self, 'nova_scope', room);
  return event({ welcome: name, people: members.length });
}

export const app = Fastify();
await app.register(troupeFastify, { node: createNode() });
app.get('/chat', { websocket: true }, webSocketHandler(chat));
await app.ready();

// Three clients, as a browser would be one.
async function client() {
  const socket = await app.injectWS('/chat');
  const waiting: Array<(line: string) => void> = [];
  const lines: string[] = [];
  socket.on('message', (data: Buffer) => {
    const next = waiting.shift();
    if (next === undefined) lines.push(String(data));
    else next(String(data));
  });
  return {
    send: (request: Request) => socket.send(JSON.stringify(request)),
    next: () =>
      lines.length > 0 ? Promise.resolve(lines.shift()) : new Promise((done) => waiting.push(done)),
    vanish: () => socket.terminate(),
  };
}

const [ada, joe, eve] = [await client(), await client(), await client()];
ada.send({ join: 'erlang', as: 'Ada' });
console.log('Ada', await ada.next());
joe.send({ join: 'erlang', as: 'Joe' });
console.log('Joe', await joe.next());
console.log('Ada', await ada.next());
eve.send({ say: 'anybody?' });
console.log('Eve', await eve.next());
joe.send({ say: 'hello, Ada' });
console.log('Ada', await ada.next());
joe.vanish(); // no farewell: the process of the connection ends, and with it the membership
console.log('Ada', await ada.next());
await app.close();

// Prints:
// Ada {"welcome":"Ada","people":1}
// Joe {"welcome":"Joe","people":2}
// Ada {"people":2}
// Eve {"error":"join a room first"}
// Ada {"by":"Joe","words":"hello, Ada"}
// Ada {"people":1}
