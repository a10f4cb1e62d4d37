/**
 * The messages of the handshake as bytes, without their length, and the flags in them. See `erl_dist_protocol`, "Distribution
 * Handshake", version 6.
 *
 * A reader returns undefined for anything but the message it reads; it never throws, and never reads beyond `end`.
 * Names are Latin-1 on the wire, as in OTP.
 *
 * With flags a node announces what it understands. A flag that is set is a promise: this node sets only those that it keeps in both
 * directions. Values as in OTP's `dist.hrl` and `dist.h`; see "Distribution Flags". (The page gives bit 36 for
 * MANDATORY_25_DIGEST; OTP itself uses bit 26.)
 */
import { DIGEST_BYTES } from './credentials.ts';

// ---- flags ----

/** The bit of each flag. Obsolete flags, and those that never leave a node of OTP, are left out. */
export const FLAGS = {
  PUBLISHED: 1n << 0n,
  EXTENDED_REFERENCES: 1n << 2n,
  DIST_MONITOR: 1n << 3n,
  FUN_TAGS: 1n << 4n,
  DIST_MONITOR_NAME: 1n << 5n,
  NEW_FUN_TAGS: 1n << 7n,
  EXTENDED_PIDS_PORTS: 1n << 8n,
  EXPORT_PTR_TAG: 1n << 9n,
  BIT_BINARIES: 1n << 10n,
  NEW_FLOATS: 1n << 11n,
  UNICODE_IO: 1n << 12n,
  DIST_HDR_ATOM_CACHE: 1n << 13n,
  SMALL_ATOM_TAGS: 1n << 14n,
  UTF8_ATOMS: 1n << 16n,
  MAP_TAG: 1n << 17n,
  BIG_CREATION: 1n << 18n,
  SEND_SENDER: 1n << 19n,
  BIG_SEQTRACE_LABELS: 1n << 20n,
  EXIT_PAYLOAD: 1n << 22n,
  FRAGMENTS: 1n << 23n,
  HANDSHAKE_23: 1n << 24n,
  UNLINK_ID: 1n << 25n,
  /** Stands for all flags that OTP 25 requires. */
  MANDATORY_25_DIGEST: 1n << 26n,
  SPAWN: 1n << 32n,
  /** The connecting node asks to be given a name. */
  NAME_ME: 1n << 33n,
  V4_NC: 1n << 34n,
  ALIAS: 1n << 35n,
  ALTACT_SIG: 1n << 37n,
  NATIVE_RECORDS: 1n << 38n,
} as const;

/** What another node must understand: the flags that OTP 25 requires. */
export const REQUIRED_FLAGS =
  FLAGS.EXTENDED_REFERENCES |
  FLAGS.FUN_TAGS |
  FLAGS.NEW_FUN_TAGS |
  FLAGS.EXTENDED_PIDS_PORTS |
  FLAGS.EXPORT_PTR_TAG |
  FLAGS.BIT_BINARIES |
  FLAGS.NEW_FLOATS |
  FLAGS.UTF8_ATOMS |
  FLAGS.MAP_TAG |
  FLAGS.BIG_CREATION |
  FLAGS.HANDSHAKE_23;

/**
 * What a node of Troupe understands: the flags of OTP 25 without PUBLISHED. The node is thus hidden: the `nodes()` of others do not
 * list it, and they send it nothing unasked.
 */
export const OWN_FLAGS =
  REQUIRED_FLAGS |
  FLAGS.DIST_MONITOR |
  FLAGS.DIST_MONITOR_NAME |
  FLAGS.UNICODE_IO |
  FLAGS.DIST_HDR_ATOM_CACHE |
  FLAGS.SMALL_ATOM_TAGS |
  FLAGS.SEND_SENDER |
  FLAGS.BIG_SEQTRACE_LABELS |
  FLAGS.EXIT_PAYLOAD |
  FLAGS.FRAGMENTS |
  FLAGS.UNLINK_ID |
  FLAGS.MANDATORY_25_DIGEST |
  FLAGS.SPAWN |
  FLAGS.V4_NC |
  FLAGS.ALIAS;

/**
 * Whether a node has registered names to look up, as nodes of Troupe and BEAM nodes do. C nodes and the like (`erl_interface`) have
 * none; they read message by message, and most of their programs fail on one that they did not ask for. They are sent only what a
 * program sends.
 */
export function hasNames({ flags }: { readonly flags: bigint }): boolean {
  return (flags & FLAGS.DIST_MONITOR_NAME) !== 0n;
}

/** The flags that a node has sent, including those that its digest bit stands for. */
export function expandFlags(sent: bigint): bigint {
  return (sent & FLAGS.MANDATORY_25_DIGEST) === 0n ? sent : sent | REQUIRED_FLAGS;
}

/** The names of the required flags that a node lacks; `flags` are expanded. */
export function missingFlags(flags: bigint): string[] {
  const missing = REQUIRED_FLAGS & ~flags;
  return missing === 0n ? [] : flagNames(missing);
}

/** The names of flags, in the order of their bits. */
export function flagNames(flags: bigint): string[] {
  return Object.entries(FLAGS).flatMap(([name, bit]) => ((flags & bit) === 0n ? [] : [name]));
}

// ---- messages ----

/** The longest message that is read; OTP's are shorter than 600 bytes. */
export const MAX_HANDSHAKE_BYTES = 1024;

const MAX_NAME_BYTES = 255;
const TAG_NAME = 0x4e; // N
const TAG_OLD_NAME = 0x6e; // n
const TAG_STATUS = 0x73; // s
const TAG_COMPLEMENT = 0x63; // c
const TAG_REPLY = 0x72; // r
const TAG_ACK = 0x61; // a
const OLD_VERSION = 5;

