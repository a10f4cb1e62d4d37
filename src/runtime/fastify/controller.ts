/**
 * Controllers: each request is handled in a process of its own, as in Cowboy, and the end of that process becomes the answer.
 *
 *     the controller returns    its value is the answer; the process ends `normal`, or when the stream has been sent
 *     it throws                 Fastify's error handler answers; the process crashes, unless the error is a 4xx
 *     the process is ended      500, or 503 for `shutdown`
 *     no answer in time         503, and the process gets the exit signal `timeout`; it is killed after as long again
 *     the client goes away      the process gets the exit signal `['shutdown', 'client_gone']`
 *
 * A process that traps exits can finish its work without its client, for example broadcast what it has committed.
 *
 * Invariants: nothing else is taken down; the answer is settled once; a request that is answered at once costs a process
 * and a promise, no timer and no listener.
 */
import type {
  ContextConfigDefault,
  FastifyBaseLogger,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
  FastifyTypeProvider,
  FastifyTypeProviderDefault,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerBase,
  RawServerDefault,
  RouteGenericInterface,
  RouteHandlerMethod,
} from 'fastify';
import { TroupeError, badArgument, checkOptionNames, kindOf, type OptionNames } from '../errors.ts';
import { type Behaviour, isThenable, type SpawnOptions } from '../process/behaviour.ts';
import { terminate } from '../process/exit.ts';
import { type ExitReason, isCleanExit, isShutdown, ProcessExit } from '../process/messages.ts';
import { addWatch } from '../process/monitor.ts';
import type { Process } from '../process/process.ts';
import { alreadyTold } from '../process/report.ts';
import { TimerEntry } from '../process/timers.ts';
import { telemetry, type Tracer, tracing } from '../telemetry.ts';
import { type TroupeApp, TroupeHttpError, troupeOf } from './app.ts';
import { checkTime } from './limits.ts';

/** Options of a controller. */
export interface ControllerOptions {
  /** What its processes are called; the function's own name when left out. */
  readonly name?: string;
  /**
   * Milliseconds until a request that has no answer is answered with 503 and its process gets the exit signal `timeout`;
   * one that traps exits and goes on is killed after as long again. `Infinity` for no limit. Default:
   * `controllerTimeoutMs` of the plugin.
   */
  readonly timeoutMs?: number;
}

const CONTROLLER_OPTIONS: OptionNames<ControllerOptions> = { name: true, timeoutMs: true };

/**
 * Makes a route handler from a function that runs in a process of its own, `self`. What it returns, throws or sends with
 * `reply` means the same as in any async handler of Fastify, and request, reply and answer have the types of the route.
 *
 * When the client goes away the process gets the exit signal `['shutdown', 'client_gone']`, so `self.signal` fires.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for a bad timeout.
 * @example `app.get('/api/notes', controller(async (self) => ({ notes: await repository.list() })));`
 */
export function controller<
  RawServer extends RawServerBase = RawServerDefault,
  RawRequest extends RawRequestDefaultExpression<RawServer> = RawRequestDefaultExpression<RawServer>,
  RawReply extends RawReplyDefaultExpression<RawServer> = RawReplyDefaultExpression<RawServer>,
  RouteGeneric extends RouteGenericInterface = RouteGenericInterface,
  ContextConfig = ContextConfigDefault,
  SchemaCompiler extends FastifySchema = FastifySchema,
  TypeProvider extends FastifyTypeProvider = FastifyTypeProviderDefault,
  Logger extends FastifyBaseLogger = FastifyBaseLogger,
>(
  run: (
    this: FastifyInstance<RawServer, RawRequest, RawReply, Logger, TypeProvider>,
    self: Process,
    request: FastifyRequest<
      RouteGeneric,
      RawServer,
      RawRequest,
      SchemaCompiler,
      TypeProvider,
      ContextConfig,
      Logger
    >,
    reply: FastifyReply<
      RouteGeneric,
      RawServer,
      RawRequest,
      RawReply,
      ContextConfig,
      SchemaCompiler,
      TypeProvider
    >,
  ) => ReturnType<
    RouteHandlerMethod<
      RawServer,
      RawRequest,
      RawReply,
      RouteGeneric,
      ContextConfig,
      SchemaCompiler,
      TypeProvider,
      Logger
    >
  >,
  options: ControllerOptions = {},
): RouteHandlerMethod<
  RawServer,
  RawRequest,
  RawReply,
  RouteGeneric,
  ContextConfig,
  SchemaCompiler,
  TypeProvider,
  Logger
