/**
 * Async contexts and async stacks.
 *
 * An async context is what `AsyncLocalStorage` calls the current store. A turn inherits the context of the code that scheduled it,
 * and runs many processes. So turns and timers are scheduled from one scope that belongs to no process, and a process that was
 * spawned with its spawner's context enters that context for each run.
 *
 * Invariant: no code of a process runs in a context that another process, a sender, a timer or a connection brought along.
 *
 * Why things are scheduled in the scope instead of run in it: what a handler does to its context (`enterWith`) would stay in
 * a scope that is used again. The resource of a microtask or timer is new each time.
 */
import { AsyncResource, executionAsyncId, executionAsyncResource } from 'node:async_hooks';

const NOW = Promise.resolve();

/** Has the context in which the runtime was loaded: none, unless a program imports it during a request. */
const nobody = new AsyncResource('TROUPE');

/** @internal Calls a function that starts something asynchronous, so that this has no context. */
export function withoutContext<T>(start: () => T): T {
  return nobody.runInAsyncScope(start);
}

// A tick of `process.nextTick` is held for good. Before Node.js 26 a tick is an object literal, whose hidden class V8 holds weakly: a
// collection that finds no tick alive makes each later call of `nextTick` about a microsecond slower until the process ends, and streams
// call it several times for each HTTP request (ADR 0029). Bun has no such object.
if (process.versions['bun'] === undefined) {
  withoutContext(() => {
    process.nextTick(() => Object.assign(nobody, { tick: executionAsyncResource() }));
  });
}

/**
 * Whether a promise has an id exactly when it carries a context: before Node.js 24 contexts are kept by async hooks, which give
 * every promise an id once a program uses a context. Elsewhere (`AsyncContextFrame`, other runtimes) an id says nothing.
 */
const IDS_TELL =
  Number.parseInt(process.versions.node, 10) < 24 &&
  process.versions['bun'] === undefined &&
  process.versions['deno'] === undefined &&
  ![...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ').includes('async-context-frame');

/**
 * @internal True when a microtask that is started now most likely has no context, so that {@link withoutContext}, which costs
 * as much as starting it, can be left out. The microtask has to ask {@link hasContext} before it does anything.
 */
export function needsNoScope(): boolean {
  return IDS_TELL && executionAsyncId() === 0;
}

/** @internal Whether a microtask that was started without a scope has a context after all: of a program that began to use one meanwhile. */
export function hasContext(): boolean {
  return executionAsyncId() !== 0;
}

/** @internal Captures the current context, for entering it later. */
export function currentContext(): AsyncResource {
  return new AsyncResource('TROUPE_PROCESS');
}

/**
 * @internal A promise that rejects with an error whose stack leads to the code that awaits it. Pass it to the `resolve` of the
 * awaited promise.
 *
 * Such an error is made in another turn, by a timer or the end of a process, where the stack says nothing about the caller.
 * V8 appends to a stack the functions that await the promise which the running microtask settles. So the stack is taken in a
 * microtask of its own, whose promise the awaited one follows; only a failure pays for it.
 */
export async function rejection(error: unknown): Promise<never> {
  // One microtask more than an await takes: by then the other promise follows this one.
  await NOW.then(() => undefined);
  if (error instanceof Error) Error.captureStackTrace(error);
  throw error;
}
