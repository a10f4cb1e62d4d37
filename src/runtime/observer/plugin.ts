// The Fastify plugin: the page's files, its sessions and its WebSocket, below one prefix. Who may reach them is decided in `access.ts`.
//
// Nothing runs while no page is open. The plugin is a context of its own: its headers, its reading of bodies and its hooks
// are those of no other route.
import { basename } from 'node:path';
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  FastifySchema,
} from 'fastify';
import { clientOf, troupeFastify, webSocketHandler } from '../fastify/index.ts';
import { troupeOf } from '../fastify/app.ts';
import { announceObserver } from '../inspect/observer-pages.ts';
import { type Node } from '../index.ts';
import { badArgument, checkInteger } from '../errors.ts';
import { telemetry } from '../telemetry.ts';
import { Access, idsIn, type Refusal, setCookie } from './access.ts';
import { HEADERS, pageFolder, PageFiles } from './files.ts';
import type { SessionState } from './protocol.ts';
import { GUESS_EVERY_MS, Sessions } from './sessions.ts';
import { type Observed, viewerHandler } from './viewer.ts';

/** Options of {@link observer}. */
export interface ObserverOptions {
  /** The node to look into; others that it is connected with can be looked into through it if they run `inspectServer`. */
  readonly node: Node;
  /**
   * What a browser must show once to look: 16 to 1,024 characters, at random. It is needed from everywhere then. Without it only who comes
   * from the machine itself, without a proxy, can look.
   */
  readonly token?: string | undefined;
  /** Lets pages send messages and exit signals, and suspend and resume processes. Default false: they only look. */
  readonly allow?: boolean;
  /** How many pages may be open at once, 1 to 1,000. Default 16. */
  readonly maxPages?: number;
  /** Where it is mounted. Default `/observer`. */
  readonly prefix?: string;
  /** @internal Where the files of the page are. */
  readonly folder?: string;
}

const DEFAULT_PREFIX = '/observer';
const TOKEN_MIN = 16;
const TOKEN_MAX = 1_024;
/** Bytes of a body. */
const BODY_MAX = 8_192;

const sessionEvent = telemetry('troupe:observer:session');

/**
 * The observer: a page that shows the live node. Register it with `await`, after `troupeFastify` where the application has WebSockets
 * of its own; otherwise it registers that itself.
 *
 * Who may look sees what is in the states and messages of processes.
 * @throws TroupeError TROUPE_BAD_ARGUMENT for an option that is not as documented.
 * @example `await app.register(observer, { node, token: process.env.OBSERVER_TOKEN });`
 */
export const observer: FastifyPluginAsync<ObserverOptions> = async (app, options) => {
  const {
    node,
    token,
    allow = false,
    maxPages = 16,
    prefix = DEFAULT_PREFIX,
    folder = pageFolder(),
  } = options;
  if (
    token !== undefined &&
    (typeof token !== 'string' || token.length < TOKEN_MIN || token.length > TOKEN_MAX)
  )
    throw badArgument(`token has ${TOKEN_MIN} to ${TOKEN_MAX} characters.`);
  if (typeof allow !== 'boolean') throw badArgument('allow is true or false.');
  checkInteger('maxPages', maxPages, 1, 1_000);
  if (!app.hasDecorator('troupe')) await app.register(troupeFastify, { node });
  const { origins } = troupeOf(app).limits;
  const sessions = token === undefined ? undefined : new Sessions(node, token);
  const access = new Access(sessions, origins === 'any' ? [] : origins);
  const observed: Observed = { node, access, allow, pagesMax: maxPages, pages: new Set() };
  const files = new PageFiles(folder);
  // Fastify has mounted the plugin itself when there is a prefix.
  await app.register(
    async (inner) => {
      addRoutes(inner, observed, sessions, files);
      inner.addHook(
        'onClose',
        announceObserver(node, () => addressOf(inner)),
      );
    },
    { prefix: options.prefix === undefined ? prefix : '' },
  );
};

