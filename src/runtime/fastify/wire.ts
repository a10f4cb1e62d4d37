/**
 * What this folder knows of the insides of a socket of `ws`.
 *
 * `ws` keeps its limits per server, and offers no way to change those of one socket.
 */
// oxlint-disable no-underscore-dangle -- the fields of `ws`
import type { WebSocket } from '@fastify/websocket';
import type { Limits } from './limits.ts';

/** The fields of a `WebSocket` of `ws` that are used here. */
interface Insides {
  _closeTimeout: number;
  readonly _receiver: {
    _maxPayload: number;
    readonly _extensions: { readonly 'permessage-deflate'?: { _maxPayload: number } };
  };
}

/** Sets the limits of one socket, where those of its server are higher. Call it before the socket has read anything. */
export function limitSocket(socket: WebSocket, { closeTimeoutMs, maxPayloadBytes }: Limits): void {
  const insides = socket as unknown as Insides;
  insides._closeTimeout = Math.min(insides._closeTimeout, closeTimeoutMs);
  const { _receiver: receiver } = insides;
  receiver._maxPayload = lower(receiver._maxPayload, maxPayloadBytes);
  const inflate = receiver._extensions['permessage-deflate'];
  if (inflate !== undefined) inflate._maxPayload = lower(inflate._maxPayload, maxPayloadBytes);
}

/** The lower of two limits, of which `ws` takes 0 for none. */
function lower(limit: number, other: number): number {
  return limit > 0 ? Math.min(limit, other) : other;
}
