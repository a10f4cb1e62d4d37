/**
 * System messages: what `sys.ts` asks of a process, how a behaviour obeys, and what it answers.
 *
 * A system message is a call named `SYSTEM`, whose argument has the form of OTP's: `'get_state'`, `['replace_state', fn]` and
 * so on. A behaviour passes it to `handleSystem` with a `SystemTarget` to act on. Within the node the answer is a
 * `SystemAnswer`, with the state by reference; between nodes, also those of Troupe, it is a term of OTP:
 *
 * | answer   | between nodes                                                                |
 * | -------- | ---------------------------------------------------------------------------- |
 * | `ok`     | `ok`                                                                         |
 * | `state`  | `{ok, State}`; the state alone before stdlib 5.1 (OTP 26.1)                  |
 * | `status` | `{status, Pid, {module, Module}, [Dictionary, State, Parent, Debug, Misc]}`  |
 * | `error`  | `{error, {What, Detail}}`                                                    |
 *
 * A suspended process stays inside the handling of the message that suspended it: it receives selectively, system
 * messages and the exit of its parent only, so all others wait in the mailbox and keep their order. See
 * `sys:handle_system_msg/6` and the "suspend loop" it describes.
 */
import { type ExitReason, Exit, formatReason } from '../process/messages.ts';
import type { Process } from '../process/process.ts';
import { Atom, atom } from '../terms/atom.ts';
import { charlist, text, Tuple, tuple } from '../terms/values.ts';
import { Pid } from '../terms/identifiers.ts';
import { Call, RemoteCall, type Request, SYSTEM, SystemCall } from './gen.ts';

/** @internal What system messages act on: a process of a behaviour. See "Process implementation functions" of `sys`. */
export interface SystemTarget {
  /** The kind of behaviour: `server`, `supervisor`. */
  readonly behaviour: string;
  /** The process whose exit ends this one: the starter, if the start was linked. */
  readonly parent: Pid | null;
  /** See `Module:system_get_state/1`. */
  getState(): unknown;
  /** What goes to another node in place of a state that cannot leave this one. */
  sentState?(): unknown;
  /** See `Module:system_replace_state/2`. */
  replaceState(state: unknown): void;
  /** What `getStatus` shows besides the state. */
  details(): Readonly<Record<string, unknown>>;
  /** Cleans up and throws, or rejects, with what ends the process. See `Module:system_terminate/4`. */
  terminate(self: Process, reason: ExitReason): Promise<void> | void;
}

/** What the process does after a system message. */
type Next = 'running' | 'suspended' | { readonly terminate: ExitReason };

/** @internal True for a system message. */
export function isSystemMessage(message: unknown): message is Request {
  return (message instanceof Call || message instanceof RemoteCall) && message.name === SYSTEM;
}

/** @internal True for the exit of the process whose exit ends this one. */
export function isParentExit(message: unknown, parent: Pid | null): message is Exit {
  return parent !== null && message instanceof Exit && message.from.equals(parent);
}

/**
 * @internal Obeys a system message. A behaviour's `handle` calls it and returns its result.
 * @returns a promise while the process is suspended, or cleans up asynchronously.
 */
export function handleSystem(self: Process, message: Request, target: SystemTarget): Promise<void> | void {
  const next = obey(self, message, target, 'running');
  if (next === 'suspended') return suspended(self, target);
  if (next !== 'running') return target.terminate(self, next.terminate);
}

async function suspended(self: Process, target: SystemTarget): Promise<void> {
  const wanted = (message: unknown): boolean =>
    isSystemMessage(message) || isParentExit(message, target.parent);
  let next: Next = 'suspended';
  while (next === 'suspended') {
    const message = await self.receive(wanted);
    next = isSystemMessage(message)
      ? obey(self, message, target, next)
      : { terminate: (message as Exit).reason };
  }
  if (next !== 'running') await target.terminate(self, next.terminate);
}

/** Answers a system message, in the order of OTP's `do_cmd`: the answer first, what it asks for afterwards. */
function obey(self: Process, request: Request, target: SystemTarget, now: 'running' | 'suspended'): Next {
  const [command, value] = Array.isArray(request.argument)
    ? (request.argument as readonly unknown[])
    : [request.argument];
  switch (command) {
    case 'suspend':
      answer(request, OK);
      return 'suspended';
    case 'resume':
      answer(request, OK);
      return 'running';
    case 'get_state':
      answer(request, new SystemAnswer('state', stateFor(request, target)));
      return now;
    case 'replace_state':
      answer(request, replaceState(target, value));
      return now;
    case 'get_status':
      answer(request, new SystemAnswer('status', statusOf(self, target, now, stateFor(request, target))));
      return now;
    case 'terminate':
      answer(request, OK);
      return { terminate: value };
    default:
      answer(request, new SystemAnswer('error', ['unknown_system_msg', request.argument]));
      return now;
  }
}

function answer(request: Request, value: SystemAnswer): void {
  request.reply(request instanceof SystemCall ? value.toTerm(request.bareState) : value);
}

function replaceState(target: SystemTarget, replace: unknown): SystemAnswer {
  try {
    target.replaceState((replace as (state: unknown) => unknown)(target.getState()));
  } catch (error) {
    // The function is the caller's, and so is its failure: the process keeps its state.
    return new SystemAnswer('error', ['callback_failed', error]);
  }
  return new SystemAnswer('state', target.getState());
}

function stateFor(request: Request, target: SystemTarget): unknown {
  return request instanceof RemoteCall && target.sentState !== undefined
    ? target.sentState()
    : target.getState();
}

