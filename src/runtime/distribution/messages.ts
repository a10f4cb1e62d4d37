/**
 * The runtime's own messages as Erlang's: what carriers make of terms, beyond the terms themselves.
 *
 * | here         | to Erlang                                      | read again |
 * | ------------ | ---------------------------------------------- | ---------- |
 * | `Exit`       | `{'EXIT', From, Reason}`                       | no         |
 * | `Down`       | `{'DOWN', Ref, process, Object, Reason}`       | no         |
 * | `NodeUp`     | `{nodeup, Node}`                               | no         |
 * | `NodeDown`   | `{nodedown, Node, Reason}`                     | no         |
 * | `Cast`       | `{'$gen_cast', Request}`                       | yes        |
 * | `RemoteCall` | `{'$gen_call', {From, Tag}, Request}`          | yes        |
 * | `SystemCall` | `{system, {From, Tag}, Request}`               | yes        |
 * | `Broadcast`  | `{nova_pubsub, Channel, From, Topic, Payload}` | yes        |
 *
 * They are written wherever they stand. They are read only where they are a whole message and have the form that they should; deeper,
 * such a tuple may mean something else. Any other message is the term that it is. A request `{Name, Argument}` or `Name` is a call by
 * name; any other has the name `$request`.
 *
 * Invariant: what a message claims about another process stays a tuple. Only signals make an `Exit`, a `Down`, a
 * `NodeUp` and a `NodeDown`, and a broadcast is one only when its sender is of the node that the message came from. See
 * docs/adr/0023.
 */
import { Cast, ForeignTag, RemoteCall, REQUEST, SYSTEM, SystemCall } from '../otp/gen.ts';
import { declaredForm, undeclaredForm } from '../pg/channel-forms.ts';
import { Broadcast } from '../pg/pubsub.ts';
import { Down, Exit, NodeDown, NodeUp } from '../process/messages.ts';
import { Atom, atom } from '../terms/atom.ts';
import { formed } from '../terms/forms.ts';
import { Pid, Ref } from '../terms/identifiers.ts';
import { ImproperList, text, Tuple } from '../terms/values.ts';
import { nameOf } from './etf/maps.ts';
import type { ElementForm, Grammar } from './etf/reader.ts';
import { reasonOf } from '../terms/reasons.ts';
import { LIST, SMALL_TUPLE } from './etf/tags.ts';
import { type EncodeLimits, TermWriter } from './etf/writer.ts';

const NOVA_PUBSUB = atom('nova_pubsub');
const GEN_CAST = atom('$gen_cast');
const GEN_CALL = atom('$gen_call');
const SYSTEM_TAG = atom('system');
const TERMINATE = atom('terminate');
const ALIAS = atom('alias');
const SYNC = atom('sync');
const BROADCAST_ARITY = 5;
/** Where the name of a group stands in the cast of a snapshot: within cast, snapshot, list and entry. */
const NAME_DEPTH = 4;

// ---- reading ----

/** Reads the messages of one node. */
export class Messages implements Grammar {
  readonly #peer: string;

  /** @param peer the node that the messages come from. */
  constructor(peer: string) {
    this.#peer = peer;
  }

  /** The topic of a broadcast is a text, its payload has the keys of its channel, and the request of a call is a bare tuple. */
  element(before: readonly unknown[], left: number): ElementForm {
    const [tag] = before;
    if (tag === NOVA_PUBSUB) {
      if (before.length + left !== BROADCAST_ARITY || left > 2) return 'term';
      if (left === 2) return this.#isBegun(before) ? 'text' : 'term';
      return this.#hasNamedKeys(before) ? 'named' : 'term';
    }
    if (left > 1) return 'term';
    if (tag === GEN_CAST) return before.length === 1 ? 'bare' : 'term';
    return (tag === GEN_CALL || tag === SYSTEM_TAG) && before.length === 2 ? 'bare' : 'term';
  }

  made(elements: readonly unknown[]): unknown {
    const [tag] = elements;
    if (tag === NOVA_PUBSUB && elements.length === BROADCAST_ARITY) return this.#broadcast(elements);
    if (tag === GEN_CAST && elements.length === 2) {
      const [name, argument] = requestOf(elements[1]);
      return new Cast(name, argument);
    }
    if (tag === GEN_CALL && elements.length === 3) return callOf(elements);
    return tag === SYSTEM_TAG && elements.length === 3 ? systemCallOf(elements) : undefined;
  }