> {
  if (typeof run !== 'function')
    throw badArgument(`A controller is made of a function, not of ${kindOf(run)}.`);
  checkOptionNames('controller', options, CONTROLLER_OPTIONS);
  const { name = run.name === '' ? 'controller' : run.name, timeoutMs } = options;
  if (timeoutMs !== undefined) checkTime('timeoutMs', timeoutMs);
  const behaviour = executionBehaviour(name, run as unknown as Run);
  function handler(this: unknown, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const troupe = troupeOf(request.server);
    const execution = new Execution(troupe, this, request, reply, timeoutMs ?? troupe.controllerTimeoutMs);
    return execution.begin(behaviour);
  }
  // Fastify awaits what a handler returns, so the promise of an answer stands for the answer.
  return handler as never;
}

// ---- one request ----

/** A controller runs in the async context of its request. */
const IN_REQUEST: SpawnOptions = { asyncContext: 'spawner' };

const failed = telemetry('troupe:fastify:failed');

/** A controller as it is called. */
type Run = (this: unknown, self: Process, request: FastifyRequest, reply: FastifyReply) => unknown;

/** The behaviour of a controller's processes. */
type ExecutionBehaviour = Behaviour<void, readonly [Execution]>;

/** Makes the behaviour; the process ends in or after `init`, so no message is ever handled. */
function executionBehaviour(name: string, run: Run): ExecutionBehaviour {
  return {
    name,
    init: (self, execution) => execution.run(self, run),
    handle: () => undefined,
  };
}

/** Where a response keeps the execution that it belongs to. */
const EXECUTION = Symbol('troupe.execution');

/** The response has ended, or its connection. One listener for all, as they are added for each request. */
function onClose(this: { [EXECUTION]?: Execution }): void {
  this[EXECUTION]?.closed();
}

/**
 * @internal The requests that wait for their controller, as a list through them. A `Set` that changes for each request leaves
 * tables behind that hold what was in them, so that whole requests live until the next full garbage collection.
 */
export class Executions {
  #first: Execution | null = null;
  size = 0;

  add(execution: Execution): void {
    if (execution.listed) return;
    execution.listed = true;
    execution.next = this.#first;
    if (this.#first !== null) this.#first.previous = execution;
    this.#first = execution;
    this.size++;
  }

  delete(execution: Execution): void {
    if (!execution.listed) return;
    const { previous, next } = execution;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    execution.listed = false;
    execution.previous = null;
    execution.next = null;
    this.size--;
  }

  /** The application has closed: ends what still runs and has no client. */
  shutDown(): void {
    for (let each = this.#first; each !== null; each = this.#first) {
      this.delete(each);
      each.shutDown();
    }
  }
}

/** @internal One request; see the head of this file. */
export class Execution extends TimerEntry {
  /** Whether it is one of {@link Executions}, and its neighbours there. */
  listed = false;
  previous: Execution | null = null;
  next: Execution | null = null;
  readonly #troupe: TroupeApp;
  readonly #instance: unknown;
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #timeoutMs: number;
  #process: Process | null = null;
  #resolve: ((value: unknown) => void) | null = null;
  #reject: ((error: unknown) => void) | null = null;
  #watching = false;
  /** True once the controller has returned a stream. */
  #streams = false;
  /** True once the time was over. */
  #late = false;

  constructor(
    troupe: TroupeApp,
    instance: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
    timeoutMs: number,
  ) {
    super();
    this.#troupe = troupe;
    this.#instance = instance;
    this.#request = request;
    this.#reply = reply;
    this.#timeoutMs = timeoutMs;
  }

