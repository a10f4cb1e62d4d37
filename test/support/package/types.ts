// A strict project that uses every entry point of the package: it compiles with each supported TypeScript against the declarations that
// are published, and with the repository's against the sources.
import Fastify from 'fastify';
import {
  atom,
  child,
  createNode,
  defineChannel,
  defineServer,
  defineSupervisor,
  Down,
  matching,
  type Node,
  on,
  pg,
  type Pid,
  pubsub,
  run,
  serverRef,
  sys,
  TIMEOUT,
  tuple,
  TroupeError,
} from 'troupe';
import { createErlangCarrier, decodeTerm, encodeTerm, erpc } from 'troupe/erlang';
import { controller, defineWebSocketHandler, text, troupeFastify, webSocketHandler } from 'troupe/fastify';
import { replServer } from 'troupe/repl';
import { createManualClock, createMemoryNetwork, createProbe, settle } from 'troupe/testing';

interface Note {
  readonly id: number;
  readonly title: string;
}
export const notes = defineChannel<{ created: Note; deleted: { id: number } }>('notes');

export const titles = defineServer({
  init(self, first: Note) {
    notes.join(self);
    return new Map([[first.id, first.title]]);
  },
  call: { find: (known, id: number) => known.get(id), size: (known) => known.size },
  cast: { clear: (known) => known.clear() },
  info: on(notes, {
    created: (known: Map<number, string>, note) => void known.set(note.id, note.title),
    deleted: (known: Map<number, string>, { id }) => void known.delete(id),
  }),
});

export const tree = defineSupervisor({
  strategy: 'one_for_all',
  children: () => [
    child(titles, [{ id: 1, title: 'one' }], { id: 'titles', name: 'titles' }),
    child(replServer, [{ dataDir: './data' }], { id: 'repl' }),
  ],
});

export async function processes(node: Node): Promise<Pid> {
  const server = await node.start(titles, [{ id: 1, title: 'one' }]);
  const found: string | undefined = await server.call('find', 1);
  const size: number = await serverRef(node, titles, 'titles').call('size');
  server.cast('clear');
  await sys.getState(node, server.pid);
  return node.spawn(async (self) => {
    const down = await self.receive(matching(Down), { after: 10 });
    if (down !== TIMEOUT && down.reason instanceof TroupeError) self.send(server.pid, [found, size]);
    pg.join(self, 'scope', 'group');
    pubsub.broadcast(self, 'channel', 'topic', tuple(atom('ok'), 1));
  });
}

export async function cluster(): Promise<unknown> {
  const carrier = createErlangCarrier({ cookie: 'secret', seeds: ['one@127.0.0.1'] });
  const node = createNode({ name: 'two@127.0.0.1', carrier });
  await carrier.ready();
  decodeTerm(encodeTerm([1, 2n, 'text']));
  return erpc.call(node, 'one@127.0.0.1', 'module', 'name', [1]);
}

export async function service(): Promise<void> {
  const reader = defineWebSocketHandler({
    name: 'reader',
    init: (self) => notes.join(self),
    handle: (_state, frame) => (frame.type === 'text' ? text(frame.data) : undefined),
    info: on(notes, { created: (_state, note) => text(note.title), deleted: () => undefined }),
  });
  const app = Fastify();
  await app.register(troupeFastify, { node: createNode() });
  app.get('/notes', { websocket: true }, webSocketHandler(reader));
  app.post(
    '/notes',
    controller((self, request) => notes.broadcast(self, 'created', request.body as Note)),
  );
  await run(tree);
}

export async function tests(): Promise<unknown> {
  const clock = createManualClock();
  const network = createMemoryNetwork();
  const node = createNode({ name: 'a@test', clock, carrier: network.carrier('a@test') });
  const probe = createProbe(node);
  node.send(probe, 'message');
  await clock.advance(1000);
  await settle([node]);
  return probe.receive();
}
