// What the helpers of one REPL share: its process, its node, its messages and where it prints; how a typed pid or name is
// resolved; and the error for what cannot be.
import type { PeerInfo } from '../distribution/erlang/index.ts';
import { type Destination, type Node, Pid, type Process } from '../index.ts';
import type { Inspector } from '../inspect/index.ts';
import type { Inbox } from './helpers/messages.ts';
import type { Column, TextFormat } from './show.ts';

/** An expected failure: a mistake of the user, or something missing. Its message is one full sentence, shown without a stack. */
export class Fault extends Error {
  override readonly name = 'Fault';
}

/** A REPL as its helpers see it. */
export interface Shell {
  /** The process of the REPL. */
  readonly self: Process;
  readonly node: Node;
  readonly inbox: Inbox;
  /** Aborts when the running line is cancelled or the REPL ends. */
  readonly signal: () => AbortSignal;
  /** Prints a line above the prompt. The line is built only if it can be shown. */
  readonly announce: (line: (format: TextFormat) => string) => void;
  /** Wraps a function so that it runs as code of this REPL, which then receives its later errors. */
  readonly own: <Args extends unknown[], T>(code: (...args: Args) => T) => (...args: Args) => T;
  /** Answers questions about this node, or another one. */
  readonly inspector: Inspector;
  /** Results are JSON. */
  readonly json: boolean;
  /** A person reads along at a terminal. */
  readonly interactive: boolean;
  /** The connections with other nodes; undefined for a node without distribution. */
  readonly peers: (() => readonly PeerInfo[]) | undefined;
}

/** A function that can be called in the REPL. */
export interface Helper {
  /** An example call, as help() shows it. */
  readonly usage: string;
  /** What it does, in a few words. */
  readonly about: string;
  /** A returned promise is awaited. */
  readonly run: (...args: never[]) => unknown;
}

/** Helpers by name, in the order in which help() lists them. */
export type Helpers = Readonly<Record<string, Helper>>;

const PID_TEXT = /^\s*<\d+\.\d+\.\d+>\s*$/;

/** Whether a text is a pid in its printed form. */
export function isPidText(text: string): boolean {
  return PID_TEXT.test(text);
}

/**
 * Resolves a pid, its text, a name registered on this node, or an object with a pid.
 * @throws Fault when the name is not registered, or the value is none of these
 */
export function pidOf(node: Node, target: unknown): Pid {
  if (target instanceof Pid) return target;
  if (typeof target === 'string') {
    if (isPidText(target)) return parsePid(node, target);
    const pid = node.whereis(target);
    if (pid === undefined)
      throw new Fault(`no process is registered as '${target}'; registered() lists the names`);
    return pid;
  }
  if (typeof target === 'object' && target !== null && 'pid' in target && target.pid instanceof Pid) {
    return target.pid;
  }
  throw new Fault("name a process by its pid, such as '<0.12.0>', or by its registered name");
}

/** The pid of a text. @throws Fault when the text is not a pid. */
export function parsePid(node: Node, text: string): Pid {
  if (!isPidText(text)) throw new Fault(`'${text}' is not a pid; a pid looks like <0.12.0>`);
  try {
    return node.pid(text.trim());
  } catch (error) {
    throw new Fault(`${text.trim()} belongs to a node that is not known here`, { cause: error });
  }
}

/** As `pidOf`, for a process that must be alive on this node. @throws Fault */
export function livePidOf(node: Node, target: unknown): Pid {
  const pid = pidOf(node, target);
  if (pid.node !== node.name) {
    throw new Fault(`${pid.toString()} lives on ${pid.node}; attach to the REPL there to look at it`);
  }
  if (!node.isAlive(pid)) throw new Fault(`process ${pid.toString()} is not alive`);
  return pid;
}

/** A destination: as `pidOf`, alive if it is on this node; or `{name, node}`. @throws Fault */
export function destinationOf(node: Node, target: unknown): Destination {
  if (typeof target === 'object' && target !== null && 'name' in target && 'node' in target) {
    const { name, node: on } = target;
    if (typeof name === 'string' && typeof on === 'string') {
      if (on === node.name) return livePidOf(node, name);
      return { name, node: on };
    }
  }
  const pid = pidOf(node, target);
  return pid.node === node.name ? livePidOf(node, pid) : pid;
}

/** The columns that identify a process; `whoCells` fills them. */
export const WHO: readonly Column[] = [{ heading: 'PID' }, { heading: 'NAME' }, { heading: 'LABEL' }];

/** Identifies a process: pid, registered name and label, or the node of a remote one. */
export function whoCells(node: Node, pid: Pid): string[] {
  const info = node.processInfo(pid);
  if (info !== undefined) return [pid.toString(), info.registeredName ?? '', info.label];
  return [pid.toString(), '', pid.node === node.name ? '(has ended)' : `on ${pid.node}`];
}
