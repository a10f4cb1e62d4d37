/**
 * Checks of what users pass to `createNode`, to spawn and as a destination, so that a slip is an error where it was made
 * and not a strange behaviour later.
 */
import { TroupeError } from '../errors.ts';
import type { SpawnOptions } from './behaviour.ts';
import type { NodeOptions } from './node.ts';
import { Pid } from '../terms/identifiers.ts';

const NODE_NAME = /^[\w-]+@[\w.:-]+$/;
const NAME_MAX = 255;
/** The most processes that a node can be asked to hold, as of `erl +P`. */
const PROCESSES_MAX = 134_217_727;
const SLICE_MAX_MS = 1_000;
const POLICIES = ['reject', 'dropOldest', 'exit'];
const CONTEXTS = ['none', 'spawner', undefined];

/** @internal Checks the options of a node. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkNodeOptions(options: NodeOptions): void {
  const {
    name = 'nonode@nohost',
    creation = 4,
    maxProcesses = 1,
    mailboxHighWater = 1,
    sliceMs = 1,
  } = options;
  if (typeof name !== 'string' || !NODE_NAME.test(name) || name.length > NAME_MAX) {
    throw badOption(`A node name has the form name@host, not '${name}'.`);
  }
  checkInteger('creation', creation, 4, 0xffff_ffff);
  checkInteger('maxProcesses', maxProcesses, 1, PROCESSES_MAX);
  checkInteger('mailboxHighWater', mailboxHighWater, 1, Number.MAX_SAFE_INTEGER);
  if (!(sliceMs > 0 && sliceMs <= SLICE_MAX_MS)) {
    throw badOption(`sliceMs must be above 0 and at most ${SLICE_MAX_MS}, not ${String(sliceMs)}.`);
  }
}

/** @internal Checks the options of a spawn. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkSpawnOptions({ mailbox, asyncContext }: SpawnOptions): void {
  if (!CONTEXTS.includes(asyncContext)) {
    throw badOption(`asyncContext is 'none' or 'spawner', not '${String(asyncContext)}'.`);
  }
  if (mailbox === undefined) return;
  checkInteger('The limit of a mailbox', mailbox.limit, 1, Number.MAX_SAFE_INTEGER);
  if (!POLICIES.includes(mailbox.policy)) {
    throw badOption(`The policy of a mailbox is ${POLICIES.join(', ')}; not '${mailbox.policy}'.`);
  }
}

/** @internal Checks what is no function and is to be spawned. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkBehaviour(body: unknown): void {
  const { name, init, handle } = Object(body) as Readonly<Record<string, unknown>>;
  if (typeof name === 'string' && typeof init === 'function' && typeof handle === 'function') return;
  throw badOption('A process is spawned from a function, or a behaviour with a name, init and handle.');
}

/** @internal Checks a destination. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkDestination(to: unknown): void {
  if (to instanceof Pid || typeof to === 'string') return;
  const { pid, name, node } = Object(to) as Readonly<Record<string, unknown>>;
  if (pid instanceof Pid || (typeof name === 'string' && typeof node === 'string')) return;
  throw badOption('A destination is a pid, what has a pid, a registered name, or {name, node}.');
}

/** @internal @throws TroupeError TROUPE_BAD_ARGUMENT when a value is no pid. */
export function checkPid(pid: unknown): void {
  if (!(pid instanceof Pid)) throw badOption(`A pid was expected, not a value of type ${typeof pid}.`);
}

function checkInteger(what: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw badOption(`${what} must be a whole number from ${min} to ${max}, not ${String(value)}.`);
}

function badOption(what: string): TroupeError {
  return new TroupeError('TROUPE_BAD_ARGUMENT', what);
}
