// Who may reach the observer.
//
// With a token: who has a session, which is a cookie that scripts cannot read, whatever the address. Without one: who comes from a
// loopback address, asks for a loopback name, and did not come through a proxy.
//
// - The address is that of the connection, never one that a header claims. A proxy on this machine has a loopback address for
//   everybody, so a request with a header that proxies add is from somewhere else. A proxy that adds none cannot be told apart.
// - Any site can give its own name the address 127.0.0.1 (DNS rebinding): the browser then takes its page and this one for the
//   same site, and only `Host` shows that the name is foreign.
// - Another site's page must not use the browser's session or address, so what changes something, and the WebSocket, is for pages of
//   this origin; with a token also for those of the origins that the application lets open WebSockets.
// - The cookie has no path, so that a browser sends it to the folder that it came from, and that is where the observer is mounted, also
//   below the path of a proxy. Cookies know no ports, so its name has that of the address: two observers on one host keep their sessions.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { isLoopbackHost, originAllowed } from '../fastify/index.ts';
import type { Session, Sessions } from './sessions.ts';

const COOKIE = 'troupe_observer';
/** How many cookies of a request are looked at. */
const IDS_MAX = 8;
/** Headers that only a proxy adds; besides them all that begin with `x-forwarded-`. */
const PROXY_HEADERS = ['forwarded', 'via', 'x-real-ip', 'x-client-ip', 'true-client-ip', 'cf-connecting-ip'];

/** Why a request is refused, as an answer. */
export interface Refusal {
  readonly status: number;
  readonly text: string;
}

const ONLY_HERE: Refusal = {
  status: 403,
  text:
    'The observer has no token, so it can be reached only from the machine that it runs on, without a proxy, as localhost or 127.0.0.1. ' +
    'To reach it from elsewhere, give it a token.',
};
const OTHER_SITE: Refusal = {
  status: 403,
  text:
    'A page of another origin may not use the observer. Behind a proxy, let it pass Host on unchanged, or list its origin among those that ' +
    'may open WebSockets.',
};
const NO_SESSION: Refusal = { status: 401, text: 'Give the token first: POST {"token": "..."} to session.' };

/** Decides who may do what. */
export class Access {
  /** Undefined when there is no token. */
  readonly #sessions: Sessions | undefined;
  readonly #origins: readonly string[];

  /** @param origins beside its own, from which a page may open a WebSocket; they count only with a token */
  constructor(sessions: Sessions | undefined, origins: readonly string[]) {
    this.#sessions = sessions;
    this.#origins = sessions === undefined ? [] : origins;
  }

  /** Why a request gets nothing, not even the page; undefined when it may go on. */
  refusalOfAll(request: FastifyRequest): Refusal | undefined {
    return this.#sessions !== undefined || isFromHere(request) ? undefined : ONLY_HERE;
  }

  /** Why a request may not change anything or open a WebSocket, whoever it is from. */
  refusalOfOrigin(request: FastifyRequest): Refusal | undefined {
    return originAllowed(request, this.#origins) ? undefined : OTHER_SITE;
  }

  /** Why a request may not look into the node. */
  refusalOfLooking(request: FastifyRequest): Refusal | undefined {
    return this.#sessions === undefined || this.sessionOf(request) !== undefined ? undefined : NO_SESSION;
  }

  /** The session of a request, if it has one. */
  sessionOf(request: FastifyRequest): Session | undefined {
    for (const id of idsIn(request)) {
      const session = this.#sessions?.find(id);
      if (session !== undefined) return session;
    }
    return undefined;
  }
}

/**
 * Whether a request comes from this machine, without a proxy, and is meant for it: an observer without a token answers no other. For a page
 * that links to the observer where its visitor can reach it.
 */
export function isFromHere({ raw }: FastifyRequest): boolean {
  const { headers, url, socket } = raw;
  const names = Object.keys(headers);
  const isProxied = names.some((name) => name.startsWith('x-forwarded-') || PROXY_HEADERS.includes(name));
  // A target such as `http://name/path` names its host itself.
  if (isProxied || url?.startsWith('/') !== true) return false;
  return isLoopbackHost(socket.remoteAddress ?? '') && isLoopbackHost(headers.host ?? '');
}

/**
 * What a request has for the id of a session. There may be several: other programs of the host, on any port, can set cookies of this
 * name for paths below, which come first.
 */
export function idsIn(request: FastifyRequest): readonly string[] {
  const cookie = cookieName(request);
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('=', 2));
  return pairs.flatMap(([name, id = '']) => (name === cookie && id !== '' ? [id] : [])).slice(0, IDS_MAX);
}

/** The name with the port that the browser has asked, which need not be the server's own; `Host` may be anything. */
function cookieName({ host }: FastifyRequest): string {
  const port = /:(\d{1,5})$/.exec(host)?.[1];
  return port === undefined ? COOKIE : `${COOKIE}_${port}`;
}

/** Gives a browser the id of a session, or takes it away. */
export function setCookie(request: FastifyRequest, reply: FastifyReply, id: string | undefined): void {
  const parts = [`${cookieName(request)}=${id ?? ''}`, 'HttpOnly', 'SameSite=Strict'];
  if (id === undefined) parts.push('Max-Age=0');
  if (request.protocol === 'https') parts.push('Secure');
  void reply.header('set-cookie', parts.join('; '));
}
