/**
 * The answers of a supervisor as OTP's, which is what goes between nodes: to and from BEAM nodes, and among those of Troupe.
 *
 * | request                        | answer                                                            |
 * | ------------------------------ | ----------------------------------------------------------------- |
 * | `which_children`               | `[{Id, Pid \| restarting \| undefined, worker \| supervisor, [Module]}]` |
 * | `count_children`               | `[{specs, N}, {active, N}, {supervisors, N}, {workers, N}]`       |
 * | `start_child`, `restart_child` | `{ok, Pid \| undefined}`, `{error, Reason}`                       |
 * | `get_childspec`                | `{ok, Spec}`, `{error, Reason}`                                   |
 * | the others                     | `ok`, `{error, Reason}`                                           |
 *
 * The ids of children here are strings, binaries to Erlang; what asks for a child may name it by an atom as well. Functions do
 * not leave a node: `start` of a spec is `undefined`.
 */
import { formatReason } from '../process/messages.ts';
import { Pid } from '../terms/identifiers.ts';
import { Atom, type AtomKeyed, atom, atomKeys } from '../terms/atom.ts';
import { ErlMap } from '../terms/erl-map.ts';
import { Tuple, tuple } from '../terms/values.ts';
import type { ChildCounts, ChildInfo } from './supervisor-children.ts';
import type { FullChildSpec } from './supervisor-spec.ts';

const OK = atom('ok');
const ERROR = atom('error');
const RESTARTING = atom('restarting');
const ALREADY_STARTED = atom('already_started');
const BAD_REQUEST = atom('bad_request');
const COUNTS = ['specs', 'active', 'supervisors', 'workers'] as const;

/** Errors that are words; any other is the reason of a start that failed. */
const WORDS: ReadonlySet<string> = new Set([
  'already_present',
  'not_found',
  'running',
  'restarting',
  'simple_one_for_one',
]);

/** @internal The answer to `which_children`. */
export function childrenTerm(infos: Iterable<ChildInfo>): Tuple[] {
  return Array.from(infos, ({ id, pid, status, type, modules }) =>
    tuple(id, pid ?? (status === 'restarting' ? RESTARTING : undefined), atom(type), modules.map(atom)),
  );
}

/** @internal The answer to `count_children`. */
export function countsTerm(counts: ChildCounts): Tuple[] {
  return COUNTS.map((name) => tuple(atom(name), counts[name]));
}

/** @internal Any other answer. */
export function answerTerm(name: string, value: Readonly<Record<string, unknown>>): unknown {
  const { ok, error, pid, reason } = value;
  if (ok !== true) {
    if (error === 'already_started') return tuple(ERROR, tuple(ALREADY_STARTED, pid));
    return tuple(ERROR, error === 'start_failed' ? formatReason(reason) : atom(String(error)));
  }
  if (name === 'start_child' || name === 'restart_child') return tuple(OK, pid);
  return name === 'get_childspec' ? tuple(OK, specTerm(value['spec'] as FullChildSpec)) : OK;
}

/** @internal The answer to a request that is a fault of who asks. */
export function refusalTerm(message: string): Tuple {
  return tuple(ERROR, tuple(BAD_REQUEST, message));
}

function specTerm({ id, restart, significant, shutdown, type, modules }: FullChildSpec): AtomKeyed {
  return atomKeys({
    id,
    start: undefined,
    restart: atom(restart),
    significant,
    shutdown: typeof shutdown === 'string' ? atom(shutdown) : shutdown,
    type: atom(type),
    modules: modules.map(atom),
  });
}

/** @internal Reads the answer of another node to a request. @returns undefined for what no supervisor answers. */
export function readAnswer(name: string, term: unknown): unknown {
  if (name === 'which_children') return Array.isArray(term) ? readAll(term, readInfo) : undefined;
  if (name === 'count_children') return readCounts(term);
  if (term === OK) return { ok: true };
  if (!(term instanceof Tuple) || term.length < 2) return undefined;
  const [tag, value] = term.elements;
  if (tag === ERROR) return readError(value);
  if (tag !== OK) return undefined;
  if (name === 'get_childspec') return { ok: true, spec: readSpec(value) };
  return { ok: true, pid: value instanceof Pid ? value : undefined, handle: undefined };
}

function readError(reason: unknown): unknown {
  if (reason instanceof Atom && WORDS.has(reason.name)) return { ok: false, error: reason.name };
  if (reason instanceof Tuple && reason.length === 2) {
    const [what, detail] = reason.elements;
    if (what === ALREADY_STARTED && detail instanceof Pid)
      return { ok: false, error: 'already_started', pid: detail };
    if (what === BAD_REQUEST) return { ok: false, error: 'bad_request', reason: detail };
  }
  return { ok: false, error: 'start_failed', reason };
}

function readInfo(term: unknown): ChildInfo | undefined {
  if (!(term instanceof Tuple) || term.length !== 4) return undefined;
  const [id, child, type, modules] = term.elements;
  return {
    id: id as ChildInfo['id'],
    pid: child instanceof Pid ? child : undefined,
    status: child instanceof Pid ? 'running' : child === RESTARTING ? 'restarting' : 'stopped',
    type: type === atom('supervisor') ? 'supervisor' : 'worker',
    modules: Array.isArray(modules) ? modules.map(String) : [],
  };
}

function readCounts(term: unknown): ChildCounts | undefined {
  const pairs = Array.isArray(term)
    ? readAll(term, (item) => (item instanceof Tuple ? item : undefined))
    : [];
  const counts = COUNTS.map(
    (name) => [name, pairs?.find(({ elements }) => elements[0] === atom(name))?.elements[1]] as const,
  );
  if (!counts.every(([, count]) => typeof count === 'number')) return undefined;
  return Object.fromEntries(counts) as unknown as ChildCounts;
}

/** A spec with its keys as fields, and the words in it as strings; undefined in, undefined out. */
function readSpec(term: unknown): Readonly<Record<string, unknown>> | undefined {
  if (!(term instanceof ErlMap)) return undefined;
  const spec: Record<string, unknown> = {};
  for (const [key, value] of term) {
    if (!(key instanceof Atom)) continue;
    const { name } = key;
    if (name === 'modules') spec[name] = Array.isArray(value) ? value.map(String) : [];
    else spec[name] = value instanceof Atom && name !== 'id' ? value.name : value;
  }
  return spec;
}

function readAll<T>(terms: readonly unknown[], read: (term: unknown) => T | undefined): T[] | undefined {
  const all: T[] = [];
  for (const term of terms) {
    const one = read(term);
    if (one === undefined) return undefined;
    all.push(one);
  }
  return all;
}
