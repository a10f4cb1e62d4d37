/**
 * The side of a handshake that was dialled. See `handshake.ts`, and `erl_dist_protocol`, "Distribution Handshake".
 *
 * Who may come in, when attempts cross or a connection is there already, is decided by who made the machine. A wrong cookie
 * gets no answer, as in OTP.
 */
import { digest, isDigest, makeChallenge } from './digest.ts';
import { FLAGS } from './flags.ts';
import {
  commonFlags,
  cookieFor,
  fail,
  flagsFault,
  type HandshakeFault,
  type HandshakeMachine,
  type LocalNode,
  next,
  type Step,
} from './handshake.ts';
import {
  isNodeName,
  readComplement,
  readName,
  readReply,
  readStatus,
  writeAck,
  writeChallenge,
  writeStatus,
} from './handshake-messages.ts';

/**
 * What to answer a node that wants in: `ok`; `ok_simultaneous`, this node gives up its own attempt; `nok`, it goes on with
 * that; `alive`, there is a connection; `busy`, nothing, and close.
 */
export type Admission = 'ok' | 'ok_simultaneous' | 'nok' | 'alive' | 'busy';

/** The machine of the side that was dialled. */
export class Acceptor implements HandshakeMachine {
  readonly #local: LocalNode;
  readonly #admit: (peer: string) => Admission;
  #state: 'name' | 'decision' | 'complement' | 'answer' | 'over' = 'name';
  #peer: string | undefined;
  #flags = 0n;
  #creation = 0;
  #old = false;
  #challenge: number | undefined = undefined;
  #admitted = false;
  #cookie = '';

  /** @param admit Asked once, when the name of the other node is known and nothing is wrong with it. */
  constructor(local: LocalNode, admit: (peer: string) => Admission) {
    this.#local = local;
    this.#admit = admit;
  }

  /** Who the other says to be; it has not proved that before the machine is done. */
  get peer(): string | undefined {
    return this.#peer;
  }

  /** What the other has been given to answer. */
  get challenge(): number | undefined {
    return this.#challenge;
  }

  /** Whether it may come in once it has proven who it is. */
  get admitted(): boolean {
    return this.#admitted;
  }

  start(): readonly Buffer[] {
    return [];
  }

  receive(buffer: Buffer, start: number, end: number): Step {
    const step = this.#step(buffer, start, end);
    if (step.kind !== 'next') this.#state = 'over';
    return step;
  }

  closed(): HandshakeFault {
    return { reason: 'closed', detail: `closed the connection before it sent its ${this.#state}` };
  }

  timedOut(): HandshakeFault {
    return { reason: 'timeout', detail: `did not send its ${this.#state} in time` };
  }

  #step(buffer: Buffer, start: number, end: number): Step {
    switch (this.#state) {
      case 'name':
        return this.#name(buffer, start, end);
      case 'decision':
        return this.#decision(readStatus(buffer, start, end));
      case 'complement':
        return this.#complement(buffer, start, end);
      case 'answer':
        return this.#finish(buffer, start, end);
      case 'over':
        return fail('bad_message', 'sent a message after the last one');
    }
  }

  #name(buffer: Buffer, start: number, end: number): Step {
    const message = readName(buffer, start, end);
    if (message === undefined) return fail('bad_message', 'did not begin with its name');
    const notAllowed = writeStatus('not_allowed');
    if ((message.flags & FLAGS.NAME_ME) !== 0n) {
      return fail('dynamic_name', 'asked for a name, and this node gives none', notAllowed);
    }
    if (!isNodeName(message.name)) return fail('bad_message', 'has a name that is none', notAllowed);
    this.#peer = message.name;
    if (message.name === this.#local.name) return fail('own_name', 'has the name of this node', notAllowed);
    const lacking = flagsFault(message.flags);
    if (lacking !== undefined) return fail(lacking.reason, lacking.detail, notAllowed);
    const found = cookieFor(this.#local, message.name);
    if (!('cookie' in found)) return fail(found.reason, found.detail, notAllowed);
    this.#cookie = found.cookie;
    this.#flags = message.flags;
    this.#creation = message.creation;
    this.#old = message.old;
    return this.#answerName(this.#admit(message.name));
  }

  #answerName(admission: Admission): Step {
    switch (admission) {
      case 'ok':
      case 'ok_simultaneous':
        return next(writeStatus(admission), this.#ask());
      case 'alive':
        this.#state = 'decision';
        return next(writeStatus('alive'));
      case 'nok':
        return fail('nok', 'is being dialled by this node', writeStatus('nok'));
      case 'busy':
        return fail('busy', 'is being let in on another connection');
    }
  }

  #decision(status: string | undefined): Step {
    if (status === 'true') return next(this.#ask());
    if (status === 'false') return fail('alive', 'keeps the connection that there is');
    return fail('bad_message', 'did not say whether to go on');
  }

  #ask(): Buffer {
    const challenge = makeChallenge();
    this.#challenge = challenge;
    this.#admitted = true;
    this.#state = this.#old ? 'complement' : 'answer';
    const { flags, creation, name } = this.#local;
    return writeChallenge({ flags, challenge, creation, name });
  }

  #complement(buffer: Buffer, start: number, end: number): Step {
    const message = readComplement(buffer, start, end);
    if (message === undefined) return fail('bad_message', 'did not complete its name');
    this.#flags |= message.flags;
    this.#creation = message.creation;
    this.#state = 'answer';
    return next();
  }

  #finish(buffer: Buffer, start: number, end: number): Step {
    const message = readReply(buffer, start, end);
    if (message === undefined || this.#peer === undefined || this.#challenge === undefined) {
      return fail('bad_message', 'did not answer the challenge');
    }
    if (!isDigest(message.answer, this.#cookie, this.#challenge)) return fail('cookie', 'has another cookie');
    return {
      kind: 'done',
      send: [writeAck(digest(this.#cookie, message.challenge))],
      agreed: {
        peer: this.#peer,
        creation: this.#creation,
        flags: commonFlags(this.#local.flags, this.#flags),
      },
    };
  }
}
