// Requests of one kind that cost the database much, such as searches: a bounded number is worked on at a time, some more wait,
// and what is beyond is answered 503. So a flood of them leaves the database, and what answers may hold in memory, to all others.
//
// Who waits holds nothing. A request whose client is gone leaves the line; once it is worked on, it is to its end.
import type { ServerResponse } from 'node:http';
import { Gate, GateFullError } from '../database/gate.ts';
import { HttpError } from './errors.ts';

/** What bounds a lane. */
export interface LaneLimits {
  /** Requests that are worked on at a time. */
  readonly insideMax: number;
  /** Further ones that may wait. */
  readonly waitingMax: number;
  /** How long one may wait, in milliseconds. */
  readonly waitMs: number;
}

/** A line of requests before what they need. */
export class Lane {
  readonly #gate: Gate;
  readonly #waitMs: number;

  constructor({ waitMs, ...limits }: LaneLimits) {
    this.#gate = new Gate(limits);
    this.#waitMs = waitMs;
  }

  /**
   * Does the work of a request when it has its turn.
   * @throws HttpError 503 where there is no room, or no turn in time; what `work` throws
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
