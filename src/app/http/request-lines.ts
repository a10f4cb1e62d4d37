// What is logged of requests: at `info` the outcome of the first of a kind in ten seconds, with how many of that kind there were
// since the last line; at `debug` the start and the outcome of each.
//
// A kind is a route, a method, a status and a client. Whatever clients send, and however often, the log grows by a bounded number
// of lines a second: see `Recurring` of troupe/log. An access log of every request is the job of the proxy in front.
import { type FastifyReply, type FastifyRequest, LogController } from 'fastify';
import { clientOf } from 'troupe/fastify';
import { Recurring } from 'troupe/log';

const URL_SHOWN_MAX = 200;

/** Logs requests. */
export class RequestLines extends LogController {
  readonly #ended = new Recurring();
  readonly #broken = new Recurring();

  override incomingRequest(request: FastifyRequest): void {
    request.log.debug(shown(request), 'incoming request');
  }

  override requestCompleted(
    error: Error | null | undefined,
    request: FastifyRequest,
    reply: FastifyReply,
  ): void {
    const { statusCode } = reply;
    const count = this.#ended.due(`${statusCode} ${kindOf(request)}`);
    const level = count === undefined ? 'debug' : 'info';
    const ms = Math.round(reply.elapsedTime);
    const why = error == null ? undefined : error.message;
    request.log[level]({ ...shown(request), statusCode, ms, count, why }, 'request completed');
  }

  override streamError(error: Error, request: FastifyRequest): void {
    const count = this.#broken.due(kindOf(request));
    if (count !== undefined)
      request.log.info({ ...shown(request), why: error.message, count }, 'an answer was cut off');
  }
}

/** Requests of one client to one route are of one kind. */
export function kindOf(request: FastifyRequest): string {
  return `${request.method} ${request.routeOptions.url ?? ''} ${clientOf(request.ip)}`;
}

function shown({ method, url, ip }: FastifyRequest): object {
  return { method, url: url.length > URL_SHOWN_MAX ? `${url.slice(0, URL_SHOWN_MAX)}…` : url, client: ip };
}
