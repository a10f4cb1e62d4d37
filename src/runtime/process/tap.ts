/**
 * What a node reports to an inspector, and where: the calls that traced processes make, and what is broadcast.
 *
 * A node has no tap while nobody looks. Each place then costs one comparison: once for a call whose caller is a process, and for a
 * broadcast. What can be seen without such a place is not here: `inspect/` hides methods of the one object that it looks at, the
 * scheduler or a traced process, so that a message between two others costs nothing.
 */
import type { Destination } from './destination.ts';
import type { Process } from './process.ts';

/** @internal A call that a process makes, as far as a trace looks at it. */
export interface TracedCall {
  readonly to: Destination;
  readonly name: string;
  readonly argument: unknown;
  reply(value: unknown): void;
  aliasMessage(message: unknown): void;
}

/** @internal Hears of calls and broadcasts. */
export interface Tap {
  /** A process with the flag `TRACED` makes a call. */
  called(caller: Process, call: TracedCall): void;
  /**
   * A message of a channel is delivered on this node, and sent to members on others.
   * @param local how many members of this node get it
   * @param remote how many members of other nodes get it
   */
  broadcast(channel: string, message: unknown, local: number, remote: number): void;
}
