/**
 * The control messages: what kind each number stands for. See `erl_dist_protocol`, "Protocol between Connected Nodes".
 *
 * A variant with `TT` has a trace token at its end, which is left out here. A message with a payload is followed by a term.
 */
import type { Signal } from '../../../process/carrier.ts';
import type { Atom } from '../../../terms/atom.ts';
import { Pid, type Ref } from '../../../terms/identifiers.ts';
import { LIST } from '../../etf/tags.ts';
import type { TermWriter } from '../../etf/writer.ts';

/** SPAWN_REQUEST: the peer wants a process here. */
export interface SpawnRequest {
  readonly ref: Ref;
  readonly from: Pid;
  readonly groupLeader: Pid;
  readonly module: Atom;
  readonly function: Atom;
  readonly arity: number;
  /** The list of options, as received. */
  readonly options: unknown;
  /** The list of arguments, as received. */
  readonly args: unknown;
}

/** SPAWN_REPLY: the answer to a request of this node: a pid, or an atom that says why it failed. */
export interface SpawnReply {
  readonly ref: Ref;
  readonly to: Pid;
  /** Bit 0: linked, bit 1: monitored. */
  readonly flags: number;
  readonly result: Pid | Atom;
}

/** Links two processes. */
export const LINK = 1;
/** Payload. The form of SEND_SENDER for nodes that do not know that. */
export const SEND = 2;
/** A linked process has ended; the reason is the last element. */
export const EXIT = 3;
/** Ends a link, before OTP 23.3. */
export const UNLINK = 4;
/** Payload. */
export const REG_SEND = 6;
/** A process gets another group leader. */
export const GROUP_LEADER = 7;
/** `exit/2`; the reason is the last element. */
export const EXIT2 = 8;
/** Payload. */
export const SEND_TT = 12;
/** EXIT with a token. */
export const EXIT_TT = 13;
/** Payload. */
export const REG_SEND_TT = 16;
/** EXIT2 with a token. */
export const EXIT2_TT = 18;
/** Monitors a pid or a name. */
export const MONITOR_P = 19;
/** Ends a monitor. */
export const DEMONITOR_P = 20;
/** A monitored process has ended; the reason is the last element. */
export const MONITOR_P_EXIT = 21;
/** Payload. */
export const SEND_SENDER = 22;
/** Payload. */
export const SEND_SENDER_TT = 23;
/** Payload: the reason. */
export const PAYLOAD_EXIT = 24;
/** Payload: the reason. */
export const PAYLOAD_EXIT_TT = 25;
/** Payload: the reason. */
export const PAYLOAD_EXIT2 = 26;
/** Payload: the reason. */
export const PAYLOAD_EXIT2_TT = 27;
/** Payload: the reason. */
export const PAYLOAD_MONITOR_P_EXIT = 28;
/** Payload: the arguments. */
export const SPAWN_REQUEST = 29;
/** Payload: the arguments. */
export const SPAWN_REQUEST_TT = 30;
/** Answers SPAWN_REQUEST. */
export const SPAWN_REPLY = 31;
/** SPAWN_REPLY with a token. */
export const SPAWN_REPLY_TT = 32;
/** Payload. */
export const ALIAS_SEND = 33;
/** Payload. */
export const ALIAS_SEND_TT = 34;
/** Ends a link; to be acknowledged. */
export const UNLINK_ID = 35;
/** Acknowledges UNLINK_ID. */
export const UNLINK_ID_ACK = 36;
/** Payload. What comes in place of sends to aliases and names, and of signals with priority, from OTP 28 on. */
export const ALTACT_SIG_SEND = 37;

/** A flag of ALTACT_SIG_SEND: the receiver is an alias. What else has no flag here can be seen from the terms. */
export const ALTACT_ALIAS = 4;
/** A flag of ALTACT_SIG_SEND: it is an exit signal. */
export const ALTACT_EXIT = 16;

/** Before a frame whose terms have no version byte: 131, then this, then the number of atoms. */
export const DIST_HEADER = 68;
/** The same for the first fragment of a message: two counters of 64 bits come before the number of atoms. */
export const DIST_FIRST_FRAGMENT = 69;
/** A later fragment: two counters of 64 bits, then bytes. */
export const DIST_FRAGMENT = 70;
/** Before a frame without header, each term of which has a version byte. */
export const PASS_THROUGH = 112;
/** The version byte. */
export const VERSION = 131;

/** The name that Troupe nodes send each other what concerns only them; a BEAM node drops it. */
export const TROUPE_NAME = '$troupe';

// ---- signals ----

/** The sender of a frame: the number of its pid, or that it is unknown. */
export type Sender = number;
/** The sender of a frame that is sent by no process. */
export const UNKNOWN_SENDER: Sender = -1;

/** The pid by whose number the order of a signal is kept. */
export function senderOf(signal: Signal): Sender {
  switch (signal.op) {
    case 'down':
      return signal.target instanceof Pid ? signal.target.id : UNKNOWN_SENDER;
    case 'groupLeader':
      return UNKNOWN_SENDER;
    default:
      return signal.from.id;
  }
}

/**
 * Writes what a signal carries: its message, or its reason. Other signals carry nothing.
 * @throws TroupeError TROUPE_NOT_ENCODABLE
 */
export function writePayload(writer: TermWriter, signal: Signal): void {
  switch (signal.op) {
    case 'send':
    case 'sendNamed':
    case 'sendMany':
      return writer.term(signal.message);
    case 'sendAlias':
      if (signal.plain === true) return writer.term(signal.message);
      // Read by `gen:call`, and by this runtime: `{[alias | Ref], Reply}`.
      writer.tupleHeader(2);
      writer.tagged(LIST, 1);
      writer.atomName('alias');
      writer.ref(signal.to);
      return writer.term(signal.message);
    case 'exit':
    case 'exitLink':
    case 'down':
      return writer.reason(signal.reason);
    default:
      return undefined;
  }
}

/** The registered name in a signal, which is an atom on the wire. */
export function nameIn(signal: Signal): string | undefined {
  switch (signal.op) {
    case 'sendNamed':
      return signal.to;
    case 'monitor':
    case 'demonitor':
    case 'down':
      return typeof signal.target === 'string' ? signal.target : undefined;
    default:
      return undefined;
  }
}

/** True for a signal that carries a message. */
function hasMessage({ op }: Signal): boolean {
  return op === 'send' || op === 'sendNamed' || op === 'sendAlias' || op === 'sendMany';
}

/** True for a signal that carries an exit reason. */
export function hasReason({ op }: Signal): boolean {
  return op === 'exitLink' || op === 'exit' || op === 'down';
}

/** True for a signal that carries a message or reason. */
export function hasPayload(signal: Signal): boolean {
  return hasMessage(signal) || hasReason(signal);
}