  /**
   * The name of a group in the snapshot of a pg scope may be left out: one such group must not keep a node from learning the
   * others.
   */
  leavesOut(open: ReadonlyArray<{ readonly tag: number; readonly items: readonly unknown[] }>): boolean {
    const [root, snapshot] = open;
    return (
      root?.items[0] === GEN_CAST &&
      snapshot?.tag === SMALL_TUPLE &&
      snapshot.items[0] === SYNC &&
      open[NAME_DEPTH - 1]?.items.length === 0
    );
  }

  #broadcast(elements: readonly unknown[]): Broadcast | undefined {
    const [, channel, sender, term, payload] = elements;
    const topic = topicOf(term);
    if (topic === undefined || !this.#isBegun(elements)) return undefined;
    return new Broadcast(nameOf(channel) as string, sender as Pid, topic, payload);
  }

  /** Whether a broadcast has the name of a channel, and a sender of the node that it came from. */
  #isBegun([, channel, sender]: readonly unknown[]): boolean {
    return sender instanceof Pid && sender.node === this.#peer && nameOf(channel) !== undefined;
  }

  #hasNamedKeys(before: readonly unknown[]): boolean {
    if (!this.#isBegun(before) || topicOf(before[3]) === undefined) return false;
    return (declaredForm(nameOf(before[1]) as string)?.atomKeys.size ?? 0) > 0;
  }
}

/** The topic that a term is: a text in any of Erlang's forms, or an atom. */
function topicOf(term: unknown): string | undefined {
  if (typeof term === 'string') return term;
  return term instanceof Atom ? term.name : text(term);
}

function callOf([tag, from, request]: readonly unknown[]): RemoteCall | Tuple {
  const pid = senderOf(from);
  if (pid === undefined) return new Tuple([tag, from, instanceOf(request)]);
  const [name, argument] = requestOf(request);
  return new RemoteCall(pid, replyTag(from as Tuple), name, argument);
}

/** What `sys` sends: `{system, From, Command}`, or `{system, From, {Command, Value}}`. */
function systemCallOf([tag, from, request]: readonly unknown[]): SystemCall | Tuple {
  const pid = senderOf(from);
  if (pid === undefined) return new Tuple([tag, from, instanceOf(request)]);
  return new SystemCall(pid, replyTag(from as Tuple), SYSTEM, systemRequestOf(request));
}

/** The pid in `{Pid, Tag}`. */
function senderOf(from: unknown): Pid | undefined {
  const pid = from instanceof Tuple && from.length === 2 ? from.elements[0] : undefined;
  return pid instanceof Pid ? pid : undefined;
}

/** What a reply goes to: the alias of a tag `[alias | Ref]`, or the pid with the tag. */
function replyTag({ elements }: Tuple): Ref | ForeignTag {
  const tag = elements[1];
  const isAlias = tag instanceof ImproperList && tag.items.length === 1 && tag.items[0] === ALIAS;
  return isAlias && tag.tail instanceof Ref ? tag.tail : new ForeignTag(tag);
}

/** The name and the argument of a request `Name`, `{Name, Argument}`, or any other. */
function requestOf(request: unknown): readonly [name: string, argument: unknown] {
  if (isAtom(request)) return [nameOf(request) as string, undefined];
  const isPair = request instanceof Tuple && request.length === 2 && isAtom(request.elements[0]);
  return isPair
    ? [nameOf(request.elements[0]) as string, request.elements[1]]
    : [REQUEST, instanceOf(request)];
}

function systemRequestOf(request: unknown): unknown {
  if (isAtom(request)) return nameOf(request);
  if (!(request instanceof Tuple) || request.length !== 2 || !isAtom(request.elements[0])) {
    return instanceOf(request);
  }
  const [command, value] = request.elements;
  return [nameOf(command), command === TERMINATE ? reasonOf(value) : value];
}

/** A request that is not a pair of a name and an argument. */
function instanceOf(request: unknown): unknown {
  return request instanceof Tuple ? formed(request.elements) : request;
}

/** Whether a value is an atom to Erlang. */
function isAtom(value: unknown): boolean {
  return typeof value !== 'string' && nameOf(value) !== undefined;
}

// ---- writing ----

/** A writer of terms that knows the runtime's own messages. */
export function messageWriter(limits: Partial<EncodeLimits> = {}, initialBytes?: number): TermWriter {
  return new TermWriter(limits, initialBytes, writeMessage);
}

