/**
 * The async context that code runs in: what `AsyncLocalStorage` calls the current store.
 *
 * The context of a turn is that of what scheduled it, and a turn runs many processes. So turns and timers are scheduled from
 * one scope that belongs to nobody, and a process that was spawned with its spawner's context enters that for each run.
 *
 * Invariant: no code of a process runs in a context that another process, a sender, a timer or a connection brought along.
 *
 * Why things are scheduled in the scope instead of run in it: what a handler does to its context (`enterWith`) would stay in
 * a scope that is used again. The resource of a microtask or timer is new each time.
 */
import { AsyncResource } from 'node:async_hooks';

/** Has the context in which the runtime was loaded: none, unless a program imports it in the middle of a request. */
const nobody = new AsyncResource('TROUPE');

/** @internal Calls a function that starts something asynchronous, so that this has no context. */
export function withoutContext<T>(start: () => T): T {
  return nobody.runInAsyncScope(start);
}

/** @internal The context that is current, to be entered later. */
export function currentContext(): AsyncResource {
  return new AsyncResource('TROUPE_PROCESS');
}
