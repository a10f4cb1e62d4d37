/**
 * Reads messages: the tuples that calls, casts and broadcasts are to Erlang (see `records.ts`) become those records where they
 * are a whole message, and have the form that they should. Any other message is the term that it is.
 *
 * Invariant: what a message says about somebody else makes nothing more of it than a tuple. `{'EXIT', Pid, Reason}`, `{'DOWN', …}`
 * and `{nodedown, …}` are ones, since an `Exit`, a `Down` and a `NodeDown` are made by signals alone; and so is a broadcast whose
 * sender is not of the node that the message came from. See docs/adr/0023.
 */
import { declaredForm } from '../../pg/channel-forms.ts';
import { Cast, ForeignTag, RemoteCall, REQUEST, SYSTEM, SystemCall } from '../../otp/gen.ts';
import { Pid, Ref } from '../../terms/identifiers.ts';
import { recordTagged } from '../../records.ts';
import { Atom, atom } from '../../terms/atom.ts';
import { text, ImproperList, Tuple } from '../../terms/values.ts';
import type { TermReader } from './reader.ts';
import { isTupleTag } from './tags.ts';

/** @internal */ export const NOVA_PUBSUB = atom('nova_pubsub');
/** @internal */ export const GEN_CAST = atom('$gen_cast');
/** @internal */ export const GEN_CALL = atom('$gen_call');
/** @internal */ export const SYSTEM_TAG = atom('system');
/** @internal */ export const TERMINATE = atom('terminate');
const ALIAS = atom('alias');

/** @internal Reads a message. @param peer the node that it came from. @throws EtfError when the bytes are no term. */
export function readMessage(reader: TermReader, peer: string): unknown {
  const start = reader.position;
  if (isTupleTag(reader.peek())) {
    const arity = reader.tupleArity();
    if (arity > 1 && reader.atWord()) {
      const tag = reader.atom();
      if (tag === NOVA_PUBSUB && arity === 5) return readBroadcast(reader, peer);
      if (tag === GEN_CAST && arity === 2) return readCast(reader);
      if (tag === GEN_CALL && arity === 3) return readCall(reader);
      if (tag === SYSTEM_TAG && arity === 3) return readSystemCall(reader);
      const elements: unknown[] = [reader.atomValue(tag)];
      for (let at = 1; at < arity; at++) elements.push(reader.value(1));
      return reader.tuple(elements);
    }
    reader.position = start;
  }
  return reader.value(0);
}

function readBroadcast(reader: TermReader, peer: string): unknown {
  const word = reader.atWord() ? reader.atom() : undefined;
  const channel = word === undefined ? reader.value(1) : reader.atomValue(word);
  const name = word?.name ?? channel;
  const sender = reader.value(1);
  const definition = recordTagged(NOVA_PUBSUB.name);
  if (typeof name !== 'string' || !isOf(sender, peer) || definition === undefined) {
    return new Tuple([NOVA_PUBSUB, channel, sender, reader.value(1), reader.value(1)]);
  }
  const read = reader.text();
  const term = read === undefined ? reader.value(1) : read;
  const topic = read ?? topicOf(term);
  if (topic === undefined) {
    return new Tuple([NOVA_PUBSUB, channel, sender, term, reader.value(1)]);
  }
  const keys = declaredForm(name)?.atomKeys;
  const payload = reader.payload(keys !== undefined && keys.size > 0, 1);
  return definition.make([name, sender, topic, payload]);
}

function readCast(reader: TermReader): Cast {
  const form = requestForm(reader);
  const name = form === 'other' ? REQUEST : reader.atom().name;
  return new Cast(name, form === 'bare' ? undefined : reader.value(1));
}

function readCall(reader: TermReader): RemoteCall | Tuple {
  const from = reader.value(1);
  const pid = from instanceof Tuple && from.length === 2 ? from.elements[0] : undefined;
  if (!(from instanceof Tuple) || !(pid instanceof Pid)) return new Tuple([GEN_CALL, from, reader.value(1)]);
  const form = requestForm(reader);
  const name = form === 'other' ? REQUEST : reader.atom().name;
  const argument = form === 'bare' ? undefined : reader.value(1);
  return new RemoteCall(pid, replyTag(from.elements[1]), name, argument);
}

/** What `sys` sends: `{system, From, Command}`, or `{system, From, {Command, Value}}`. */
function readSystemCall(reader: TermReader): RemoteCall | Tuple {
  const from = reader.value(1);
  const pid = from instanceof Tuple && from.length === 2 ? from.elements[0] : undefined;
  if (!(from instanceof Tuple) || !(pid instanceof Pid))
    return new Tuple([SYSTEM_TAG, from, reader.value(1)]);
  return new SystemCall(pid, replyTag(from.elements[1]), SYSTEM, systemRequest(reader));
}

function systemRequest(reader: TermReader): unknown {
  const form = requestForm(reader);
  if (form === 'other') return reader.value(1);
  const command = reader.atom();
  if (form === 'bare') return command.name;
  return [command.name, command === TERMINATE ? reader.reasonValue(1) : reader.value(1)];
}

/** What a reply goes to: the alias of a tag `[alias | Ref]`, or the pid with the tag. */
export function replyTag(tag: unknown): Ref | ForeignTag {
  const isAlias = tag instanceof ImproperList && tag.items.length === 1 && tag.items[0] === ALIAS;
  return isAlias && tag.tail instanceof Ref ? tag.tail : new ForeignTag(tag);
}

/** The form of the request that comes next: `Name`, `{Name, Argument}`, of which the head is read then, or any other. */
function requestForm(reader: TermReader): 'bare' | 'pair' | 'other' {
  if (reader.atWord()) return 'bare';
  if (!isTupleTag(reader.peek())) return 'other';
  const start = reader.position;
  if (reader.tupleArity() === 2 && reader.atWord()) return 'pair';
  reader.position = start;
  return 'other';
}

/** The topic that a term is: a text in any of Erlang's forms, or an atom. */
export function topicOf(term: unknown): string | undefined {
  return term instanceof Atom ? term.name : text(term);
}

/** Whether a value is a pid of a node. */
export function isOf(sender: unknown, peer: string): sender is Pid {
  return sender instanceof Pid && sender.node === peer;
}
