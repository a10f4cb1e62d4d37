// Spans of controllers, calls and broadcasts, with the context manager of OpenTelemetry and a provider that keeps what it makes.
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  context,
  type Context,
  createContextKey,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  type SpanOptions,
  SpanStatusCode,
  trace,
  TraceFlags,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { defineServer, pubsub, type Process } from 'troupe';
import { controller } from 'troupe/fastify';
import { startTracing } from 'troupe/otel';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { serveRoutes } from '../fastify/helpers.ts';
import { inProcess, makeNode } from '../process/helpers.ts';

interface Made {
  readonly name: string;
  readonly kind: SpanKind;
  readonly parent: string | undefined;
  readonly attributes: Record<string, unknown>;
  ended: number;
  failed: string | undefined;
}

/** A provider that keeps its spans; of those that are not sampled it makes none. */
class Kept implements TracerProvider {
  readonly spans: Made[] = [];
  readonly #names = new Map<string, string>();
  readonly #sampled: boolean;

  constructor(sampled = true) {
    this.#sampled = sampled;
  }

  getTracer(): Tracer {
    return { startSpan: (...args) => this.#start(...args), startActiveSpan: () => expect.unreachable() };
  }

  #start(name: string, options: SpanOptions = {}, parent: Context = context.active()): Span {
    const flags = this.#sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
    const spanId = String(this.#names.size + 1).padStart(16, '0');
    const spanContext = { traceId: '1'.padStart(32, '0'), spanId, traceFlags: flags };
    if (!this.#sampled) return trace.wrapSpanContext(spanContext);
    const above = trace.getSpanContext(parent)?.spanId;
    const made: Made = {
      name,
      kind: options.kind ?? SpanKind.INTERNAL,
      parent: above && this.#names.get(above),
      attributes: { ...options.attributes },
      ended: 0,
      failed: undefined,
    };
    this.#names.set(spanId, name);
    this.spans.push(made);
    const span: Span = Object.assign(trace.wrapSpanContext(spanContext), {
      isRecording: () => made.ended === 0,
      setStatus({ code, message }: { code: SpanStatusCode; message?: string }) {
        if (code === SpanStatusCode.ERROR) made.failed = message;
        return span;
      },
      end() {
        made.ended++;
      },
    });
    return span;
  }
}

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
});
afterAll(() => {
  context.disable();
});

function traced(sampled = true): Kept {
  const kept = new Kept(sampled);
  onTestFinished(startTracing({ tracerProvider: kept }));
  return kept;
}

const active = () => trace.getSpanContext(context.active())?.spanId;

const counter = defineServer({
  name: 'counter',
  init: () => 0,
  call: {
    plain: (count) => count,
    seen: () => active(),
    async later(_count, _nothing: undefined) {
      await Promise.resolve();
      return active();
    },
    fails(): number {
      throw new Error('it fails');
    },
    never: () => new Promise<number>(() => undefined),
  },
});

test('a controller, its calls and broadcasts are one trace, and what is called runs in it', async () => {
  const kept = traced();
  const { get, node } = await serveRoutes((app, on) => {
    app.get(
      '/things/:id',
      controller(
        async (self: Process) => {
          const answer = await on
            .start(counter)
            .then((server) => server.call('later', undefined, { from: self }));
          pubsub.broadcast(self, 'things', 'changed', 1);
          return { answer };
        },
        { name: 'get_thing' },
      ),
    );
  });
  const { answer } = (await get('/things/1')).json() as { answer: string };
  const names = kept.spans.map(({ name, kind, parent }) => [name, kind, parent]);
  expect(names).toEqual([
    ['controller get_thing', SpanKind.INTERNAL, undefined],
    ['call later', SpanKind.CLIENT, 'controller get_thing'],
    ['handle later', SpanKind.SERVER, 'call later'],
    ['broadcast things', SpanKind.PRODUCER, 'controller get_thing'],
  ]);
  expect(kept.spans.map(({ ended }) => ended)).toEqual([1, 1, 1, 1]);
  expect(Number(answer)).toBe(3);
  expect(kept.spans[0]!.attributes).toMatchObject({
    'http.request.method': 'GET',
    'http.route': '/things/:id',
    'troupe.process.label': 'get_thing',
    'troupe.node': node.name,
  });
  expect(kept.spans[2]!.attributes).toMatchObject({ 'troupe.process.label': 'counter' });
});

test('what is called gets the span of its caller, and nothing else of its context', async () => {
  traced();
  const KEY = createContextKey('tenant');
  const store = new AsyncLocalStorage<string>();
  const node = makeNode();
  const server = await node.start(
    defineServer({
      name: 'asked',
      init: () => 0,
      call: { seen: () => [active() !== undefined, context.active().getValue(KEY), store.getStore()] },
    }),
  );
  const answer = await store.run('tenant', () =>
    context.with(ROOT_CONTEXT.setValue(KEY, 'tenant'), () => server.call('seen')),
  );
  expect(answer).toEqual([true, undefined, undefined]);
  // The next turn of the server belongs to nobody.
  await inProcess(node, () => {
    expect(active()).toBe(undefined);
  });
});

test('a call that fails says why, and its span ends once', async () => {
  const kept = traced();
  const node = makeNode();
  const server = await node.start(counter);
  await expect(server.call('never', undefined, { timeoutMs: 1 })).rejects.toThrow(/TROUPE_CALL_TIMEOUT/);
  const other = await node.start(counter);
  await expect(other.call('fails')).rejects.toThrow(/it fails/);
  expect(kept.spans.map(({ name, ended, failed }) => [name, ended, failed])).toEqual([
    ['call never', 1, expect.stringContaining("Call 'never'")],
    ['handle never', 0, undefined],
    ['call fails', 1, expect.stringContaining('it fails')],
    ['handle fails', 1, 'it fails'],
  ]);
});

test('what is not sampled is carried nowhere', async () => {
  const kept = traced(false);
  const node = makeNode();
  const server = await node.start(counter);
  expect(await server.call('seen')).toBe(undefined);
  expect(await server.call('later')).toBe(undefined);
  expect(kept.spans).toEqual([]);
});

test('nothing is made before the start and after the end, and there is one at a time', async () => {
  const kept = new Kept();
  const node = makeNode();
  const server = await node.start(counter);
  await server.call('plain');
  const end = startTracing({ tracerProvider: kept });
  expect(() => startTracing()).toThrow(/TROUPE_BAD_ARGUMENT/);
  await server.call('plain');
  end();
  await server.call('plain');
  expect(kept.spans.map(({ name }) => name)).toEqual(['call plain', 'handle plain']);
});
