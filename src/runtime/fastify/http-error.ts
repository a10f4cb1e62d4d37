/**
 * The errors that become HTTP answers: a coded error with the status that Fastify's error handler sends.
 *
 * The message goes to the client, so it names no process and no reason; those are in `reason` and `cause`.
 */
import { type ErrorCode, TroupeError } from '../errors.ts';

/** A {@link TroupeError} that Fastify answers with `statusCode`. */
export class TroupeHttpError extends TroupeError {
  override readonly name = 'TroupeHttpError';
  readonly statusCode: number;

  /** @internal */
  constructor(
    statusCode: number,
    code: ErrorCode,
    what: string,
    options: { cause?: unknown; reason?: unknown } = {},
  ) {
    super(code, what, options);
    this.statusCode = statusCode;
  }
}
