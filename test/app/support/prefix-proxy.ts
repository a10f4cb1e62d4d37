// A reverse proxy that has the service below a path, as nginx and Caddy do with their simplest configuration: it strips the path
// from requests, tells the service its own host in place of the client's, and changes nothing in answers.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** Starts one on a port of its own, for the service at a port of this machine. */
export async function startPrefixProxy(
  port: number,
  prefix: string,
): Promise<{ readonly port: number; close(): Promise<void> }> {
  const pass = ({ url = '/', method, headers }: IncomingMessage) =>
    request({
      host: '127.0.0.1',
      port,
      method,
      path: url.slice(prefix.length),
      headers: { ...headers, host: `127.0.0.1:${port}` },
    });

  const server = createServer((incoming, outgoing) => {
    if (!incoming.url?.startsWith(`${prefix}/`)) {
      outgoing.writeHead(404).end();
      return;
    }
    const passed = pass(incoming).on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(passed);
  });
  server.on('upgrade', (incoming, socket: Socket) => {
    const passed = pass(incoming);
    const answer = (response: IncomingMessage): void => {
      const headers = response.rawHeaders.flatMap((name, at, all) =>
        at % 2 === 0 ? [`${name}: ${all[at + 1]}`] : [],
      );
      socket.write(`HTTP/1.1 ${response.statusCode} -\r\n${headers.join('\r\n')}\r\n\r\n`);
    };
    passed.on('upgrade', (response, upstream: Socket) => {
      answer(response);
      socket.pipe(upstream).pipe(socket);
      for (const [one, other] of [
        [socket, upstream],
        [upstream, socket],
      ] as const)
        one.on('error', () => other.destroy()).on('close', () => other.destroy());
    });
    passed.on('response', (response) => {
      answer(response);
      response.pipe(socket);
    });
    passed.end();
  });

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
