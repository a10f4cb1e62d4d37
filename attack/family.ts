// One side of the program that is attacked: the service by its clients, a node by other nodes.

/** How an attack is played. */
export interface AttackOptions {
  /** Less of it: what a test has time for. */
  readonly short: boolean;
  /** The folder whose `dist/` is attacked. */
  readonly checkout: string;
  /** How long the event loop may stand; `Infinity` where other programs have the processor, too. */
  readonly stopMs: number;
  /** How much memory the attacked program may take. */
  readonly memoryBytes: number;
  /** Leaves out the Erlang node that is to notice nothing of an attack on a node. */
  readonly noErlang: boolean;
  /** How other nodes connect. */
  readonly transports: readonly ('TCP' | 'TLS')[];
}

export interface Family {
  readonly name: string;
  /** The kinds of attacks by name, with what they do. */
  readonly kinds: ReadonlyMap<string, string>;
  /**
   * Plays kinds one after the other.
   * @param print is given a row for each when it is over, with what went wrong below it
   * @returns how many broke something
   */
  play(kinds: readonly string[], options: AttackOptions, print: (line: string) => void): Promise<number>;
}
