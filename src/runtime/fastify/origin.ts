/**
 * Which web pages may open a WebSocket here.
 *
 * Browsers let any page open a WebSocket to any server and say in `Origin` which page it was; cross-origin rules (CORS)
 * do not apply. A client that is no browser sends none, and could send any: it is let in, since it carries no cookies of a
 * victim and gains nothing that a plain request does not give it. Whoever needs to know *who* connects asks for a token.
 *
 * The scheme is not compared: behind a proxy that ends TLS the server cannot know its own.
 */
import type { FastifyRequest } from 'fastify';

/**
 * True when the request has no `Origin`, or one whose host and port are those that the request was sent to, or one of
 * `origins`. For hooks that run before the upgrade, such as `onRequest`; the plugin does it for all routes. With
 * `trustProxy` the host is the one that the proxy reports.
 * @param origins further origins, such as `https://example.org`.
 */
export function originAllowed(
  request: Pick<FastifyRequest, 'headers' | 'host'>,
  origins: readonly string[] = [],
): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const page = new URL(origin);
  if (origins.some((allowed) => allowed.toLowerCase() === page.origin)) return true;
  const own = `${page.protocol}//${request.host}`;
  return page.host !== '' && URL.canParse(own) && new URL(own).host === page.host;
}
