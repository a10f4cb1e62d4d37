// What the helpers of one REPL share: its process, its node, its messages and where it prints. No logic of its own but for
// the question what a text or a value that stands for a process means.
import type { PeerInfo } from '../distribution/erlang/index.ts';
import { type Destination, type Node, Pid, type Process } from '../index.ts';
import { Fault } from './fault.ts';
import type { Inbox } from './inbox.ts';
import type { Column } from './table.ts';

/** One REPL, as its helpers see it. */
export interface Shell {
  /** The process of the REPL. */
  readonly self: Process;
  readonly node: Node;
  readonly inbox: Inbox;
  /** Fires when the line that runs is cancelled or the REPL ends. */
  readonly signal: () => AbortSignal;
  /** Prints a line beside what is being typed. The line is only made when it can be shown. */
  readonly announce: (line: (colour: boolean) => string) => void;
  /** A function that calls another one as code of this REPL, to which what goes wrong in it later is told. */
  readonly own: <Args extends unknown[], T>(code: (...args: Args) => T) => (...args: Args) => T;
  /** The connections of the node with others; undefined for a node that is alone. */
  readonly peers: (() => readonly PeerInfo[]) | undefined;
}

/** A function that can be called in the REPL. */
export interface Helper {
  /** How it is called, as help() shows it. */
  readonly usage: string;
  /** What it does, in a few words. */
  readonly about: string;
  /** A promise of it is waited for. */
  readonly run: (...args: never[]) => unknown;
}

/** Helpers by name, in the order in which help() lists them. */
export type Helpers = Readonly<Record<string, Helper>>;

const PID_TEXT = /^\s*<\d+\.\d+\.\d+>\s*$/;

/** True for a text that is a pid as it prints. */
export function isPidText(text: string): boolean {
  return PID_TEXT.test(text);
}

/**
 * The pid that something stands for: a pid, its text, a registered name of this node, or what has a pid.
 * @throws Fault when nobody has the name, or it is nothing of these
 */
export function pidOf(node: Node, target: unknown): Pid {
  if (target instanceof Pid) return target;
  if (typeof target === 'string') {
    if (isPidText(target)) return parsePid(node, target);
    const pid = node.whereis(target);
    if (pid === undefined)
      throw new Fault(`nobody is registered as '${target}'; registered() lists the names`);
    return pid;
  }
  if (typeof target === 'object' && target !== null && 'pid' in target && target.pid instanceof Pid) {
    return target.pid;
  }
  throw new Fault("a process is given by its pid, such as '<0.12.0>', or by its registered name");
}

/** The pid of a text. @throws Fault when it is none. */
export function parsePid(node: Node, text: string): Pid {
  if (!isPidText(text)) throw new Fault(`'${text}' is no pid; one looks like <0.12.0>`);
  try {
    return node.pid(text.trim());
  } catch (error) {
    throw new Fault(`${text.trim()} is of a node that is not known here`, { cause: error });
  }
}

/** As `pidOf`, for a process that has to be alive here. @throws Fault */
export function livePidOf(node: Node, target: unknown): Pid {
  const pid = pidOf(node, target);
  if (pid.node !== node.name) {
    throw new Fault(`${pid.toString()} lives on ${pid.node}; attach to the REPL there to look at it`);
  }
  if (!node.isAlive(pid)) throw new Fault(`process ${pid.toString()} is not alive`);
  return pid;
}

/** Where to send to: as `pidOf`, alive if it is of this node, or `{name, node}`. @throws Fault */
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

/** The columns that say who a process is; `whoCells` fills them. */
export const WHO: readonly Column[] = [{ heading: 'PID' }, { heading: 'NAME' }, { heading: 'LABEL' }];

/** Who a process is: pid, registered name, label; of another node, the node. */
export function whoCells(node: Node, pid: Pid): string[] {
  const info = node.processInfo(pid);
  if (info !== undefined) return [pid.toString(), info.registeredName ?? '', info.label];
  return [pid.toString(), '', pid.node === node.name ? '(has ended)' : `on ${pid.node}`];
}
