// What the tests of this folder share: an epmd of their own, and nodes of Erlang and Troupe that end with the test or the file.
import {
  type NodeOptions,
  onTelemetry,
  type Pid,
  type TelemetryEvents,
  type TelemetryName,
  type Tuple,
} from 'troupe';
import { createProbe, type Probe } from 'troupe/testing';
import { expect, onTestFinished, vi } from 'vitest';
import { type Epmd, type ErlNode, type ErlOptions, freePort, startEpmd, startErl } from '../support/erl.ts';
import {
  startTroupe,
  startTroupeProgram,
  type Troupe,
  type TroupeOptions,
  type TroupeProgram,
} from '../support/troupe-node.ts';

/** The host of all nodes that do not have a network of their own. */
const HOST = '127.0.0.1';

/** Nodes that know the same epmd. */
export class Lab {
  readonly epmdPort: number;
  readonly #ends: Array<() => Promise<unknown>> = [];

  constructor(epmdPort: number) {
    this.epmdPort = epmdPort;
  }

  /** Ends when the test does; one that runs beside others gives its own `finished`. */
  forTest(finished: (end: () => Promise<void>) => void = onTestFinished): Lab {
    const lab = new Lab(this.epmdPort);
    finished(() => lab.close());
    return lab;
  }

  async epmd(): Promise<Epmd> {
    return this.#keep(await startEpmd(this.epmdPort), (epmd) => epmd.stop());
  }

  /** Starts an Erlang node, `name@127.0.0.1`. */
  async erl(name: string, options: Omit<ErlOptions, 'name' | 'epmdPort'> = {}): Promise<ErlNode> {
    const node = await startErl({ ...options, name: full(name), epmdPort: this.epmdPort });
    return this.#keep(node, () => node.stop());
  }

  /** Starts a node in this process. */
  async troupe(
    name: string,
    options: Omit<TroupeOptions, 'name'> = {},
    more: NodeOptions = {},
  ): Promise<Troupe> {
    const troupe = await startTroupe({ epmdPort: this.epmdPort, ...options, name: full(name) }, more);
    return this.#keep(troupe, () => troupe.node.stop());
  }

  /** Starts a node in a process of its own. */
  async program(name: string, options: Omit<TroupeOptions, 'name'> = {}): Promise<TroupeProgram> {
    const program = await startTroupeProgram({ epmdPort: this.epmdPort, ...options, name: full(name) });
    return this.#keep(program, () => program.kill());
  }

  async close(): Promise<void> {
    await Promise.all(this.#ends.splice(0).map((end) => end()));
  }

  #keep<T>(started: T, end: (started: T) => Promise<unknown>): T {
    this.#ends.push(() => end(started));
    return started;
  }
}

/** A lab with its epmd. Close it in `afterAll`. */
export async function openLab(): Promise<Lab> {
  const lab = new Lab(await freePort());
  await lab.epmd();
  return lab;
}

function full(name: string): string {
  return name.includes('@') ? name : `${name}@${HOST}`;
}

/** Asks again and again, of a program that tells nothing by itself, until what is expected is so. */
export function eventually<T>(look: () => T | Promise<T>, timeoutMs = 20_000): Promise<T> {
  return vi.waitFor(look, { interval: 25, timeout: timeoutMs });
}

/** Waits until expressions on an Erlang node have a value. */
export async function evaluates(node: ErlNode, expressions: string, value: string | RegExp): Promise<void> {
  await eventually(async () => {
    const found = await node.eval(expressions);
    if (typeof value === 'string') expect(found).toBe(value);
    else expect(found).toMatch(value);
  });
}

/** Connects two nodes. */
export async function connected(troupe: Troupe, erl: ErlNode): Promise<void> {
  if (!(await troupe.node.connect(erl.name))) throw new Error(`${troupe.name} cannot connect to ${erl.name}`);
}

/** What is published under a name from now on until the test ends. */
export function telemetry<Name extends TelemetryName>(name: Name): Array<TelemetryEvents[Name]> {
  const told: Array<TelemetryEvents[Name]> = [];
  onTestFinished(onTelemetry(name, (event) => told.push(event)));
  return told;
}

/** A probe that is told when nodes come and go. */
export function nodeWatcher({ node }: Troupe): Probe {
  const probe = createProbe(node);
  node.monitorNodes(probe.pid, true);
  return probe;
}

/** Takes the first message that matches; longer than a probe waits by itself, as there are other programs to wait for. */
export function next<T>(probe: Probe, match: (message: unknown) => message is T): Promise<T>;
export function next(probe: Probe, match?: (message: unknown) => boolean): Promise<unknown>;
export function next(probe: Probe, match: (message: unknown) => boolean = () => true): Promise<unknown> {
  return probe.receive(match as (message: unknown) => message is unknown, { withinMs: 20_000 });
}

/**
 * Starts an agent there, a process that keeps what it gets.
 * @returns its pid here; the probe, which is registered as `probe`, receives it
 */
export async function startAgent(
  erl: ErlNode,
  troupe: Troupe,
  probe: Probe,
  name: string,
  trapExit = false,
): Promise<{ name: string; pid: Pid }> {
  await erl.eval(`agent:start(${name}),
    agent:run(${name}, fun() -> process_flag(trap_exit, ${trapExit}) end),
    {probe, '${troupe.name}'} ! {whereis(${name})}, ok`);
  const [pid] = ((await next(probe)) as Tuple<[Pid]>).elements;
  return { name, pid };
}
