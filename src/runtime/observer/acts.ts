// What a page does to processes: exit signals, messages, suspending. Refused here unless the observer was registered with `allow`, and
// by the other node unless its `inspectServer` allows it. Each attempt is told to the program's log, with what came of it.
import type { Inspector } from '../inspect/index.ts';
import type { Pid } from '../index.ts';
import { telemetry } from '../telemetry.ts';
import { problemOf } from './looking.ts';
import type { Act, ToPage } from './protocol.ts';

const acted = telemetry('troupe:observer:act');

/** How many acts of a page may be under way. */
const ACTS_MAX = 8;

/** Who acts, as the event says it. */
export interface Actor {
  /** The process of the page. */
  readonly pid: Pid;
  /** The address that the page is shown at. */
  readonly address: string;
}

/** What has come of an act; a message to the process of the page. */
export class ActDone {
  /** @internal */ readonly answer: ToPage;

  constructor(answer: ToPage) {
    this.answer = answer;
  }
}

/** The acts of one page. */
export class Acts {
  readonly #actor: Actor;
  readonly #allow: boolean;
  readonly #inspectorOf: (node: string) => Inspector;
  readonly #post: (done: ActDone) => void;
  #running = 0;

  constructor(
    actor: Actor,
    allow: boolean,
    inspectorOf: (node: string) => Inspector,
    post: (done: ActDone) => void,
  ) {
    this.#actor = actor;
    this.#allow = allow;
    this.#inspectorOf = inspectorOf;
    this.#post = post;
  }

  /** Carries out an act; what comes of it is posted. */
  start(id: number, node: string, act: Act): void {
    void this.#carryOut(node, act).then((problem) => {
      acted.publish({ node, ...this.#actor, act: act.kind, target: act.target, what: whatOf(act), problem });
      this.#post(new ActDone({ type: 'answer', id, ...(problem !== undefined && { problem }) }));
    });
  }

  /** @returns why it was not done */
  async #carryOut(node: string, act: Act): Promise<string | undefined> {
    if (!this.#allow) return 'Only looking is allowed here.';
    if (this.#running === ACTS_MAX) return 'Too much is under way; wait for an answer.';
    this.#running++;
    try {
      await perform(this.#inspectorOf(node), act);
      return undefined;
    } catch (error) {
      return problemOf(error);
    } finally {
      this.#running--;
    }
  }
}

async function perform(inspector: Inspector, act: Act): Promise<void> {
  switch (act.kind) {
    case 'exit':
      await inspector.exit(act.target, act.reason);
      break;
    case 'suspend':
      await inspector.suspend(act.target);
      break;
    case 'resume':
      await inspector.resume(act.target);
      break;
    case 'send':
      await inspector.send(act.target, messageOf(act.message));
      break;
  }
}

function messageOf(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new Error(`The message is not JSON: ${(error as Error).message}.`, { cause: error });
  }
}

/** What was sent, or the reason of an exit signal. */
function whatOf(act: Act): string | undefined {
  if (act.kind === 'send') return act.message;
  return act.kind === 'exit' ? act.reason : undefined;
}
