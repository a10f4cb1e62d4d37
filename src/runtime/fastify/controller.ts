/**
 * Controllers as processes: each request is handled in a process of its own, as in Cowboy. What happens to one is in
 * `execution.ts`.
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
import type { Process } from '../process/process.ts';
import { Execution, executionBehaviour, type Run } from './execution.ts';
import { checkTime } from './limits.ts';
import { troupeOf } from './troupe-app.ts';

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

/**
 * Makes a route handler of a function that runs in a process of its own, `self`. What it returns, throws or sends with
 * `reply` means what it means in any async handler of Fastify, and the types of request, reply and answer are those of the
 * route it is given to.
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
  const { name = run.name === '' ? 'controller' : run.name, timeoutMs } = options;
  if (timeoutMs !== undefined) checkTime('timeoutMs', timeoutMs);
  const behaviour = executionBehaviour(name, run as unknown as Run);
  function handler(this: unknown, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
    const troupe = troupeOf(request.server);
    const execution = new Execution(troupe, this, request, reply, timeoutMs ?? troupe.controllerTimeoutMs);
    return execution.begin(behaviour);
  }
  // Fastify awaits what a handler returns, so the promise of an answer stands for the answer.
  return handler as unknown as RouteHandlerMethod<
    RawServer,
    RawRequest,
    RawReply,
    RouteGeneric,
    ContextConfig,
    SchemaCompiler,
    TypeProvider,
    Logger
  >;
}