function statusOf(
  self: Process,
  target: SystemTarget,
  status: 'running' | 'suspended',
  state: unknown,
): SystemStatus {
  return {
    pid: self.pid,
    status,
    parent: target.parent ?? undefined,
    name: self.extra?.name,
    behaviour: target.behaviour,
    state,
    details: target.details(),
  };
}

// ---- answers ----

/** What a process that handles system messages shows. See `sys:get_status/1`. */
export interface SystemStatus {
  readonly pid: Pid;
  readonly status: 'running' | 'suspended';
  /** The process that started it and whose exit ends it; undefined when its start was not linked. */
  readonly parent: Pid | undefined;
  readonly name: string | undefined;
  /** The kind of behaviour: `server`, `supervisor`; of a process of a BEAM node its module, such as `gen_server`. */
  readonly behaviour: string;
  /** The state itself, not a copy. */
  readonly state: unknown;
  /** What else the behaviour shows. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Names in the part of a status that each behaviour defines: those of `gen_server`, and two more. */
const STATE = 'State';
const NAME = 'Name';
const DETAILS = 'Details';

/** @internal An answer, before it leaves the node. */
export class SystemAnswer {
  readonly kind: 'ok' | 'state' | 'status' | 'error';
  readonly value: unknown;

  constructor(kind: SystemAnswer['kind'], value?: unknown) {
    this.kind = kind;
    this.value = value;
  }

  /** The answer as `sys` of a BEAM node expects it. @param bareState without `ok` around a state. */
  toTerm(bareState: boolean): unknown {
    const { kind, value } = this;
    if (kind === 'ok') return atom('ok');
    if (kind === 'state') return bareState ? value : tuple(atom('ok'), value);
    if (kind === 'status') return statusTerm(value as SystemStatus);
    const [what, detail] = value as readonly [what: string, detail: unknown];
    return tuple(atom('error'), tuple(atom(what), formatReason(detail)));
  }
}

const OK = new SystemAnswer('ok');

/**
 * @internal Reads the answer of another node.
 * @param isBare asks whether that node sends a state without `ok` around it. It matters only for what looks like `{ok, State}`.
 * @returns undefined when it is not an answer to a system message.
 */
export async function answerOf(
  wanted: SystemAnswer['kind'],
  term: unknown,
  isBare: () => Promise<boolean>,
): Promise<SystemAnswer | undefined> {
  if (term instanceof SystemAnswer) return term;
  if (isTagged(term, 'error', 2)) return new SystemAnswer('error', term.elements[1]);
  if (wanted === 'state') {
    const isOk = isTagged(term, 'ok', 2);
    if (await isBare()) return new SystemAnswer('state', term);
    return isOk ? new SystemAnswer('state', term.elements[1]) : undefined;
  }
  if (wanted === 'status') {
    const status = readStatus(term);
    return status && new SystemAnswer('status', status);
  }
  return term === atom('ok') ? OK : undefined;
}

/** As `sys:get_status/1` returns it, with an empty process dictionary and no debug options. */
function statusTerm(status: SystemStatus): Tuple {
  const { pid, parent = pid, name, behaviour, state, details } = status;
  const now = atom(status.status);
  const data = [
    tuple(charlist('Status'), now),
    tuple(charlist('Parent'), parent),
    tuple(charlist(NAME), name === undefined ? [] : name),
    tuple(charlist(DETAILS), details),
  ];
  const misc = [
    tuple(atom('header'), charlist(`Status for ${behaviour}`)),
    tuple(atom('data'), data),
    tuple(atom('data'), [tuple(charlist(STATE), state)]),
  ];
  return tuple(atom('status'), pid, tuple(atom('module'), atom(behaviour)), [[], now, parent, [], misc]);
}

function readStatus(term: unknown): SystemStatus | undefined {
  if (!isTagged(term, 'status', 4)) return undefined;
  const [, pid, module, items] = term.elements;
  if (!(pid instanceof Pid) || !isTagged(module, 'module', 2) || !Array.isArray(items)) return undefined;
  const [, now, parent, , misc] = items as readonly unknown[];
  const [, behaviour] = module.elements;
  if (!(now instanceof Atom) || !(behaviour instanceof Atom)) return undefined;
  const data = dataOf(misc);
  const { [STATE]: state = misc, [NAME]: name, [DETAILS]: details = data } = data;
  return {
    pid,
    status: now.name === 'suspended' ? 'suspended' : 'running',
    parent: parent instanceof Pid && !parent.equals(pid) ? parent : undefined,
    name: typeof name === 'string' ? name : undefined,
    behaviour: behaviour.name,
    state,
    details: details as SystemStatus['details'],
  };
}

/** The pairs in all `{data, [{Name, Value}]}` of a status. */
function dataOf(misc: unknown): Record<string, unknown> {
  const data = new Map<string, unknown>();
  for (const part of Array.isArray(misc) ? (misc as unknown[]) : []) {
    if (!isTagged(part, 'data', 2) || !Array.isArray(part.elements[1])) continue;
    for (const pair of part.elements[1] as unknown[]) {
      const name = pair instanceof Tuple && pair.length === 2 ? text(pair.elements[0]) : undefined;
      if (name !== undefined) data.set(name, (pair as Tuple).elements[1]);
    }
  }
  return Object.fromEntries(data);
}

function isTagged(term: unknown, tag: string, length: number): term is Tuple {
  return term instanceof Tuple && term.length === length && term.elements[0] === atom(tag);
}
