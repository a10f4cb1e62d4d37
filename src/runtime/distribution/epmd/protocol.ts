/**
 * epmd's protocol, and what its two sides share: requests and answers as bytes, node names, and the ways it can fail.
 *
 * Every request is a 16-bit length and a body; answers have no length and are read until they are complete or epmd closes the
 * connection. All integers are big-endian. Nothing here opens a connection or keeps state; input from the other side is never
 * trusted, and a reader looks at no more than what has arrived.
 *
 * Source: "Protocol between a Node and epmd" in "Distribution Protocol" of the ERTS User's Guide; `erl_epmd.erl`.
 */
import { isUtf8 } from 'node:buffer';
import { isIPv4 } from 'node:net';
import { hostname } from 'node:os';

/** The longest name that can be registered, in bytes. */
const NAME_MAX_BYTES = 255;
/** The largest body of a request that is read, as in OTP's epmd. */
export const REQUEST_MAX_BYTES = 1_024;
/** The largest answer to a registration. */
export const REGISTERED_MAX_BYTES = 6;
/** The largest answer to a lookup: the fields, and a name and an extra of the greatest lengths. */
export const FOUND_MAX_BYTES = 14 + 2 * 0xffff;
/** The largest list of names: about 3,800 of the longest names. */
export const NAMES_MAX_BYTES = 1_048_576;

const ALIVE2_REQUEST = 120;
const ALIVE2_ANSWER = 121;
const ALIVE2_ANSWER_32 = 118;
const LOOKUP_REQUEST = 122;
const LOOKUP_ANSWER = 119;
const NAMES_REQUEST = 110;

const TYPE_NORMAL = 77;
const TYPE_HIDDEN = 72;
const PROTOCOL_TCP = 0;
/** The handshake version that nodes must support since OTP 25; registering it gets a creation of 32 bits. */
const HANDSHAKE_VERSION = 6;
/** The creation in an answer that refuses, as in OTP's epmd. */
const REFUSED_CREATION = 99;

/** What a node registers about itself, and what a lookup of it returns. */
export interface Entry {
  /** The part of the node name before the @, as bytes. */
  readonly name: Buffer;
  /** Where it listens. */
  readonly port: number;
  /** 77 for a visible node, 72 for a hidden one; only a label. */
  readonly type: number;
  readonly protocol: number;
  readonly highest: number;
  readonly lowest: number;
  readonly extra: Buffer;
}

/** A request to an epmd. */
export type Request =
  | { readonly kind: 'register'; readonly entry: Entry }
  | { readonly kind: 'lookup'; readonly name: Buffer }
  | { readonly kind: 'names' };

/** The answer to a registration; the creation is the incarnation that epmd assigns to the node. */
export interface RegisterAnswer {
  readonly accepted: boolean;
  readonly creation: number;
}

/** The entry of a node that listens on TCP and supports the current handshake. */
export function entryOf(alive: string, port: number, hidden: boolean): Entry {
  return {
    name: Buffer.from(alive),
    port,
    type: hidden ? TYPE_HIDDEN : TYPE_NORMAL,
    protocol: PROTOCOL_TCP,
    highest: HANDSHAKE_VERSION,
    lowest: HANDSHAKE_VERSION,
    extra: Buffer.alloc(0),
  };
}

/** A request with its length, as sent. The name has at most {@link NAME_MAX_BYTES}. */
export function encodeRequest(request: Request): Buffer {
  const body = requestBody(request);
  const bytes = Buffer.allocUnsafe(2 + body.length);
  bytes.writeUInt16BE(body.length, 0);
  body.copy(bytes, 2);
  return bytes;
}

function requestBody(request: Request): Buffer {
  switch (request.kind) {
    case 'register':
      return Buffer.concat([Buffer.of(ALIVE2_REQUEST), entryBytes(request.entry)]);
    case 'lookup':
      return Buffer.concat([Buffer.of(LOOKUP_REQUEST), request.name]);
    case 'names':
      return Buffer.of(NAMES_REQUEST);
  }
}

/**
 * Reads the body of a request.
 * @returns undefined if the request is unknown, or shorter than its fields say; a name that cannot be registered is refused by the
 *   table of names
 */
