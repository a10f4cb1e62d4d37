// Clients that read slowly, or not at all, over real sockets. What waits for them is tested in `outbox.test.ts`, step by step.
import { setImmediate as turn } from 'node:timers/promises';
import { createManualClock } from 'troupe/testing';
import { describe, expect, test } from 'vitest';
import { serveGroup } from './group-server.ts';
import { type Client, Events, type Group, open } from './helpers.ts';

const MIB = 1_048_576;

describe('a client that reads slowly', () => {
  const chunk = 'x'.repeat(64 * 1024);

  test('gets everything, far more than the socket may hold, in order', async () => {
    const { port, group } = await serveGroup({});
    const opened = new Events('troupe:fastify:open');
    const clients = await Promise.all([open(port), open(port), open(port)]);
    for (let n = 0; n < 3; n++) await opened.next();
    const frames = Array.from({ length: 20 }, (_, n) => `${n} ${'x'.repeat(600_000)}`);
    for (const frame of frames) group.broadcast(frame);
    for (const client of clients) expect(await client.take(20)).toEqual(frames);
  });

  test('is closed with 1013 when it takes nothing for sendTimeoutMs', async () => {
    const clock = createManualClock();
    const { port, group } = await serveGroup({ heartbeatMs: Infinity, sendTimeoutMs: 5_000 }, clock);
    const opened = new Events('troupe:fastify:open');
    const exited = new Events('troupe:process:exit');
    const sleeper = await open(port);
    await opened.next();
    sleeper.socket.pause();
    // More than the buffers of the system take.
    for (let n = 0; n < 28; n++) group.broadcast('x'.repeat(MIB));
    for (let n = 0; n < 50; n++) await turn();
    await clock.advance(4_999);
    expect(exited.all).toEqual([]);
    // If the system has taken something meanwhile, the time starts again.
    while (exited.all.length === 0) await clock.advance(5_000);
    expect(exited.all).toMatchObject([{ reason: ['shutdown', 'slow_client'] }]);
    expect(group.members.size).toBe(0);
  });

  /** Broadcasts until something happens; the client that reads keeps the pace. */
  async function broadcastUntil(group: Group, reader: Client, done: () => boolean): Promise<number> {
    let sent = 0;
    while (!done()) {
      expect(sent).toBeLessThan(2_000);
      group.broadcast(chunk);
      sent++;
      expect(await reader.next()).toBe(chunk);
    }
    return sent;
  }

  test('is closed with 1013, while others get everything', async () => {
    const { port, group } = await serveGroup({ closeTimeoutMs: 20_000, sendLimitBytes: 2 * MIB });
    const opened = new Events('troupe:fastify:open');
    const reader = await open(port);
    await opened.next();
    const sleeper = await open(port);
    const { pid } = await opened.next();
    const exited = new Events('troupe:process:exit');
    sleeper.socket.pause();
    await broadcastUntil(group, reader, () => exited.all.length > 0);
    expect(exited.all).toMatchObject([{ pid, reason: ['shutdown', 'slow_client'] }]);
    expect(group.members.size).toBe(1);
    sleeper.socket.resume();
    expect(await sleeper.closed).toEqual({ code: 1013, reason: 'too slow' });
    group.broadcast('more');
    expect(await reader.next()).toBe('more');
  });

  test('with `drop` loses what does not fit, counted and told once', async () => {
    const { port, group } = await serveGroup({ slowClient: 'drop' });
    const ended = new Events('troupe:fastify:close');
    const opened = new Events('troupe:fastify:open');
    const dropped = new Events('troupe:fastify:dropped');
    const reader = await open(port);
    await opened.next();
    const sleeper = await open(port);
    const { pid } = await opened.next();
    sleeper.socket.pause();
    const sent = await broadcastUntil(group, reader, () => dropped.all.length > 0);
    const [event] = dropped.all;
    expect(event).toMatchObject({ pid, label: 'member', dropped: 1 });
    expect(event?.bufferedBytes).toBeGreaterThan(MIB - 2 * chunk.length);
    expect(event?.bufferedBytes).toBeLessThanOrEqual(MIB);
    for (let i = 0; i < 3; i++) group.broadcast(chunk);
    await reader.take(3);
    expect(dropped.all).toHaveLength(1);
    sleeper.socket.resume();
    await sleeper.take(sent - 1);
    sleeper.send('still here');
    expect(await sleeper.next()).toBe('text:still here');
    sleeper.socket.pause();
    const more = await broadcastUntil(group, reader, () => dropped.all.length > 1);
    expect(dropped.all.at(-1)).toMatchObject({ pid, dropped: 5 });
    sleeper.socket.resume();
    sleeper.socket.close();
    expect(await ended.next()).toMatchObject({ pid, dropped: 5, sent: sent + more - 1, received: 1 });
  });

  test('a frame larger than the limit is not sent at all', async () => {
    const { port, group } = await serveGroup({ sendLimitBytes: 10 });
    const client = await open(port);
    group.broadcast('0123456789');
    expect(await client.next()).toBe('0123456789');
    group.broadcast('0123456789é');
    expect(await client.closed).toMatchObject({ code: 1013 });
  });
});
