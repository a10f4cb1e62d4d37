/**
 * `rex`: what `rpc` asks for by message. Since OTP 23 `rpc:call` goes by `erpc`; what still comes here is `rpc:block_call`,
 * the calls of older nodes, and the question for features that a visible node is asked.
 *
 * `block_call` runs one after the other on a BEAM node; here functions never keep one another from running. See `rpc.erl`.
 */
import { TroupeError } from '../../../errors.ts';
import { Call, Cast, RemoteCall } from '../../../otp/gen.ts';
import type { ExitReason } from '../../../process/messages.ts';
import { addWatch, type Watch } from '../../../process/monitor.ts';
import { Pid } from '../../../terms/pid.ts';
import type { Process } from '../../../process/process.ts';
import type { Ref } from '../../../terms/ref.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Tuple, tuple } from '../../../terms/tuple.ts';
import { publishDropped } from './dropped.ts';
import type { Executor } from './executor.ts';
import { refuse } from './net-kernel.ts';
import { readOutcome, reasonToTerm } from './outcome.ts';
import { readFunction } from './spawn-server.ts';

/** The name that it is registered under. */
export const REX = 'rex';

/** Answers a call when the process that runs its function has ended. */
class Answer implements Watch {
  watched: Process | null = null;
  watchPrev: Watch | null = null;
  watchNext: Watch | null = null;
  readonly #answer: (reply: unknown) => void;
  readonly #tag: Ref;

  constructor(answer: (reply: unknown) => void, tag: Ref) {
    this.#answer = answer;
    this.#tag = tag;
  }

  targetExited(reason: ExitReason): void {
    this.#answer(replyFor(reason, this.#tag));
  }
}

/** Handles the messages to `rex`. */
export class Rex {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  handle(self: Process, message: unknown): void {
    if (message instanceof RemoteCall || message instanceof Call) this.#call(self, message);
    else if (message instanceof Cast) this.#cast(self, message.argument);
    else if (isFeaturesRequest(message)) {
      self.send(message.elements[0], tuple(atom('features_reply'), atom(self.node.name), [atom('erpc')]));
    } else if (!this.#oldCall(self, message)) publishDropped(self.node, '', () => 'a message to rex');
  }

  /** `{From, {call, Module, Function, Args, _}}`, which C nodes send (`ei_rpc`) and is answered by `{rex, Reply}`. */
  #oldCall(self: Process, message: unknown): boolean {
    if (!(message instanceof Tuple) || message.length !== 2) return false;
    const [from, request] = message.elements;
    const wanted = from instanceof Pid ? readRequest(request, ['call']) : undefined;
    if (wanted === undefined) return false;
    const { node } = (from as Pid).origin;
    const tag = self.node.makeRef();
    const execution = readFunction(node, wanted.what, wanted.groupLeader, tag);
    if (execution === undefined) return false;
    const send = (reply: unknown): void => self.node.route(self.pid, from as Pid, tuple(atom(REX), reply));
    const answer = (reply: unknown): void => {
      try {
        send(reply);
      } catch (error) {
        if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
        send(badRpc(tuple(atom('EXIT'), tuple(atom('not_encodable'), error.what))));
      }
    };
    const process = this.#start(execution);
    if (process === undefined) answer(badRpc(tuple(atom('EXIT'), atom('system_limit'))));
    else addWatch(process, new Answer(answer, tag));
    return true;
  }

  #call(self: Process, request: Call | RemoteCall): void {
    const tag = self.node.makeRef();
    const wanted = readRequest(request.argument, ['call', 'block_call']);
    const peer = request.pid instanceof Pid ? request.pid.node : '';
    const execution = wanted && readFunction(peer, wanted.what, wanted.groupLeader, tag);
    if (execution === undefined) {
      refuse(self, request);
      return;
    }
    const process = this.#start(execution);
    if (process === undefined) request.reply(badRpc(tuple(atom('EXIT'), atom('system_limit'))));
    else addWatch(process, new Answer((reply) => request.reply(reply), tag));
  }

  #cast(self: Process, argument: unknown): void {
    const wanted = readRequest(argument, ['cast']);
    const peer = wanted?.groupLeader?.node ?? '';
    const execution = wanted && readFunction(peer, wanted.what, wanted.groupLeader, undefined);
    if (execution === undefined || this.#start(execution) === undefined) {
      publishDropped(self.node, peer, () => 'a cast to rex');
    }
  }

  #start(execution: Parameters<Executor['start']>[0]): Process | undefined {
    try {
      return this.#executor.start(execution);
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      // The node is full.
      return undefined;
    }
  }
}

/** Reads `{Kind, Module, Function, Args, GroupLeader}`. */
function readRequest(
  argument: unknown,
  kinds: readonly string[],
): { readonly what: readonly unknown[]; readonly groupLeader: Pid | undefined } | undefined {
  if (!(argument instanceof Tuple) || argument.length !== 5) return undefined;
  const [kind, module, name, args, leader] = argument.elements;
  if (!(kind instanceof Atom) || !kinds.includes(kind.name)) return undefined;
  return { what: [module, name, args], groupLeader: leader instanceof Pid ? leader : undefined };
}

/** What `rpc:call` answers; a thrown value is as a returned one. */
function replyFor(reason: ExitReason, tag: Ref): unknown {
  const outcome = readOutcome(reason, tag);
  if (outcome === undefined) return badRpc(tuple(atom('EXIT'), reasonToTerm(reason)));
  const { value, stack } = outcome;
  switch (outcome.class) {
    case 'return':
    case 'throw':
      return value;
    case 'exit':
      return badRpc(tuple(atom('EXIT'), reasonToTerm(value)));
    case 'error':
      return badRpc(tuple(atom('EXIT'), tuple(value, stack)));
  }
}

function badRpc(reason: unknown): Tuple {
  return tuple(atom('badrpc'), reason);
}

function isFeaturesRequest(message: unknown): message is Tuple<readonly [Pid, Atom]> {
  if (!(message instanceof Tuple) || message.length !== 2) return false;
  const [from, what] = message.elements;
  return from instanceof Pid && what === atom('features_request');
}
