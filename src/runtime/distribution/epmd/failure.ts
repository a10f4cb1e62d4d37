/** What can go wrong with an epmd, as the parts of this folder tell each other. Users see a TroupeError made of it. */

/**
 * - `refused`: nobody listens there
 * - `unreachable`: it cannot be connected to for another reason
 * - `timeout`: it did not answer in time
 * - `ended`: it closed the connection, or broke it off, before it had answered
 * - `bad_answer`: what answered is no epmd
 * - `taken`: somebody else has registered the name
 * - `port_taken`: another program has the port, so that there can be no epmd in this process
 * - `closed`: the asker was closed
 */
export type EpmdFailureKind =
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'ended'
  | 'bad_answer'
  | 'taken'
  | 'port_taken'
  | 'closed';

/** Why something could not be done with an epmd. The message is a sentence that names the epmd. */
export class EpmdFailure extends Error {
  override readonly name = 'EpmdFailure';
  readonly kind: EpmdFailureKind;

  /** @param what a sentence */
  constructor(kind: EpmdFailureKind, what: string, cause?: unknown) {
    super(what, cause === undefined ? undefined : { cause });
    this.kind = kind;
  }
}

/** The code of a system error, such as ECONNREFUSED; a text of the error when it has none. */
export function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message;
}
