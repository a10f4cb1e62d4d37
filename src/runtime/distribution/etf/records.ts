/**
 * The runtime's own messages as Erlang's: exits, calls, casts and broadcasts.
 *
 * | here         | to Erlang                                   |
 * | ------------ | ------------------------------------------- |
 * | `Exit`       | `{'EXIT', From, Reason}`                    |
 * | `Down`       | `{'DOWN', Ref, process, Object, Reason}`    |
 * | `Cast`       | `{'$gen_cast', Request}`                    |
 * | `RemoteCall` | `{'$gen_call', {From, Tag}, Request}`       |
 * | `SystemCall` | `{system, {From, Tag}, Request}`            |
 * | `Broadcast`  | `{nova_pubsub, Channel, From, Topic, Payload}` |
 *
 * They are written wherever they stand. Calls, casts and broadcasts are read again where they are a whole message: deeper, such a
 * tuple may mean something else. `Exit` and `Down` are not, since only signals make them. A request `{Name, Argument}` or `Name` is a call by name; any other has the name `$request`.
 * Other records are the tuple of their tag and fields.
 */
import { declaredForm, undeclaredForm } from '../../pg/channel-forms.ts';
import { type Cast, REQUEST, type RemoteCall } from '../../otp/gen.ts';
import type { Down } from '../../process/messages.ts';
import { Pid, Ref } from '../../terms/identifiers.ts';
import type { RecordDefinition } from '../../records.ts';
import { LIST } from './tags.ts';
import type { TermWriter } from './writer.ts';

/** The fields of a broadcast, whose class belongs to the layer above. */
interface BroadcastFields {
  readonly channel: string;
  readonly sender: Pid;
  readonly topic: string;
  readonly payload: unknown;
}

/** @internal Writes a record. */
export function writeRecord(
  writer: TermWriter,
  record: object,
  definition: RecordDefinition,
  depth: number,
): void {
  switch (definition.tag) {
    case 'nova_pubsub':
      return writeBroadcast(writer, record as BroadcastFields, depth);
    case '$gen_cast': {
      const { name, argument } = record as Cast;
      writer.tupleHeader(2);
      writer.atomName('$gen_cast');
      return writeRequest(writer, name, argument, depth);
    }
    case '$gen_call':
      writeFrom(writer, definition.tag, record as RemoteCall, depth);
      return writeRequest(writer, (record as RemoteCall).name, (record as RemoteCall).argument, depth);
    case 'system':
      writeFrom(writer, definition.tag, record as RemoteCall, depth);
      return writeSystemRequest(writer, (record as RemoteCall).argument, depth);
    case 'DOWN':
      return writeDown(writer, record as Down, depth);
    case 'nodeup':
    case 'nodedown':
      return writeNodeEvent(writer, record as { node: string; reason?: unknown }, definition, depth);
    default:
      return writeOther(writer, record, definition, depth);
  }
}

function writeBroadcast(writer: TermWriter, record: BroadcastFields, depth: number): void {
  const { channel, topic } = record;
  const declared = declaredForm(channel);
  const form = declared ?? undeclaredForm;
  writer.tupleHeader(5);
  writer.atomName('nova_pubsub');
  if (declared === undefined) writer.part('channel', channel, depth);
  else writer.atomName(channel);
  writer.part('sender', record.sender, depth);
  if (form.topics === 'charlist' && typeof topic === 'string') writer.text(topic);
  else writer.part('topic', topic, depth);
  writer.payload(record.payload, form.atomKeys, depth);
}

function writeRequest(writer: TermWriter, name: string, argument: unknown, depth: number): void {
  if (name === REQUEST) return writer.part('argument', argument, depth);
  if (argument === undefined) return writer.atomName(name);
  writer.tupleHeader(2);
  writer.atomName(name);
  writer.part('argument', argument, depth);
}

/** `{Tag, {Pid, [alias | Ref]}, ...}`, without the request, which is the last element. */
function writeFrom(writer: TermWriter, tag: string, { pid, alias }: RemoteCall, depth: number): void {
  writer.tupleHeader(3);
  writer.atomName(tag);
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
function writeSystemRequest(writer: TermWriter, request: unknown, depth: number): void {
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
  writer.tupleHeader(5);
  writer.atomName('DOWN');
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

function writeNodeEvent(
  writer: TermWriter,
  { node, reason }: { node: string; reason?: unknown },
  { tag, fields }: RecordDefinition,
  depth: number,
): void {
  writer.tupleHeader(fields.length + 1);
  writer.atomName(tag);
  writer.atomName(node);
  if (fields.length > 1) writer.reasonPart('reason', reason, depth);
}

function writeOther(writer: TermWriter, record: object, definition: RecordDefinition, depth: number): void {
  const { tag, fields, reason } = definition;
  writer.tupleHeader(fields.length + 1);
  writer.atomName(tag);
  for (const field of fields) {
    const value = (record as Record<string, unknown>)[field];
    if (field === reason) writer.reasonPart(field, value, depth);
    else writer.part(field, value, depth);
  }
}
