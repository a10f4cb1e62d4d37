// Values of a program as short texts. What the inspector answers is plain data that JSON keeps, so that it reads the same for a
// remote node: a pid is its text as the node that was asked prints it.
import { inspect, types } from 'node:util';
import { Broadcast, Down, Exit, Pid } from '../index.ts';
import { Cast, type Request } from '../otp/gen.ts';
import { cut } from '../terms/format.ts';

/** The longest text of a value, in characters; what is longer is cut. */
const TEXT_MAX = 4_096;
/** Elements of an array, map or set that are shown. */
const ELEMENTS_MAX = 20;
/** How deep a value is shown; less deep when it has more parts than are worth the time. */
const DEPTHS = [4, 2, 1, 0] as const;
const PARTS_MAX = 2_000;

/**
 * A value as text on one line, cut to a length. Never throws, and takes no longer the more there is in the value, but for the names of
 * its own properties.
 */
export function textOf(value: unknown, max = TEXT_MAX): string {
  let text: string;
  try {
    const depth = DEPTHS.find((each) => partsOf(value, each) <= PARTS_MAX);
    text =
      depth === undefined
        ? `[${Object.keys(value as object).length} properties]`
        : inspect(value, {
            breakLength: Infinity,
            compact: true,
            depth,
            maxArrayLength: ELEMENTS_MAX,
            maxStringLength: 1_000,
          });
  } catch {
    text = '[cannot be shown]'; // its own inspect function throws
  }
  return cut(text, max);
}

/** How many values are shown of a value to a depth; counts on to a little more than the limit. Calls nothing of the program. */
function partsOf(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return 1;
  let parts = 1;
  for (const part of childrenOf(value)) {
    parts += depth > 0 ? partsOf(part, depth - 1) : 1;
    if (parts > PARTS_MAX) break;
  }
  return parts;
}

/** What `inspect` shows within an object: bounded by itself for all but the properties of other objects. */
function* childrenOf(value: object): Generator {
  if (types.isMap(value) || types.isSet(value)) {
    const entries = types.isMap(value)
      ? Map.prototype.entries.call(value)
      : Set.prototype.entries.call(value);
    let left = ELEMENTS_MAX;
    for (const entry of entries) {
      if (left-- === 0) return;
      yield* entry;
    }
  } else if (!ArrayBuffer.isView(value)) {
    const keys = Array.isArray(value) ? [...value.slice(0, ELEMENTS_MAX).keys()] : Object.keys(value);
    // Too many are not looked into one by one.
    if (keys.length > PARTS_MAX) yield* keys;
    else for (const key of keys) yield Object.getOwnPropertyDescriptor(value, key)?.value;
  }
}

/** A destination as text. */
export function destinationText(to: unknown): string {
  if (to instanceof Pid) return to.toString();
  if (typeof to === 'string') return to;
  const { name, node, pid } = Object(to) as Readonly<Record<string, unknown>>;
  if (pid instanceof Pid) return pid.toString();
  return typeof name === 'string' && typeof node === 'string' ? `${name}@${node}` : textOf(to, 100);
}

/** What a message is, for a trace. */
export interface MessageText {
  readonly kind: 'message' | 'call' | 'cast' | 'reply' | 'broadcast' | 'signal';
  /** Who sent it, where the message says so. */
  readonly from: string | undefined;
  readonly text: string;
}

/** Describes a message. */
export function messageText(message: unknown): MessageText {
  if (isRequest(message)) {
    const { name, argument, pid } = message;
    return { kind: 'call', from: pid.toString(), text: `${name}(${argumentText(argument)})` };
  }
  if (message instanceof Cast) {
    return {
      kind: 'cast',
      from: undefined,
      text: `${message.name}(${argumentText(message.argument)})`,
    };
  }
  if (message instanceof Broadcast) {
    const { channel, sender, topic, payload } = message;
    return { kind: 'broadcast', from: sender.toString(), text: `[${channel}] ${topic} ${textOf(payload)}` };
  }
  if (message instanceof Exit)
    return { kind: 'signal', from: message.from.toString(), text: textOf(message) };
  if (message instanceof Down) {
    const from = message.target instanceof Pid ? message.target.toString() : undefined;
    return { kind: 'signal', from, text: textOf(message) };
  }
  return { kind: 'message', from: undefined, text: textOf(message) };
}

/** @internal Whether a message is a call, of this node or another one. */
export function isRequest(message: unknown): message is Request {
  return (
    typeof message === 'object' &&
    message !== null &&
    'argument' in message &&
    'reply' in message &&
    typeof message.reply === 'function' &&
    'pid' in message &&
    message.pid instanceof Pid
  );
}

/** The argument of a call or cast; nothing for none. */
export function argumentText(argument: unknown): string {
  return argument === undefined ? '' : textOf(argument);
}
