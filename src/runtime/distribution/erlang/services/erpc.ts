/**
 * `erpc`: calls of functions on other nodes.
 *
 * On a BEAM node any exported function can be called; on a node of Troupe those that it exposes.
 */
import { TroupeError } from '../../../errors.ts';
import type { CallOptions } from '../../../otp/gen.ts';
import type { CastOptions } from '../../../otp/server.ts';
import type { Node } from '../../../process/node.ts';
import { MAX_ARITY } from './expose.ts';
import { servicesOf } from './nodes.ts';
import type { SpawnClient } from './spawn-client.ts';

export type { ErpcFailure } from './spawn-client.ts';

/**
 * Calls a function on a node and waits for what it returns. Module and function are atoms to Erlang: they are to stand in the
 * program, and not to come from a user.
 * @param args its arguments; none when left out.
 * @param options `timeoutMs`, 5,000 by default; `Infinity` to wait for ever.
 * @example `await erpc.call(node, 'shop@host', 'lists', 'sort', [[3, 1, 2]])`
 * @throws TroupeError TROUPE_ERPC_FAILED, whose `reason` is an {@link ErpcFailure}; TROUPE_CALL_TIMEOUT, after which the
 * function runs on; TROUPE_CALL_NODEDOWN, TROUPE_CALL_ABORTED, TROUPE_NOT_ENCODABLE; all as a rejection. See `erpc:call/5`.
 */
export function call(
  node: Node,
  peer: string,
  module: string,
  name: string,
  args: readonly unknown[] = [],
  options?: CallOptions,
): Promise<unknown> {
  try {
    return clientOf(node, args).call(peer, { module, name }, args, options);
  } catch (error) {
    return Promise.reject(error);
  }
}

/**
 * Has a function run on a node, without waiting for it. What it returns, and that it fails, is not heard of.
 * @throws TroupeError TROUPE_NOT_ENCODABLE when the node is connected; else `troupe:message:undeliverable` tells of it. See
 * `erpc:cast/4`.
 */
export function cast(
  node: Node,
  peer: string,
  module: string,
  name: string,
  args: readonly unknown[] = [],
  options?: CastOptions,
): void {
  clientOf(node, args).cast(peer, { module, name }, args, options?.from);
}

function clientOf(node: Node, args: readonly unknown[]): SpawnClient {
  if (!Array.isArray(args) || args.length > MAX_ARITY) {
    throw new TroupeError('TROUPE_BAD_ARGUMENT', `The arguments are an array of at most ${MAX_ARITY}.`);
  }
  return servicesOf(node).client;
}
