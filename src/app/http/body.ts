// Which bodies of requests are read: JSON in UTF-8, and nothing else. A page of another origin cannot send that type without a
// preflight request, which is refused, so it can change nothing here.
//
// An empty body counts as none, whatever its type: many clients send the type with every request. Bytes that are not UTF-8 are
// refused, since decoding them would silently replace characters. Nothing is decompressed: a small body could become one of
// any size. Bytes are counted as they arrive, of all requests together (`traffic.ts`), and joined at once: a client may send
// them one by one, and a hundred times the memory would go into their chunks.
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';
import type { Traffic } from './traffic.ts';

/** Initial room for a body. */
const ROOM_MIN = 4_096;

/** Sets how bodies are read. Every other type is answered 415, plain text included. */
export function readBodies(app: FastifyInstance, bodyLimitBytes: number, traffic: Traffic): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', (request, payload, done) => {
    const { 'content-encoding': encoding = 'identity', 'content-length': length } = request.headers;
    if (encoding.toLowerCase() !== 'identity') {
      done(new HttpError(415, 'the body must not be compressed: send it as it is, without content-encoding'));
    } else if (Number(length) > bodyLimitBytes) {
      done(tooLarge(bodyLimitBytes));
    } else {
      read(request, payload, bodyLimitBytes, traffic, (error, body) => {
        if (error !== undefined) done(error);
        else if (body.length === 0) done(null, undefined);
        else if (isUtf8(body)) void parseJson(request, body.toString(), done);
        else done(new HttpError(400, 'the body is not UTF-8'));
      });
    }
  });
}

/** Reads a whole body. @param done called once, unless the client goes away first */
function read(
  request: FastifyRequest,
  payload: IncomingMessage,
  limit: number,
  traffic: Traffic,
  done: (error: Error | undefined, body: Buffer) => void,
): void {
  let body = Buffer.alloc(0);
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > limit) {
      end(tooLarge(limit));
      return;
    }
    try {
      traffic.take(request, chunk.length);
    } catch (error) {
      end(error as HttpError);
      return;
    }
    if (bytes > body.length) {
      const grown = Buffer.allocUnsafe(Math.min(limit, Math.max(ROOM_MIN, bytes, body.length * 2)));
      body.copy(grown, 0, 0, bytes - chunk.length);
      body = grown;
    }
    chunk.copy(body, bytes - chunk.length);
  };
  const onEnd = (): void => end();
  const end = (error?: Error): void => {
    payload.off('data', onData).off('end', onEnd);
    done(error, body.subarray(0, bytes));
  };
  payload.on('data', onData).on('end', onEnd);
}

function tooLarge(limit: number): HttpError {
  return new HttpError(413, `the body has more than ${limit} bytes`);
}
