/**
 * `net_kernel`: answers the question by which Erlang's `net_adm:ping/1` finds out whether a node is there, and asks it.
 *
 * Everything else that a node asks of another's `net_kernel` is refused. See `net_kernel.erl`, `is_auth`.
 */
import { TroupeError } from '../../../errors.ts';
import { Call, call, type CallOptions, RemoteCall } from '../../../otp/gen.ts';
import { formatReason } from '../../../process/messages.ts';
import type { Node } from '../../../process/node.ts';
import { Pid } from '../../../terms/pid.ts';
import type { Process } from '../../../process/process.ts';
import { atom } from '../../../terms/atom.ts';
import { publishDropped } from './dropped.ts';

/** The name that it is registered under. */
export const NET_KERNEL = 'net_kernel';

/** Handles a message to `net_kernel`. */
export function handleNetKernel(self: Process, message: unknown): void {
  if (message instanceof RemoteCall || message instanceof Call) {
    if (message.name === 'is_auth') message.reply(atom('yes'));
    else refuse(self, message);
    return;
  }
  publishDropped(self.node, '', () => 'a message to net_kernel');
}

/** Fails a call that a service does not know, at once, and tells of it. */
export function refuse(self: Process, request: Call | RemoteCall): void {
  const { name } = request;
  // The fields are what another node sent.
  const from: unknown = request.pid;
  const what = formatReason(name);
  const service = self.extra?.name ?? 'service';
  publishDropped(self.node, from instanceof Pid ? from.node : '', () => `the call '${what}' to ${service}`);
  request.fail(
    new TroupeError('TROUPE_UNKNOWN_CALL', `'${service}' has no call '${what}'.`, {
      reason: ['unknown_call', name],
    }),
  );
}

/**
 * Asks whether another node is there, connecting to it where need be. Works between Troupe and Erlang both ways.
 * @param options `timeoutMs` until the answer is no; 5,000 by default.
 * @returns true when it has answered. See `net_adm:ping/1`.
 */
export async function ping(node: Node, peer: string, options?: CallOptions): Promise<boolean> {
  if (peer === node.name) return true;
  const to = { name: NET_KERNEL, node: peer };
  try {
    return (await call(node, to, 'is_auth', atom(node.name), options)) === atom('yes');
  } catch (error) {
    // Whatever keeps a node from answering, it is not there for who asks; a slip of the caller is none of that.
    if (!(error instanceof TroupeError) || !ABSENT.has(error.code)) throw error;
    return false;
  }
}

const ABSENT = new Set([
  'TROUPE_CALL_NODEDOWN',
  'TROUPE_CALL_NOPROC',
  'TROUPE_CALL_TIMEOUT',
  'TROUPE_CALL_EXIT',
  'TROUPE_UNKNOWN_CALL',
]);
