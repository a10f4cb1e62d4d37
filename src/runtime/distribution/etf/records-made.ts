/**
 * Makes of terms that were read as such what `records-read.ts` reads at once: messages and exit reasons. For large ones, which are
 * read in slices.
 */
import { declaredForm } from '../../pg/channel-forms.ts';
import { Cast, RemoteCall, REQUEST, SYSTEM, SystemCall } from '../../otp/gen.ts';
import { Pid } from '../../terms/identifiers.ts';
import { recordTagged } from '../../records.ts';
import { Atom } from '../../terms/atom.ts';
import { formed } from '../../terms/forms.ts';
import { Tuple } from '../../terms/values.ts';
import { nameOf } from './maps.ts';
import { isReasonWord } from '../../terms/reasons.ts';
import {
  GEN_CALL,
  GEN_CAST,
  isOf,
  NOVA_PUBSUB,
  replyTag,
  SYSTEM_TAG,
  TERMINATE,
  topicOf,
} from './records-read.ts';

const utf8 = new TextEncoder();

/**
 * @internal Whether what follows is the request of a cast or a call. `{Name, Argument}` is none of the classes of the program then,
 * and what is another tuple becomes one here.
 * @param items what stands before it. @param left how many elements are missing.
 */
export function isRequestNext(items: readonly unknown[], left: number): boolean {
  const [tag] = items;
  if (left !== 1) return false;
  return items.length === 1
    ? tag === GEN_CAST
    : items.length === 2 && (tag === GEN_CALL || tag === SYSTEM_TAG);
}

/** @internal The message that a term is. @param peer the node that it came from. */
export function messageOf(term: unknown, peer: string): unknown {
  if (!(term instanceof Tuple)) return term;
  const { elements } = term;
  const [tag] = elements;
  if (tag === NOVA_PUBSUB) return broadcastOf(elements, peer) ?? term;
  if (tag === GEN_CAST && elements.length === 2) {
    const [name, argument] = requestOf(elements[1]);
    return new Cast(name, argument);
  }
  if ((tag !== GEN_CALL && tag !== SYSTEM_TAG) || elements.length !== 3) return term;
  const [, from, request] = elements;
  const pid = from instanceof Tuple && from.length === 2 ? from.elements[0] : undefined;
  if (!(from instanceof Tuple) || !(pid instanceof Pid)) return new Tuple([tag, from, formOf(request)]);
  const alias = replyTag(from.elements[1]);
  if (tag === SYSTEM_TAG) return new SystemCall(pid, alias, SYSTEM, systemRequestOf(request));
  const [name, argument] = requestOf(request);
  return new RemoteCall(pid, alias, name, argument);
}

/** @internal The exit reason that a term is. */
export function reasonOf(term: unknown): unknown {
  if (term instanceof Atom) return isReasonWord(term.name) ? term.name : term;
  if (term instanceof Tuple) {
    const [tag] = term.elements;
    return tag instanceof Atom && isReasonWord(tag.name) ? term.elements.map(reasonOf) : term;
  }
  if (typeof term === 'string') return isReasonWord(term) ? utf8.encode(term) : term;
  if (Array.isArray(term) && typeof term[0] === 'string' && isReasonWord(term[0]))
    term[0] = utf8.encode(term[0]);
  return term;
}

/**
 * @internal Whether the payload of a broadcast is to have plain objects for its maps with atoms for keys.
 * @param items what stands before the payload.
 */
export function hasDeclaredKeys(items: readonly unknown[], peer: string): boolean {
  const name = channelOf(items, peer);
  return name !== undefined && (declaredForm(name)?.atomKeys.size ?? 0) > 0;
}

function broadcastOf(elements: readonly unknown[], peer: string): object | undefined {
  const name = elements.length === 5 ? channelOf(elements, peer) : undefined;
  if (name === undefined) return undefined;
  const [, , sender, topic, payload] = elements;
  return recordTagged(NOVA_PUBSUB.name)?.make([name, sender, topicOf(topic), payload]);
}

/** The channel of a broadcast, as far as all that stands before the payload has the form that it should. */
function channelOf(items: readonly unknown[], peer: string): string | undefined {
  const [tag, channel, sender, topic] = items;
  const isBroadcast = tag === NOVA_PUBSUB && isOf(sender, peer) && topicOf(topic) !== undefined;
  return isBroadcast ? nameOf(channel) : undefined;
}

/** The name and the argument of a request `Name`, `{Name, Argument}`, or any other. */
function requestOf(request: unknown): readonly [name: string, argument: unknown] {
  if (isAtom(request)) return [nameOf(request) as string, undefined];
  const isPair = request instanceof Tuple && request.length === 2 && isAtom(request.elements[0]);
  return isPair ? [nameOf(request.elements[0]) as string, request.elements[1]] : [REQUEST, formOf(request)];
}

function systemRequestOf(request: unknown): unknown {
  if (isAtom(request)) return nameOf(request);
  if (!(request instanceof Tuple) || request.length !== 2 || !isAtom(request.elements[0]))
    return formOf(request);
  const [command, value] = request.elements;
  return [nameOf(command), command === TERMINATE ? reasonOf(value) : value];
}

/** What a request that is no pair of a name and an argument is. */
function formOf(request: unknown): unknown {
  return request instanceof Tuple ? formed(request.elements) : request;
}

function isAtom(value: unknown): boolean {
  return typeof value !== 'string' && nameOf(value) !== undefined;
}
