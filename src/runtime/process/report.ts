/**
 * Failures that nobody listens to: a process that crashed, a server that failed, a supervisor that gives up; and what would otherwise
 * be lost without a trace, as warnings. While the channel of such an event has no subscriber it is reported here: in OTP's form on
 * standard error, or to whatever has taken over the reports of a node, such as the logger of a Fastify application.
 *
 * Invariants: a failure is reported once, even when it ends several processes; of a kind and label at most `BURST` are reported
 * in `WINDOW_MS`; the others are counted, and the count is reported. This is the only file of the runtime that prints.
 */
import type { TelemetryName } from '../telemetry.ts';
import { withoutContext } from './async.ts';
import { type ExitReason, formatReason } from './messages.ts';
import type { Node } from './node.ts';
import { cut } from '../terms/format.ts';
import type { Pid } from '../terms/identifiers.ts';

/** The most reports of one kind and label in a window. */
const BURST = 10;
const WINDOW_MS = 10_000;
/** Kinds and labels that have a count of their own; what comes on top of them shares one. */
const WINDOWS_MAX = 100;
/** Characters of one reason, with its stack. */
const REASON_MAX = 4_000;
const LABEL_MAX = 200;
/** Characters of each text of an error that a logger gets as it is, and how many errors an AggregateError may have. */
const LOGGED_TEXT_MAX = 16_384;
const LOGGED_ERRORS_MAX = 100;

/** @internal What failed. */
export interface Failure {
  readonly kind: 'crash' | 'error' | 'supervisor' | 'warning';
  /** The event in whose place it is reported. */
  readonly channel: TelemetryName;
  /** Undefined for what concerns no process. */
  readonly pid?: Pid | undefined;
  readonly label: string;
  readonly name?: string | undefined;
  /** Of a warning: what it is about, such as the message that was dropped. */
  readonly reason: ExitReason;
  /** Of a supervisor: what happened, and to which child. Of a warning: what happened, in words. */
  readonly context?: string;
  readonly child?: string;
}

/** @internal Takes reports. One without a failure says how many of the last kind were left out. */
export type Reporter = (text: string, failure: Failure, leftOut: number) => void;

const reporters = new WeakMap<Node, Reporter[]>();
const told = new WeakSet<object>();
/** Per reporter: each logger gets every failure, whatever another one got. */
const windowsOf = new WeakMap<Reporter, Map<string, { shown: number; leftOut: number }>>();
let explained = false;

/** @internal Takes the reports of a node over, until the function that it returns is called. */
export function takeReports(node: Node, reporter: Reporter): () => void {
  const taken = reporters.get(node) ?? [];
  reporters.set(node, taken);
  taken.push(reporter);
  return () => {
    const index = taken.indexOf(reporter);
    if (index >= 0) taken.splice(index, 1);
  };
}

/** @internal Notes that a failure has been reported elsewhere. */
export function alreadyTold(reason: unknown): void {
  if (typeof reason === 'object' && reason !== null) told.add(reason);
}

/** @internal Reports a failure, unless it was reported before. */
export function reportFailure(node: Node, failure: Failure): void {
  const { reason, kind, label } = failure;
  if (kind !== 'warning') {
    if (typeof reason === 'object' && reason !== null && told.has(reason)) return;
    alreadyTold(reason);
  }
  const tell = reporters.get(node)?.at(-1) ?? print;
  const report: Reporter = (...of) => {
    try {
      tell(...of);
    } catch {
      // A logger reads the error, whose own code may throw; this must not fail in the code that ends a process.
      if (tell !== print) print(...of);
    }
  };
  const due = isDue(tell, `${kind} ${label}`, (leftOut) => {
    report(
      `${leftOut} more of '${cut(label, LABEL_MAX)}' were left out in ${WINDOW_MS / 1000} s`,
      failure,
      leftOut,
    );
  });
  if (due) report(titleOf(failure), failure, 0);
}

/** @internal Prints something other than the failure of a process, such as why a program ends. */
export function say(line: string): void {
  // Output after standard error was closed is lost: nothing is left to write to.
  console.error('%s', clean(line));
}

/**
 * @internal An error as a logger can take it, whatever a process failed with. In place of one whose texts cannot be read, are no texts or are
 * very long comes one that describes it.
 */