function addRoutes(
  app: FastifyInstance,
  observed: Observed,
  sessions: Sessions | undefined,
  files: PageFiles,
): void {
  const { node, access } = observed;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    'application/json',
    { parseAs: 'string', bodyLimit: BODY_MAX },
    (_request, body, done) => {
      done(null, body);
    },
  );
  app.addHook('onRequest', async (request, reply) => {
    void reply.headers(HEADERS);
    const refusal =
      access.refusalOfAll(request) ??
      (isSafe(request) ? undefined : access.refusalOfOrigin(request)) ??
      (request.ws ? access.refusalOfLooking(request) : undefined);
    if (refusal !== undefined) await refuse(reply, refusal);
  });

  app.get('/', { schema: UNLISTED }, (request, reply) => {
    // Its addresses are relative to a folder. So is this one, since a proxy may have put a path in front.
    const path = request.raw.url?.split('?', 1)[0] ?? '/';
    return path.endsWith('/') ? files.answer(request, reply, '') : reply.redirect(`${basename(path)}/`);
  });
  app.get<{ Params: { '*': string } }>('/*', { schema: UNLISTED }, (request, reply) =>
    files.answer(request, reply, request.params['*']),
  );
  app.get('/socket', { websocket: true, schema: UNLISTED }, webSocketHandler(viewerHandler, observed));
  app.get('/session', { schema: UNLISTED }, (request, reply) => {
    const state: SessionState = {
      tokenNeeded: sessions !== undefined,
      open: access.refusalOfLooking(request) === undefined,
    };
    return reply.send(state);
  });
  app.post('/session', { schema: UNLISTED }, (request, reply) => {
    if (sessions === undefined) return reply.code(204).send();
    const token = tokenIn(request.body);
    if (token === undefined) return refuse(reply, NO_TOKEN);
    const attempt = sessions.start(token, clientOf(request.ip));
    const outcome = 'id' in attempt ? 'started' : attempt.refused;
    sessionEvent.publish({ node: node.name, address: request.ip, outcome });
    if ('id' in attempt) {
      setCookie(request, reply, attempt.id);
      return reply.code(204).send();
    }
    if (outcome === 'too many') void reply.header('retry-after', GUESS_EVERY_MS / 1_000);
    return refuse(reply, outcome === 'too many' ? TOO_MANY_GUESSES : WRONG_TOKEN);
  });
  app.delete('/session', { schema: UNLISTED }, (request, reply) => {
    for (const id of idsIn(request)) sessions?.end(id);
    setCookie(request, reply, undefined);
    return reply.code(204).send();
  });
}

/** What describes an application's routes leaves these out. */
const UNLISTED: FastifySchema & { readonly hide: boolean } = { hide: true };

const NO_TOKEN: Refusal = { status: 400, text: 'The body is {"token": "..."}, as JSON.' };
const WRONG_TOKEN: Refusal = { status: 401, text: 'This is not the token.' };
const TOO_MANY_GUESSES: Refusal = {
  status: 429,
  text: 'Too many wrong tokens came from this address; try again later.',
};

/** A request that a page of another origin may make: it changes nothing, and the browser does not show that page the answer. */
function isSafe(request: FastifyRequest): boolean {
  return !request.ws && (request.method === 'GET' || request.method === 'HEAD');
}

function refuse(reply: FastifyReply, { status, text }: Refusal): FastifyReply {
  return reply
    .code(status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ error: text }));
}

function tokenIn(body: unknown): string | undefined {
  try {
    const { token } = JSON.parse(String(body)) as { readonly token?: unknown };
    return typeof token === 'string' && token.length <= TOKEN_MAX ? token : undefined;
  } catch {
    return undefined;
  }
}

/** Where the page is, for a person at this machine; undefined while the server does not listen. */
function addressOf(app: FastifyInstance): string | undefined {
  const address = app.server.address();
  if (address === null || typeof address === 'string') return undefined;
  const host =
    ANYWHERE[address.address] ?? (address.family === 'IPv6' ? `[${address.address}]` : address.address);
  const scheme = 'setSecureContext' in app.server ? 'https' : 'http';
  return `${scheme}://${host}:${address.port}${app.prefix.replace(/\/$/, '')}/`;
}

/** Addresses that stand for all of a machine, and what reaches them from the machine itself. */
const ANYWHERE: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '[::1]' };
