// Controllers and WebSocket handlers run in the async context of their own request, as plain handlers of Fastify do, with what
// people use for it: @fastify/request-context, and OpenTelemetry's context manager.
import { Agent, request as httpRequest } from 'node:http';
import { fastifyRequestContext, requestContext } from '@fastify/request-context';
import { context, createContextKey } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { FastifyInstance } from 'fastify';
import { defineServer, noReply, type Process, TIMEOUT } from 'troupe';
import { controller, defineWebSocketHandler, text, webSocketHandler } from 'troupe/fastify';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Events, Group, open, serve } from './helpers.ts';

declare module '@fastify/request-context' {
  interface RequestContextData {
    tenant: string;
  }
}

const BURST = 64;
const ROUNDS = 20;
const TENANT = createContextKey('tenant');

/** A way to keep a value for each request, and to ask for it from wherever one is. */
interface Keeper {
  register(app: FastifyInstance): void;
  tenant(): string;
}

const keepers: Readonly<Record<string, Keeper>> = {
  '@fastify/request-context': {
    register(app) {
      void app.register(fastifyRequestContext, {
        defaultStoreValues: ({ headers }) => ({ tenant: String(headers['tenant']) }),
      });
    },
    tenant: () => requestContext.get('tenant') ?? 'none',
  },
  'the context manager of OpenTelemetry': {
    register(app) {
      context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
      onTestFinished(() => context.disable());
      app.addHook('onRequest', ({ headers }, _reply, done) => {
        context.with(context.active().setValue(TENANT, headers['tenant']), done);
      });
    },
    tenant: () => (context.active().getValue(TENANT) as string | undefined) ?? 'none',
  },
};

const echo = defineServer({
  name: 'echo',
  init: (_self, tenant: () => string) => ({ tenant }),
  call: {
    now: ({ tenant }) => tenant(),
    later: async ({ tenant }) => {
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
      return tenant();
    },
    never: () => noReply(),
  },
});

describe.each(Object.entries(keepers))('with %s', (_name, { register, tenant }) => {
  test('controllers see the value of their own request at every step, in bursts on kept connections', async () => {
    const { app, port } = await serve((server, node) => {
      register(server);
      const started = node.start(echo, [tenant]);
      server.get(
        '/sync',
        controller(() => ({ own: [tenant()], servers: [] })),
      );
      server.get('/steps', controller(steps));
      server.post('/steps', controller(steps));
      async function steps(self: Process) {
        const own = [tenant()];
        const servers: string[] = [];
        await Promise.resolve();
        own.push(tenant());
        const ref = await started;
        servers.push(await ref.call('now'), await ref.call('later', undefined, { from: self }));
        own.push(tenant());
        await ref.call('never', undefined, { from: self, timeoutMs: 1 }).catch(() => own.push(tenant()));
        self.sendAfter(1, self, 'woken');
        await self.receive((message) => {
          own.push(tenant());
          return message === 'woken';
        });
        own.push(tenant());
        expect(await self.receive(() => false, { after: 1 })).toBe(TIMEOUT);
        own.push(tenant());
        return { own, servers };
      }
    });
    expect(app.troupe.requests).toBe(0);
    const agent = new Agent({ keepAlive: true, maxSockets: BURST });
    onTestFinished(() => agent.destroy());
    const ask = (method: string, path: string, name: string): Promise<{ own: string[]; servers: string[] }> =>
      new Promise((resolve, reject) => {
        const headers = { tenant: name, 'content-type': 'application/json' };
        const sent = httpRequest({ port, host: '127.0.0.1', agent, method, path, headers }, (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (part: string) => (body += part));
          response.on('end', () => resolve(JSON.parse(body) as { own: string[]; servers: string[] }));
        });
        sent.on('error', reject).end(method === 'POST' ? '{}' : undefined);
      });
    // Only the first of these keepers holds a context over the arrival of a body.
    const kinds = [
      ['GET', '/sync'],
      ['GET', '/steps'],
      ...(tenant === keepers['@fastify/request-context']?.tenant ? [['POST', '/steps']] : []),
    ];
    for (let round = 0; round < ROUNDS; round++) {
      await Promise.all(
        Array.from({ length: BURST }, async (_, index) => {
          const name = `${round}-${index}`;
          const [method = '', path = ''] = kinds[(round + index) % kinds.length] ?? [];
          const { own, servers } = await ask(method, path, name);
          expect(own).toEqual(own.map(() => name));
          expect(servers).toEqual(servers.map(() => 'none'));
        }),
      );
    }
  });

  test('a WebSocket handler sees the value of its own upgrade in every callback, whoever sends', async () => {
    const seen = new Map<string, string[]>();
    let group: Group | undefined;
    const handler = defineWebSocketHandler({
      name: 'context',
      init: (self, { headers }) => {
        const name = String(headers['tenant']);
        const steps: string[] = [];
        seen.set(name, steps);
        const note = (where: string): void => void steps.push(`${where}: ${tenant()}`);
        note('init');
        group?.join(self);
        self.signal.addEventListener('abort', () => note('abort'));
        return { note };
      },
      opened: ({ note }) => (note('opened'), text('open')),
      handle: async ({ note }, frame) => {
        note('handle');
        await Promise.resolve();
        note('handle after await');
        group?.broadcast(String(frame.data));
      },
      info: [
        async ({ note }, message) => {
          note('info');
          await Promise.resolve();
          note('info after await');
          return text(String(message));
        },
      ],
      terminate: ({ note }) => note('terminate'),
    });
    const { port } = await serve((app, node) => {
      group = new Group(node);
      register(app);
      app.get('/socket', { websocket: true }, webSocketHandler(handler));
    });
    const over = new Events('troupe:fastify:close');
    const names = Array.from({ length: BURST }, (_, index) => `tenant-${index}`);
    const clients = await Promise.all(
      names.map((name) => open(port, '/socket', { headers: { tenant: name } })),
    );
    await Promise.all(clients.map((client) => client.next()));
    // Each of the first four reaches all of them.
    for (const [index, client] of clients.slice(0, 4).entries()) {
      client.send(`from ${index}`);
      await Promise.all(clients.map((each) => each.next()));
    }
    clients.forEach(({ socket }) => socket.close());
    for (let count = 0; count < BURST; count++) await over.next();
    for (const [index, name] of names.entries()) {
      const frames = index < 4 ? 1 : 0;
      const steps = seen.get(name) ?? [];
      expect(new Set(steps.map((step) => step.split(': ')[1]))).toEqual(new Set([name]));
      expect(steps).toHaveLength(2 + frames * 2 + 4 * 2 + 2);
    }
  });
});
