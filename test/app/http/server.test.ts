// The server below Fastify: one request of a connection at a time, answers that nobody takes, and too many connections.
import { once } from 'node:events';
import { Agent, get, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { boundedServers, PIPELINED_MAX, type ServerLimits } from '../../../src/app/http/internal.ts';
import { openRaw } from '../support/client.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => unknown;

async function serve(
  handler: Handler,
  limits: Partial<ServerLimits> = {},
): Promise<{ server: Server; port: number }> {
  const server = boundedServers({
    requestTimeoutMs: 60_000,
    sendTimeoutMs: 60_000,
    maxConnections: 100,
    onRefused: () => undefined,
    ...limits,
  })((request, response) => void handler(request, response));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

const ask = (path: string | number, more = ''): string =>
  `GET /${path} HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`;
const LAST = 'connection: close\r\n';
const MIB = 1_048_576;

describe('requests of one connection that do not wait for answers', () => {
  test('are handled one after the other, and all are answered in order', async () => {
    let running = 0;
    let most = 0;
    const { port } = await serve(async ({ url }, response) => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      response.end(`<${url}>`);
    });
    const paths = Array.from({ length: 200 }, (_, n) => n);
    const raw = await openRaw(port, paths.map((n) => ask(n, n === 199 ? LAST : '')).join(''));
    const answers = [...(await raw.rest).matchAll(/<\/(\d+)>/g)].map(([, n]) => Number(n));
    expect(answers).toEqual(paths);
    expect(most).toBe(1);
  });

  test('begin when the answer before them has left, and nothing is read meanwhile', async () => {
    const begun: string[] = [];
    const { port, server } = await serve(({ url = '' }, response) => {
      begun.push(url);
      response.end(Buffer.alloc(64 * MIB));
    });
    const accepted = once(server, 'connection');
    const raw = await openRaw(port);
    const [socket] = (await accepted) as [NodeJS.Socket & { bytesRead: number; writableLength: number }];
    raw.socket.pause();
    const count = 200;
    raw.write(Array.from({ length: count }, (_, n) => ask(n, n === count - 1 ? LAST : '')).join(''));
    // As much again, which stays where it is.
    raw.write(ask('late', `x: ${'x'.repeat(5_000)}\r\n`).repeat(400));
    while (begun.length === 0) await turn();
    for (let n = 0; n < 100; n++) await turn();
    expect(begun).toEqual(['/0']);
    expect(socket.writableLength).toBeLessThanOrEqual(65 * MIB);
    expect(socket.bytesRead).toBeLessThanOrEqual(2 * 65_536);
    raw.socket.destroy();
  });

  test('with bodies are read in order', async () => {
    const { port } = await serve(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      response.end(`<${Buffer.concat(chunks).toString()}>`);
    });
    const bodies = Array.from({ length: 30 }, (_, n) => `${n} `.repeat(10_000));
    const post = (body: string, n: number): string =>
      `POST / HTTP/1.1\r\nhost: localhost\r\n${n === 29 ? LAST : ''}content-length: ${body.length}\r\n\r\n${body}`;
    const raw = await openRaw(port, bodies.map(post).join(''));
    const answers = [...(await raw.rest).matchAll(/<([\d ]*)>/g)].map(([, body]) => body);
    expect(answers).toEqual(bodies);
  });

  test('end the connection when too many wait', async () => {
    let begun = 0;
    const { port } = await serve(() => void begun++);
    const raw = await openRaw(port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(PIPELINED_MAX + 2));
    await raw.rest;
    expect(begun).toBe(1);
    // The ones that waited are forgotten, so that there is room for those of others, again and again.
    for (let n = 0; n < 20; n++) {
      await (
        await openRaw(port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(PIPELINED_MAX + 2))
      ).rest;
    }
    expect(begun).toBe(21);
  });

  test('and nothing that one read has brought besides is made a request', async () => {
    let made = 0;
    const { port, server } = await serve(() => undefined);
    server.on('request', () => made++);
    // All of it fits into what Node.js reads at once.
    await (
      await openRaw(port, 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(2_000))
    ).rest;
    expect(made).toBe(PIPELINED_MAX + 2);
  });
});

test('a client that waits for its answers keeps its connection', async () => {
  const sockets = new Set<unknown>();
  const { port, server } = await serve((_request, response) => response.end('x'.repeat(100_000)));
  server.on('connection', (socket) => sockets.add(socket));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  onTestFinished(() => agent.destroy());
  for (let n = 0; n < 50; n++) {
    const length = await new Promise<number>((resolve, reject) => {
      get({ port, agent }, (response) => {
        let bytes = 0;
        response.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('end', () => resolve(bytes));
      }).on('error', reject);
    });
    expect(length).toBe(100_000);
  }
  expect(sockets.size).toBe(1);
});

describe('an answer', () => {
  const answer = Buffer.alloc(64 * MIB, 'x');

  test('of which nothing is taken is ended', async () => {
    for (const firstTakes of [0, 4 * MIB]) {
      const { port, server } = await serve((_request, response) => response.end(answer), {
        sendTimeoutMs: 150,
      });
      const accepted = once(server, 'connection');
      const raw = await openRaw(port, ask('x'));
      const [socket] = (await accepted) as [NodeJS.Socket];
      let taken = 0;
      const stopReading = (chunk = ''): void => {
        taken += chunk.length;
        if (taken >= firstTakes) raw.socket.pause();
      };
      raw.socket.on('data', stopReading);
      stopReading();
      await once(socket, 'close');
      raw.socket.off('data', stopReading).resume();
      expect((await raw.rest).length).toBeLessThan(answer.length);
    }
  });

  test('that is taken slowly is not', async () => {
    const { port } = await serve((_request, response) => response.end(answer), { sendTimeoutMs: 800 });
    const raw = await openRaw(port, ask('x', LAST));
    // A little at a time, for several times as long as nothing may move. (The system tells of what it has sent in pieces of
    // a megabyte or more.)
    const begin = performance.now();
    raw.socket.on('data', () => {
      if (performance.now() - begin > 3_000) return;
      raw.socket.pause();
      setTimeout(() => raw.socket.resume(), 5);
    });
    expect((await raw.rest).length).toBeGreaterThan(answer.length);
  });

  test('that takes long to be made is waited for', async () => {
    let answerNow = (): void => undefined;
    const { port, server } = await serve((_request, response) => (answerNow = () => response.end('done')), {
      sendTimeoutMs: 50,
    });
    const raw = await openRaw(port, ask('x', LAST));
    let timeouts = 0;
    await new Promise<void>((resolve) => {
      server.on('timeout', () => {
        timeouts++;
        resolve();
      });
    });
    answerNow();
    expect(await raw.rest).toContain('done');
    expect(timeouts).toBe(1);
  });
});

test('connections beyond the limit are refused and told of, and there is room again afterwards', async () => {
  let refused = 0;
  const { port } = await serve((_request, response) => response.end('answered'), {
    maxConnections: 3,
    onRefused: () => refused++,
  });
  const [kept] = await Promise.all([openRaw(port), openRaw(port), openRaw(port)]);
  for (let n = 0; n < 5; n++) expect(await (await openRaw(port, ask('x'))).rest).toBe('');
  expect(refused).toBe(5);
  kept.write(ask('x', LAST));
  expect(await kept.rest).toContain('answered');
  expect(await (await openRaw(port, ask('x', LAST))).rest).toContain('answered');
});
