// How a request is shown in the log: its line and where it came from, each cut when it is long. Headers and bodies are not
// logged.
import type { FastifyRequest } from 'fastify';

const URL_SHOWN_MAX = 500;
const HOST_SHOWN_MAX = 100;

/** The request of a line of the log. */
export function shownRequest({ method, url, host, ip, socket }: FastifyRequest) {
  return {
    method,
    url: cut(url, URL_SHOWN_MAX),
    host: cut(host, HOST_SHOWN_MAX),
    remoteAddress: cut(ip, HOST_SHOWN_MAX),
    ...(socket.remotePort !== undefined && { remotePort: socket.remotePort }),
  };
}

function cut(text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text;
}
