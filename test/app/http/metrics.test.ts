// The metrics as Prometheus reads them: the documented names and no others, figures that follow what happens, labels that stay few.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Down } from 'troupe';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../../../src/app/internal.ts';
import { LABELS_MAX } from '../../../src/app/http/internal.ts';
import { DatabaseUnavailableError } from '../../../src/app/database/internal.ts';
import { FaultyDatabase, openPgliteForTests, type OpenedDatabase } from '../support/faulty-database.ts';
import { startTestApp, type TestApp } from '../support/test-app.ts';

let opened: OpenedDatabase;
let database: FaultyDatabase;
let app: TestApp;

beforeAll(async () => {
  opened = await openPgliteForTests();
  database = new FaultyDatabase(opened.database);
  app = await startTestApp({ database, env: { METRICS: 'public' } });
});
afterAll(async () => {
  await app.stop();
  await opened.remove();
});

async function text(): Promise<string> {
  const { status, body } = await app.ask('GET', '/metrics');
  expect(status).toBe(200);
  return String(body);
}

/** The figures by name and labels, as they are written. */
async function figures(): Promise<Record<string, number>> {
  const lines = (await text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  );
}

test('have the type that Prometheus asks for, and are never cached', async () => {
  const { headers } = await app.ask('GET', '/metrics');
  expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  expect(headers.get('cache-control')).toBe('no-store');
});

