/**
 * Shares the turns of the event loop among connections that have more to read than fits into a slice: in order, some slices in
 * each turn, so that a turn is no longer the more of them there are.
 */

/** How long connections work in one turn, besides what is small. */
const TURN_MS = 20;
/** How many connections may wait until what comes on another waits, too. */
const CROWD = 4;

/** Works for one slice when it is its turn. */
export interface TakesTurns {
  turn(): void;
}

/** The connections that wait for a turn, of all nodes of the program. */
class Turns {
  #waiting: TakesTurns[] = [];
  #asked = false;

  /** Whether so many wait that others have to, too. */
  get crowded(): boolean {
    return this.#waiting.length >= CROWD;
  }

  /** Calls back in a later turn of the event loop. One that waits must not ask again. */
  ask(one: TakesTurns): void {
    this.#waiting.push(one);
    if (this.#asked) return;
    this.#asked = true;
    setImmediate(this.#run);
  }

  readonly #run = (): void => {
    this.#asked = false;
    const due = this.#waiting;
    this.#waiting = [];
    const end = performance.now() + TURN_MS;
    let done = 0;
    do due[done++]?.turn();
    while (done < due.length && performance.now() < end);
    if (done >= due.length) return;
    // Those that have had their turn stand behind those that have not.
    this.#waiting = [...due.slice(done), ...this.#waiting];
    if (this.#asked) return;
    this.#asked = true;
    setImmediate(this.#run);
  };
}

/** The turns of the program's event loop. */
export const turns = new Turns();