export function decodeRequest(body: Buffer): Request | undefined {
  switch (body[0]) {
    case ALIVE2_REQUEST: {
      const entry = entryAt(body, 1);
      return entry === undefined ? undefined : { kind: 'register', entry };
    }
    case LOOKUP_REQUEST:
      return { kind: 'lookup', name: Buffer.from(body.subarray(1)) };
    case NAMES_REQUEST:
      return { kind: 'names' };
    default:
      return undefined;
  }
}

/** The answer to a registration: with a creation of 32 bits, or for an older node one from 1 to 3. */
export function encodeRegisterAnswer(highest: number, creation: number | undefined): Buffer {
  const wide = highest >= HANDSHAKE_VERSION;
  const bytes = Buffer.allocUnsafe(wide ? 6 : 4);
  bytes[0] = wide ? ALIVE2_ANSWER_32 : ALIVE2_ANSWER;
  bytes[1] = creation === undefined ? 1 : 0;
  const given = creation ?? REFUSED_CREATION;
  if (wide) bytes.writeUInt32BE(given, 2);
  else bytes.writeUInt16BE(creation === undefined ? given : (creation % 3) + 1, 2);
  return bytes;
}

/**
 * Reads the answer to a registration.
 * @returns undefined while it is incomplete
 * @throws RangeError if it is anything else
 */
export function decodeRegisterAnswer(bytes: Buffer): RegisterAnswer | undefined {
  const wide = bytes[0] === ALIVE2_ANSWER_32;
  if (bytes.length === 0) return undefined;
  if (!wide && bytes[0] !== ALIVE2_ANSWER) throw notAnAnswer(bytes);
  const length = wide ? 6 : 4;
  if (bytes.length < length) return undefined;
  if (bytes.length > length) throw notAnAnswer(bytes);
  return { accepted: bytes[1] === 0, creation: wide ? bytes.readUInt32BE(2) : bytes.readUInt16BE(2) };
}

/** The answer to a lookup; without an entry the name is not registered. */
export function encodeLookupAnswer(entry: Entry | undefined): Buffer {
  if (entry === undefined) return Buffer.of(LOOKUP_ANSWER, 1);
  return Buffer.concat([Buffer.of(LOOKUP_ANSWER, 0), entryBytes(entry)]);
}

/**
 * Reads the answer to a lookup.
 * @returns undefined while it is incomplete; an `entry` of undefined if the name is not registered
 * @throws RangeError if it is anything else
 */
export function decodeLookupAnswer(bytes: Buffer): { readonly entry: Entry | undefined } | undefined {
  if (bytes.length === 0) return undefined;
  if (bytes[0] !== LOOKUP_ANSWER) throw notAnAnswer(bytes);
  if (bytes.length === 1) return undefined;
  if (bytes[1] !== 0) return { entry: undefined };
  const entry = entryAt(bytes, 2);
  return entry === undefined ? undefined : { entry };
}

/** The answer to a request for the names: epmd's own port, and a line for each name. */
export function encodeNamesAnswer(ownPort: number, entries: Iterable<Entry>): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(ownPort, 0);
  const parts: Buffer[] = [head];
  for (const { name, port } of entries) {
    parts.push(Buffer.from('name '), name, Buffer.from(` at port ${port}\n`));
  }
  return Buffer.concat(parts);
}

/**
 * Reads a list of names, which ends with the connection.
 * @throws RangeError if it is anything else
 */
export function decodeNamesAnswer(bytes: Buffer): Array<{ name: string; port: number }> {
  if (bytes.length < 4) throw notAnAnswer(bytes);
  const text = bytes.toString('utf8', 4);
  if (text !== '' && !text.endsWith('\n')) throw notAnAnswer(bytes);
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [, name, port] = /^name (.+) at port (\d{1,5})$/s.exec(line) ?? [];
      if (name === undefined) throw notAnAnswer(bytes);
      return { name, port: Number(port) };
    });
}

/**
 * Whether a name can be registered: 1 to 255 bytes of UTF-8 without control characters, which could make one line of the list of
 * names look like two.
 */
export function isName(name: Buffer): boolean {
  if (name.length === 0 || name.length > NAME_MAX_BYTES || !isUtf8(name)) return false;
  return name.every((byte) => byte >= 0x20 && byte !== 0x7f);
}