test('the guide lists each name with its type and labels, and no other', async () => {
  const guide = readFileSync(join(import.meta.dirname, '../../../docs/guide/metrics.md'), 'utf8');
  const listed = [...guide.matchAll(/^\| `(\w+)` +\| (gauge|counter|histogram) +\|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const served = [...(await text()).matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  // The application of this test is alone, and its database is a stand-in that does not count its calls.
  const missing = listed.filter((each) => !served.includes(each)).map((each) => each.split(' ')[0]);
  expect(served.filter((each) => !listed.includes(each))).toEqual([]);
  expect(new Set(missing)).toEqual(
    new Set([
      'notes_database_calls_running',
      'notes_database_calls_total',
      'notes_database_calls_waiting',
      'troupe_peer_queued_bytes',
    ]),
  );
});

test('requests are counted by pattern and status, whatever path a client asks for', async () => {
  const before = await figures();
  const { id } = await app.make('counted');
  await app.ask('GET', `/api/notes/${id}`);
  await app.ask('GET', '/api/notes/999999');
  await app.ask('GET', '/a/path/of/its/own');
  // A request counts when its answer is out, which may be after its client has read it.
  const last = 'http_requests_total{method="GET",route="none",status="404"}';
  let after = await figures();
  while ((after[last] ?? 0) === (before[last] ?? 0)) after = await figures();
  const grown = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
  expect(grown('http_requests_total{method="POST",route="/api/notes",status="201"}')).toBe(1);
  expect(grown('http_requests_total{method="GET",route="/api/notes/:id",status="200"}')).toBe(1);
  expect(grown('http_requests_total{method="GET",route="/api/notes/:id",status="404"}')).toBe(1);
  expect(grown('http_requests_total{method="GET",route="none",status="404"}')).toBe(1);
  expect(grown('http_request_duration_seconds_count{method="GET",route="/api/notes/:id"}')).toBe(2);
  expect(await text()).not.toMatch(/notes\/999999|of\/its\/own|<\d+\.\d+\.\d+>/);
});

test('a change is a broadcast with a delivery for each member, and moves the log', async () => {
  const client = await app.connect();
  onTestFinished(() => client.terminate());
  const before = await figures();
  await app.make('told');
  expect(JSON.parse(await client.next())).toMatchObject({ event: 'note_created' });
  const after = await figures();
  expect(after['troupe_broadcasts_total{channel="notes"}']).toBe(
    Number(before['troupe_broadcasts_total{channel="notes"}']) + 1,
  );
  // The indexer and the client.
  expect(after['troupe_channel_members']).toBe(2);
  expect(after['troupe_deliveries_total{channel="notes"}']).toBe(
    Number(before['troupe_deliveries_total{channel="notes"}']) + 2,
  );
  expect(after['notes_log_position']).toBe(Number(before['notes_log_position']) + 1);
  expect(after['notes_log_lag_events']).toBe(0);
  expect(after['troupe_websocket_connections']).toBe(1);
  expect(after['troupe_websocket_frames_sent_total']).toBe(
    Number(before['troupe_websocket_frames_sent_total']) + 1,
  );
});

test('calls of the database are timed by kind and outcome', async () => {
  const before = await figures();
  await app.make('timed');
  await database.run(() => Promise.reject(new Error('no such statement'))).catch(() => undefined);
  const after = await figures();
  const name = 'notes_database_call_duration_seconds';
  const grown = (kind: string, outcome: string): number => {
    const labels = `{kind="${kind}",outcome="${outcome}"}`;
    return (after[`${name}_count${labels}`] ?? 0) - (before[`${name}_count${labels}`] ?? 0);
  };
  expect(grown('transaction', 'succeeded')).toBeGreaterThanOrEqual(1);
  expect(grown('transaction', 'failed')).toBe(0);
  expect(grown('call', 'failed')).toBe(1);
  const sum = `${name}_sum{kind="transaction",outcome="succeeded"}`;
  expect(Number(after[sum])).toBeGreaterThan(before[sum] ?? 0);
  // Two kinds with two outcomes: no more, whatever happens.
  expect(Object.keys(after).filter((each) => each.startsWith(`${name}_count`))).toHaveLength(4);
});

test('a child that was killed counts as restarted', async () => {
  const before = await figures();
  const indexer = app.node.whereis('note_indexer');
  const restarted = app.logged(/^restarted$/);
  app.node.exit(indexer!, 'kill');
  await restarted;
  const name = 'troupe_supervisor_restarts_total{child="indexer"}';
  expect((await figures())[name]).toBe((before[name] ?? 0) + 1);
});

test('labels that the program makes end at a number', async () => {
  const { node } = app;
  const crowd = Array.from({ length: LABELS_MAX + 5 }, (_, n) =>
    node.spawnWith({ label: `full ${n}`, mailbox: { limit: 1, policy: 'dropOldest' } }, async (self) => {
      await self.receive((message) => message === 'end');
    }),
  );
  onTestFinished(() => crowd.forEach((pid) => node.exit(pid, 'kill')));
  const ended = node.spawn(async (self) => {
    for (const pid of crowd) for (let n = 0; n < 2; n++) self.send(pid, n);
  });
  await new Promise<void>((resolve) => {
    node.spawn(async (self) => {
      self.monitor(ended);
      await self.receive((message) => message instanceof Down);
      resolve();
    });
  });
  const dropped = Object.entries(await figures()).filter(([name]) =>
    name.startsWith('troupe_mailbox_dropped_total'),
  );
  expect(dropped).toHaveLength(LABELS_MAX + 1);
  expect(Object.fromEntries(dropped)['troupe_mailbox_dropped_total{label="other"}']).toBe(5);
});

test('while the database is away its figures are missing, and the others are there', async () => {
  database.fault = {
    before: () => {
      throw new DatabaseUnavailableError('unreachable', 'it is away', 1_000);
    },
  };
  database.pretended = 'unavailable';
  onTestFinished(() => {
    database.fault = undefined;
    database.pretended = undefined;
  });
  const during = await figures();
  expect(during['notes_database_state{state="unavailable"}']).toBe(1);
  expect(during['notes_database_state{state="ready"}']).toBe(0);
  expect(Object.keys(during).filter((name) => /^notes_(log|indexer)_/.test(name))).toEqual([]);
  expect(during['troupe_processes']).toBeGreaterThan(0);
});

test('a database that does not answer holds a scrape up for a limited time', async () => {
  let answer: () => void = () => undefined;
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  database.fault = { before: () => held };
  const during = await figures();
  database.fault = undefined;
  answer();
  expect(Object.keys(during).filter((name) => /^notes_(log|indexer)_/.test(name))).toEqual([]);
});

test('scrapes that come together share one', async () => {
  let asked = 0;
  database.fault = { before: () => void asked++ };
  onTestFinished(() => {
    database.fault = undefined;
  });
  await text();
  const one = asked;
  asked = 0;
  await Promise.all([text(), text(), text()]);
  expect(asked).toBeLessThan(3 * one);
});

describe('where they are served', () => {
  test('the settings say it', () => {
    expect(loadConfig({}).metrics).toBe(undefined);
    expect(loadConfig({ METRICS: 'public' }).metrics).toBe('public');
    expect(loadConfig({ METRICS: 'own', METRICS_PORT: '0' }).metrics).toEqual({ host: '127.0.0.1', port: 0 });
    expect(() => loadConfig({ METRICS: 'yes' })).toThrow(
      /METRICS is "yes"; allowed: one of off, own, public/,
    );
  });

  test('on a port of their own, to requests for a host of the service, and on no other', async () => {
    const other = await startTestApp({
      database: new FaultyDatabase(opened.database),
      env: { METRICS: 'own' },
    });
    onTestFinished(() => other.stop());
    expect((await other.ask('GET', '/metrics')).status).toBe(404);
    const url = await other.metrics!.listen({ host: '127.0.0.1', port: 0 });
    const answer = await fetch(`${url}/metrics`);
    expect([answer.status, await answer.text()]).toEqual([
      200,
      expect.stringContaining('\ntroupe_processes '),
    ]);
    expect((await fetch(`${url}/api/notes`)).status).toBe(404);
    const refused = await other.metrics!.inject({ url: '/metrics', headers: { host: 'evil.example' } });
    expect(refused.statusCode).toBe(421);
  });

  test('nowhere unless asked for', async () => {
    const other = await startTestApp({ database: new FaultyDatabase(opened.database) });
    onTestFinished(() => other.stop());
    expect(other.metrics).toBe(undefined);
    expect((await other.ask('GET', '/metrics')).status).toBe(404);
  });
});
