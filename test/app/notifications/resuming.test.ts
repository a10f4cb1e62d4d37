// Clients of /notifications that were away: with a position they get what they have missed, exactly, or are told to read again. The client
// is the library's, over real connections, against the application on the embedded database.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { WebSocket } from 'ws';
import { type ChannelClient, createChannelClient } from 'troupe/client';
import type { NoteEvents } from '../../../src/app/notes/internal.ts';
import { openClient } from '../support/client.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

let app: TestApp;
const clients: ChannelClient<NoteEvents>[] = [];

beforeAll(async () => {
  app = await startTestApp();
});
afterAll(() => app.stop());
beforeEach(() => app.clear());
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
});

/** A client, and what it has heard: titles and ids, `reset`, and each state. */
function follow(since?: string) {
  const heard: unknown[] = [];
  const sockets: WebSocket[] = [];
  const client = createChannelClient<NoteEvents>({
    url: `ws://127.0.0.1:${app.port}/notifications`,
    since,
    open(url) {
      const socket = new WebSocket(url);
      sockets.push(socket);
      return socket;
    },
    limits: { delayBaseMs: 1, delayCapMs: 1 },
  });
  clients.push(client);
  client.on('note_created', ({ title }) => heard.push(title));
  client.on('note_updated', ({ title }) => heard.push(title));
  client.on('note_deleted', ({ id }) => heard.push(id));
  client.onReset(() => heard.push('reset'));
  const live = () => vi.waitUntil(() => client.status.state === 'live', { timeout: 20_000 });
  const drop = () => sockets.at(-1)?.terminate();
  return { client, heard, live, drop };
}

const heardBy = ({ heard }: { readonly heard: readonly unknown[] }, count: number) =>
  vi.waitUntil(() => heard.length >= count, { timeout: 20_000 });

test('a client that comes back has missed nothing', async () => {
  const at = follow();
  await at.live();
  await app.make('one');
  await heardBy(at, 1);
  at.drop();
  const two = await app.make('two');
  await app.ask('PUT', `/api/notes/${two.id}`, { json: { title: 'three', body: 'b' } });
  await app.ask('DELETE', `/api/notes/${two.id}`);
  await heardBy(at, 4);
  await at.live();
  await app.make('five');
  await heardBy(at, 5);
  expect(at.heard).toEqual(['one', 'two', 'three', two.id, 'five']);
});

test('a position of an earlier life of the page is good for another client', async () => {
  const first = follow();
  await first.live();
  await app.make('one');
  await heardBy(first, 1);
  first.client.close();
  await app.make('two');
  const second = follow(first.client.position);
  await heardBy(second, 1);
  expect(second.heard).toEqual(['two']);
});

test.each([
  ['of another history', 'elsewhere:3'],
  ['that is none', 'hello'],
])('a position %s is answered with a reset', async (_what, since) => {
  await app.make('before');
  const at = follow(since);
  await at.live();
  await app.make('after');
  await heardBy(at, 2);
  expect(at.heard).toEqual(['reset', 'after']);
});

test.each([
  ['below zero', ':-1'],
  ['beyond the newest', ':9007199254740991'],
  ['beyond what a number holds', `:${'9'.repeat(16)}`],
  ['with an exponent', ':1e1'],
  ['with a zero before it', ':01'],
  ['in other digits', ':١'],
  ['of two parts', ':1:1'],
  ['with an end of text in it', ':1\0'],
  ['of another program', ":1'; select 1 --"],
  ['that is long', `:1${' '.repeat(10_000)}`],
])('a forged position %s is answered with a reset', async (_what, forged) => {
  const own = follow();
  await own.live();
  await app.make('before');
  await heardBy(own, 1);
  const [epoch] = (own.client.position ?? '').split(':');
  const at = follow(`${epoch}${forged}`);
  await at.live();
  await app.make('after');
  await heardBy(at, 2);
  expect(at.heard).toEqual(['reset', 'after']);
});

test('a position of a megabyte is not read: the request is refused', async () => {
  const address = `ws://127.0.0.1:${app.port}/notifications?since=${'9'.repeat(1_000_000)}`;
  await expect(openClient(address)).rejects.toThrow(/431|ECONNRESET|EPIPE|socket hang up/);
  const own = follow();
  await own.live();
});

test('a client without since is told in the form of old, without positions', async () => {
  const plain = await app.connect();
  const made = await app.make('one');
  expect(await plain.next()).toBe(`{"event":"note_created","data":${JSON.stringify(made)}}`);
  await plain.terminate();
});

test('several positions in one address are none', async () => {
  const socket = new WebSocket(`ws://127.0.0.1:${app.port}/notifications?since=a:1&since=b:2`);
  const first = await new Promise((resolve) => {
    socket.once('message', (data: Buffer) => resolve(data.toString()));
  });
  socket.terminate();
  expect(JSON.parse(String(first))).toMatchObject({ event: 'reset' });
});
