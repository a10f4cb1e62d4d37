/**
 * The entry point `troupe/otel`: spans of OpenTelemetry for controllers, calls and broadcasts. It needs `@opentelemetry/api`, which
 * does nothing until the program installs an SDK.
 *
 *     controller `list_notes`              in the async context of its request
 *     └─ call `search`      (client)       from the call to its answer
 *        └─ handle `search` (server)       in the process that is called; its code runs in this span
 *     └─ broadcast `notes`  (producer)       the moment at which it is made
 *
 * - A trace follows a call into the process that is called, within a node. To another node it does not go: its messages have OTP's
 *   own forms, which have no room for one. See docs/adr/0036-traces.md.
 * - What runs in the span of a call gets the span and nothing else of its caller: no other value of an async context crosses.
 * - A call that is not sampled is carried nowhere and costs a look-up.
 */
import {
  context,
  type Span,
  SpanKind,
  SpanStatusCode,
  ROOT_CONTEXT,
  trace,
  type Tracer as OtelTracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { badArgument } from '../errors.ts';
import { type TracedProcess, type Tracer, tracing } from '../telemetry.ts';

/** Options of {@link startTracing}. */
export interface TracingOptions {
  /** Makes the tracer; the global one when left out. */
  readonly tracerProvider?: TracerProvider;
}

/**
 * Begins to make spans, for all nodes of this program. Call it when the SDK has been started.
 * @returns a function that ends it; spans that are open then are ended when what they stand for is over.
 * @throws TroupeError TROUPE_BAD_ARGUMENT when it was called before and has not been ended.
 * @example `const end = startTracing();`
 */
export function startTracing(options: TracingOptions = {}): () => void {
  if (tracing.tracer !== null) throw badArgument('Tracing has been started already, by another call.');
  const bridge = new Bridge((options.tracerProvider ?? trace.getTracerProvider()).getTracer('troupe'));
  tracing.tracer = bridge;
  return () => {
    if (tracing.tracer === bridge) tracing.tracer = null;
  };
}

class Bridge implements Tracer {
  readonly #tracer: OtelTracer;
  /** The spans of the calls that are under way and sampled. */
  readonly #calls = new WeakMap<object, Span>();

  constructor(tracer: OtelTracer) {
    this.#tracer = tracer;
  }

  controller<T>(self: TracedProcess, method: string, route: string | undefined, run: () => T): T {
    const attributes = {
      ...about(self),
      'http.request.method': method,
      ...(route !== undefined && { 'http.route': route }),
    };
    const span = this.#tracer.startSpan(`controller ${self.label}`, { attributes });
    return inSpan(span, run, () => context.with(trace.setSpan(context.active(), span), run));
  }

  callStarted(call: object, name: string, to: string): void {
    const attributes = { 'troupe.call.name': name, 'troupe.call.to': to };
    const span = this.#tracer.startSpan(`call ${name}`, { kind: SpanKind.CLIENT, attributes });
    if (span.isRecording()) this.#calls.set(call, span);
  }

  callEnded(call: object, failed: boolean, outcome: unknown): void {
    const span = this.#calls.get(call);
    if (span === undefined) return;
    // Without an error the caller has ended before the answer came.
    if (failed) fail(span, outcome ?? 'the caller has ended');
    span.end();
  }

  handled<T>(call: object, self: TracedProcess, name: string, run: () => T): T {
    const caller = this.#calls.get(call);
    if (caller === undefined) return run();
    const parent = trace.setSpan(ROOT_CONTEXT, caller);
    const options = { kind: SpanKind.SERVER, attributes: about(self) };
    const span = this.#tracer.startSpan(`handle ${name}`, options, parent);
    return inSpan(span, run, () => context.with(trace.setSpan(ROOT_CONTEXT, span), run));
  }

  broadcast(channel: string, topic: string): void {
    const attributes = { 'messaging.destination.name': channel, 'troupe.topic': topic };
    this.#tracer.startSpan(`broadcast ${channel}`, { kind: SpanKind.PRODUCER, attributes }).end();
  }
}

function about({ pid, label }: TracedProcess): Record<string, string> {
  return { 'troupe.process.pid': pid.toString(), 'troupe.process.label': label, 'troupe.node': pid.node };
}

/** Runs a function, and ends the span with what it answers or throws, now or later. */
function inSpan<T>(span: Span, run: () => T, runInSpan: () => T): T {
  if (!span.isRecording()) return run();
  let result: T;
  try {
    result = runInSpan();
  } catch (error) {
    fail(span, error);
    span.end();
    throw error;
  }
  if (!(result instanceof Promise)) {
    span.end();
    return result;
  }
  void result.then(
    () => span.end(),
    (error: unknown) => {
      fail(span, error);
      span.end();
    },
  );
  return result;
}

function fail(span: Span, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error);
  span.recordException(error instanceof Error ? error : message);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}
