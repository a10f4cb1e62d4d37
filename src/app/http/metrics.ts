// What Prometheus reads at `/metrics`: the figures of the node, of its connections, of the database and of HTTP. docs/guide/metrics.md
// lists every name.
//
// - Off unless a setting asks for it: METRICS=own gives it a listener of its own, METRICS=public puts it beside the notes. Nothing
//   here runs, and no event has a subscriber, while it is off.
// - Nearly all figures are read when they are asked for. Only what happens seldom, and the requests, are counted as they happen.
// - No label has a pid, a path that a client chose, or any other value that grows without end: after `LABELS_MAX` values the rest
//   are `other`.
// - A scrape waits for the database at most `DATABASE_MS`. What it does not answer is left out, so that a figure is never an old one.
//   Scrapes that come together share one.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import {
  type Cursor,
  type EventSource,
  type Node,
  type NodeStatistics,
  nodeStatistics,
  onTelemetry,
  type TelemetryEvents,
  type TelemetryName,
} from 'troupe';
import type { PeerInfo } from 'troupe/erlang';
import type { TroupeApp } from 'troupe/fastify';
import type { Database, DatabaseStatus } from '../database/database.ts';
import type { Backlog } from '../indexer/backlog.ts';
import { notes } from '../notes/channel.ts';

/** What the figures are read from. */
export interface Measured {
  readonly node: Node;
  /** The connections of a node in a cluster; undefined for one that is alone. */
  readonly peers: (() => readonly PeerInfo[]) | undefined;
  readonly database: DatabaseStatus & Partial<Pick<Database, 'load' | 'onCall'>>;
  /** Where the events of the notes are stored. */
  readonly events: Pick<EventSource, 'extent'>;
  /** How far the log of the notes has come on this node; undefined while it has not read its store. */
  readonly cursor: () => Promise<Cursor | undefined>;
  readonly backlog: Pick<Backlog, 'pending'>;
}

/** How long a scrape waits for the database. */
const DATABASE_MS = 1_000;
/** Values of a label that are distinguished. */
export const LABELS_MAX = 100;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
const NANO = 1e9;
const QUANTILES = [0.5, 0.9, 0.99, 1] as const;
const OUTCOMES = ['succeeded', 'failed'] as const;
const STATES = ['starting', 'ready', 'unavailable', 'closed'] as const;

/** The labels of the figures that are read at a scrape and have any. */
const LABELLED: Readonly<Record<string, string[]>> = {
  troupe_peer_queued_bytes: ['peer'],
  notes_database_state: ['state'],
  notes_database_calls_total: ['outcome'],
  nodejs_eventloop_delay_seconds: ['quantile'],
};

interface Sample {
  readonly labels: Record<string, string>;
  readonly value: number;
}

/** What a figure is now: one value, or one for each of its labels; undefined when it is unknown. */
type Reading = number | undefined | readonly Sample[];

/** Forgets the last reading of a metric. @returns the samples of the new one */
function samples(metric: { reset(): void; remove(): void }, reading: Reading): readonly Sample[] {
  metric.reset();
  if (typeof reading === 'object') return reading;
  if (reading !== undefined) return [{ labels: {}, value: reading }];
  metric.remove();
  return [];
}

