/**
 * How a workload is measured: a few times, each after a garbage collection, and the best counts: what the machine can do
 * when nothing else disturbs. OTP's side does the same (`otp/troupe_bench.erl`). `main.mjs` does so five times in turns with the other side.
 */

/** How often two sides are measured in turns. */
export const PAIRS = 5;

const ROUNDS = 5;

/**
 * The best of five, in seconds.
 * @param {() => void | Promise<void>} work
 */
export async function bestSeconds(work) {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc?.();
    const start = performance.now();
    await work();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
}

/** A promise and the function that resolves it. */
export function signal() {
  /** @type {() => void} */
  let fire = () => undefined;
  /** @type {Promise<void>} */
  const fired = new Promise((resolve) => {
    fire = () => resolve(undefined);
  });
  return { fire, fired };
}
