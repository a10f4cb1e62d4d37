// Bounds the requests of one kind, such as searches: a limited number runs at a time, some more wait, and further ones are answered
// 503. So a flood of them leaves the database, and the memory for answers, to all others.
//
// A waiting request holds nothing, and leaves the line when its client goes away; a running one runs to its end.
import type { ServerResponse } from 'node:http';
import { Gate, GateFullError } from '../database/gate.ts';
import { HttpError } from './errors.ts';

/** What bounds a lane. */
export interface LaneLimits {
  /** Requests that run at a time. */
  readonly insideMax: number;
  /** Further ones that may wait. */
  readonly waitingMax: number;
  /** How long one may wait, in milliseconds. */
  readonly waitMs: number;
}

/** A line of requests for a limited resource. */
export class Lane {
  readonly #gate: Gate;
  readonly #waitMs: number;

  constructor({ waitMs, ...limits }: LaneLimits) {
    this.#gate = new Gate(limits);
    this.#waitMs = waitMs;
  }

  /**
   * Does the work of a request in its turn.
   * @throws HttpError 503 when there is no room, or no turn in time; what `work` throws
   */
  async run<T>(response: ServerResponse, work: () => Promise<T>): Promise<T> {
    const leave = await this.#enter(response);
    try {
      return await work();
    } finally {
      leave();
    }
  }

  async #enter(response: ServerResponse): Promise<() => void> {
    const limit = new AbortController();
    const giveUp = (): void => limit.abort(busy());
    const timer = setTimeout(giveUp, this.#waitMs);
    response.once('close', giveUp);
    try {
      return await this.#gate.enter(limit.signal);
    } catch (error) {
      throw error instanceof GateFullError ? busy() : error;
    } finally {
      clearTimeout(timer);
      response.off('close', giveUp);
    }
  }
}

function busy(): HttpError {
  return new HttpError(503, 'the service is busy, try again soon', 1);
}
