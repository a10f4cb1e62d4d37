// The HTTP server below Fastify, with the limits of its connections:
//
// - Each connection has one request handled at a time. Requests that a client sends without waiting for answers (pipelining) wait
//   until the previous answer has been handed to the system, and nothing is read from the socket meanwhile. Requests read already
//   wait, at most `PIPELINED_MAX` on one connection and `WAITING_MAX` on all; beyond that the connection is ended, and what it has
//   sent besides is not looked at.
// - An answer of which the client takes nothing for `sendTimeoutMs`, or up to twice as long, ends its connection. Node.js counts
//   every byte that the client's side takes, even within one write.
// - There are at most `maxConnections`; further ones are refused on arrival, before anything is read from them.
//
// Node.js enforces how long requests may take to arrive (`headersTimeout`, `requestTimeout`), and how long a connection may be
// idle between them. An upgraded connection belongs to its WebSocket. Injected requests do not pass through here.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The limits of a server. Times are in milliseconds. */
export interface ServerLimits {
  /** How long a request may take to arrive, head and body. */
  readonly requestTimeoutMs: number;
  readonly sendTimeoutMs: number;
  readonly maxConnections: number;
  /** Called for each refused connection. */
  readonly onRefused: () => void;
}

/** Requests that may wait on one connection, behind the current one. */
export const PIPELINED_MAX = 256;
/** Requests that may wait on all connections together. */
const WAITING_MAX = 4_096;
/** How long a connection may be idle between two requests. */
const KEEP_ALIVE_MS = 72_000;
/** The longest time between two checks for requests that take too long to arrive. */
const LOOK_MAX_MS = 5_000;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/** The requests of one connection. */
interface Line {
  /** The answer to the request being handled. */
  current: ServerResponse | undefined;
  readonly waiting: Exchange[];
}

/** Fastify's `serverFactory`: servers with these limits. Fastify makes several where a host name has several addresses. */
export function boundedServers(limits: ServerLimits): (handler: Handler) => Server {
  let waiting = 0;

  return (handler) => {
    const lines = new WeakMap<Socket, Line>();
    const handle: Handler = (request, response) => {
      const { socket } = request;
      const line = lines.get(socket) ?? newLine(socket);
      if (line.current === undefined) {
        begin(line, socket, { request, response });
        return;
      }
      if (line.waiting.length >= PIPELINED_MAX || waiting >= WAITING_MAX) {
        endWhileReading(socket);
        return;
      }
      waiting++;
      line.waiting.push({ request, response });
      socket.pause();
    };

    function newLine(socket: Socket): Line {
      const line: Line = { current: undefined, waiting: [] };
      lines.set(socket, line);
      // Reading a body resumes the socket.
      socket.on('resume', () => {
        if (line.waiting.length > 0) socket.pause();
      });
      socket.once('close', () => {
        waiting -= line.waiting.length;
        line.waiting.length = 0;
      });
      return line;
    }

    function begin(line: Line, socket: Socket, { request, response }: Exchange): void {
      line.current = response;
      response.once('close', () => {
        line.current = undefined;
        if (socket.destroyed) return;
        const next = line.waiting.shift();
        if (next === undefined) return;
        waiting--;
        begin(line, socket, next);
        if (line.waiting.length === 0) socket.resume();
      });
      handler(request, response);
    }

    const server = createServer(
      {
        headersTimeout: limits.requestTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        connectionsCheckingInterval: Math.min(limits.requestTimeoutMs, LOOK_MAX_MS),
        keepAliveTimeout: KEEP_ALIVE_MS,
      },
      handle,
    );
    server.maxConnections = limits.maxConnections;
    server.on('drop', limits.onRefused);
    server.setTimeout(limits.sendTimeoutMs, (socket: Socket) => {
      // A slow controller has a limit of its own.
      const current = lines.get(socket)?.current;
      const isWorking = current !== undefined && !current.writableEnded && socket.writableLength === 0;
      if (!isWorking) socket.destroy();
    });
    return server;
  };
}

/** What Node.js keeps on a socket that it reads requests from. */
interface Parsed {
  readonly parser?: { onIncoming?: (() => number) | null } | null;
}

/** What the parser takes for an upgrade: it leaves the rest of what it was given alone. */
const READ_NO_FURTHER = 2;

/**
 * Ends a connection in the middle of what one read has brought. A read brings more than a thousand requests, and Node.js would make each
 * of them with its response, although nobody is left to answer.
 */
function endWhileReading(socket: Socket & Parsed): void {
  if (socket.parser?.onIncoming) socket.parser.onIncoming = () => READ_NO_FURTHER;
  socket.destroy();
}
