// What goes wrong, as HTTP answers: always `{"error": text}`, with a text that says what to do and nothing of the inside.
//
// What is the server's fault is logged with its cause; what is the client's is not.
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { TroupeError } from '../../runtime/index.ts';
import { DatabaseUnavailableError } from '../database/errors.ts';

/** An answer other than success, thrown by a controller. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly statusCode: number;
  readonly retryAfterSeconds: number | undefined;

  /** @param message what the client is told */
  constructor(statusCode: number, message: string, retryAfterSeconds?: number) {
    super(message);
    this.statusCode = statusCode;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Texts for the errors of Fastify that a client can cause; its own would name internals. */
const texts: Readonly<Record<string, string>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'the body must be JSON, with content-type: application/json',
  FST_ERR_CTP_INVALID_JSON_BODY: 'the body is not valid JSON',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'the body is empty; it must be JSON',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'the content-length does not match the body',
  FST_ERR_BAD_URL: 'the path is not a valid URL',
  FST_ERR_MAX_PARAM_LENGTH: 'the path is too long',
};

/** Answers errors and unknown routes of an application. */
export function handleErrors(app: FastifyInstance, bodyLimitBytes: number): void {
  app.setErrorHandler((error: FastifyError, request, reply) =>
    answer(toHttpError(error, bodyLimitBytes), error, request, reply),
  );
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    return reply.code(404).send({ error: `there is no ${request.method} ${path.slice(0, 200)}` });
  });
}

function toHttpError(error: FastifyError, bodyLimitBytes: number): HttpError {
  if (error instanceof HttpError) return error;
  if (error instanceof DatabaseUnavailableError) {
    return new HttpError(
      503,
      'the database is not available, try again later',
      Math.ceil(error.retryAfterMs / 1000),
    );
  }
  // A server that is being restarted, or has more to do than it can.
  if (
    error instanceof TroupeError &&
    (error.code.startsWith('TROUPE_CALL_') || error.code === 'TROUPE_MAILBOX_FULL')
  ) {
    return new HttpError(503, 'the service is busy, try again soon', 1);
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new HttpError(413, `the body has more than ${bodyLimitBytes} bytes`);
  }
  const { statusCode = 500 } = error;
  if (statusCode === 503) return new HttpError(503, 'the service is busy, try again soon', 1);
  if (statusCode >= 500) return new HttpError(500, 'internal server error');
  return new HttpError(statusCode, texts[error.code] ?? error.message);
}

function answer(told: HttpError, cause: Error, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (told.statusCode >= 500) request.log.error({ err: cause }, 'the request failed');
  if (told.retryAfterSeconds !== undefined) void reply.header('retry-after', told.retryAfterSeconds);
  return reply.code(told.statusCode).send({ error: told.message });
}