function writeMessage(writer: TermWriter, value: object, prototype: unknown, depth: number): boolean {
  switch (prototype) {
    case Broadcast.prototype:
      writeBroadcast(writer, value as Broadcast, depth);
      return true;
    case Cast.prototype:
      begin(writer, '$gen_cast', 2, depth);
      writeRequest(writer, value as Cast, depth);
      return true;
    case RemoteCall.prototype:
      writeFrom(writer, '$gen_call', value as RemoteCall, depth);
      writeRequest(writer, value as RemoteCall, depth);
      return true;
    case SystemCall.prototype:
      writeFrom(writer, 'system', value as SystemCall, depth);
      writeSystemRequest(writer, value as SystemCall, depth);
      return true;
    case Exit.prototype:
      begin(writer, 'EXIT', 3, depth);
      writer.part('from', (value as Exit).from, depth);
      writer.reasonPart('reason', (value as Exit).reason, depth);
      return true;
    case Down.prototype:
      writeDown(writer, value as Down, depth);
      return true;
    case NodeUp.prototype:
      begin(writer, 'nodeup', 2, depth);
      writer.atomName((value as NodeUp).node);
      return true;
    case NodeDown.prototype:
      begin(writer, 'nodedown', 3, depth);
      writer.atomName((value as NodeDown).node);
      writer.reasonPart('reason', (value as NodeDown).reason, depth);
      return true;
    default:
      return false;
  }
}

/** Writes the head of a tuple, and its tag. */
function begin(writer: TermWriter, tag: string, arity: number, depth: number): void {
  writer.opens(arity, depth);
  writer.tupleHeader(arity);
  writer.atomName(tag);
}

function writeBroadcast(writer: TermWriter, broadcast: Broadcast, depth: number): void {
  const { channel, topic } = broadcast;
  const declared = declaredForm(channel);
  const form = declared ?? undeclaredForm;
  begin(writer, 'nova_pubsub', BROADCAST_ARITY, depth);
  if (declared === undefined) writer.part('channel', channel, depth);
  else writer.atomName(channel);
  writer.part('sender', broadcast.sender, depth);
  if (form.topics === 'charlist' && typeof topic === 'string') writer.text(topic);
  else writer.part('topic', topic, depth);
  writer.keyedPart('payload', broadcast.payload, form.atomKeys, depth);
}

function writeRequest(writer: TermWriter, { name, argument }: Cast | RemoteCall, depth: number): void {
  if (name === REQUEST) return writer.part('argument', argument, depth);
  if (argument === undefined) return writer.atomName(name);
  writer.tupleHeader(2);
  writer.atomName(name);
  writer.part('argument', argument, depth);
}

/** `{Tag, {Pid, [alias | Ref]}, ...}`, without the request, which is the last element. */
function writeFrom(writer: TermWriter, tag: string, { pid, alias }: RemoteCall, depth: number): void {
  begin(writer, tag, 3, depth);
  writer.tupleHeader(2);
  writer.part('pid', pid, depth);
  if (alias instanceof Ref) {
    writer.tagged(LIST, 1);
    writer.atomName('alias');
    writer.ref(alias);
  } else {
    writer.part('alias', alias.tag, depth);
  }
}

/** `Command` or `{Command, Value}`; the value of `terminate` is an exit reason. Any other is the term that it is. */
function writeSystemRequest(writer: TermWriter, { argument: request }: SystemCall, depth: number): void {
  if (typeof request === 'string') return writer.atomName(request);
  if (!Array.isArray(request) || typeof request[0] !== 'string')
    return writer.part('argument', request, depth);
  const [command, value] = request as readonly unknown[] as readonly [string, unknown];
  writer.tupleHeader(2);
  writer.atomName(command);
  if (command === 'terminate') writer.reasonPart('argument', value, depth);
  else writer.part('argument', value, depth);
}

function writeDown(writer: TermWriter, { ref, target, reason }: Down, depth: number): void {
  begin(writer, 'DOWN', 5, depth);
  writer.part('ref', ref, depth);
  writer.atomName('process');
  if (target instanceof Pid) {
    writer.pid(target);
  } else {
    writer.tupleHeader(2);
    writer.atomName(target.name);
    writer.atomName(target.node);
  }
  writer.reasonPart('reason', reason, depth);
}
