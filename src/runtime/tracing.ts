/**
 * Where a tracer hooks into the runtime. `troupe/otel` is one; there is one at a time, for all nodes of this program.
 *
 * A place that can be traced looks at `tracing.tracer` and does nothing more while that is null. A tracer changes nothing of what it
 * traces: it calls the function that it is given, once and at once, and answers or throws what that does.
 */
import type { Pid } from './terms/identifiers.ts';

/** @internal A process as a tracer gets it. */
export interface TracedProcess {
  readonly pid: Pid;
  readonly label: string;
}

/** @internal What the runtime tells a tracer. */
export interface Tracer {
  /** Runs the code of a controller, in the async context of its request. */
  controller<T>(self: TracedProcess, method: string, route: string | undefined, run: () => T): T;
  /** A call is made, in the context of its caller. The same object is what `handled` and `callEnded` get, within a node. */
  callStarted(call: object, name: string, to: string): void;
  /** A call is over. @param outcome its answer, or the error that its caller gets when it has failed */
  callEnded(call: object, failed: boolean, outcome: unknown): void;
  /** Runs the handler of a call. */
  handled<T>(call: object, self: TracedProcess, name: string, run: () => T): T;
  /** A broadcast is made, in the context of its sender. */
  broadcast(channel: string, topic: string): void;
}

/** @internal */
export const tracing: { tracer: Tracer | null } = { tracer: null };
