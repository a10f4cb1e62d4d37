/**
 * Errors of what somebody waits for. They are made in another turn, by a timer or by the end of a process, where the stack says
 * nothing of who waits.
 *
 * V8 adds to a stack the functions that wait for the promise which the running microtask settles. So the stack is taken in a
 * microtask of its own, whose promise the one that is waited for follows; it costs only what fails.
 */

const NOW = Promise.resolve();

/**
 * @internal A promise that rejects with an error whose stack leads to who waits for it. To be given to the `resolve` of the
 * promise that is waited for.
 */
export async function rejection(error: unknown): Promise<never> {
  // One microtask more than an await takes: until then the other promise has come to follow this one.
  await NOW.then(() => undefined);
  if (error instanceof Error) Error.captureStackTrace(error);
  throw error;
}
