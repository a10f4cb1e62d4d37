/**
 * The side of a handshake that dialled. See `handshake.ts`, and `erl_dist_protocol`, "Distribution Handshake".
 *
 * It sends its name in the new form only, which all supported releases of OTP read, and never asks for one.
 */
import { digest, isDigest, makeChallenge } from './digest.ts';
import {
  commonFlags,
  cookieFor,
  fail,
  flagsFault,
  type Agreed,
  type HandshakeFault,
  type HandshakeMachine,
  type LocalNode,
  next,
  type Step,
} from './handshake.ts';
import {
  readAck,
  readChallenge,
  readStatus,
  writeName,
  writeReply,
  writeStatus,
} from './handshake-messages.ts';

/** The machine of the side that dialled. */
export class Initiator implements HandshakeMachine {
  readonly #local: LocalNode;
  readonly #isUp: (peer: string) => boolean;
  readonly peer: string;
  #state: 'status' | 'challenge' | 'ack' | 'over' = 'status';
  #challenge = 0;
  #cookie = '';
  #agreed: Agreed | undefined;

  /** @param isUp Whether this node has a connection to the other that lives; asked when the other says that it has one. */
  constructor(local: LocalNode, peer: string, isUp: (peer: string) => boolean) {
    this.#local = local;
    this.peer = peer;
    this.#isUp = isUp;
  }

  start(): readonly Buffer[] {
    return [writeName(this.#local.flags, this.#local.creation, this.#local.name)];
  }

  receive(buffer: Buffer, start: number, end: number): Step {
    const step = this.#step(buffer, start, end);
    if (step.kind !== 'next') this.#state = 'over';
    return step;
  }

  closed(): HandshakeFault {
    return this.#state === 'ack'
      ? {
          reason: 'cookie',
          detail: 'closed the connection when it had our answer: its cookie is probably another',
        }
      : { reason: 'closed', detail: `closed the connection before it sent its ${this.#state}` };
  }

  timedOut(): HandshakeFault {
    return { reason: 'timeout', detail: `did not send its ${this.#state} in time` };
  }

  #step(buffer: Buffer, start: number, end: number): Step {
    switch (this.#state) {
      case 'status':
        return this.#status(readStatus(buffer, start, end));
      case 'challenge':
        return this.#answer(buffer, start, end);
      case 'ack':
        return this.#finish(readAck(buffer, start, end));
      case 'over':
        return fail('bad_message', 'sent a message after the last one');
    }
  }

  #status(status: string | undefined): Step {
    switch (status) {
      case 'ok':
      case 'ok_simultaneous':
        this.#state = 'challenge';
        return next();
      case 'alive':
        if (this.#isUp(this.peer)) {
          return fail('alive', 'has a connection to this node already', writeStatus('false'));
        }
        this.#state = 'challenge';
        return next(writeStatus('true'));
      case 'nok':
        return fail('nok', 'is dialling this node itself');
      case 'not_allowed':
        return fail('not_allowed', 'does not let this node in; its log says why');
      case undefined:
        return fail('bad_message', 'did not answer with a status');
      default:
        return fail('bad_message', 'answered with a status that is not known');
    }
  }

  #answer(buffer: Buffer, start: number, end: number): Step {
    const message = readChallenge(buffer, start, end);
    if (message === undefined) return fail('bad_message', 'did not send a challenge');
    if (message.name !== this.peer)
      return fail('wrong_node', 'is not who answered: that node has another name');
    const lacking = flagsFault(message.flags);
    if (lacking !== undefined) return fail(lacking.reason, lacking.detail);
    const found = cookieFor(this.#local, this.peer);
    if (!('cookie' in found)) return fail(found.reason, found.detail);
    if (this.#local.gaveOut(message.challenge)) {
      return fail('reflected', 'asks this node for the answer to a challenge that this node has given out');
    }
    this.#cookie = found.cookie;
    this.#challenge = makeChallenge();
    this.#agreed = {
      peer: this.peer,
      creation: message.creation,
      flags: commonFlags(this.#local.flags, message.flags),
    };
    this.#state = 'ack';
    return next(writeReply(this.#challenge, digest(found.cookie, message.challenge)));
  }

  #finish(answer: Buffer | undefined): Step {
    if (answer === undefined || this.#agreed === undefined) return fail('bad_message', 'did not send an ack');
    if (!isDigest(answer, this.#cookie, this.#challenge)) return fail('cookie', 'has another cookie');
    return { kind: 'done', send: [], agreed: this.#agreed };
  }
}
