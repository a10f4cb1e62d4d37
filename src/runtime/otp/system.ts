/**
 * System messages: what `sys.ts` asks of a process, and how a behaviour obeys.
 *
 * A system message is a call under the name `SYSTEM`, whose argument has the form of OTP's: `'get_state'`,
 * `['replace_state', fn]` and so on. A behaviour hands it to `handleSystem` and gives it a `SystemTarget` to act on.
 *
 * A suspended process stays inside the handling of the message that suspended it: it receives selectively, system
 * messages and the exit of its parent only, so all others wait in the mailbox and keep their order. See
 * `sys:handle_system_msg/6` and the "suspend loop" it describes.
 */
import { type ExitReason, Exit } from '../process/messages.ts';
import type { Pid } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { Call, RemoteCall, type Request, SYSTEM } from './call.ts';
import { OK, SystemAnswer, type SystemStatus } from './system-answer.ts';

/** @internal What a behaviour lets system messages do to one of its processes. See "Process implementation functions" of `sys`. */
export interface SystemTarget {
  /** The kind of behaviour: `server`, `supervisor`. */
  readonly behaviour: string;
  /** The process whose exit ends this one: the starter, when the start was linked. */
  readonly parent: Pid | null;
  /** See `Module:system_get_state/1`. */
  getState(): unknown;
  /** What goes to another node in the place of a state that cannot leave this one. */
  sentState?(): unknown;
  /** See `Module:system_replace_state/2`. */
  replaceState(state: unknown): void;
  /** What `getStatus` shows besides the state. */
  details(): Readonly<Record<string, unknown>>;
  /** Cleans up and throws, or rejects, with what ends the process. See `Module:system_terminate/4`. */
  terminate(self: Process, reason: ExitReason): Promise<void> | void;
}

/** What the process does after a system message. */
type Next = 'running' | 'suspended' | { readonly terminate: ExitReason };

/** @internal True for a system message. */
export function isSystemMessage(message: unknown): message is Request {
  return (message instanceof Call || message instanceof RemoteCall) && message.name === SYSTEM;
}

/** @internal True for the exit of the process whose exit ends this one. */
export function isParentExit(message: unknown, parent: Pid | null): message is Exit {
  return parent !== null && message instanceof Exit && message.from.equals(parent);
}

/**
 * @internal Obeys a system message; to be called from a behaviour's `handle`, which returns what it returns.
 * @returns a promise while the process is suspended, or cleans up asynchronously.
 */
export function handleSystem(self: Process, message: Request, target: SystemTarget): Promise<void> | void {
  const next = obey(self, message, target, 'running');
  if (next === 'suspended') return suspended(self, target);
  if (next !== 'running') return target.terminate(self, next.terminate);
}

async function suspended(self: Process, target: SystemTarget): Promise<void> {
  const wanted = (message: unknown): boolean =>
    isSystemMessage(message) || isParentExit(message, target.parent);
  let next: Next = 'suspended';
  while (next === 'suspended') {
    const message = await self.receive(wanted);
    next = isSystemMessage(message)
      ? obey(self, message, target, next)
      : { terminate: (message as Exit).reason };
  }
  if (next !== 'running') await target.terminate(self, next.terminate);
}

/** Answers a system message, in the order of OTP's `do_cmd`: the answer first, what it asks for afterwards. */
function obey(self: Process, request: Request, target: SystemTarget, now: 'running' | 'suspended'): Next {
  const [command, value] = Array.isArray(request.argument)
    ? (request.argument as readonly unknown[])
    : [request.argument];
  switch (command) {
    case 'suspend':
      request.reply(OK);
      return 'suspended';
    case 'resume':
      request.reply(OK);
      return 'running';
    case 'get_state':
      request.reply(new SystemAnswer('state', stateFor(request, target)));
      return now;
    case 'replace_state':
      request.reply(replaceState(target, value));
      return now;
    case 'get_status':
      request.reply(new SystemAnswer('status', statusOf(self, target, now, stateFor(request, target))));
      return now;
    case 'terminate':
      request.reply(OK);
      return { terminate: value };
    default:
      request.reply(new SystemAnswer('error', ['unknown_system_msg', request.argument]));
      return now;
  }
}

function replaceState(target: SystemTarget, replace: unknown): SystemAnswer {
  try {
    target.replaceState((replace as (state: unknown) => unknown)(target.getState()));
  } catch (error) {
    // The function is the asker's and so is its failure: the process keeps its state.
    return new SystemAnswer('error', ['callback_failed', error]);
  }
  return new SystemAnswer('state', target.getState());
}

function stateFor(request: Request, target: SystemTarget): unknown {
  return request instanceof RemoteCall && target.sentState !== undefined
    ? target.sentState()
    : target.getState();
}

function statusOf(
  self: Process,
  target: SystemTarget,
  status: 'running' | 'suspended',
  state: unknown,
): SystemStatus {
  return {
    pid: self.pid,
    status,
    parent: target.parent ?? undefined,
    name: self.extra?.name,
    behaviour: target.behaviour,
    state,
    details: target.details(),
  };
}
