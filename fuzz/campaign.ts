// Points the fuzzer at its targets, one after the other: makes inputs from a seed, feeds them, and stops at the first that is a
// finding. Limits: the time one input may take, the memory that all of them may leave, the time of the whole.
import { Dice } from './dice.ts';
import type { Target } from './target.ts';

/** Inputs after which a target is given time for what they have set going. A batch begins with the target as new. */
const BATCH = 100;
/** What one input may take, measured again when it took longer: the machine may have been busy. */
const LIMIT_MS = 250;
const MEASURED_AGAIN = 3;
/** What may be left in memory after the first tenth of the inputs, in bytes. */
const MEMORY_BYTES = 32 * 1024 * 1024;

export interface CampaignOptions {
  readonly targets: readonly Target[];
  /** In all, shared out among the targets. */
  readonly inputs: number;
  readonly seed: number;
  /** The number of the first input of each target. */
  readonly from?: number;
  /** Ends, without a finding, when so much time is over. */
  readonly limitMs?: number;
}

/** What was done with one target. */
export interface Outcome {
  readonly target: string;
  readonly inputs: number;
  readonly ms: number;
  /** Growth of memory after the first tenth; undefined when garbage cannot be collected on demand. */
  readonly grownBytes: number | undefined;
}

/** An input, or a batch of them, after which something is not as it has to be. */
export class Finding extends Error {
  readonly target: string;
  readonly seed: number;
  /** The number of the input; of the last in its batch, when it is not known which of them it was. */
  readonly index: number;
  readonly input: Buffer;

  constructor(target: string, seed: number, index: number, input: Buffer, cause: unknown) {
    super(
      `${target}, input ${index} of seed ${seed}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
    this.target = target;
    this.seed = seed;
    this.index = index;
    this.input = input;
  }

  /** The first input from which it comes again. */
  get from(): number {
    return this.index - (this.index % BATCH);
  }
}

/** Feeds the targets. @throws Finding */
export async function campaign(
  options: CampaignOptions,
  done: (outcome: Outcome) => void,
): Promise<Outcome[]> {
  const shares = options.targets.reduce((sum, { share }) => sum + share, 0);
  const endAt = performance.now() + (options.limitMs ?? Infinity);
  const outcomes: Outcome[] = [];
  for (const target of options.targets) {
    const inputs = Math.ceil((options.inputs * target.share) / shares);
    const outcome = await new Run(target, options.seed, options.from ?? 0, inputs, endAt).outcome();
    outcomes.push(outcome);
    done(outcome);
  }
  return outcomes;
}

/** One target's part. */
class Run {
  readonly #target: Target;
  readonly #seed: number;
  readonly #first: number;
  readonly #end: number;
  readonly #endAt: number;
  #index: number;
  #input: Buffer = Buffer.alloc(0);

  constructor(target: Target, seed: number, first: number, inputs: number, endAt: number) {
    this.#target = target;
    this.#seed = seed;
    this.#first = first;
    this.#index = first;
    this.#end = first + inputs;
    this.#endAt = endAt;
  }

  async outcome(): Promise<Outcome> {
    const startedAt = performance.now();
    const warm = this.#first + Math.ceil((this.#end - this.#first) / 10);
    let memory: number | undefined;
    await this.#target.open?.();
    while (this.#index < this.#end && performance.now() < this.#endAt) {
      const batchEnd = Math.min(this.#end, this.#index + BATCH - (this.#index % BATCH));
      while (this.#index < batchEnd) this.#one();
      await this.#checked(async () => await this.#target.settle?.());
      await turn();
      if (memory === undefined && this.#index >= warm) memory = await memoryInUse();
    }
    const grownBytes = await this.#grown(memory);
    await this.#checked(async () => await this.#target.close?.());
    return {
      target: this.#target.name,
      inputs: this.#index - this.#first,
      ms: performance.now() - startedAt,
      grownBytes,
    };
  }

  #one(): void {
    const choices = () => new Dice(this.#seed, this.#index);
    const dice = choices();
    this.#input = this.#target.make(dice);
    try {
      let ms = this.#fed(dice);
      for (let again = 0; ms > LIMIT_MS && again < MEASURED_AGAIN; again++)
        ms = Math.min(ms, this.#fed(dice));
      if (ms > LIMIT_MS) throw new Error(`it took ${Math.round(ms)} ms`);
    } catch (error) {
      throw this.#finding(error);
    }
    this.#index++;
  }

  #fed(dice: Dice): number {
    const startedAt = performance.now();
    this.#target.feed(this.#input, dice);
    return performance.now() - startedAt;
  }

  async #checked(step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      this.#index--;
      throw this.#finding(error);
    }
  }

  async #grown(before: number | undefined): Promise<number | undefined> {
    const after = await memoryInUse();
    if (before === undefined || after === undefined) return undefined;
    if (after - before > MEMORY_BYTES) {
      this.#index--;
      throw this.#finding(new Error(`${after - before} bytes of memory are kept`));
    }
    return after - before;
  }

  #finding(cause: unknown): Finding {
    return new Finding(this.#target.name, this.#seed, this.#index, this.#input, cause);
  }
}

/** What is used when all garbage is collected, what finalizers free included; undefined without --expose-gc. */
async function memoryInUse(): Promise<number | undefined> {
  if (globalThis.gc === undefined) return undefined;
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await turn();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
