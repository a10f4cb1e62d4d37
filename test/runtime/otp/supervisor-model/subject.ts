// The same programs on a supervisor of the runtime, seen in the same way as the reference.
import {
  call,
  type ChildSpec,
  createNode,
  defineSupervisor,
  Exit,
  type Node,
  type Pid,
  type Process,
  type StartChildResult,
  type SupervisorInstance,
  sys,
  TroupeError,
} from 'troupe';
import { awaitExit, settle } from 'troupe/testing';
import type { Op, Outcome, Program, Spec } from './program.ts';
import type { Look } from './reference.ts';

type Request = Exclude<Op, { do: 'crash' | 'plan' }>;

export class Subject {
  readonly node: Node = createNode();
  readonly #program: Program;
  readonly #plans = new Map<string, Outcome[]>();
  readonly #processes: Pid[] = [];
  readonly #running = new Map<string, Pid>();
  #supervisor: SupervisorInstance | undefined;
  #ended: string | null = null;
  #log: string[] = [];

  constructor(program: Program) {
    this.#program = program;
  }

  async begin(): Promise<Look> {
    for (const plan of this.#program.plan) this.#plans.set(plan.id, [...plan.outcomes]);
    const { strategy, intensity, autoShutdown } = this.#program;
    const children = this.#program.children.map((spec) => this.#spec(spec));
    const tree = defineSupervisor({ strategy, intensity, autoShutdown, periodMs: 3_600_000, children });
    try {
      const supervisor = await this.node.start(tree);
      this.#supervisor = supervisor;
      void awaitExit(this.node, supervisor.pid, { withinMs: 600_000 }).then((reason) => {
        this.#ended = String(reason);
      });
    } catch (error) {
      const [, [fault, id]] = (error as TroupeError).reason as [string, [string, string]];
      this.#ended = `${fault} ${id}`;
    }
    await settle(this.node);
    return this.#look([]);
  }

  async burst(ops: readonly Op[]): Promise<Look> {
    const supervisor = this.#supervisor as SupervisorInstance;
    const answers: Array<Promise<string>> = [];
    await sys.suspend(this.node, supervisor);
    for (const op of ops) {
      if (op.do === 'plan') this.#plans.set(op.id, [...op.outcomes]);
      else if (op.do === 'crash') await this.#crash(op);
      else answers.push(this.#request(supervisor, op));
    }
    await sys.resume(this.node, supervisor);
    await settle(this.node);
    return this.#look(await Promise.all(answers));
  }

  /** The supervisor, to look for what should not be left. */
  get process(): Process | null {
    return this.#supervisor === undefined ? null : this.node.find(this.#supervisor.pid);
  }

  async #crash({ id, reason }: Extract<Op, { do: 'crash' }>): Promise<void> {
    const pid = this.#running.get(id);
    if (pid === undefined) return;
    if (reason === 'kill') this.node.exit(pid, 'kill');
    else this.node.send(pid, { reason });
    await settle(this.node);
  }

  async #request(supervisor: SupervisorInstance, op: Request): Promise<string> {
    const argument = op.do === 'start' ? this.#spec(op.spec) : op.id;
    try {
      return this.#text(
        (await call(this.node, supervisor, `${op.do}_child`, argument, {
          timeoutMs: Infinity,
        })) as StartChildResult,
      );
    } catch (error) {
      if (error instanceof TroupeError && error.code === 'TROUPE_CALL_EXIT') return 'down';
      throw error;
    }
  }

  #text(result: StartChildResult): string {
    if (!result.ok) {
      return result.error === 'already_started'
        ? `already_started ${this.#number(result.pid)}`
        : result.error;
    }
    if (!('pid' in result)) return 'ok';
    return `ok ${result.pid === undefined ? 'undefined' : this.#number(result.pid)}`;
  }

  #spec(spec: Spec): ChildSpec {
    const { id } = spec;
    const start = (self: Process): Pid | undefined => {
      const outcome = this.#plans.get(id)?.shift() ?? 'ok';
      this.#log.push(`start ${id} ${outcome}`);
      if (outcome === 'fail') throw new Error('planned');
      if (outcome === 'ignore') return undefined;
      const pid = self.spawnWith({ trapExit: true, label: id }, (child: Process) => this.#live(child, id));
      self.link(pid);
      this.#processes.push(pid);
      this.#running.set(id, pid);
      return pid;
    };
    return { ...spec, start };
  }

  async #live(self: Process, id: string): Promise<void> {
    const message = await self.receive();
    if (message instanceof Exit) this.#log.push(`stop ${id}`);
    self.exit((message as { readonly reason: unknown }).reason);
  }

  #number(pid: Pid): number {
    return this.#processes.indexOf(pid) + 1;
  }

  async #look(answers: readonly string[]): Promise<Look> {
    const children = this.#ended === null ? await this.#supervisor?.whichChildren() : undefined;
    const look = {
      answers,
      log: this.#log,
      children: (children ?? []).map(
        ({ id, pid }) => [String(id), pid === undefined ? 'undefined' : String(this.#number(pid))] as const,
      ),
      ended: this.#ended,
    };
    this.#log = [];
    return look;
  }
}
