// A supervisor as a pure machine, small enough to be checked by reading against the documentation of OTP's `supervisor`. Its
// messages are in a queue; a process is a number, counted as they are started.
import type { Op, Outcome, Program, Reason, Spec } from './program.ts';

/** What can be seen after a burst. */
export interface Look {
  /** What the requests of the burst were answered. */
  readonly answers: readonly string[];
  /** Starts and orderly stops, as they happened. */
  readonly log: readonly string[];
  /** In start order: the id and the process, or the status. */
  readonly children: ReadonlyArray<readonly [id: string, process: string]>;
  /** The exit reason, when it has ended. */
  readonly ended: string | null;
}

interface Child {
  readonly spec: Spec;
  process: number | undefined;
  restarting: boolean;
}

type Message =
  | { readonly exit: number; readonly reason: Reason }
  | { readonly again: Child }
  | { readonly request: Exclude<Op, { do: 'crash' | 'plan' }>; readonly at: number };

export class Reference {
  readonly #program: Program;
  readonly #plans = new Map<string, Outcome[]>();
  readonly #alive = new Set<number>();
  #children: Child[] = [];
  #queue: Message[] = [];
  #log: string[] = [];
  #answers: string[] = [];
  #processes = 0;
  #restarts = 0;
  #ended: string | null = null;

  constructor(program: Program) {
    this.#program = program;
  }

  /** The start of the supervisor. */
  begin(): Look {
    for (const plan of this.#program.plan) this.#plans.set(plan.id, [...plan.outcomes]);
    this.#children = this.#program.children.map(made);
    const failed = this.#startAll(this.#children);
    if (failed !== undefined) this.#end(`failed_to_start_child ${failed.spec.id}`);
    return this.#look();
  }

  /** All of a burst arrives, then it is handled. */
  burst(ops: readonly Op[]): Look {
    for (const op of ops) this.#arrives(op);
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      if ('exit' in message) this.#exit(message.exit, message.reason);
      else if ('again' in message) this.#again(message.again);
      else this.#answers[message.at] = this.#answer(message.request);
    }
    return this.#look();
  }

  #arrives(op: Op): void {
    if (op.do === 'plan') {
      this.#plans.set(op.id, [...op.outcomes]);
    } else if (op.do === 'crash') {
      const process = this.#find(op.id)?.process;
      if (process !== undefined && this.#alive.delete(process)) {
        this.#queue.push({ exit: process, reason: op.reason });
      }
    } else {
      this.#queue.push({ request: op, at: this.#answers.push('down') - 1 });
    }
  }

  // ---- requests ----

  #answer(op: Exclude<Op, { do: 'crash' | 'plan' }>): string {
    if (op.do === 'start') return this.#startChild(op.spec);
    const child = this.#find(op.id);
    if (child === undefined) return 'not_found';
    if (op.do === 'terminate') {
      this.#stop(child);
      return 'ok';
    }
    if (child.restarting) return 'restarting';
    if (child.process !== undefined) return 'running';
    if (op.do === 'restart') return this.#start(child);
    this.#children = this.#children.filter((other) => other !== child);
    return 'ok';
  }

  #startChild(spec: Spec): string {
    const present = this.#find(spec.id);
    if (present !== undefined) {
      return present.process === undefined ? 'already_present' : `already_started ${present.process}`;
    }
    const child = made(spec);
    this.#children.push(child);
    const answer = this.#start(child);
    if (answer === 'start_failed') this.#children.pop();
    return answer;
  }

  // ---- exits ----

  #exit(process: number, reason: Reason): void {
    const child = this.#children.find((one) => one.process === process);
    if (child === undefined) return;
    child.process = undefined;
    const { restart, significant } = child.spec;
    const clean = reason === 'normal' || reason === 'shutdown';
    if (restart === 'permanent' || (restart === 'transient' && !clean)) {
      this.#restart(child);
      return;
    }
    this.#leave(child);
    const { autoShutdown } = this.#program;
    if (!significant || autoShutdown === 'never') return;
    const left = this.#children.some(
      (one) => one.spec.significant && (one.restarting || one.process !== undefined),
    );
    if (autoShutdown === 'any_significant' || !left) this.#end('shutdown');
  }

  #again(child: Child): void {
    if (child.restarting) this.#restart(child);
  }

  #restart(child: Child): void {
    this.#restarts++;
    if (this.#restarts > this.#program.intensity) {
      this.#end('shutdown');
      return;
    }
    const { strategy } = this.#program;
    const from = strategy === 'rest_for_one' ? this.#children.indexOf(child) : 0;
    const group = strategy === 'one_for_one' ? [child] : this.#children.slice(from);
    for (const member of group.toReversed()) this.#stop(member);
    const failed = this.#startAll(group.filter((member) => this.#children.includes(member)));
    if (failed === undefined) return;
    failed.restarting = true;
    this.#queue.push({ again: failed });
  }

  #end(reason: string): void {
    for (const child of this.#children.toReversed()) this.#stop(child);
    this.#ended = reason;
    this.#children = [];
    this.#queue = [];
  }

  // ---- one child ----

  #startAll(children: readonly Child[]): Child | undefined {
    return children.find((child) => this.#start(child) === 'start_failed');
  }

  #start(child: Child): string {
    const { id } = child.spec;
    const outcome = this.#plans.get(id)?.shift() ?? 'ok';
    this.#log.push(`start ${id} ${outcome}`);
    if (outcome === 'fail') return 'start_failed';
    child.restarting = false;
    if (outcome === 'ignore') {
      this.#leave(child);
      return 'ok undefined';
    }
    child.process = ++this.#processes;
    this.#alive.add(child.process);
    return `ok ${child.process}`;
  }

  #stop(child: Child): void {
    const asked = child.process !== undefined && this.#alive.delete(child.process);
    if (asked && child.spec.shutdown !== 'brutal_kill') this.#log.push(`stop ${child.spec.id}`);
    child.restarting = false;
    this.#leave(child);
  }

  /** It has no process, and none will be started for it. */
  #leave(child: Child): void {
    child.process = undefined;
    if (child.spec.restart === 'temporary') this.#children = this.#children.filter((one) => one !== child);
  }

  #find(id: string): Child | undefined {
    return this.#children.find(({ spec }) => spec.id === id);
  }

  #look(): Look {
    const look = {
      answers: this.#answers,
      log: this.#log,
      children: this.#children.map(({ spec, process }) => [spec.id, String(process)] as const),
      ended: this.#ended,
    };
    this.#answers = [];
    this.#log = [];
    return look;
  }
}

function made(spec: Spec): Child {
  return { spec, process: undefined, restarting: false };
}
