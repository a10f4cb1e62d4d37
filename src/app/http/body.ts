// What bodies of requests are read: JSON in UTF-8, and nothing else. A page of another origin cannot send that type without
// asking first, which is not answered, so it can change nothing here.
//
// An empty body is no body, whatever its type says: many clients send the type with every request. Bytes that are not UTF-8
// are refused, since reading them all the same would replace characters in silence.
import { isUtf8 } from 'node:buffer';
import type { FastifyInstance } from 'fastify';
import { HttpError } from './errors.ts';

/** Sets how bodies are read. Every other type is answered 415, plain text included. */
export function readBodies(app: FastifyInstance): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else if (isUtf8(body)) void parseJson(request, body.toString(), done);
    else done(new HttpError(400, 'the body is not UTF-8'));
  });
}
