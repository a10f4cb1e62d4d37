// What the client and the server of the REPL say to each other over the socket: one JSON object a line, both ways.
//
//   client                                  server
//   Hello (how to print) ────────────────▶
//                        ◀──────────────── {type: 'ready'}, or {type: 'bye'} when there are too many
//   eval, complete       ────────────────▶ answered in order, each with the id of its request
//   cancel, resize       ────────────────▶ no answer
//                        ◀──────────────── print, at any time
//                        ◀──────────────── bye: why the connection ends
//
// A line over the limit, or one that is not such an object, ends the connection: nothing is skipped.
import { StringDecoder } from 'node:string_decoder';

/** The version of the protocol; client and server must have the same. */
export const PROTOCOL_VERSION = 2;
/** The longest line that a client may send, in UTF-16 units. */
export const CLIENT_LINE_MAX = 1_048_576;
/** The longest line that a server sends. */
export const SERVER_LINE_MAX = 268_435_456;
/** The longest text of one result; a longer one is refused with a sentence that says so. */
export const RESULT_TEXT_MAX = 33_554_432;

/** The first line of a client: how to print for it. */
export interface Hello {
  readonly repl: number;
  /** Width of the terminal in characters; 0 when the output is not a terminal: nothing is cut. */
  readonly columns: number;
  readonly colour: boolean;
  /** Whether box-drawing characters can be shown. */
  readonly unicode: boolean;
  /** Results as JSON. */
  readonly json: boolean;
  /** Somebody types: messages are announced, strings are quoted. */
  readonly interactive: boolean;
  /** Only questions are answered, and nothing is evaluated. Default false; a server may be read-only for everybody. */
  readonly readOnly?: boolean;
  /** The node that questions are about, in place of the one of the server; implies `readOnly`. */
  readonly target?: string;
}

/** The later messages of a client. */
export type ClientMessage =
  | { readonly type: 'eval'; readonly id: number; readonly code: string }
  | { readonly type: 'complete'; readonly id: number; readonly line: string }
  | { readonly type: 'cancel' }
  | { readonly type: 'resize'; readonly columns: number };

/** How an evaluation ended. `incomplete`: the code goes on in the next line. */
export type ResultStatus = 'ok' | 'error' | 'incomplete' | 'cancelled';

/** The messages of a server. */
export type ServerMessage =
  | { readonly type: 'ready'; readonly repl: number; readonly pid: string; readonly node: string }
  | { readonly type: 'result'; readonly id: number; readonly status: ResultStatus; readonly text: string }
  | {
      readonly type: 'completions';
      readonly id: number;
      readonly names: readonly string[];
      readonly on: string;
    }
  | { readonly type: 'print'; readonly stream: 'out' | 'err'; readonly text: string }
  | { readonly type: 'bye'; readonly text: string };

/** The other side has broken the protocol. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
}

/** A message as a line. */
export function encodeLine(message: Hello | ClientMessage | ServerMessage): string {
  return `${JSON.stringify(message)}\n`;
}

/** Cuts a stream of bytes into lines. */
export class LineReader {
  readonly #max: number;
  readonly #decoder = new StringDecoder('utf8');
  #parts: string[] = [];
  #length = 0;

  /** @param max the longest line, in UTF-16 units. */
  constructor(max: number) {
    this.#max = max;
  }

  /** The lines that end in what came. @throws ProtocolError for a line that is too long. */
  push(chunk: Buffer): string[] {
    const pieces = this.#decoder.write(chunk).split('\n');
    const rest = pieces.pop() as string;
    const lines = pieces.map((piece) => {
      this.#add(piece);
      const line = this.#parts.join('');
      this.#parts = [];
      this.#length = 0;
      return line;
    });
    this.#add(rest);
    return lines;
  }

  #add(piece: string): void {
    this.#length += piece.length;
    if (this.#length > this.#max) throw new ProtocolError(`a line is longer than ${this.#max} characters`);
    if (piece !== '') this.#parts.push(piece);
  }
}

/** Reads the first line of a client. @throws ProtocolError */
export function parseHello(line: string): Hello {
  const hello = parseObject(line);
  if (hello['repl'] !== PROTOCOL_VERSION) {
    throw new ProtocolError(
      `the client speaks version ${JSON.stringify(hello['repl'])} of the REPL's protocol and the application ` +
        `version ${PROTOCOL_VERSION}: run the client of the same release`,
    );
  }
  for (const flag of ['colour', 'unicode', 'json', 'interactive']) {
    if (typeof hello[flag] !== 'boolean') throw new ProtocolError(`${flag} is not true or false`);
  }
  const { readOnly = false, target = '' } = hello;
  if (typeof readOnly !== 'boolean') throw new ProtocolError('readOnly is not true or false');
  if (typeof target !== 'string') throw new ProtocolError('target is not a text');
  checkColumns(hello['columns']);
  return hello as unknown as Hello;
}

/** Reads a line of a client after the first. @throws ProtocolError */
export function parseClientMessage(line: string): ClientMessage {
  const message = parseObject(line);
  switch (message['type']) {
    case 'eval':
      checkText(message, 'code');
      break;
    case 'complete':
      checkText(message, 'line');
      break;
    case 'resize':
      checkColumns(message['columns']);
      break;
    case 'cancel':
      break;
    default:
      throw new ProtocolError(`unknown message ${JSON.stringify(message['type'])}`);
  }
  return message as unknown as ClientMessage;
}

/** Reads a line of a server, which is trusted: it is the same release. @throws ProtocolError when it is not a JSON object */
export function parseServerMessage(line: string): ServerMessage {
  return parseObject(line) as unknown as ServerMessage;
}

function checkText(message: Readonly<Record<string, unknown>>, field: string): void {
  if (!Number.isSafeInteger(message['id'])) throw new ProtocolError('id is not a whole number');
  if (typeof message[field] !== 'string') throw new ProtocolError(`${field} is not a text`);
}

function checkColumns(columns: unknown): void {
  if (!Number.isSafeInteger(columns) || (columns as number) < 0 || (columns as number) > 10_000) {
    throw new ProtocolError('columns is not a whole number from 0 to 10,000');
  }
}

function parseObject(line: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new ProtocolError(`a line is not JSON: ${(error as Error).message}`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProtocolError('a line is not a JSON object');
  }
  return value as Record<string, unknown>;
}
