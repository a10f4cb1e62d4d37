/**
 * Every error that the runtime throws at a programmer, in one table, each with what to do about it.
 *
 * Expected outcomes are values and failures of a process are exit reasons; neither is listed here. The code is the
 * stable part: messages may be reworded.
 *
 * Beside it the checks of what users pass in options, so that a slip is an error where it was made and not a strange behaviour later. What an
 * option means and its limits are said where it is declared.
 */

const table = {
  TROUPE_BAD_ARGUMENT: 'Pass a value of the documented type.',
  TROUPE_PROCESS_DEAD:
    'The process that runs this code has exited; stop when its AbortSignal fires, and do not use `self` afterwards.',
  TROUPE_NOPROC: 'Start the process first, or trap exits when linking to one that may be gone.',
  TROUPE_NAME_TAKEN: 'Choose another name, or unregister the process that has it.',
  TROUPE_NOT_REGISTERED: 'Register a process under the name first, or use whereis() when it may be absent.',
  TROUPE_SYSTEM_LIMIT: 'Let processes exit, or raise `maxProcesses` in createNode().',
  TROUPE_RECEIVE_BUSY: 'A process can wait in one receive() at a time; await the first one.',
  TROUPE_NODE_STOPPED: 'The node was stopped; make another with createNode().',
  TROUPE_NO_CARRIER: 'Give the node a carrier in createNode() before addressing other nodes.',
  TROUPE_NOT_ENCODABLE:
    'Send only values that the carrier can encode; functions, symbols and classes without defineTerm() cannot leave a node.',
  TROUPE_BAD_TERM: 'Decode only what term_to_binary/1 or encodeTerm() has made, and within the limits.',
  TROUPE_BAD_COOKIE:
    'Give both nodes the same cookie: `cookie` or `cookieFile` here, -setcookie or ~/.erlang.cookie there.',
  TROUPE_LISTEN_FAILED: 'Choose another name, port or host for the node, or stop what has them.',
  TROUPE_CONNECT_FAILED:
    'See `reason`: whether the other node runs, is registered with epmd, and has the same cookie.',
  TROUPE_ERPC_FAILED: 'The function failed on the other node; what it failed with is in `reason`.',
  TROUPE_CALL_TIMEOUT:
    'The server did not answer in time; raise timeoutMs (5,000 by default), or find out what keeps it busy.',
  TROUPE_CALL_NOPROC: 'The server is not running; start it, or let its supervisor restart it.',
  TROUPE_CALL_NODEDOWN: 'The node of the server is not connected.',
  TROUPE_CALL_EXIT: 'The server exited before it answered; its exit reason is in `reason`.',
  TROUPE_REPLY_NOT_ENCODABLE:
    'The server answered with what cannot leave its node; answer with other values, or give the class a form with defineTerm().',
  TROUPE_CALL_SELF: 'A server cannot call itself; call the function directly, or cast.',
  TROUPE_CALL_ABORTED: 'The AbortSignal given to the call fired before the answer came.',
  TROUPE_MAILBOX_FULL: 'The mailbox of the server is at its limit; try again later, or answer 503.',
  TROUPE_UNKNOWN_CALL: 'The server has no call handler of this name; see its definition.',
  TROUPE_BAD_RETURN: 'A callback returned something that its documentation does not allow.',
  TROUPE_START_FAILED: 'The process failed while it started; its exit reason is in `reason`.',
  TROUPE_START_TIMEOUT: 'init did not finish in time; raise timeoutMs or do the slow part in continue.',
  TROUPE_SYSTEM_FAILED:
    'The process did not carry out the system message; what went wrong is in `reason`, and it goes on as before.',
  TROUPE_BAD_CHILD_SPEC: 'Correct the child spec; the message names the field.',
  TROUPE_NO_SCOPE: 'The pg scope is not running on this node; start it first.',
  TROUPE_NOT_LOCAL: 'Only processes of this node can join or leave here (pg: nolocal).',
  TROUPE_BAD_CHANNEL: 'A channel and a topic are non-empty strings.',
  TROUPE_NO_LOG: 'Start channelLog for the channel in the supervision tree of this node.',
  TROUPE_TEST_TIMEOUT:
    'What the test waits for did not happen: see what came instead; raise withinMs only if the machine is too slow.',
  TROUPE_TEST_UNEXPECTED: 'The test says that no such message comes; see which one came.',
  TROUPE_NOT_SETTLED: 'Something keeps sending; stop it, or wait for what is expected instead.',
  TROUPE_NO_PLUGIN: 'Write `await app.register(troupeFastify, { node })` before the routes that use it.',
  TROUPE_ORIGIN_REFUSED: 'Open it from a page of this server, or list the origin of the page in `origins`.',
  TROUPE_NO_WEBSOCKET: 'Open it at a path that has one; this one takes plain requests.',
  TROUPE_UPGRADE_REQUIRED: 'Open it with a WebSocket.',
  TROUPE_TOO_MANY_CONNECTIONS: 'Try again later; the limit is `maxConnections`.',
  TROUPE_CONTROLLER_EXIT: 'Its process ended before it had answered; the exit reason is in `reason`.',
  TROUPE_CONTROLLER_TIMEOUT: 'Try again later; the limit is `timeoutMs` of the controller.',
  TROUPE_NOT_ALLOWED:
    'Only looking is allowed here; start the inspector or the REPL of that node without `readOnly`.',
  TROUPE_UNAVAILABLE: 'Try again later; the server is stopping or at its limit.',
} as const;

