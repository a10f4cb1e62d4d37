// A mistake of who types, or something that is not there: its message is one sentence that says everything, and is shown
// without a stack.

/** An expected failure of a helper. */
export class Fault extends Error {
  override readonly name = 'Fault';
}
