/**
 * The flags by which nodes announce, while they connect, what they understand. A flag that is set is a promise: this node sets only
 * those that it keeps in both directions.
 *
 * Values as in OTP's `dist.hrl` and `dist.h`; see `erl_dist_protocol`, "Distribution Flags". (The page gives bit 36 for
 * MANDATORY_25_DIGEST; OTP itself uses bit 26.)
 */

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