  /** Spawns the process. @returns the promise of the answer. */
  begin(behaviour: ExecutionBehaviour): Promise<unknown> {
    try {
      this.#process = this.#troupe.node.create(behaviour, [this], undefined, IN_REQUEST);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      throw new TroupeHttpError(503, 'TROUPE_UNAVAILABLE', 'The request could not be accepted.', {
        cause: error,
      });
    }
    addWatch(this.#process, this);
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Runs the controller, in the process. */
  run(self: Process, run: Run): Promise<void> | void {
    let value: unknown;
    try {
      const { tracer } = tracing;
      value =
        tracer === null
          ? run.call(this.#instance, self, this.#request, this.#reply)
          : this.#traced(tracer, self, run);
    } catch (thrown) {
      this.#threw(self, thrown);
      return undefined;
    }
    if (!isThenable(value)) {
      this.#returned(self, value);
      return undefined;
    }
    this.#troupe.executions.add(this);
    this.#watchClient();
    if (this.#timeoutMs !== Infinity) self.node.timers.start(this, Math.ceil(this.#timeoutMs));
    return Promise.resolve(value).then(
      (result) => {
        this.#returned(self, result);
      },
      (thrown: unknown) => {
        this.#threw(self, thrown);
      },
    );
  }

  #traced(tracer: Tracer, self: Process, run: Run): unknown {
    const request = this.#request;
    return tracer.controller(self, request.method, request.routeOptions.url, () =>
      run.call(this.#instance, self, request, this.#reply),
    );
  }

  /** Ends its process. */
  shutDown(): void {
    if (this.#process !== null) terminate(this.#process, 'shutdown');
  }

  /** The time is over. */
  override expired(): void {
    const { raw } = this.#reply;
    // An answer that is on its way ends when it has arrived or its client is gone.
    if (raw.headersSent && !raw.writableEnded) return;
    const process = this.#process as Process;
    if (this.#late) {
      terminate(process, 'killed');
      return;
    }
    this.#late = true;
    this.#fail(
      new TroupeHttpError(503, 'TROUPE_CONTROLLER_TIMEOUT', 'The request took too long.', {
        reason: 'timeout',
      }),
    );
    process.node.sendExit(process.node.initPid, process.pid, 'timeout');
    if (process.alive) process.node.timers.start(this, Math.ceil(this.#timeoutMs));
  }

  /** The process has ended. */
  override targetExited(reason: ExitReason): void {
    const process = this.#process as Process;
    process.node.timers.drop(this);
    this.#troupe.executions.delete(this);
    if (failed.hasSubscribers && !isCleanExit(reason)) {
      failed.publish({ pid: process.pid, label: process.label, reason });
    }
    // It has nearly always been answered, and an error with its stack costs more than all else here.
    if (this.#reject === null) return;
    if (isShutdown(reason)) {
      this.#fail(new TroupeHttpError(503, 'TROUPE_UNAVAILABLE', 'The request was given up.', { reason }));
    } else {
      this.#fail(
        new TroupeHttpError(500, 'TROUPE_CONTROLLER_EXIT', 'The request was not finished.', { reason }),
      );
    }
  }

  #returned(self: Process, value: unknown): void {
    self.node.timers.drop(this);
    this.#succeed(value);
    if (!self.alive || !isStream(value)) {
      terminate(self, 'normal');
      return;
    }
    this.#streams = true;
    this.#troupe.executions.add(this);
    this.#watchClient();
  }

  #threw(self: Process, thrown: unknown): void {
    if (thrown instanceof ProcessExit) throw thrown;
    this.#fail(thrown);
    if (!isClientError(thrown)) throw thrown;
    // An answer such as 404 is not a failure of the process.
    terminate(self, 'normal');
  }

  #watchClient(): void {
    if (this.#watching) return;
    this.#watching = true;
    const raw: FastifyReply['raw'] & { [EXECUTION]?: Execution } = this.#reply.raw;
    raw[EXECUTION] = this;
    raw.on('close', onClose);
  }

  /** The response has ended, or its connection. */
  closed(): void {
    const process = this.#process as Process;
    if (!this.#reply.raw.writableEnded) {
      this.#succeed(undefined);
      process.node.sendExit(process.node.initPid, process.pid, ['shutdown', 'client_gone']);
    } else if (this.#streams) {
      terminate(process, 'normal');
    }
  }

  #succeed(value: unknown): void {
    const resolve = this.#resolve;
    this.#resolve = null;
    this.#reject = null;
    resolve?.(value);
  }

  #fail(error: unknown): void {
    const reject = this.#reject;
    this.#resolve = null;
    this.#reject = null;
    // Fastify's error handler reports it.
    if (reject !== null) alreadyTold(error);
    reject?.(error);
  }
}

/** True for what Fastify sends piece by piece: a stream of Node.js or of the web, or a Response. */
function isStream(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { pipe, getReader } = value as { pipe?: unknown; getReader?: unknown };
  return typeof pipe === 'function' || typeof getReader === 'function' || value instanceof Response;
}

/** True for an error that Fastify answers with a status from 400 to 499. */
function isClientError(thrown: unknown): boolean {
  const { statusCode, status } = Object(thrown) as { statusCode?: unknown; status?: unknown };
  const code = Number(statusCode ?? status);
  return code >= 400 && code < 500;
}