export function loggableError(reason: ExitReason): Error {
  if (isLoggable(reason)) return reason;
  const error = new Error(cut(formatReason(reason), REASON_MAX));
  error.stack = textOf(reason);
  return error;
}

function isLoggable(reason: ExitReason): reason is Error {
  try {
    if (!(reason instanceof Error)) return false;
    const { name, message, stack = '', errors } = reason as Partial<Record<keyof AggregateError, unknown>>;
    const isText = (text: unknown): boolean => typeof text === 'string' && text.length <= LOGGED_TEXT_MAX;
    return (
      [name, message, stack].every(isText) && !(Array.isArray(errors) && errors.length > LOGGED_ERRORS_MAX)
    );
  } catch {
    return false; // a getter that throws
  }
}

function isDue(tell: Reporter, key: string, over: (leftOut: number) => void): boolean {
  const windows = windowsOf.get(tell) ?? new Map<string, { shown: number; leftOut: number }>();
  windowsOf.set(tell, windows);
  const own = windows.has(key) || windows.size < WINDOWS_MAX ? key : 'others';
  let window = windows.get(own);
  if (window === undefined) {
    const opened = { shown: 0, leftOut: 0 };
    window = opened;
    windows.set(own, opened);
    withoutContext(() =>
      setTimeout(() => {
        windows.delete(own);
        if (opened.leftOut > 0) over(opened.leftOut);
      }, WINDOW_MS).unref(),
    );
  }
  if (window.shown < BURST) {
    window.shown++;
    return true;
  }
  window.leftOut++;
  return false;
}

function titleOf({ kind, context }: Failure): string {
  if (kind === 'crash') return 'a process crashed';
  if (kind === 'error') return 'a process ended with a failure';
  if (kind === 'warning') return context ?? '';
  return context === 'reached_max_restart_intensity'
    ? 'a supervisor gives up: its children restarted too often'
    : 'a child of a supervisor failed';
}

// ---- OTP's form ----

function print(text: string, failure: Failure, leftOut: number): void {
  const heading = `=${failure.kind.toUpperCase()} REPORT==== ${timestamp(new Date())} ===`;
  const lines = leftOut > 0 ? [`** (${text})`] : linesOf(failure);
  say([heading, ...lines, ...hint(failure.channel)].join('\n'));
}

function linesOf(failure: Failure): string[] {
  const { kind, pid, label, name, reason, context, child } = failure;
  const shown = cut(label, LABEL_MAX);
  const who = pid === undefined ? '' : pid.toString();
  if (kind === 'warning') {
    return [
      `** ${shown}${who === '' ? '' : ` ${who}`}: ${context ?? ''}: ${cut(formatReason(reason), LABEL_MAX)}`,
    ];
  }
  if (kind === 'crash') {
    return [
      '  crasher:',
      `    initial call: ${shown}`,
      `    pid: ${who}`,
      `    registered_name: ${name ?? '[]'}`,
      `    exception: ${textOf(reason)}`,
    ];
  }
  if (kind === 'error') {
    return [`** Process ${shown} ${who} terminating`, `** Reason for termination == ${textOf(reason)}`];
  }
  return [
    `    supervisor: ${shown} ${who}`,
    `    errorContext: ${context ?? ''}`,
    `    reason: ${textOf(reason)}`,
    `    offender: ${cut(child ?? '', LABEL_MAX)}`,
  ];
}

/** Says once how to receive such reports in another way. */
function hint(channel: TelemetryName): string[] {
  if (explained) return [];
  explained = true;
  return [
    `** (reported since nobody subscribes to it: onTelemetry('${channel}', ...) takes such reports over)`,
  ];
}

function textOf(reason: ExitReason): string {
  return cut(stackOf(reason) || formatReason(reason), REASON_MAX);
}

function stackOf(reason: ExitReason): string {
  try {
    const stack = reason instanceof Error ? reason.stack : undefined;
    return typeof stack === 'string' ? stack : '';
  } catch {
    return ''; // a getter that throws
  }
}

/** Text from outside must not command the terminal. */
function clean(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what it looks for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD');
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `28-Nov-2026::09:30:00.123`, local time. */
function timestamp(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${at.getDate()}-${MONTHS[at.getMonth()] ?? ''}-${at.getFullYear()}`;
  const time = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(':');
  return `${day}::${time}.${String(at.getMilliseconds()).padStart(3, '0')}`;
}
