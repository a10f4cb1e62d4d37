// Which hosts a request may be sent to.
//
// Any site can give its own name the address of this machine (DNS rebinding): to the browser, a service on 127.0.0.1 then has the
// page's origin, and only `Host` shows that the name is foreign. So a request is answered, and a WebSocket opened, only if `Host`
// is
//
// - a loopback name or address: `localhost`, names that end with `.localhost`, 127.0.0.0/8, [::1];
// - `HOST`; when the service listens on all addresses (0.0.0.0 or ::), any address: no name can pass for one;
// - listed in `ALLOWED_HOSTS`.
//
// The authority of a target in absolute form and, from a trusted proxy, `X-Forwarded-Host` must be such hosts, too. They never
// replace `Host`, since a page can set that header once it has rebound its name. No browser omits `Host`: only HTTP/1.0 does, as
// in simple health checks.
import { isIP } from 'node:net';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopbackHost } from 'troupe/fastify';
import { HttpError } from './errors.ts';

/** Characters of a refused host that the answer shows. */
const SHOWN_MAX = 100;

/** `name`, `1.2.3.4` or `[::1]`, with or without a port. */
const HOST = /^(?<name>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?<port>\d{1,5}))?$/;
/** Browsers leave these out; the service cannot know whether TLS ends in front of it. */
const DEFAULT_PORTS: ReadonlySet<string> = new Set(['80', '443']);

interface Host {
  /** As browsers write it: lower case, addresses in one form, no final dot. */
  readonly name: string;
  /** Undefined when it has none. */
  readonly port: string | undefined;
}

/** Whether a text is a host as `ALLOWED_HOSTS` lists them. */
export function isHostEntry(text: string): boolean {
  return parse(text) !== undefined;
}

/** Decides about hosts; @param listen where the service listens; @param allowed as `ALLOWED_HOSTS` */
export function hostCheck(listen: string, allowed: readonly string[]): (host: string) => boolean {
  if (allowed.includes('*')) return () => true;
  const own = parse(withBrackets(listen));
  const takesAddresses = own?.name === '0.0.0.0' || own?.name === '[::]';
  const entries = allowed.map(parse).filter((entry) => entry !== undefined);
  return (text) => {
    const host = parse(text);
    if (host === undefined) return false;
    if (isLoopbackHost(text) || host.name === own?.name) return true;
    if (takesAddresses && isAddress(host.name)) return true;
    return entries.some((entry) => entry.name === host.name && portFits(entry.port, host.port));
  };
}

/** Answers 421 to requests and upgrades for other hosts. Call it before adding routes. */
export function checkHosts(app: FastifyInstance, isAllowed: (host: string) => boolean): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const stranger = hostsOf(request).find((host) => !isAllowed(host));
    done(
      stranger === undefined
        ? undefined
        : new HttpError(
            421,
            `the host ${JSON.stringify(stranger.slice(0, SHOWN_MAX))} is not a host of this service; ALLOWED_HOSTS lists further ones`,
          ),
    );
  });
}

function hostsOf(request: FastifyRequest): string[] {
  const hosts: string[] = [];
  const { host } = request.raw.headers;
  if (host !== undefined) hosts.push(host);
  // That of a trusted proxy, or `Host` again.
  if (request.host !== '' && request.host !== host) hosts.push(request.host);
  const target = request.raw.url ?? '';
  if (!target.startsWith('/') && target !== '*') hosts.push(authorityOf(target));
  return hosts;
}

/** The authority of `http://host/path`, or of anything else without a slash at its beginning. */
function authorityOf(target: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)?.[1] ?? target;
}

function parse(text: string): Host | undefined {
  const { name, port } = HOST.exec(text)?.groups ?? {};
  if (name === undefined || !URL.canParse(`http://${name}`)) return undefined;
  return { name: new URL(`http://${name}`).hostname.replace(/\.$/, ''), port };
}

function portFits(wanted: string | undefined, given: string | undefined): boolean {
  if (wanted === undefined || wanted === given) return true;
  return given === undefined && DEFAULT_PORTS.has(wanted);
}

function isAddress(name: string): boolean {
  return name.startsWith('[') || isIP(name) !== 0;
}

function withBrackets(host: string): string {
  return isIP(host) === 6 ? `[${host.replace(/%.*$/, '')}]` : host;
}
