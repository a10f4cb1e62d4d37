// Marks what code of a REPL makes, so that what fails in it later can be told to that REPL: promises, and what Node.js calls
// asynchronous resources, such as sockets, requests, child processes, timers and ticks.
//
// - Marked is what is made while code of a REPL runs, and what is made while something that is marked is worked off.
// - Not marked is what the application makes for itself meanwhile: the turn in which a process gets a message that a REPL sent,
//   a connection to its database. What decides is who stands innermost in the stack, leaving out Node.js and packages. Of a
//   promise, which works for who called, only the scheduler's count as the application's.
// - An async hook does it. It makes every promise of the process about twice as slow, so it is on only while a line runs, or
//   something is under way that code of a REPL has begun: a promise that is pending, a socket or a child process that has not
//   been collected as garbage. When no REPL is attached any more it goes off after a minute at the latest. What was marked stays
//   marked. (node:repl, whose domains do the same with a hook that is never taken out again, costs more than ten times.)
import { AsyncResource, createHook, executionAsyncResource } from 'node:async_hooks';

/** How long what the last REPL has left behind is followed after its end. */
const LEFTOVERS_MS = 60_000;
/** How many functions are looked at, from the innermost, for who makes something. */
const STACK_MAX = 20;
/** How the files of REPL code are called. */
const REPL_CODE = /^REPL<[\d.]+>#\d+$/;
const SCHEDULER = /\/runtime\/process\/scheduler\.[jt]s$/;
const TRANSPARENT = /^node:|[\\/]node_modules[\\/]|\/repl\/(?:marks|containment)\.[jt]s$/;
/** What lives for one turn of the event loop: the hook stays on for so long anyway. */
const SHORT_LIVED: ReadonlySet<string> = new Set(['TickObject', 'Immediate', 'Microtask']);

/** The name of the maker's code, by what it made. */
const marked = new WeakMap<object, string>();
/** The ids of what is under way. */
const underWay = new Set<number>();
const collected = new FinalizationRegistry<number>(over);
/** Pieces of code that run. */
let runs = 0;
let sessions = 0;
let enabled = false;
/** How stacks are written while they are not looked at. */
let ownWay: Partial<Pick<ErrorConstructor, 'prepareStackTrace' | 'stackTraceLimit'>> | undefined = undefined;
let leftovers: NodeJS.Timeout | undefined = undefined;

const hook = createHook({
  init(id, type, _trigger, resource) {
    const owner = markOf(executionAsyncResource());
    if (owner === undefined || isOfApplication(type)) return;
    marked.set(resource, owner);
    if (SHORT_LIVED.has(type)) return;
    underWay.add(id);
    collected.register(resource, id);
  },
  promiseResolve: over,
});

/** Who made something: the name of its code; undefined for what no REPL made. */
export function markOf(resource: object): string | undefined {
  return marked.get(resource);
}

/** Where code of one REPL runs: what it makes there is marked with its name. */
export class Maker {
  readonly #scope = new AsyncResource('TROUPE_REPL');

  constructor(name: string) {
    marked.set(this.#scope, name);
  }

  run<T>(code: () => T): T {
    const end = begin();
    try {
      return this.#scope.runInAsyncScope(code);
    } finally {
      writeStacksAsBefore(); // code that is stopped for its time is stopped anywhere, and passes no `finally`
      end();
    }
  }
}

/** Marks at least until the returned function is called. */
export function begin(): () => void {
  runs++;
  if (!enabled) hook.enable();
  enabled = true;
  let done = false;
  return () => {
    if (done) return;
    done = true;
    runs--;
    disableSoon();
  };
}

/** A REPL is attached. */
export function sessionBegins(): void {
  sessions++;
  clearTimeout(leftovers);
}

/** A REPL has ended. */
export function sessionEnds(): void {
  if (--sessions > 0) return;
  leftovers = setTimeout(() => {
    underWay.clear();
    disableSoon();
  }, LEFTOVERS_MS).unref();
}

/** Whether marks are made, and promises cost more. */
export function isMarking(): boolean {
  return enabled;
}

/** Whose code stands innermost in the stack; undefined when there is only that of Node.js and of packages. */
export function innermost(): 'repl' | 'scheduler' | 'application' | undefined {
  for (const file of filesOfStack()) {
    if (TRANSPARENT.test(file)) continue;
    if (REPL_CODE.test(file)) return 'repl';
    return SCHEDULER.test(file) ? 'scheduler' : 'application';
  }
  return undefined;
}

/** The files of the functions that are being called, from the innermost. To write them as text would take ten times as long. */
function filesOfStack(): readonly string[] {
  let files: string[] = [];
  ownWay = { prepareStackTrace: Error.prepareStackTrace, stackTraceLimit: Error.stackTraceLimit };
  Error.prepareStackTrace = (_error, sites) => {
    files = sites.map((site) => site.getFileName() ?? 'node:');
    return '';
  };
  Error.stackTraceLimit = STACK_MAX;
  try {
    void new Error().stack;
  } finally {
    writeStacksAsBefore();
  }
  return files;
}

function writeStacksAsBefore(): void {
  if (ownWay === undefined) return;
  Object.assign(Error, ownWay);
  ownWay = undefined;
}

function isOfApplication(type: string): boolean {
  try {
    const who = innermost();
    return who === 'scheduler' || (who === 'application' && type !== 'PROMISE');
  } catch {
    return false; // no room left on the stack, or somebody's own way to write one; what a hook throws would end the process
  }
}

function over(id: number): void {
  if (underWay.delete(id) && underWay.size === 0) disableSoon();
}

/** Ticks and immediates that are waiting come first: they may begin more. */
function disableSoon(): void {
  if (!enabled || runs > 0 || underWay.size > 0) return;
  const look = (): void => {
    if (!enabled || runs > 0 || underWay.size > 0) return;
    enabled = false;
    hook.disable();
  };
  setImmediate(() => setImmediate(look).unref()).unref();
}
