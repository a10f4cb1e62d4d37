// The subject: the same programs on the runtime. Each process is a function that takes commands out of its mailbox with a
// selective receive, so that everything else stays there to be looked at.
import { setImmediate } from 'node:timers';
import {
  Down,
  Exit,
  type ExitReason,
  type Node,
  onTelemetry,
  type Pid,
  type Process,
  type Ref,
  TIMEOUT,
  TroupeError,
} from 'troupe';
import type { Op, Reason } from './program.ts';
import type { Result } from './reference.ts';

/** How many turns of the event loop a command may take. */
const TURNS_MAX = 1000;

/** Operations for one process, and what they answered so far. */
class Command {
  readonly ops: readonly Op[];
  readonly results: Array<{ readonly op: Op; readonly result: Result; readonly taken?: string }> = [];
  done = false;

  constructor(ops: readonly Op[]) {
    this.ops = ops;
  }
}

const isCommand = (message: unknown): message is Command => message instanceof Command;

/** The runtime, as the test sees it: numbers for pids and refs, text for messages. */
export class Subject {
  readonly pids: Pid[] = [];
  readonly refs: Ref[] = [];
  readonly #node: Node;
  readonly #reasons = new Map<Pid, ExitReason>();
  readonly #unsubscribe: () => void;
  /** Counts operations as the reference does, to number messages. */
  #now = 0;

  constructor(node: Node) {
    this.#node = node;
    this.#unsubscribe = onTelemetry('troupe:process:exit', ({ pid, reason }) =>
      this.#reasons.set(pid, reason),
    );
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    await this.#node.stop();
  }

  spawn(): void {
    this.pids.push(this.#node.spawn((self) => this.#body(self)));
  }

  /** Lets a live process do something, until it is done or has ended. */
  async perform(actor: number, ops: readonly Op[]): Promise<Command['results']> {
    const command = new Command(ops);
    const pid = this.#pid(actor);
    this.#node.send(pid, command);
    for (let turn = 0; !command.done && this.#node.isAlive(pid); turn++) {
      if (turn === TURNS_MAX) throw new Error(`Process #${actor} did not do what it was told.`);
      await new Promise<void>((resolve) => {
        setImmediate(resolve);
      });
    }
    return command.results;
  }

  outside(target: number, reason: Reason): void {
    this.#now++;
    this.#node.exit(this.#pid(target % this.pids.length), reason);
  }

  /** All that can be seen of a process, or its exit reason. */
  look(id: number): unknown {
    const pid = this.#pid(id);
    const info = this.#node.processInfo(pid);
    if (info === undefined) return { ended: String(this.#reasons.get(pid)) };
    return {
      trapExit: info.trapExit,
      name: info.registeredName,
      links: info.links.map((linked) => this.#show(linked)).toSorted(),
      monitors: info.monitors.map((target) => this.#show(target)).toSorted(),
      monitoredBy: info.monitoredBy.map((watcher) => this.#show(watcher)).toSorted(),
    };
  }

  /** The mailbox of a live process, oldest first. */
  mailbox(id: number): string[] {
    const process = this.#node.find(this.#pid(id));
    if (process === null) return [];
    return Array.from({ length: process.mailboxLength }, (_, index) => this.#text(process.peekAt(index)));
  }

  async #body(self: Process): Promise<void> {
    for (;;) {
      const command = await self.receive(isCommand);
      for (const op of command.ops) {
        if (op.do === 'return') {
          this.#now++;
          command.results.push({ op, result: undefined });
          return;
        }
        await this.#record(self, command, op);
      }
      command.done = true;
    }
  }

  async #record(self: Process, command: Command, op: Op): Promise<void> {
    this.#now++;
    if (op.do === 'take') {
      const taken = await this.#take(self, op.what);
      command.results.push({ op, result: taken, taken });
      return;
    }
    // Pushed before it is known, for what ends the process does not come back here.
    const index = command.results.push({ op, result: undefined }) - 1;
    try {
      command.results[index] = { op, result: this.#do(self, op) };
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      command.results[index] = { op, result: error.code };
    }
  }

  #do(self: Process, op: Op): Result {
    switch (op.do) {
      case 'spawn':
        return this.#spawn(self, op);
      case 'monitor':
        return this.#keep(self.monitor(this.#pick(op.target)));
      case 'monitorName':
        return this.#keep(self.monitor(op.name));
      case 'demonitor': {
        const ref = this.refs[op.ref % this.refs.length];
        return ref === undefined ? undefined : self.demonitor(ref, { flush: op.flush });
      }
      case 'trapExit':
        return self.trapExit(op.on);
      case 'send':
        self.send(this.#pick(op.target), `message ${this.#now} of ${this.#show(self.pid)}`);
        return this.#now;
      case 'sendName':
        self.send(op.name, `message ${this.#now} of ${this.#show(self.pid)}`);
        return this.#now;
      default:
        this.#act(self, op);
        return undefined;
    }
  }

  /** What has no answer. */
  #act(self: Process, op: Op): void {
    if (op.do === 'link') self.link(this.#pick(op.target));
    else if (op.do === 'unlink') self.unlink(this.#pick(op.target));
    else if (op.do === 'register') this.#node.register(op.name, this.#pick(op.target));
    else if (op.do === 'unregister') this.#node.unregister(op.name);
    else if (op.do === 'signal') self.exit(this.#pick(op.target), op.reason);
    else if (op.do === 'exit') self.exit(op.reason);
    else throw new Error(`Nothing here does '${op.do}'.`);
  }

  #spawn(self: Process, op: Extract<Op, { do: 'spawn' }>): Result {
    const body = (child: Process): Promise<void> => this.#body(child);
    const trapExit = (pid: Pid): void => void this.#node.find(pid)?.trapExit(op.trapExit);
    if (op.how === 'link') this.pids.push(self.spawnLink(body));
    else if (op.how === 'plain') this.pids.push(self.spawn(body));
    else {
      const { pid, ref } = self.spawnMonitor(body);
      this.pids.push(pid);
      this.#keep(ref);
    }
    trapExit(this.#pid(this.pids.length - 1));
    return this.pids.length - 1;
  }

  async #take(self: Process, what: 'any' | 'down'): Promise<string> {
    const wanted = (message: unknown): boolean =>
      what === 'any' ? !isCommand(message) : message instanceof Down;
    const taken = await self.receive(wanted, { after: 0 });
    return taken === TIMEOUT ? 'nothing' : this.#text(taken);
  }

  #keep(ref: Ref): number {
    return this.refs.push(ref) - 1;
  }

  #pick(number: number): Pid {
    return this.#pid(number % this.pids.length);
  }

  #pid(id: number): Pid {
    const pid = this.pids[id];
    if (pid === undefined) throw new Error(`There is no process ${id}.`);
    return pid;
  }

  #text(message: unknown): string {
    if (message instanceof Exit) return `exit ${this.#show(message.from)} ${String(message.reason)}`;
    if (message instanceof Down) {
      const ref = this.refs.findIndex((known) => known.equals(message.ref));
      return `down ${ref} ${this.#show(message.target)} ${String(message.reason)}`;
    }
    return String(message);
  }

  #show(target: Pid | { readonly name: string }): string {
    if ('name' in target) return target.name;
    if (target.equals(this.#node.initPid)) return 'init';
    return `#${this.pids.findIndex((pid) => pid.equals(target))}`;
  }
}
