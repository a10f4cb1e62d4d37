/**
 * The handshake of two nodes, as a machine for each side: messages are fed in, and the answer says what to send. The machines
 * have no sockets and no timers, and no input makes them throw. See `erl_dist_protocol`, "Distribution Handshake".
 *
 * The side that dials sends its name in the new form only, which all supported releases of OTP read, and never asks for a
 * name. On the side that was dialled, the owner of the machine decides about admission: when attempts cross, or when there is
 * a connection already. A wrong cookie gets no answer, as in OTP.
 */
import { TroupeError } from '../../../errors.ts';
import {
  expandFlags,
  FLAGS,
  isNodeName,
  missingFlags,
  readAck,
  readChallenge,
  readComplement,
  readName,
  readReply,
  readStatus,
  writeAck,
  writeChallenge,
  writeName,
  writeReply,
  writeStatus,
} from './handshake-messages.ts';
import { digest, isDigest, makeChallenge } from './credentials.ts';

/** The node on this side of a handshake. */
export interface LocalNode {
  readonly name: string;
  readonly creation: number;
  readonly flags: bigint;
  /** The cookie for a node. @throws TroupeError TROUPE_BAD_COOKIE */
  cookie(peer: string): string;
  /** Whether this node has just given out this challenge itself. */
  gaveOut(challenge: number): boolean;
}

/** The result of a handshake. */
export interface Agreed {
  readonly peer: string;
  readonly creation: number;
  /** The flags that both have set. */
  readonly flags: bigint;
}

/** Why a handshake failed; these words are stable. */
export type HandshakeReason =
  /** The cookies differ, or probably do (the other side then closes without a word); or there is none here. */
  | 'cookie'
  /** The other node lacks required flags. */
  | 'flags'
  /** The other node does not let this one in: it misses flags, or has a list of allowed nodes. */
  | 'not_allowed'
  /** The other side sent one of this node's own challenges: it has no cookie, and tries to obtain the answer. */
  | 'reflected'
  /** Both dial at the same time, and the other's attempt is the one that counts. */
  | 'nok'
  /** There is a connection already, which the dialling side keeps. */
  | 'alive'
  /** Another handshake with the same node is under way. */
  | 'busy'
  /** A node other than the one dialled answered. */
  | 'wrong_node'
  /** The other side has the name of this node. */
  | 'own_name'
  /** The other side asked for a name; nodes of Troupe give none. */
  | 'dynamic_name'
  /** The other side sent something that is not a message of the protocol, or not one expected here. */
  | 'bad_message'
  /** The other side did not answer in time. */
  | 'timeout'
  /** The other side closed the connection. */
  | 'closed';

/** Why a handshake failed, as a word and as a sentence that begins with the other node. */
export interface HandshakeFault {
  readonly reason: HandshakeReason;
  readonly detail: string;
}

/** What to do after a message: `send` in any case; only after `next` does the machine take more input. */
export type Step =
  | { readonly kind: 'next'; readonly send: readonly Buffer[] }
  | { readonly kind: 'done'; readonly send: readonly Buffer[]; readonly agreed: Agreed }
  | { readonly kind: 'fault'; readonly send: readonly Buffer[]; readonly fault: HandshakeFault };

/** One side of a handshake. */
export interface HandshakeMachine {
  /** The other node, once known. */
  readonly peer: string | undefined;
  /** What to send before anything is received. */
  start(): readonly Buffer[];
  /** Takes the body of a message, `buffer` from `start` to `end`. Never throws. */
  receive(buffer: Buffer, start: number, end: number): Step;
  /** What it means if the other side closes the connection now. */
  closed(): HandshakeFault;
  /** What it means if the other side does not answer now. */
  timedOut(): HandshakeFault;
}

function next(...send: Buffer[]): Step {
  return { kind: 'next', send };
}

function fail(reason: HandshakeReason, detail: string, ...send: Buffer[]): Step {
  return { kind: 'fault', send, fault: { reason, detail } };
}

/** The fault of the flags that the other node sent. */
function flagsFault(sent: bigint): HandshakeFault | undefined {
  const missing = missingFlags(expandFlags(sent));
  if (missing.length === 0) return undefined;
  return { reason: 'flags', detail: `lacks what this node needs: ${missing.join(', ')}` };
}

/** The flags that both nodes have set. */
function commonFlags(local: bigint, sent: bigint): bigint {
  return expandFlags(local) & expandFlags(sent);
}

/** The cookie for a node, or why there is none. */
function cookieFor(local: LocalNode, peer: string): { readonly cookie: string } | HandshakeFault {
  try {
    return { cookie: local.cookie(peer) };
  } catch (error) {
    if (!(error instanceof TroupeError)) throw error;
    return { reason: 'cookie', detail: `cannot prove its name: ${error.message}` };
  }
}

/** The machine of the side that dialled. */
export class Initiator implements HandshakeMachine {
  readonly #local: LocalNode;
  readonly #isUp: (peer: string) => boolean;
  readonly peer: string;
  #state: 'status' | 'challenge' | 'ack' | 'over' = 'status';
  #challenge = 0;
  #cookie = '';
  #agreed: Agreed | undefined;

  /** @param isUp Whether this node has a live connection to the other; asked when the other says that it has one. */
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
          detail: 'closed the connection after our answer: it probably has another cookie',
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
        return fail('bad_message', 'answered with an unknown status');
    }
  }

  #answer(buffer: Buffer, start: number, end: number): Step {
    const message = readChallenge(buffer, start, end);
    if (message === undefined) return fail('bad_message', 'did not send a challenge');
    if (message.name !== this.peer) return fail('wrong_node', 'did not answer: a node with another name did');
    const lacking = flagsFault(message.flags);
    if (lacking !== undefined) return fail(lacking.reason, lacking.detail);
    const found = cookieFor(this.#local, this.peer);
    if (!('cookie' in found)) return fail(found.reason, found.detail);
    if (this.#local.gaveOut(message.challenge)) {
      return fail('reflected', 'sent a challenge that this node itself has given out');
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

  /** @param admit Asked once, when the name of the other node is known and acceptable. */
  constructor(local: LocalNode, admit: (peer: string) => Admission) {
    this.#local = local;
    this.#admit = admit;
  }

  /** The name that the other claims; unproven until the machine is done. */
  get peer(): string | undefined {
    return this.#peer;
  }

  /** The challenge given to the other. */
  get challenge(): number | undefined {
    return this.#challenge;
  }

  /** Whether the other is let in once it has proven its name. */
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
      return fail('dynamic_name', 'asked to be given a name, and this node gives none', notAllowed);
    }
    if (!isNodeName(message.name)) return fail('bad_message', 'has an invalid name', notAllowed);
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
    if (status === 'false') return fail('alive', 'keeps its existing connection');
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
