/**
 * All live processes of a node, by id and by registered name.
 *
 * The ids have a table of a power of two slots; the process with id `i` stands in slot `i` modulo the size. Ids count upwards and an
 * id whose slot is taken is skipped, so that a look-up is one comparison, nothing is ever rehashed, and growing moves
 * each process to a free slot (ids that differ modulo n differ modulo 2n). Ids wrap at 2^28, and then the serial of
 * new pids goes up: a pid is never used twice within a creation.
 *
 * Invariant: at most three quarters of the slots are taken, so a free one is near.
 */
import { TroupeError, badArgument } from '../errors.ts';
import type { Process } from './process.ts';

const FIRST_SIZE = 1024;
const ID_LIMIT = 1 << 28;

/** The live processes of a node. */
export class ProcessTable {
  /** The most processes that may be alive. */
  readonly max: number;
  readonly #idLimit: number;
  #slots: (Process | null)[] = new Array<Process | null>(FIRST_SIZE).fill(null);
  #mask = FIRST_SIZE - 1;
  #last = -1;
  /** The serial that belongs to the id that `nextId` gave last. */
  serial = 0;
  /** Number of live processes. */
  size = 0;

  /**
   * @param max the most processes that may be alive; see `erl +P`.
   * @param idLimit ids are below it; a power of two, at least 2,048.
   */
  constructor(max: number, idLimit = ID_LIMIT) {
    this.max = max;
    this.#idLimit = idLimit;
  }

  /** The id for a new process, whose slot is free; `add` must follow. */
  nextId(): number {
    if (this.size >= this.max) {
      throw new TroupeError('TROUPE_SYSTEM_LIMIT', `The node has ${this.size} processes, its limit.`);
    }
    if (this.size >= (this.#slots.length >> 2) * 3) this.#grow();
    let id = this.#after(this.#last);
    while (this.#slots[id & this.#mask] !== null) id = this.#after(id);
    this.#last = id;
    return id;
  }

  /** Adds a process under its id. */
  add(process: Process): void {
    this.#slots[process.pid.id & this.#mask] = process;
    this.size++;
  }

  /** Removes a process that is in the table. */
  delete(process: Process): void {
    this.#slots[process.pid.id & this.#mask] = null;
    this.size--;
  }

  /** The live process with an id and serial, or null. */
  find(id: number, serial: number): Process | null {
    const process = this.#slots[id & this.#mask] ?? null;
    return process !== null && process.pid.id === id && process.pid.serial === serial ? process : null;
  }

  /** All live processes, in the order of their slots. */
  all(): Process[] {
    return this.#slots.filter((process) => process !== null);
  }

  /** Calls a function for each live process, in the order of their slots. */
  forEach(look: (process: Process) => void): void {
    for (const process of this.#slots) if (process !== null) look(process);
  }

  #after(id: number): number {
    if (id + 1 < this.#idLimit) return id + 1;
    this.serial++;
    return 0;
  }

  #grow(): void {
    const old = this.#slots;
    const size = old.length * 2;
    this.#slots = new Array<Process | null>(size).fill(null);
    this.#mask = size - 1;
    for (const process of old) {
      if (process !== null) this.#slots[process.pid.id & this.#mask] = process;
    }
  }
}

/**
 * The registered names of a node. A name belongs to one live process and a process has at most one name; the name is free
 * again when the process ends. See `erlang:register/2`.
 */
export class Registry {
  readonly #byName = new Map<string, Process>();

  /**
   * Gives a live process a name.
   * @throws TroupeError TROUPE_NAME_TAKEN when another has the name or the process has one; TROUPE_BAD_ARGUMENT for a bad name.
   */
  register(name: string, process: Process): void {
    if (typeof name !== 'string' || name === '' || name === 'undefined') {
      throw badArgument(`A name is a non-empty string other than 'undefined', not '${name}'.`);
    }
    const owner = this.#byName.get(name);
    if (owner !== undefined) {
      throw new TroupeError('TROUPE_NAME_TAKEN', `The name '${name}' belongs to ${owner.pid.toString()}.`);
    }
    const own = process.extra?.name;
    if (own !== undefined) {
      throw new TroupeError(
        'TROUPE_NAME_TAKEN',
        `Process ${process.pid.toString()} is registered as '${own}' already.`,
      );
    }
    process.ensureExtra().name = name;
    this.#byName.set(name, process);
  }

  /**
   * Frees a name.
   * @throws TroupeError TROUPE_NOT_REGISTERED when no process has it.
   */
  unregister(name: string): void {
    const owner = this.#byName.get(name);
    if (owner === undefined)
      throw new TroupeError('TROUPE_NOT_REGISTERED', `No process is registered as '${name}'.`);
    owner.ensureExtra().name = undefined;
    this.#byName.delete(name);
  }

  /** Frees the name of a process that ends. */
  forget(name: string): void {
    this.#byName.delete(name);
  }

  /** The process that has a name, or null. */
  find(name: string): Process | null {
    return this.#byName.get(name) ?? null;
  }

  /** All names in use. */
  names(): string[] {
    return [...this.#byName.keys()];
  }
}
