/**
 * The group leader of what this node has others run: it takes what they write, by the io protocol, so that `io:format` in a
 * function that is called here does not wait for ever. It reads nothing: questions get `{error, enotsup}`.
 *
 * Besides it `logger_proxy`, where a BEAM node sends the log events of such processes. See "The Erlang I/O Protocol" of
 * stdlib.
 */
import { TroupeError } from '../../../errors.ts';
import type { Process } from '../../../process/process.ts';
import { Pid } from '../../../terms/identifiers.ts';
import { telemetry } from '../../../telemetry.ts';
import { Atom, atom } from '../../../terms/atom.ts';
import { Tuple, tuple } from '../../../terms/values.ts';
import { publishDropped } from './dropped.ts';
import { charactersOf, type Encoding } from './characters.ts';
import { formatIo, showTerm } from './io-format.ts';

const written = telemetry('troupe:distribution:io');

/** The most characters of one request; what is more is cut off. */
export const MAX_TEXT = 65_536;
/** How many requests one `requests` may hold. */
const MAX_REQUESTS = 1_000;

const OK = atom('ok');
const NOT_SUPPORTED = tuple(atom('error'), atom('enotsup'));
const BAD_REQUEST = tuple(atom('error'), atom('request'));

/** Takes a text that a process of another node has written. */
export type Output = (text: string, from: Pid) => void;

/** Answers the io protocol. */
export class IoServer {
  readonly #output: Output | undefined;

  constructor(output: Output | undefined) {
    this.#output = output;
  }

  /** Handles a message to the group leader. */
  handle(self: Process, message: unknown): void {
    const [tag, from, replyAs, request] = message instanceof Tuple ? message.elements : [];
    if (tag !== IO_REQUEST || !(from instanceof Pid)) {
      publishDropped(self.node, '', () => 'a message to the group leader');
      return;
    }
    const reply = tuple(IO_REPLY, replyAs, this.#request(self, from, request));
    try {
      self.send(from, reply);
    } catch (error) {
      if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
      // What the writer wants to be sent back was nested as deep as can be when it came.
      publishDropped(self.node, from.node, () => 'an io request that cannot be answered');
    }
  }

  /** Handles a message to `logger_proxy`. */
  handleLog(self: Process, message: unknown): void {
    const text = readLogEvent(message);
    if (text === undefined) publishDropped(self.node, '', () => 'a message to logger_proxy');
    else this.#write(self, writerOf(message) ?? self.pid, text);
  }

  #request(self: Process, from: Pid, request: unknown): unknown {
    if (!(request instanceof Tuple))
      return request === GET_OPTIONS ? [tuple(ENCODING, UNICODE)] : refusal(request);
    const [kind, first] = request.elements;
    if (kind === PUT_CHARS) {
      const text = readPutChars(request.elements.slice(1));
      if (text === undefined) return BAD_REQUEST;
      this.#write(self, from, text);
      return OK;
    }
    if (kind === SET_OPTIONS) return OK;
    if (kind !== REQUESTS) return refusal(kind);
    return Array.isArray(first) && first.length <= MAX_REQUESTS
      ? this.#requests(self, from, first as readonly unknown[])
      : BAD_REQUEST;
  }

  /** Several requests: the first that fails is the answer, or else the last. They are not nested, as in OTP. */
  #requests(self: Process, from: Pid, requests: readonly unknown[]): unknown {
    let answer: unknown = OK;
    for (const request of requests) {
      if (request instanceof Tuple && request.elements[0] === REQUESTS) return BAD_REQUEST;
      answer = this.#request(self, from, request);
      if (answer instanceof Tuple) return answer;
    }
    return answer;
  }

  #write(self: Process, from: Pid, text: string): void {
    const shown = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text;
    if (written.hasSubscribers) written.publish({ node: self.node.name, from, text: shown });
    this.#output?.(shown, from);
  }
}

const IO_REQUEST = atom('io_request');
const IO_REPLY = atom('io_reply');
const PUT_CHARS = atom('put_chars');
const SET_OPTIONS = atom('setopts');
const GET_OPTIONS = atom('getopts');
const REQUESTS = atom('requests');
const ENCODING = atom('encoding');
const UNICODE = atom('unicode');
const LOG = atom('log');

function refusal(kind: unknown): unknown {
  return kind instanceof Atom && kind.name.startsWith('get_') ? NOT_SUPPORTED : BAD_REQUEST;
}

/** Reads `[Encoding,] Chars` or `[Encoding,] Module, Function, Args`. */
function readPutChars(parts: readonly unknown[]): string | undefined {
  const encoding: Encoding = parts[0] === UNICODE ? 'unicode' : 'latin1';
  const rest = parts.length === 2 || parts.length === 4 ? parts.slice(1) : parts;
  if (rest.length === 1) return charactersOf(rest[0], encoding, MAX_TEXT);
  const [module, name, args] = rest;
  if (rest.length !== 3 || !Array.isArray(args)) return undefined;
  return applied(module, name, args as readonly unknown[]);
}

/** The text that a function makes which the writer wants to be applied; only formatting is known here. */
function applied(module: unknown, name: unknown, args: readonly unknown[]): string {
  const isFormat = module === atom('io_lib') && (name === atom('format') || name === atom('fwrite'));
  if (isFormat && args.length === 2 && Array.isArray(args[1])) {
    const format = charactersOf(args[0] instanceof Atom ? args[0].name : args[0], 'unicode', MAX_TEXT);
    const text = format === undefined ? undefined : formatIo(format, args[1] as readonly unknown[], MAX_TEXT);
    if (text !== undefined) return text;
  }
  return `${showTerm(module)}:${showTerm(name)} ${showTerm(args, MAX_TEXT)}\n`;
}

/** The process that has logged; the last element of a log event is a map with what is known of it. */
function writerOf(message: unknown): Pid | undefined {
  const meta: unknown = message instanceof Tuple ? message.elements.at(-1) : undefined;
  const pid: unknown = meta instanceof Map ? meta.get(atom('pid')) : undefined;
  return pid instanceof Pid ? pid : undefined;
}

/** Reads `{log, Level, Format, Args, Meta}` or `{log, Level, StringOrReport, Meta}`, in one line. */
function readLogEvent(message: unknown): string | undefined {
  if (!(message instanceof Tuple) || message.elements[0] !== LOG) return undefined;
  const [, level, what, args] = message.elements;
  const format = charactersOf(what, 'unicode', MAX_TEXT);
  const text =
    format !== undefined && message.length === 5 && Array.isArray(args)
      ? formatIo(format, args as readonly unknown[], MAX_TEXT)
      : format;
  return `${showTerm(level)}: ${text ?? showTerm([what, args], MAX_TEXT)}\n`;
}