/** The codes of the errors that the runtime throws. */
export type ErrorCode = keyof typeof table;

/** What to do about each error; the source of docs/errors.md. */
export const errorAdvice: Readonly<Record<ErrorCode, string>> = table;

/** An error with a stable `code` and advice. The message is one sentence that says what happened and what to do. */
export class TroupeError extends Error {
  override readonly name: string = 'TroupeError';
  readonly code: ErrorCode;
  readonly #what: string;
  /** The exit reason behind the failure, where there is one. */
  readonly reason: unknown;

  constructor(code: ErrorCode, what: string, options: { cause?: unknown; reason?: unknown } = {}) {
    super(`${what} ${table[code]} [${code}]`, 'cause' in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.#what = what;
    this.reason = options.reason;
  }

  /** What happened, without the advice. */
  get what(): string {
    return this.#what;
  }
}

// ---- checks of options: each names the option, what it may be and what it was ----

/** @internal The error of an argument or option that cannot be used. */
export function badArgument(what: string): TroupeError {
  return new TroupeError('TROUPE_BAD_ARGUMENT', what);
}

/** @internal The names of some options: each once, which the compiler sees to. */
export type OptionNames<Options> = Readonly<Record<keyof Options, true>>;

/**
 * @internal Checks that options are an object and that each of them exists: a slip in a name would otherwise do nothing, in silence.
 * @param what what they are the options of.
 * @throws TroupeError TROUPE_BAD_ARGUMENT.
 */
export function checkOptionNames<Options extends object>(
  what: string,
  given: Options,
  known: OptionNames<Options>,
): void {
  if (!isOptions(given)) throw badArgument(`The options of ${what} are an object, not ${kindOf(given)}.`);
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(known, name)) continue;
    throw badArgument(`${what} has no option '${name}'; its options are ${Object.keys(known).join(', ')}.`);
  }
}

function isOptions(given: unknown): boolean {
  return typeof given === 'object' && given !== null && !Array.isArray(given);
}

/** @internal What a value is, for an error that says what was expected instead. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

/** @internal Checks a whole number. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkInteger(
  what: string,
  value: number,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw badArgument(`${what} must be a whole number from ${min} to ${max}, not ${String(value)}.`);
}

/** @internal Checks a number, with or without a fraction. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkNumber(what: string, value: number, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw badArgument(`${what} must be a number from ${min} to ${max}, not ${String(value)}.`);
}

/**
 * @internal Checks a number above 0.
 * @param max the largest that is allowed; may be Infinity.
 * @throws TroupeError TROUPE_BAD_ARGUMENT.
 */
export function checkPositive(what: string, value: number, max: number): number {
  if (typeof value === 'number' && value > 0 && value <= max) return value;
  throw badArgument(`${what} must be above 0 and at most ${max}, not ${String(value)}.`);
}

/** @internal Checks a value against a list. @throws TroupeError TROUPE_BAD_ARGUMENT. */
export function checkOneOf<T>(what: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  const listed = allowed.map((one) => `'${String(one)}'`).join(', ');
  throw badArgument(`${what} must be one of ${listed}, not '${String(value)}'.`);
}
