/**
 * Exit reasons on their way to another node.
 *
 * A reason may hold Errors, which no carrier can send. A plain object that describes the Error is sent instead, as OTP sends
 * `{Reason, Stacktrace}` and not the terms on the stack.
 */

/** The folders before a file name in a stack, which other nodes have no business knowing. */
const FOLDERS = /(^\s*at |async |\()(?:file:\/\/)?(?:[A-Za-z]:)?[\\/](?:[^()\n]*[\\/])?/gm;

/** What stands for an Error in an exit reason that came from another node. */
export interface DescribedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  /** The code of the error, where it has one. */
  readonly code?: string;
}

/** The plain description of an Error. */
export function describeError(error: Error): DescribedError {
  const { name, message, stack, code }: { [Key in keyof DescribedError]: unknown } = error;
  return {
    name: String(name),
    message: String(message),
    ...(typeof stack === 'string' ? { stack: stack.replaceAll(FOLDERS, '$1') } : {}),
    ...(typeof code === 'string' ? { code } : {}),
  };
}
