// Failures as HTTP answers: always `{"error": text}`, with a text that says what to do and reveals no internals.
//
// A fault of the server is logged with its cause, one of the client is not; a passing one, such as an outage of the database, is
// one line without a stack. Each kind and client gets one line in ten seconds.
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TroupeError } from 'troupe';
import { DatabaseUnavailableError } from '../database/errors.ts';
import { Recurring } from 'troupe/log';
import { kindOf } from './request-lines.ts';

/** Characters of an error that tell failures apart. */
const KIND_MAX = 100;

/** An answer other than success, thrown by a controller. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly statusCode: number;
  readonly retryAfterSeconds: number | undefined;

  /** @param message for the client */
  constructor(statusCode: number, message: string, retryAfterSeconds?: number) {
    super(message);
    this.statusCode = statusCode;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Texts for errors of Fastify and its plugins that a client can cause; their own would name internals. */
const texts: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'the body must be JSON, with content-type: application/json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'the body is not valid JSON',
  FST_ERR_BAD_URL: 'the path is not a valid URL',
  TROUPE_ORIGIN_REFUSED: 'a page of another origin may not open a WebSocket here',
  TROUPE_NO_WEBSOCKET: 'there is no WebSocket here',
  TROUPE_UPGRADE_REQUIRED: 'open this with a WebSocket',
};

/** The answer to a change that failed but may have been stored. */
const MAYBE_DONE =
  'the database did not answer, so the change may or may not be stored: check before you try again';

/** Answers to what is not HTTP, by the code of Node.js; anything else is a bad request. */
const clientErrors: Readonly<Record<string, readonly [status: string, text: string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'the request took too long to arrive'],
  HPE_INVALID_URL: [
    '400 Bad Request',
    'the address has characters that must be percent-encoded; curl does it with -G --data-urlencode',
  ],
  HPE_HEADER_OVERFLOW: ['431 Request Header Fields Too Large', 'the headers are too large'],
};

/** True for an outcome that the client hears of and that is not a fault of the code: its stack says nothing. */
export function isExpected(error: unknown): boolean {
  return error instanceof HttpError || error instanceof DatabaseUnavailableError;
}

/** Answers the errors of an application's handlers and hooks. */
export function handleErrors(app: FastifyInstance): void {
  const failures = new Recurring();
  app.setErrorHandler((error: FastifyError, request, reply) =>
    answer(toHttpError(error, request.method), error, request, reply, failures),
  );
}

/** Fastify's `frameworkErrors`: a request whose path cannot be read. No hook has seen it, so the headers are set here. */
export function answerUnreadable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  // Nothing else would end a connection that asked to become a WebSocket.
  if (request.headers.upgrade !== undefined) {
    reply.raw.once('finish', () => request.raw.socket.destroySoon());
  }
  void reply
    .code(error.statusCode ?? 400)
    .headers({ 'x-content-type-options': 'nosniff', 'content-security-policy': "default-src 'none'" })
    .send({ error: texts[error.code] ?? 'the request cannot be read' });
}

/** Fastify's `clientErrorHandler`: what arrived is not HTTP, or is incomplete. */
export function answerClientError(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const [status, text] = clientErrors[error.code] ?? ['400 Bad Request', 'this is not an HTTP request'];
  const body = JSON.stringify({ error: text });
  if (socket.writable) {
    socket.write(
      `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${body.length}\r\n` +
        `connection: close\r\n\r\n${body}`,
    );
  }
  socket.destroySoon();
}

function toHttpError(error: FastifyError, method: string): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof DatabaseUnavailableError) {
    const text =
      error.maybeDone && method !== 'GET' ? MAYBE_DONE : 'the database is not available, try again later';
    return new HttpError(503, text, Math.ceil(error.retryAfterMs / 1000));
  }
  // A server that is restarting or overloaded.
  if (
    error instanceof TroupeError &&
    (error.code.startsWith('TROUPE_CALL_') || error.code === 'TROUPE_MAILBOX_FULL')
  ) {
    return new HttpError(503, 'the service is busy, try again soon', 1);
  }
  if (error.validation !== undefined) return new HttpError(400, faultOf(error.validation));
  const { statusCode = 500 } = error;
  if (statusCode === 503) return new HttpError(503, 'the service is busy, try again soon', 1);
  if (statusCode >= 500) return new HttpError(500, 'internal server error');
  return new HttpError(statusCode, texts[error.code] ?? error.message);
}

/** What is wrong with the query of a request. */
function faultOf([fault]: NonNullable<FastifyError['validation']>): string {
  const name = fault?.instancePath.slice(1) ?? '';
  return fault?.keyword === 'maxLength'
    ? `${name} must have at most ${String(fault.params['limit'])} characters`
    : `${name} must be given once, as text`;
}

function answer(
  told: HttpError,
  cause: Error,
  request: FastifyRequest,
  reply: FastifyReply,
  failures: Recurring,
): FastifyReply {
  const count =
    told.statusCode < 500
      ? undefined
      : failures.due(`${cause.message.slice(0, KIND_MAX)} ${kindOf(request)}`);
  if (count !== undefined) {
    if (told.statusCode === 503)
      request.log.warn({ reason: cause.message, count }, 'the request cannot be served now');
    else request.log.error({ err: cause, count }, 'the request failed');
  }
  if (told.retryAfterSeconds !== undefined) void reply.header('retry-after', told.retryAfterSeconds);
  return reply.code(told.statusCode).send({ error: told.message });
}
