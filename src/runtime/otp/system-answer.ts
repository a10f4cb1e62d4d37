/**
 * What a process answers to a system message, and what it is to `sys` of a BEAM node:
 *
 * | answer   | to Erlang                                                                    |
 * | -------- | ---------------------------------------------------------------------------- |
 * | `ok`     | `ok`                                                                         |
 * | `state`  | `{ok, State}`; the state itself before stdlib 5.1 (OTP 26.1)                 |
 * | `status` | `{status, Pid, {module, Module}, [Dictionary, State, Parent, Debug, Misc]}`  |
 * | `error`  | `{error, {What, Detail}}`                                                    |
 *
 * Within the node it is the object itself, with the state by reference. Between nodes of Troupe the terms are those of OTP, too.
 */
import { formatReason } from '../process/messages.ts';
import { Pid } from '../terms/identifiers.ts';
import { Atom, atom } from '../terms/atom.ts';
import { Tuple, charlist, text, tuple } from '../terms/values.ts';

/** What can be seen of a process that handles system messages. See `sys:get_status/1`. */
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
  /** What else the behaviour has to tell. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** Names in the part of a status that each behaviour fills as it likes; those of `gen_server`, and two more. */
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

/** @internal */
export const OK = new SystemAnswer('ok');

/**
 * @internal Reads the answer of another node.
 * @param isBare asks whether a state of that node comes as it is. It matters only for what looks like `{ok, State}`.
 * @returns undefined for what no process answers that obeys system messages.
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

/** As `sys:get_status/1` gives it: without a process dictionary, and without what debugs. */
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

/** The pairs in all `{data, [{Name, Value}]}` of what a behaviour tells. */
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
