// What the tests of servers and supervisors share.
import { expect } from 'vitest';
import { TroupeError } from 'troupe';

/** The error that a promise rejects with, which must be one of the runtime's. */
export async function failure(promise: Promise<unknown>): Promise<TroupeError> {
  const reason: unknown = await promise.then(
    (value) => new Error(`it did not fail but answered ${String(value)}`),
    (error: unknown) => error,
  );
  if (!(reason instanceof TroupeError)) throw reason;
  return reason;
}

/** The error that a function throws, which must be one of the runtime's. */
export function thrown(run: () => unknown): TroupeError {
  try {
    run();
  } catch (error) {
    if (error instanceof TroupeError) return error;
    throw error;
  }
  throw new Error('it threw nothing');
}

/** Expects a promise to reject with an error of a code and, when given, an exit reason. */
export async function expectFailure(
  promise: Promise<unknown>,
  code: string,
  reason?: unknown,
): Promise<void> {
  const error = await failure(promise);
  expect(error.code).toBe(code);
  if (reason !== undefined) expect(error.reason).toEqual(reason);
}
