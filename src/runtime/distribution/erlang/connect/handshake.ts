/**
 * What both sides of a handshake have in common: who is asked, what came of a message, and why it may fail. The machines
 * (`handshake-initiator.ts`, `handshake-acceptor.ts`) are fed with messages and answer with what is to be sent; they have no
 * sockets and no timers, and nothing that they are fed makes them throw. See `erl_dist_protocol`, "Distribution Handshake".
 */
import { TroupeError } from '../../../errors.ts';
import { expandFlags, missingFlags } from './flags.ts';

/** The node on this side of a handshake. */
export interface LocalNode {
  readonly name: string;
  readonly creation: number;
  readonly flags: bigint;
  /** The cookie for a node. @throws TroupeError TROUPE_BAD_COOKIE */
  cookie(peer: string): string;
  /** Whether another node has just been given this challenge to answer. */
  gaveOut(challenge: number): boolean;
}

/** What a handshake has agreed on. */
export interface Agreed {
  readonly peer: string;
  readonly creation: number;
  /** The flags that both have. */
  readonly flags: bigint;
}

/** Why a handshake failed; these words are stable. */
export type HandshakeReason =
  /** The cookies differ, or probably do: the other side closes without a word when it finds that. Or there is none here. */
  | 'cookie'
  /** The other node lacks flags that are asked for. */
  | 'flags'
  /** The other node does not let this one in: it misses flags, or has a list of nodes that may. */
  | 'not_allowed'
  /** The other side had this node answer a challenge of its own: it has no cookie, and tries to come by the answer. */
  | 'reflected'
  /** Both dial at the same time, and the other's attempt is the one that counts. */
  | 'nok'
  /** There is a connection already, which the one who dialled keeps. */
  | 'alive'
  /** Another handshake with the same node is under way. */
  | 'busy'
  /** Another node answered than the one dialled. */
  | 'wrong_node'
  /** The other side has the name of this node. */
  | 'own_name'
  /** The other side asked for a name; nodes of Troupe give none. */
  | 'dynamic_name'
  /** What the other side sent is no message of the protocol, or none that may come here. */
  | 'bad_message'
  /** The other side did not answer in time. */
  | 'timeout'
  /** The other side closed the connection. */
  | 'closed';

/** Why a handshake failed, as a word and as a sentence that begins with the other node. */
export interface HandshakeFault {
  readonly reason: HandshakeReason;
  readonly detail: string;
}

/** What to do after a message: `send` in any case; after anything but `next` there is nothing more to feed. */
export type Step =
  | { readonly kind: 'next'; readonly send: readonly Buffer[] }
  | { readonly kind: 'done'; readonly send: readonly Buffer[]; readonly agreed: Agreed }
  | { readonly kind: 'fault'; readonly send: readonly Buffer[]; readonly fault: HandshakeFault };

/** One side of a handshake. */
export interface HandshakeMachine {
  /** The other node, as far as known. */
  readonly peer: string | undefined;
  /** What is sent before anything is received. */
  start(): readonly Buffer[];
  /** Takes the body of a message: `buffer` from `start` to `end`. Never throws. */
  receive(buffer: Buffer, start: number, end: number): Step;
  /** What it means when the other side closes the connection now. */
  closed(): HandshakeFault;
  /** What it means when the other side does not answer now. */
  timedOut(): HandshakeFault;
}

/** @internal */
export function next(...send: Buffer[]): Step {
  return { kind: 'next', send };
}

/** @internal */
export function fail(reason: HandshakeReason, detail: string, ...send: Buffer[]): Step {
  return { kind: 'fault', send, fault: { reason, detail } };
}

/** @internal What is wrong with the flags that the other node sent. */
export function flagsFault(sent: bigint): HandshakeFault | undefined {
  const missing = missingFlags(expandFlags(sent));
  if (missing.length === 0) return undefined;
  return { reason: 'flags', detail: `lacks what this node needs: ${missing.join(', ')}` };
}

/** @internal The flags that both nodes have. */
export function commonFlags(local: bigint, sent: bigint): bigint {
  return expandFlags(local) & expandFlags(sent);
}

/** @internal The cookie for a node, or why there is none. */
export function cookieFor(local: LocalNode, peer: string): { readonly cookie: string } | HandshakeFault {
  try {
    return { cookie: local.cookie(peer) };
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error;
    return { reason: 'cookie', detail: `cannot be asked to prove anything: ${error.message}` };
  }
}
