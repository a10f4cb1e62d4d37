// Reads what a page sends. Everything is checked, since anybody who may look can send anything; what is not as `protocol.ts` says
// throws a `NotUnderstood` with one sentence for the page's author. What is not known there is left out.
import { PROCESS_SORTS } from '../inspect/inspector.ts';
import type { Act, FromPage, Views } from './protocol.ts';

/** The most rows of a window. */
const WINDOW_MAX = 500;
/** The most processes of the tree whose children are lines. */
const OPEN_MAX = 1_000;
/** Characters of a filter. */
const MATCH_MAX = 200;
/** Characters of a name: of a node, a process, a scope. */
const NAME_MAX = 255;
/** Characters of the name of a group or channel. */
const GROUP_MAX = 4_096;
/** Characters of a message that is to be sent. */
const MESSAGE_MAX = 16_384;
/** A pid as the node that it is on prints it. */
const PID = /^<0\.\d{1,10}\.\d{1,10}>$/;

/** What a page may not say. */
export class NotUnderstood extends Error {
  override readonly name = 'NotUnderstood';
}

type Fields = Readonly<Record<string, unknown>>;

/** @throws NotUnderstood */
export function readFromPage(text: string): FromPage {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new NotUnderstood('a message is JSON');
  }
  const fields = fieldsOf('a message', json);
  const id = wholeNumber('id', fields['id'], 0, Number.MAX_SAFE_INTEGER);
  switch (fields['type']) {
    case 'look':
      return { type: 'look', id, views: viewsOf(fields['views']) };
    case 'trace':
      return { type: 'trace', id, target: targetOf(fields['target']) };
    case 'untrace':
      return { type: 'untrace', id };
    case 'act':
      return { type: 'act', id, ...optional('node', fields['node'], NAME_MAX), act: actOf(fields['act']) };
    default:
      throw new NotUnderstood('type is look, trace, untrace or act');
  }
}

function viewsOf(json: unknown): Views {
  const { node, processes, tree, groups, members, channels, nodes, load, process } = fieldsOf('views', json);
  return {
    ...optional('node', node, NAME_MAX),
    ...(processes !== undefined && { processes: processesOf(fieldsOf('processes', processes)) }),
    ...(tree !== undefined && { tree: treeOf(fieldsOf('tree', tree)) }),
    ...(groups !== undefined && { groups: namedOf(fieldsOf('groups', groups)) }),
    ...(members !== undefined && { members: membersOf(fieldsOf('members', members)) }),
    ...(channels !== undefined && { channels: namedOf(fieldsOf('channels', channels)) }),
    ...(flag('nodes', nodes) && { nodes: true as const }),
    ...(flag('load', load) && { load: true as const }),
    ...optional('process', process, NAME_MAX),
  };
}

function processesOf(fields: Fields): NonNullable<Views['processes']> {
  const sort = PROCESS_SORTS.find((each) => each === fields['sort']);
  if (sort === undefined) throw new NotUnderstood(`sort is ${PROCESS_SORTS.join(', ')}`);
  return {
    sort,
    ...(flag('reverse', fields['reverse']) && { reverse: true }),
    ...optional('match', fields['match'], MATCH_MAX),
    ...windowOf(fields),
  };
}

function treeOf(fields: Fields): NonNullable<Views['tree']> {
  const { open } = fields;
  if (!Array.isArray(open) || open.length > OPEN_MAX || !open.every((key) => typeof key === 'string'))
    throw new NotUnderstood(`open lists at most ${OPEN_MAX} keys`);
  // The key of a child that does not run is no pid, and it has no children.
  return { open: open.filter((key) => PID.test(key)), ...windowOf(fields) };
}

function namedOf(fields: Fields): NonNullable<Views['groups']> {
  return {
    ...optional('scope', fields['scope'], NAME_MAX),
    ...optional('match', fields['match'], MATCH_MAX),
    ...windowOf(fields),
  };
}

function membersOf(fields: Fields): NonNullable<Views['members']> {
  return {
    ...optional('scope', fields['scope'], NAME_MAX),
    group: textOf('group', fields['group'], GROUP_MAX),
    ...windowOf(fields),
  };
}

function windowOf({ first, count }: Fields): { first: number; count: number } {
  return {
    first: wholeNumber('first', first, 0, 1e9),
    count: wholeNumber('count', count, 0, WINDOW_MAX),
  };
}

function targetOf(target: unknown): string | { channel: string } {
  if (typeof target === 'string') return textOf('target', target, NAME_MAX);
  return { channel: textOf('channel', fieldsOf('target', target)['channel'], GROUP_MAX) };
}

function actOf(json: unknown): Act {
  const { kind, target: given, reason, message } = fieldsOf('act', json);
  const target = textOf('target', given, NAME_MAX);
  switch (kind) {
    case 'suspend':
    case 'resume':
      return { kind, target };
    case 'exit':
      if (reason === 'kill' || reason === 'shutdown') return { kind, target, reason };
      throw new NotUnderstood('reason is kill or shutdown');
    case 'send':
      return { kind, target, message: textOf('message', message, MESSAGE_MAX) };
    default:
      throw new NotUnderstood('kind is exit, suspend, resume or send');
  }
}

// ---- the parts ----

function fieldsOf(what: string, json: unknown): Fields {
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new NotUnderstood(`${what} is an object`);
  return json as Fields;
}

function wholeNumber(what: string, json: unknown, min: number, max: number): number {
  if (Number.isSafeInteger(json) && (json as number) >= min && (json as number) <= max) return json as number;
  throw new NotUnderstood(`${what} is a whole number from ${min} to ${max}`);
}

function textOf(what: string, json: unknown, max: number): string {
  if (typeof json === 'string' && json !== '' && json.length <= max) return json;
  throw new NotUnderstood(`${what} is a text of 1 to ${max} characters`);
}

/** A text that may be missing; the empty one counts as missing. */
function optional<Name extends string>(
  name: Name,
  json: unknown,
  max: number,
): { readonly [Key in Name]?: string } {
  if (json === undefined || json === '') return {};
  return { [name]: textOf(name, json, max) } as { readonly [Key in Name]: string };
}

function flag(what: string, json: unknown): boolean {
  if (json === undefined || typeof json === 'boolean') return json === true;
  throw new NotUnderstood(`${what} is true or false`);
}
