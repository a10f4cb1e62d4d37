// The reference: processes as plain data, written from the Erlang reference manual, chapter "Processes" (sections
// "Signals", "Links", "Monitors", "Termination", "Receiving Exit Signals"), erlang:link/1, erlang:monitor/2,
// erlang:demonitor/2, erlang:exit/1,2 and erlang:register/2. It knows nothing of the runtime.
//
// Signals take effect at once. What one operation causes at one receiver has no order among itself, for the signals come
// from different senders, or from one that ends; such messages share an `at`.
import type { Op, Reason } from './program.ts';

/** A message as text, and the number of the operation that put it there. */
export interface Letter {
  readonly text: string;
  readonly at: number;
}

/** A process. */
export interface ModelProcess {
  readonly id: number;
  alive: boolean;
  reason: Reason | undefined;
  trapExit: boolean;
  name: string | undefined;
  readonly links: Set<number>;
  mailbox: Letter[];
}

interface ModelMonitor {
  readonly ref: number;
  readonly owner: number;
  readonly watched: number;
  /** What the Down will carry. */
  readonly target: string;
}

/** What an operation answers: a value, or an error code. */
export type Result = string | boolean | number | undefined;

/** All processes. */
export class Reference {
  readonly processes: ModelProcess[] = [];
  /** Active monitors, oldest first. */
  monitors: ModelMonitor[] = [];
  /** How many refs were made. */
  refs = 0;
  #now = 0;

  spawn(trapExit: boolean): number {
    const id = this.processes.length;
    this.processes.push({
      id,
      alive: true,
      reason: undefined,
      trapExit,
      name: undefined,
      links: new Set(),
      mailbox: [],
    });
    return id;
  }

  /** One operation of a live process. @param taken what the runtime took out of the mailbox, for `take`. */
  perform(actor: number, op: Op, taken?: string): Result {
    this.#now++;
    const self = this.#process(actor);
    switch (op.do) {
      case 'spawn': {
        const child = this.spawn(op.trapExit);
        if (op.how === 'link') this.#link(self, child);
        if (op.how === 'monitor') this.#monitor(self, child, `#${child}`);
        return child;
      }
      case 'link':
        return this.#link(self, this.#pick(op.target));
      case 'unlink':
        return this.#unlink(self, this.#pick(op.target));
      case 'monitor': {
        const target = this.#pick(op.target);
        return this.#monitor(self, target, `#${target}`);
      }
      case 'monitorName':
        return this.#monitor(self, this.#whereis(op.name), op.name);
      case 'demonitor':
        return this.#demonitor(self, op.ref, op.flush);
      case 'trapExit': {
        const before = self.trapExit;
        self.trapExit = op.on;
        return before;
      }
      case 'send':
        return this.#send(self, this.#pick(op.target));
      case 'sendName': {
        const target = this.#whereis(op.name);
        return target === undefined ? 'TROUPE_NOT_REGISTERED' : this.#send(self, target);
      }
      case 'register':
        return this.#register(op.name, this.#pick(op.target));
      case 'unregister':
        return this.#unregister(op.name);
      case 'take':
        return this.#take(self, op.what, taken);
      case 'signal':
        this.exitSignal(actor, this.#pick(op.target), op.reason);
        return undefined;
      case 'exit':
        this.#end(self, op.reason);
        return undefined;
      case 'return':
        this.#end(self, 'normal');
        return undefined;
    }
  }

  /** `exit/2`; `from` may be no process. */
  exitSignal(from: number | 'init', to: number, reason: Reason): void {
    const process = this.#process(to);
    if (!process.alive) return;
    if (reason === 'kill') this.#end(process, 'killed');
    else if (process.trapExit) this.#put(to, `exit ${nameOf(from)} ${String(reason)}`);
    else if (reason !== 'normal' || from === to) this.#end(process, reason);
  }

  /** `exit/2` from outside of any process. */
  outside(target: number, reason: Reason): void {
    this.#now++;
    this.exitSignal('init', this.#pick(target), reason);
  }

  #end(process: ModelProcess, reason: Reason): void {
    process.alive = false;
    process.reason = reason;
    process.name = undefined;
    process.mailbox = [];
    this.monitors = this.monitors.filter(({ owner }) => owner !== process.id);
    const watching = this.monitors.filter(({ watched }) => watched === process.id);
    this.monitors = this.monitors.filter(({ watched }) => watched !== process.id);
    for (const { owner, ref, target } of watching) {
      this.#put(owner, `down ${ref} ${target} ${String(reason)}`);
    }
    const linked = [...process.links];
    process.links.clear();
    for (const id of linked) this.#process(id).links.delete(process.id);
    for (const id of linked) this.#linkBroken(process.id, this.#process(id), reason);
  }

  /** Here `kill` is a reason like any other. */
  #linkBroken(from: number, process: ModelProcess, reason: Reason): void {
    if (!process.alive) return;
    if (process.trapExit) this.#put(process.id, `exit #${from} ${String(reason)}`);
    else if (reason !== 'normal') this.#end(process, reason);
  }

