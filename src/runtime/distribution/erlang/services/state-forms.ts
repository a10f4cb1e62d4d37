/**
 * The form in which `sys` of a BEAM node sends and expects the state of a process: `{ok, State}` since stdlib 5.1, which came with
 * OTP 26.1, and the bare state before. A request does not show which, and the wrong one crashes the caller, so the node is asked for
 * the version of its stdlib when it is first needed, once per connection.
 *
 * Limits: a node that does not answer within a second, or does not have the function, is taken for a new one. `WAITING_MAX` system
 * messages of a node wait for its answer; further ones are delivered at once.
 */
import { TroupeError } from '../../../errors.ts';
import type { SystemCall } from '../../../otp/gen.ts';
import { atom } from '../../../terms/atom.ts';
import { text, Tuple } from '../../../terms/values.ts';
import type { SpawnClient } from './erpc.ts';

const ANSWER_MS = 1_000;
const WAITING_MAX = 1_000;

/** What is known about one connection. */
interface Known {
  readonly isBare: Promise<boolean>;
  /** Undefined until the node has answered. */
  answer: boolean | undefined;
  waiting: number;
}

/** The forms of the nodes that are connected. */
export class StateForms {
  readonly #client: SpawnClient;
  readonly #known = new Map<string, Known>();

  constructor(client: SpawnClient) {
    this.#client = client;
  }

  /** Whether a node's `sys` sends a bare state. */
  isBare(peer: string): Promise<boolean> {
    return this.#of(peer).isBare;
  }

  /** Delivers a system message of a node, once the form of the answer is known. */
  arrived(peer: string, message: SystemCall, deliver: () => void): void {
    const command: unknown = Array.isArray(message.argument) ? message.argument[0] : message.argument;
    if (command !== 'get_state' && command !== 'replace_state') return deliver();
    const known = this.#of(peer);
    if (known.answer !== undefined || known.waiting >= WAITING_MAX) {
      message.bareState = known.answer ?? false;
      return deliver();
    }
    known.waiting++;
    void known.isBare.then((isBare) => {
      message.bareState = isBare;
      // Over a later connection it would arrive after what was sent over this one has ended.
      if (this.#known.get(peer) === known) deliver();
    });
  }

  peerDown(peer: string): void {
    this.#known.delete(peer);
  }

  #of(peer: string): Known {
    const before = this.#known.get(peer);
    if (before !== undefined) return before;
    const known: Known = { isBare: this.#ask(peer), answer: undefined, waiting: 0 };
    this.#known.set(peer, known);
    void known.isBare.then((isBare) => {
      known.answer = isBare;
    });
    return known;
  }

  async #ask(peer: string): Promise<boolean> {
    const wanted = { module: 'application', name: 'get_key' };
    try {
      const args = [atom('stdlib'), atom('vsn')];
      return isBefore51(await this.#client.call(peer, wanted, args, { timeoutMs: ANSWER_MS }));
    } catch (error) {
      if (!(error instanceof TroupeError)) throw error;
      return false;
    }
  }
}

/** Whether `{ok, "4.2"}` is a version before 5.1. */
function isBefore51(answer: unknown): boolean {
  const version = answer instanceof Tuple ? text(answer.elements[1]) : undefined;
  const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
  return version !== undefined && (major < 5 || (major === 5 && minor < 1));
}
