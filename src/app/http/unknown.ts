// Answers requests without a route: 405 with `Allow` where the path has routes for other methods (to OPTIONS, 204 with `Allow`),
// 404 everywhere else. A browser that opens a path which the page has under an address of its own is sent there.
import type { FastifyInstance } from 'fastify';

/** Characters of a path that an answer shows. */
const PATH_SHOWN_MAX = 200;

interface KnownPath {
  readonly pattern: RegExp;
  readonly methods: string[];
}

/**
 * Answers unknown routes. Call it before adding routes: it records them.
 * @param addressInPage where the page shows what a path seems to mean, relative to that path; undefined for any other one
 */
export function handleUnknown(
  app: FastifyInstance,
  addressInPage: (path: string) => string | undefined = () => undefined,
): void {
  const known = new Map<string, KnownPath>();

  app.addHook('onRoute', ({ url, method }) => {
    if (url.includes('*')) return; // the files of the page: any path, GET and HEAD
    const entry = known.get(url) ?? { pattern: patternOf(url), methods: [] };
    known.set(url, entry);
    entry.methods.push(...[method].flat());
  });

  app.setNotFoundHandler((request, reply) => {
    const { method } = request;
    const path = request.url.split('?', 1)[0] ?? '';
    const methods = [...known.values()].find(({ pattern }) => pattern.test(path))?.methods;
    if (methods === undefined || methods.includes(method)) {
      const address = method === 'GET' || method === 'HEAD' ? addressInPage(path) : undefined;
      if (address !== undefined) {
        void reply.header('vary', 'accept');
        if (wantsPage(request.headers.accept)) return reply.redirect(address);
      }
      return reply.code(404).send({ error: `there is no ${method} ${path.slice(0, PATH_SHOWN_MAX)}` });
    }
    const allowed = methods.join(', ');
    void reply.header('allow', allowed);
    if (method === 'OPTIONS') return reply.code(204).send();
    return reply.code(405).send({ error: `${method} is not allowed here, only ${allowed}` });
  });
}

/** Browsers name HTML when they open an address; programs do not. */
function wantsPage(accept = ''): boolean {
  return accept.split(',').some((type) => /^\s*text\/html\s*(;(?!\s*q=0(\.0*)?\s*$)|$)/i.test(type));
}

/** The pattern of a route's path, whose only special characters are the colons of its parameters. */
function patternOf(url: string): RegExp {
  return new RegExp(`^${url.replace(/:\w+/g, '[^/]+')}$`);
}
