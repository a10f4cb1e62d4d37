// The page of the application and its security headers.
//
// The policy allows what comes from this server and nothing else: no inline script or style, no frame, no other origin.
// Asset names contain a hash of the content, so assets are cached forever; the page itself is revalidated each time.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import helmet from '@fastify/helmet';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

/** The built page: beside the built application, or in dist/ when the sources are run. */
function pageFolder(): string {
  const built = fileURLToPath(new URL('../../web', import.meta.url));
  return existsSync(built) ? built : fileURLToPath(new URL('../../../dist/web', import.meta.url));
}

/** Sets the headers of all answers, including refusals before any route. */
export async function setHeaders(app: FastifyInstance): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        connectSrc: ["'self'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
        objectSrc: ["'none'"],
      },
    },
    // The server cannot know whether TLS ends in front of it; the proxy that ends TLS sets this one.
    strictTransportSecurity: false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  });
}

/**
 * Where the page shows the note of a path such as `/notes/7`, relative to that path; there it also says when the note does not exist. The page's
 * own addresses are fragments, which no server sees.
 */
export function noteInPage(path: string): string | undefined {
  const id = /^\/notes\/([1-9]\d{0,9})$/.exec(path)?.[1];
  return id === undefined ? undefined : `../#/notes/${id}`;
}

/** Serves the page at `/`. */
export async function servePage(app: FastifyInstance): Promise<void> {
  await app.register(fastifyStatic, {
    root: pageFolder(),
    cacheControl: false,
    setHeaders(reply, path) {
      const lasting = /[\\/]assets[\\/]/.test(path);
      reply.setHeader('cache-control', lasting ? 'public, max-age=31536000, immutable' : 'no-cache');
    },
  });
}
