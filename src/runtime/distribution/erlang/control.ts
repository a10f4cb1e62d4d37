/**
 * The control messages: what kind each number stands for. See `erl_dist_protocol`, "Protocol between Connected Nodes".
 *
 * A variant with `TT` has a trace token at its end, which is left out here. A message with a payload is followed by a term.
 */

export const LINK = 1;
/** Payload. The form of SEND_SENDER for nodes that do not know that. */
export const SEND = 2;
export const EXIT = 3;
/** Ends a link, before OTP 23.3. */
export const UNLINK = 4;
/** Payload. */
export const REG_SEND = 6;
export const GROUP_LEADER = 7;
export const EXIT2 = 8;
/** Payload. */
export const SEND_TT = 12;
export const EXIT_TT = 13;
/** Payload. */
export const REG_SEND_TT = 16;
export const EXIT2_TT = 18;
export const MONITOR_P = 19;
export const DEMONITOR_P = 20;
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
export const SPAWN_REPLY = 31;
export const SPAWN_REPLY_TT = 32;
/** Payload. */
export const ALIAS_SEND = 33;
/** Payload. */
export const ALIAS_SEND_TT = 34;
export const UNLINK_ID = 35;
export const UNLINK_ID_ACK = 36;
/** Payload. What comes in place of sends to aliases and names, and of signals with priority, from OTP 28 on. */
export const ALTACT_SIG_SEND = 37;

/** The flags of ALTACT_SIG_SEND that change what the message means; others are ignored. */
export const ALTACT_TOKEN = 2;
export const ALTACT_ALIAS = 4;
export const ALTACT_NAME = 8;
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
