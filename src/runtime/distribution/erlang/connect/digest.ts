/**
 * What nodes prove with, when they connect, that they have the same cookie: each sends a random number, the other answers
 * with the MD5 of cookie and number. See `erl_dist_protocol`, "The Protocol in More Detail". MD5 is the protocol's choice.
 */
import { createHash, randomInt, timingSafeEqual } from 'node:crypto';

/** How many bytes a digest has. */
export const DIGEST_BYTES = 16;

/** A number for the other side to answer, which nobody can guess: 0 to 2^32-1. */
export function makeChallenge(): number {
  return randomInt(2 ** 32);
}

/** The answer to a challenge. */
export function digest(cookie: string, challenge: number): Buffer {
  return createHash('md5').update(cookie, 'latin1').update(String(challenge)).digest();
}

/** Whether an answer is the right one; takes as long for a wrong one. */
export function isDigest(answer: Buffer, cookie: string, challenge: number): boolean {
  return answer.length === DIGEST_BYTES && timingSafeEqual(answer, digest(cookie, challenge));
}