function entryBytes({ name, port, type, protocol, highest, lowest, extra }: Entry): Buffer {
  const bytes = Buffer.allocUnsafe(12 + name.length + extra.length);
  bytes.writeUInt16BE(port, 0);
  bytes.writeUInt8(type, 2);
  bytes.writeUInt8(protocol, 3);
  bytes.writeUInt16BE(highest, 4);
  bytes.writeUInt16BE(lowest, 6);
  bytes.writeUInt16BE(name.length, 8);
  name.copy(bytes, 10);
  bytes.writeUInt16BE(extra.length, 10 + name.length);
  extra.copy(bytes, 12 + name.length);
  return bytes;
}

/** Reads an entry, and ignores what follows it. @returns undefined while it is incomplete */
function entryAt(bytes: Buffer, at: number): Entry | undefined {
  if (bytes.length < at + 10) return undefined;
  const nameEnd = at + 10 + bytes.readUInt16BE(at + 8);
  if (bytes.length < nameEnd + 2) return undefined;
  const extraEnd = nameEnd + 2 + bytes.readUInt16BE(nameEnd);
  if (bytes.length < extraEnd) return undefined;
  return {
    port: bytes.readUInt16BE(at),
    type: bytes.readUInt8(at + 2),
    protocol: bytes.readUInt8(at + 3),
    highest: bytes.readUInt16BE(at + 4),
    lowest: bytes.readUInt16BE(at + 6),
    // Copies: the buffer is reused, and may be much larger.
    name: Buffer.from(bytes.subarray(at + 10, nameEnd)),
    extra: Buffer.from(bytes.subarray(nameEnd + 2, extraEnd)),
  };
}

function notAnAnswer(bytes: Buffer): RangeError {
  return new RangeError(
    `This is not an answer of an epmd: ${bytes.length} bytes that begin with ${bytes.toString('hex', 0, 16)}.`,
  );
}

// ---- bytes that arrive in chunks ----

const FIRST_BYTES = 64;

/** A buffer that grows with what is added, up to a limit; time and memory are in proportion to what arrived. */
export class Gathered {
  readonly #maxBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  /** @param maxBytes how many bytes it holds at most */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What has arrived; valid until the next `add`. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** @returns false if the limit would be exceeded; nothing is added then */
  add(chunk: Buffer): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#maxBytes) return false;
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(
        Math.max(length, Math.min(2 * this.#buffer.length, this.#maxBytes), FIRST_BYTES),
      );
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = length;
    return true;
  }
}

// ---- names and hosts ----

/**
 * Splits a node name. A node name is ASCII without blanks, since OTP's handshake reads Latin-1; it has one @ with text on either
 * side, and at most 255 characters.
 * @returns undefined if it is not a node name
 */
export function splitNodeName(node: string): { readonly alive: string; readonly host: string } | undefined {
  if (node.length > NAME_MAX_BYTES) return undefined;
  const [, alive, host] = /^([!-?A-~]+)@([!-?A-~]+)$/.exec(node) ?? [];
  return alive === undefined || host === undefined ? undefined : { alive, host };
}

/** Whether this is an address that only this machine can send from, or `localhost`. */
export function isLoopback(host: string): boolean {
  const address = host.startsWith('::ffff:') ? host.slice(7) : host;
  return address === 'localhost' || address === '::1' || (isIPv4(address) && address.startsWith('127.'));
}

/** Whether this is the host name of this machine, in full or only its first label as in `erl -sname`. */
export function isThisHost(host: string): boolean {
  const own = hostname().toLowerCase();
  const asked = host.toLowerCase();
  return asked === own || asked === own.split('.', 1)[0];
}

// ---- failures ----

/**
 * What can go wrong with an epmd, between the parts of this folder; users get a TroupeError made from it.
 *
 * - `refused`: nothing listens there
 * - `unreachable`: connecting failed for another reason
 * - `timeout`: it did not answer in time
 * - `ended`: it closed or broke the connection before it had answered
 * - `bad_answer`: what answered is not an epmd
 * - `taken`: another node has registered the name
 * - `port_taken`: another program has the port, so this process cannot be the epmd
 * - `closed`: this side was closed
 */
export type EpmdFailureKind =
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'ended'
  | 'bad_answer'
  | 'taken'
  | 'port_taken'
  | 'closed';

/** Why a request to an epmd failed. The message is a sentence that names the epmd. */
export class EpmdFailure extends Error {
  override readonly name = 'EpmdFailure';
  readonly kind: EpmdFailureKind;

  /** @param what a sentence */
  constructor(kind: EpmdFailureKind, what: string, cause?: unknown) {
    super(what, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

/** The code of a system error, such as ECONNREFUSED, or the message of an error without a code. */
export function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