  #link(self: ModelProcess, target: number): Result {
    if (target === self.id) return undefined;
    const other = this.#process(target);
    if (!other.alive) {
      if (!self.trapExit) return 'TROUPE_NOPROC';
      this.#put(self.id, `exit #${target} noproc`);
      return undefined;
    }
    self.links.add(target);
    other.links.add(self.id);
    return undefined;
  }

  #unlink(self: ModelProcess, target: number): Result {
    self.links.delete(target);
    this.#process(target).links.delete(self.id);
    return undefined;
  }

  #monitor(self: ModelProcess, watched: number | undefined, target: string): Result {
    const ref = this.refs++;
    if (watched === undefined || !this.#process(watched).alive)
      this.#put(self.id, `down ${ref} ${target} noproc`);
    else if (watched !== self.id) this.monitors.push({ ref, owner: self.id, watched, target });
    return ref;
  }

  #demonitor(self: ModelProcess, number: number, flush: boolean): Result {
    if (this.refs === 0) return undefined;
    const ref = number % this.refs;
    const active = this.monitors.find((monitor) => monitor.ref === ref);
    if (active !== undefined && active.owner !== self.id) return 'TROUPE_BAD_ARGUMENT';
    this.monitors = this.monitors.filter((monitor) => monitor !== active);
    if (flush) self.mailbox = self.mailbox.filter(({ text }) => !text.startsWith(`down ${ref} `));
    return active !== undefined;
  }

  #send(self: ModelProcess, target: number): Result {
    this.#put(target, `message ${this.#now} of #${self.id}`);
    return this.#now;
  }

  #register(name: string, target: number): Result {
    const process = this.#process(target);
    if (!process.alive) return 'TROUPE_NOPROC';
    if (this.#whereis(name) !== undefined || process.name !== undefined) return 'TROUPE_NAME_TAKEN';
    process.name = name;
    return undefined;
  }

  #unregister(name: string): Result {
    const owner = this.#whereis(name);
    if (owner === undefined) return 'TROUPE_NOT_REGISTERED';
    this.#process(owner).name = undefined;
    return undefined;
  }

  /** The oldest messages came at one time and have no order among themselves: any of them may have been taken. */
  #take(self: ModelProcess, what: 'any' | 'down', taken: string | undefined): Result {
    const wanted = self.mailbox.filter(({ text }) => what === 'any' || text.startsWith('down '));
    const candidates = wanted.filter(({ at }) => at === wanted[0]?.at);
    const letter = candidates.find(({ text }) => text === taken);
    if (letter === undefined) return candidates.map(({ text }) => text).join(' or ') || 'nothing';
    self.mailbox = self.mailbox.filter((other) => other !== letter);
    return letter.text;
  }

  #put(to: number, text: string): void {
    const process = this.#process(to);
    if (process.alive) process.mailbox.push({ text, at: this.#now });
  }

  #whereis(name: string): number | undefined {
    return this.processes.find((process) => process.name === name)?.id;
  }

  #pick(number: number): number {
    return number % this.processes.length;
  }

  #process(id: number): ModelProcess {
    const process = this.processes[id];
    if (process === undefined) throw new Error(`There is no process ${id} in the reference.`);
    return process;
  }
}

function nameOf(from: number | 'init'): string {
  return from === 'init' ? from : `#${from}`;
}
