/**
 * What a probe has received and a test has not taken, the receives that wait for more, and how messages look in errors.
 *
 * Unlike a process, a test may wait in several receives at once: each message goes to the first of them, in the order
 * in which they began, that wants it. Invariant: no message that waits here matches a receive that waits here.
 */
import type { Matcher } from '../process/receive.ts';
import { type Wait, type WaitOptions, startWait } from './wait.ts';
import { inspect } from 'node:util';
import { Call, Cast, RemoteCall } from '../otp/gen.ts';

interface Waiting {
  readonly match: Matcher<unknown> | undefined;
  readonly wait: Wait<unknown>;
}

/** @internal The messages of a probe. */
export class ProbeInbox {
  readonly #owner: string;
  readonly #messages: unknown[] = [];
  readonly #waiting = new Set<Waiting>();
  #taken = 0;
  #closed: Error | undefined = undefined;

  /** @param owner the name of the probe in errors. */
  constructor(owner: string) {
    this.#owner = owner;
  }

  /** The messages that no receive has taken, the oldest first. */
  get messages(): unknown[] {
    return [...this.#messages];
  }

  /** A message came. */
  add(message: unknown): void {
    for (const waiting of this.#waiting) {
      if (!wants(waiting, message)) continue;
      this.#taken++;
      waiting.wait.resolve(message);
      return;
    }
    this.#messages.push(message);
  }

  /** Forgets what waits. */
  clear(): void {
    this.#taken += this.#messages.length;
    this.#messages.length = 0;
  }

  /** No more messages will come: every waiting receive gets the error. */
  close(error: Error): void {
    this.#closed = error;
    for (const { wait } of this.#waiting) wait.reject(error);
  }

  /** Takes the first message that matches, or waits for it. */
  take(
    match: Matcher<unknown> | undefined,
    what: string,
    options: WaitOptions | undefined,
  ): Promise<unknown> {
    let waiting: Waiting | undefined = undefined;
    const wait = startWait<unknown>(
      options,
      () => `${this.#owner} had not received ${what}; received and not taken: ${this.describe()}`,
      () => {
        if (waiting !== undefined) this.#waiting.delete(waiting);
      },
    );
    waiting = { match, wait };
    try {
      const index = this.#messages.findIndex((message) => match === undefined || match(message));
      if (index !== -1) {
        this.#taken++;
        wait.resolve(this.#messages.splice(index, 1)[0]);
      } else if (this.#closed !== undefined) {
        wait.reject(this.#closed);
      } else {
        this.#waiting.add(waiting);
      }
    } catch (thrown) {
      wait.reject(thrown);
    }
    return wait.promise;
  }

  /** What came, for an error. */
  describe(): string {
    const taken = this.#taken === 0 ? '' : `\n  (${this.#taken} had been taken before)`;
    return `${showMessages(this.#messages)}${taken}`;
  }
}

/** A matcher that throws fails its own receive and leaves the message to others. */
function wants({ match, wait }: Waiting, message: unknown): boolean {
  if (match === undefined) return true;
  try {
    return match(message);
  } catch (thrown) {
    wait.reject(thrown);
    return false;
  }
}

// ---- messages as text, for errors: one line each, cut where they get long ----

/** How many messages an error lists; of the others it says how many there are. */
const LISTED_MAX = 20;
const LINE_MAX = 200;

/** One message. */
function showMessage(message: unknown): string {
  const text = messageText(message);
  return text.length > LINE_MAX ? `${text.slice(0, LINE_MAX)}…` : text;
}

/** @internal Several messages, the oldest first, below each other. */
export function showMessages(messages: readonly unknown[]): string {
  if (messages.length === 0) return 'nothing';
  const lines = messages.slice(0, LISTED_MAX).map((message) => `\n  - ${showMessage(message)}`);
  if (messages.length > LISTED_MAX) lines.push(`\n  and ${messages.length - LISTED_MAX} more`);
  return lines.join('');
}

function messageText(message: unknown): string {
  if (message instanceof Call || message instanceof RemoteCall) {
    return `call '${message.name}' from ${message.pid.toString()}: ${inspectLine(message.argument)}`;
  }
  if (message instanceof Cast) return `cast '${message.name}': ${inspectLine(message.argument)}`;
  return inspectLine(message);
}

function inspectLine(value: unknown): string {
  return inspect(value, { depth: 3, breakLength: Infinity, maxArrayLength: 20, maxStringLength: LINE_MAX });
}