/** Message 1: the name and flags of the node that dials. */
export interface NameMessage {
  readonly flags: bigint;
  /** 0 in the old form, which message 3b completes. */
  readonly creation: number;
  readonly name: string;
  readonly old: boolean;
}

/** Message 3: the name and flags of the node that was dialled, and its challenge. */
export interface ChallengeMessage {
  readonly flags: bigint;
  readonly challenge: number;
  readonly creation: number;
  readonly name: string;
}

/** @internal */
export function writeName(flags: bigint, creation: number, name: string): Buffer {
  const text = Buffer.from(name, 'latin1');
  const body = Buffer.alloc(15 + text.length);
  body[0] = TAG_NAME;
  body.writeBigUInt64BE(flags, 1);
  body.writeUInt32BE(creation, 9);
  body.writeUInt16BE(text.length, 13);
  text.copy(body, 15);
  return body;
}

/** @internal Reads both forms; bytes after the name belong to later versions of the protocol. */
export function readName(buffer: Buffer, start: number, end: number): NameMessage | undefined {
  if (end - start >= 7 && buffer[start] === TAG_OLD_NAME) {
    if (buffer.readUInt16BE(start + 1) !== OLD_VERSION) return undefined;
    const flags = BigInt(buffer.readUInt32BE(start + 3));
    if (end - start - 7 > MAX_NAME_BYTES) return undefined;
    return { flags, creation: 0, name: buffer.toString('latin1', start + 7, end), old: true };
  }
  if (end - start < 15 || buffer[start] !== TAG_NAME) return undefined;
  const name = readText(buffer, start + 13, end);
  if (name === undefined) return undefined;
  return {
    flags: buffer.readBigUInt64BE(start + 1),
    creation: buffer.readUInt32BE(start + 9),
    name,
    old: false,
  };
}

/** @internal Message 3b: the upper flags and the creation of a node that used the old form. */
export function readComplement(
  buffer: Buffer,
  start: number,
  end: number,
): { readonly flags: bigint; readonly creation: number } | undefined {
  if (end - start !== 9 || buffer[start] !== TAG_COMPLEMENT) return undefined;
  return {
    flags: BigInt(buffer.readUInt32BE(start + 1)) << 32n,
    creation: buffer.readUInt32BE(start + 5),
  };
}

/** @internal Message 2, and the answer to `alive`. */
export function writeStatus(status: string): Buffer {
  return Buffer.from(`s${status}`, 'latin1');
}

/** @internal */
export function readStatus(buffer: Buffer, start: number, end: number): string | undefined {
  if (end - start < 1 || buffer[start] !== TAG_STATUS) return undefined;
  return buffer.toString('latin1', start + 1, end);
}

/** @internal */
export function writeChallenge(message: ChallengeMessage): Buffer {
  const text = Buffer.from(message.name, 'latin1');
  const body = Buffer.alloc(19 + text.length);
  body[0] = TAG_NAME;
  body.writeBigUInt64BE(message.flags, 1);
  body.writeUInt32BE(message.challenge, 9);
  body.writeUInt32BE(message.creation, 13);
  body.writeUInt16BE(text.length, 17);
  text.copy(body, 19);
  return body;
}

/** @internal */
export function readChallenge(buffer: Buffer, start: number, end: number): ChallengeMessage | undefined {
  if (end - start < 19 || buffer[start] !== TAG_NAME) return undefined;
  const name = readText(buffer, start + 17, end);
  if (name === undefined) return undefined;
  return {
    flags: buffer.readBigUInt64BE(start + 1),
    challenge: buffer.readUInt32BE(start + 9),
    creation: buffer.readUInt32BE(start + 13),
    name,
  };
}

/** @internal Message 4: the answer of the node that dialled, and its own challenge. */
export function writeReply(challenge: number, answer: Buffer): Buffer {
  const body = Buffer.alloc(5 + DIGEST_BYTES);
  body[0] = TAG_REPLY;
  body.writeUInt32BE(challenge, 1);
  answer.copy(body, 5);
  return body;
}

/** @internal */
export function readReply(
  buffer: Buffer,
  start: number,
  end: number,
): { readonly challenge: number; readonly answer: Buffer } | undefined {
  if (end - start !== 5 + DIGEST_BYTES || buffer[start] !== TAG_REPLY) return undefined;
  return { challenge: buffer.readUInt32BE(start + 1), answer: buffer.subarray(start + 5, end) };
}

/** @internal Message 5: the answer of the node that was dialled. */
export function writeAck(answer: Buffer): Buffer {
  return Buffer.concat([Buffer.of(TAG_ACK), answer]);
}

/** @internal */
export function readAck(buffer: Buffer, start: number, end: number): Buffer | undefined {
  if (end - start !== 1 + DIGEST_BYTES || buffer[start] !== TAG_ACK) return undefined;
  return buffer.subarray(start + 1, end);
}

/**
 * Whether this is a full node name that another node may have: `name@host` with one `@`, at most 255 characters of Latin-1, and none
 * that would garble a log.
 */
export function isNodeName(name: string): boolean {
  return name.length <= MAX_NAME_BYTES && /^[!-?A-~\u00a1-\u00ff]+@[!-?A-~\u00a1-\u00ff]+$/.test(name);
}

/** A length of two bytes, then that many bytes of text. */
function readText(buffer: Buffer, at: number, end: number): string | undefined {
  const length = buffer.readUInt16BE(at);
  if (length > MAX_NAME_BYTES || at + 2 + length > end) return undefined;
  return buffer.toString('latin1', at + 2, at + 2 + length);
}
