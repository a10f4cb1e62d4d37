// What the test of the package runs on every runtime, from an empty folder where the tarball is installed: processes, a server under a
// supervisor, a cluster of two nodes over TCP, and a WebSocket in Fastify. Prints one line of JSON.
import { type AddressInfo, createServer } from 'node:net';
import Fastify from 'fastify';
import {
  child,
  createNode,
  defineChannel,
  defineServer,
  defineSupervisor,
  matching,
  on,
  pubsub,
  serverRef,
} from 'troupe';
import { createErlangCarrier } from 'troupe/erlang';
import { controller, defineWebSocketHandler, text, troupeFastify, webSocketHandler } from 'troupe/fastify';
import { awaitConverged, awaitExit, createProbe } from 'troupe/testing';

const result = {
  processes: await processes(),
  restarted: await restarted(),
  heard: await cluster(),
  webSocket: await webSocket(),
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));

async function processes(): Promise<unknown> {
  const node = createNode();
  const probe = createProbe(node);
  const echo = node.spawn(async (self) => {
    const message = await self.receive(matching(Array));
    self.send(probe, message.toReversed());
  });
  node.send(echo, 'passed over');
  node.send(echo, [1, 2, 3]);
  return probe.receive();
}

async function restarted(): Promise<unknown> {
  const counter = defineServer({ init: () => ({ count: 0 }), call: { next: (state) => ++state.count } });
  const tree = defineSupervisor({ children: () => [child(counter, [], { id: 'counter', name: 'counter' })] });
  const node = createNode();
  const supervisor = await node.start(tree);
  await serverRef(node, counter, 'counter').call('next');
  const before = node.whereis('counter')!;
  node.exit(before, 'kill');
  await awaitExit(node, before);
  await supervisor.countChildren(); // answered after the restart
  return serverRef(node, counter, 'counter').call('next');
}

async function cluster(): Promise<unknown> {
  const news = defineChannel<{ headline: string }>('news');
  const epmdPort = await freePort();
  const join = async (name: string) => {
    const carrier = createErlangCarrier({ cookie: 'secret', epmdPort });
    const node = createNode({ name, carrier });
    await carrier.ready();
    pubsub.start(node);
    return node;
  };
  const [one, two] = [await join('one@127.0.0.1'), await join('two@127.0.0.1')];
  const probe = createProbe(two);
  two.spawn(async (self) => {
    news.join(self);
    self.send(probe, (await self.receive(news.matching('headline'))).payload);
  });
  await two.connect('one@127.0.0.1');
  await awaitConverged([one, two], 'nova_scope');
  news.broadcast(one, 'headline', 'over the wire');
  const heard = await probe.receive();
  await Promise.all([one.stop(), two.stop()]);
  return heard;
}

async function webSocket(): Promise<unknown> {
  const news = defineChannel<{ headline: string }>('headlines');
  const reader = defineWebSocketHandler({
    name: 'reader',
    init: (self) => news.join(self),
    handle: (_state, frame) => (frame.type === 'text' ? text(frame.data.toUpperCase()) : undefined),
    info: on(news, { headline: (_state, headline) => text(headline) }),
  });
  const app = Fastify();
  await app.register(troupeFastify, { node: createNode() });
  app.get('/news', { websocket: true }, webSocketHandler(reader));
  app.post(
    '/news',
    controller((self) => {
      news.broadcast(self, 'headline', 'to every socket');
      return { members: news.getMembers(self).length };
    }),
  );
  const address = await app.listen({ host: '127.0.0.1', port: 0 });
  const WebSocket = globalThis.WebSocket ?? (await import('ws')).WebSocket;
  const socket = new WebSocket(`${address.replace('http', 'ws')}/news`);
  const next = () =>
    new Promise((resolve, reject) => {
      socket.addEventListener('message', ({ data }) => resolve(data), { once: true });
      socket.addEventListener('close', ({ code }) => reject(new Error(`closed with ${code}`)), {
        once: true,
      });
    });
  await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
  const echo = next();
  socket.send('shouted');
  const echoed = await echo;
  const broadcast = next();
  const answer = await fetch(`${address}/news`, { method: 'POST' });
  return [echoed, await answer.json(), await broadcast];
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