/** The metrics of one application. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #ends: (() => void)[] = [];
  readonly #measured: Measured;
  readonly #labels = new Map<string, Set<string>>();
  #scrape: Promise<string> | undefined;
  /** What was read in one pass, for the figures of this scrape. */
  #statistics: NodeStatistics | undefined;

  constructor(measured: Measured) {
    this.#measured = measured;
    this.#addNode();
    this.#addChannel();
    this.#addPeers();
    this.#addDatabase();
    this.#addProcess();
  }

  /** The type of what `read` answers. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The figures, as Prometheus reads them. */
  async read(): Promise<string> {
    if (this.#scrape === undefined) this.#statistics = undefined;
    this.#scrape ??= this.#registry.metrics().finally(() => {
      this.#scrape = undefined;
    });
    return await this.#scrape;
  }

  /** Counts the requests of a server and reads its WebSocket connections. Call it before its routes are added. */
  follow(http: FastifyInstance): void {
    const requests = this.#counter('http_requests_total', 'Requests that were answered.', [
      'method',
      'route',
      'status',
    ]);
    const durations = new Histogram({
      name: 'http_request_duration_seconds',
      help: 'From the head of a request to the end of its answer.',
      labelNames: ['method', 'route'],
      buckets: [...SECONDS],
      registers: [this.#registry],
    });
    http.addHook('onResponse', (request, reply, done) => {
      const { url: route = 'none' } = request.routeOptions;
      const { method } = request;
      requests.inc({ method, route, status: reply.statusCode });
      durations.observe({ method, route }, reply.elapsedTime / 1_000);
      done();
    });
    this.#addSockets(() => (http as { troupe?: TroupeApp }).troupe);
  }

  /** Ends what runs for the figures. */
  stop(): void {
    for (const end of this.#ends) end();
  }

  // ---- the node ----

  #addNode(): void {
    const { node } = this.#measured;
    const read = (): NodeStatistics => (this.#statistics ??= nodeStatistics(node));
    this.#gauge('troupe_processes', 'Live processes.', () => read().processes);
    this.#gauge('troupe_processes_max', 'The most processes that may be alive.', () => read().processLimit);
    this.#gauge(
      'troupe_processes_awaiting',
      'Processes that wait for a promise of their own code.',
      () => read().awaiting,
    );
    this.#gauge('troupe_run_queue_length', 'Processes and answers in the run queue.', () => read().runQueue);
    this.#gauge('troupe_mailbox_messages', 'Messages in all mailboxes.', () => read().messagesWaiting);
    this.#gauge('troupe_mailbox_longest', 'Messages in the longest mailbox.', () => read().longestMailbox);
    this.#total('troupe_messages_handled_total', 'Messages that were handled.', () => read().messagesHandled);
    this.#total('troupe_scheduler_turns_total', 'Turns of the scheduler.', () => read().turns);
    const high = this.#counter(
      'troupe_mailbox_high_water_total',
      'How often a mailbox grew past its high-water mark.',
      ['label'],
    );
    this.#on('troupe:mailbox:high_water', ({ label }) => high.inc({ label: this.#bounded('label', label) }));
    const dropped = this.#counter(
      'troupe_mailbox_dropped_total',
      'Messages that the bound of a mailbox dropped.',
      ['label'],
    );
    this.#on('troupe:mailbox:dropped', ({ label }) => dropped.inc({ label: this.#bounded('label', label) }));
    const restarts = this.#counter(
      'troupe_supervisor_restarts_total',
      'Children that a supervisor has restarted.',
      ['child'],
    );
    this.#on('troupe:supervisor:child_started', ({ id, restart }) => {
      if (restart) restarts.inc({ child: this.#bounded('child', id) });
    });
  }

  // ---- the channel and its log ----

  #addChannel(): void {
    const { node, cursor, events } = this.#measured;
    const channel = notes.name;
    const broadcasts = this.#counter(
      'troupe_broadcasts_total',
      'Broadcasts that this node has made on a channel.',
      ['channel'],
    );
    const deliveries = this.#counter(
      'troupe_deliveries_total',
      'Messages of a channel that were put into mailboxes of this node.',
      ['channel'],
    );
    broadcasts.inc({ channel }, 0);
    deliveries.inc({ channel }, 0);
    this.#on('troupe:pubsub:broadcast', (event) => {
      if (event.channel === channel && event.node === node.name) broadcasts.inc({ channel });
    });
    this.#on('troupe:pubsub:delivered', (event) => {
      if (event.channel === channel && event.node === node.name) deliveries.inc({ channel }, event.members);
    });
    this.#gauge(
      'troupe_channel_members',
      'Members of the channel notes on all nodes.',
      () => notes.getMembers(node).length,
    );
    // One after the other: the log may be ahead of a head that was read before, and never of one that was read after.
    const log = inTime(async () => {
      const position = (await cursor())?.position;
      return { position, head: (await events.extent(channel)).head };
    });
    this.#gauge(
      'notes_log_position',
      'The last event that the log has handed out.',
      async () => (await log())?.position,
    );
    this.#gauge('notes_log_lag_events', 'Stored events that the log has not handed out.', async () => {
      const { position, head } = (await log()) ?? {};
      return position === undefined || head === undefined ? undefined : Math.max(0, head - position);
    });
  }

  #addPeers(): void {
    const { node, peers } = this.#measured;
    this.#gauge('troupe_peers', 'Nodes that are connected.', () => node.nodes().length);
    if (peers === undefined) return;
    this.#gauge('troupe_peer_queued_bytes', 'Bytes that wait to be sent to a node.', () =>
      peers()
        .slice(0, LABELS_MAX)
        .map(({ name: peer, queuedBytes: value }) => ({ labels: { peer }, value })),
    );
  }

  #addSockets(troupe: () => TroupeApp | undefined): void {
    this.#gauge('troupe_websocket_connections', 'WebSocket connections.', () => troupe()?.connections);
    const help = {
      received: 'Frames that clients have sent.',
      sent: 'Frames that were sent to clients.',
      dropped: 'Frames that were dropped because a client was too slow.',
    } as const;
    for (const kind of ['received', 'sent', 'dropped'] as const) {
      this.#total(`troupe_websocket_frames_${kind}_total`, help[kind], () => troupe()?.frames[kind]);
    }
  }

  // ---- the database and the indexer ----

  #addDatabase(): void {
    const { database, backlog } = this.#measured;
    this.#gauge('notes_database_state', 'The state of the database: 1 for the one that it is in.', () =>
      STATES.map((state) => ({ labels: { state }, value: Number(database.state === state) })),
    );
    if (database.load !== undefined) {
      this.#gauge(
        'notes_database_calls_running',
        'Calls that are carried out.',
        () => database.load?.running,
      );
      this.#gauge(
        'notes_database_calls_waiting',
        'Calls that wait for their turn.',
        () => database.load?.waiting,
      );
      this.#total('notes_database_calls_total', 'Calls and transactions, by how they ended.', () =>
        OUTCOMES.map((outcome) => ({ labels: { outcome }, value: database.load?.[outcome] ?? 0 })),
      );
    }
    if (database.onCall !== undefined) {
      const durations = new Histogram({
        name: 'notes_database_call_duration_seconds',
        help: 'From a call or transaction to its answer, with its wait for its turn.',
        labelNames: ['kind', 'outcome'],
        buckets: [...SECONDS],
        registers: [this.#registry],
      });
      for (const kind of ['call', 'transaction']) {
        for (const outcome of OUTCOMES) durations.zero({ kind, outcome });
      }
      this.#ends.push(
        database.onCall(({ kind, outcome, seconds }) => durations.observe({ kind, outcome }, seconds)),
      );
    }
    if (backlog.pending === undefined) return;
    const pending = inTime(() => backlog.pending?.() ?? Promise.resolve(undefined));
    this.#gauge('notes_indexer_backlog', 'Notes to be indexed; at most 10,000 are counted.', pending);
  }

  // ---- the operating system process ----

  #addProcess(): void {
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    this.#ends.push(() => delay.disable());
    const help = 'How late the event loop was since the last scrape; quantile 1 is the longest delay.';
    this.#gauge('nodejs_eventloop_delay_seconds', help, () => {
      if (delay.count === 0) return [];
      const read = QUANTILES.map((quantile) => {
        return { labels: { quantile: String(quantile) }, value: delay.percentile(quantile * 100) / NANO };
      });
      delay.reset();
      return read;
    });
    this.#total('process_cpu_seconds_total', 'CPU time of the process, user and system.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    });
    const startedAt = (Date.now() - process.uptime() * 1_000) / 1_000;
    this.#gauge('process_start_time_seconds', 'When the process started, since 1970.', () => startedAt);
    this.#gauge('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss());
    this.#gauge(
      'nodejs_heap_used_bytes',
      'Memory of what JavaScript holds.',
      () => process.memoryUsage().heapUsed,
    );
  }

  // ---- how they are made ----

  /** A figure that is read at each scrape; what has no value is left out. */
  #gauge(name: string, help: string, read: () => Reading | Promise<Reading>): void {
    const labelNames = LABELLED[name] ?? [];
    const gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [],
      async collect() {
        for (const { labels, value } of samples(this, await read())) this.set(labels, value);
      },
    });
    this.#registry.registerMetric(gauge);
  }

  /** A count that is kept elsewhere. */
  #total(name: string, help: string, read: () => Reading): void {
    const labelNames = LABELLED[name] ?? [];
    const counter = new Counter({
      name,
      help,
      labelNames,
      registers: [],
      collect() {
        for (const { labels, value } of samples(this, read())) this.inc(labels, value);
      },
    });
    this.#registry.registerMetric(counter);
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[]): Counter<Label> {
    return new Counter({ name, help, labelNames, registers: [this.#registry] });
  }

  #on<Name extends TelemetryName>(name: Name, listener: (event: TelemetryEvents[Name]) => void): void {
    this.#ends.push(onTelemetry(name, listener));
  }

  /** The value of a label, or `other` for those that come when there are many. */
  #bounded(label: string, value: string): string {
    const known = this.#labels.get(label) ?? new Set();
    this.#labels.set(label, known);
    if (known.size < LABELS_MAX) known.add(value);
    return known.has(value) ? value : 'other';
  }
}

/** Asks for a limited time, once for all that ask in that time; undefined when there is no answer. */
function inTime<T>(ask: () => Promise<T>): () => Promise<T | undefined> {
  let asked: Promise<T | undefined> | undefined;
  return () => {
    asked ??= within(ask()).finally(() => {
      asked = undefined;
    });
    return asked;
  };
}

async function within<T>(answer: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), DATABASE_MS);
  });
  // The state of the database, another figure, says why there is no answer.
  const answered = answer.catch(() => undefined);
  const value = await Promise.race([answered, limit]);
  clearTimeout(timer);
  return value;
}

/** `GET /metrics`. */
export const metricsRoute: FastifyPluginAsync<{ readonly metrics: Metrics }> = async (app, { metrics }) => {
  const schema = { tags: ['service'], operationId: 'metrics', summary: 'Figures for Prometheus' };
  const api = { answers: { 200: 'The figures, in the text format of Prometheus.' }, type: 'text/plain' };
  app.get('/metrics', { logLevel: 'warn', schema, config: { api } }, async (_request, reply) => {
    const text = await metrics.read();
    return reply.header('cache-control', 'no-store').type(metrics.contentType).send(text);
  });
};
