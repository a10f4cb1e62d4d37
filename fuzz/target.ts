// What the fuzzer is pointed at: makes inputs, feeds them, and throws when what comes of one is not as it has to be.
import type { Dice } from './dice.ts';

export interface Target {
  readonly name: string;
  /** Its part of all inputs, compared with the others. */
  readonly share: number;
  /** Before the first input. */
  open?(): Promise<void>;
  make(dice: Dice): Buffer;
  /** Feeds an input; the choices are for how, not for what. @throws Error, a finding. */
  feed(input: Buffer, dice: Dice): void;
  /** Between batches of inputs, for what they have set going. @throws Error, a finding of one of the batch. */
  settle?(): Promise<void>;
  /** After the last input. */
  close?(): Promise<void>;
}
