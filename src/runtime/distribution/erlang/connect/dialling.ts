/**
 * One attempt to connect to a node, shared by all its callers: finds the node, connects and runs the handshake; if both sides dial
 * at once, it waits for the other's attempt. It makes up to three tries, and retries only after attempts have crossed.
 *
 * It ends when its owner reports that a connection is up, whichever side dialled, or when it gives up.
 */
import { type Socket, connect } from 'node:net';
import { TroupeError } from '../../../errors.ts';
import { withoutContext } from '../../../process/async.ts';
import { type Agreed, Initiator, type LocalNode } from './handshake.ts';
import { Setup, type SetupReason } from './setup.ts';
import type { SecureIdentity } from './credentials.ts';

/** The first try decides crossing attempts; the others are for when the attempt that counted has failed. */
const MAX_TRIES = 3;

/** Why a node could not be connected to; these words are stable. They are the `reason` of TROUPE_CONNECT_FAILED. */
export type ConnectReason =
  | SetupReason
  /** The name is not of the form `name@host`. */
  | 'bad_name'
  /** Where it listens is unknown: it does not run, or is registered with another epmd. */
  | 'not_registered'
  /** The maximum number of attempts is running already. */
  | 'too_many'
  /** `abort` was called, or the connector was closed. */
  | 'aborted';

/** Why a connection could not be set up. */
export interface ConnectFault {
  readonly reason: ConnectReason;
  readonly detail: string;
  readonly cause?: unknown;
}

/** What an attempt needs from its owner. */
export interface DiallingContext {
  readonly local: LocalNode;
  readonly setupTimeoutMs: number;
  readonly tls: SecureIdentity | undefined;
  resolve(node: string): Promise<{ readonly host: string; readonly port: number } | undefined>;
  isUp(peer: string): boolean;
  /** Whether a connection that claims to be the node is being set up. */
  isClaimed(peer: string): boolean;
  /** A handshake is done. The owner ends the attempt by `finish`. */
  done(setup: Setup, agreed: Agreed, send: readonly Buffer[], leftover: Buffer): void;
  /** The attempt is over without a connection. */
  gaveUp(dialling: Dialling, address: string, fault: ConnectFault): void;
}

/** An attempt to connect to a node. */
export class Dialling {
  readonly peer: string;
  /** Resolves when the node is connected. */
  readonly promise: Promise<void>;
  readonly #context: DiallingContext;
  #state: 'dialling' | 'waiting' | 'over' = 'waiting';
  /** Counts the changes of state, so that late answers are recognised. */
  #turn = 0;
  #tries = 0;
  /** Whether it has dialled again because an attempt of the other failed. */
  #hurried = false;
  #address = '';
  #setup: Setup | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** The fault when no tries are left. */
  #fault: ConnectFault = { reason: 'nok', detail: 'was dialling this node itself, and did not get through' };
  #resolve!: () => void;
  #reject!: (error: Error) => void;

  constructor(context: DiallingContext, peer: string) {
    this.#context = context;
    this.peer = peer;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether an attempt of the other node would cross this one, which is neither over nor waiting for it. */
  get crosses(): boolean {
    return this.#state === 'dialling';
  }

  /** Begins. */
  start(): void {
    this.#dial();
  }

  /**
   * An attempt of the other node, or of one that claims to be it, has failed. It is dialled again at once, but only the first time
   * and beyond `MAX_TRIES`: claims cost nothing, and must not use up the tries.
   */
  otherFailed(): void {
    if (this.#state !== 'waiting' || this.#hurried) return;
    this.#hurried = true;
    this.#tries--;
    this.#again();
  }

  /** A connection is up. */
  finish(): void {
    if (this.#state === 'over') return;
    this.#end();
    this.#resolve();
  }

  /** Gives up. */
  fail(fault: ConnectFault): void {
    if (this.#state === 'over') return;
    this.#end();
    this.#context.gaveUp(this, this.#address, fault);
    this.#reject(
      new TroupeError('TROUPE_CONNECT_FAILED', `${this.peer} ${fault.detail}.`, {
        reason: fault.reason,
        ...('cause' in fault ? { cause: fault.cause } : {}),
      }),
    );
  }

  #dial(): void {
    this.#tries++;
    this.#enter('dialling');
    const turn = this.#turn;
    this.#timer = setTimeout(() => {
      this.fail({ reason: 'timeout', detail: 'could not be looked up in time' });
    }, this.#context.setupTimeoutMs);
    this.#context.resolve(this.peer).then(
      (target) => {
        if (turn !== this.#turn) return;
        if (target === undefined) {
          this.fail({ reason: 'not_registered', detail: 'is not registered with the epmd of its host' });
        } else {
          this.#connect(target);
        }
      },
      (cause: unknown) => {
        if (turn === this.#turn) {
          this.fail({ reason: 'unreachable', detail: `could not be looked up${whyOf(cause)}`, cause });
        }
      },
    );
  }

  #connect(target: { readonly host: string; readonly port: number }): void {
    clearTimeout(this.#timer);
    this.#address = `${target.host}:${target.port}`;
    const { local, tls, setupTimeoutMs } = this.#context;
    let socket: Socket;
    try {
      // The connection outlives its first caller, and must not run in that caller's async context.
      socket = withoutContext(() =>
        tls === undefined
          ? connect({ host: target.host, port: target.port, noDelay: true, keepAlive: true })
          : tls.connect(target, this.peer.slice(this.peer.indexOf('@') + 1)),
      );
    } catch (cause) {
      // The resolver gave an invalid host or port.
      this.fail({ reason: 'unreachable', detail: `cannot be at ${this.#address}`, cause });
      return;
    }
    const setup = new Setup({
      socket,
      machine: new Initiator(local, this.peer, (peer) => this.#context.isUp(peer)),
      secure: tls !== undefined,
      connected: false,
      timeoutMs: setupTimeoutMs,
      owner: {
        done: (done, agreed, send, leftover) => {
          this.#setup = undefined;
          this.#context.done(done, agreed, send, leftover);
        },
        failed: (_setup, fault) => {
          this.#setup = undefined;
          if (fault.reason === 'alive') this.finish();
          else if (fault.reason === 'nok' || this.#context.isClaimed(this.peer)) this.#wait();
          else this.fail(fault);
        },
      },
    });
    this.#setup = setup;
  }

  #wait(): void {
    this.#enter('waiting');
    this.#timer = setTimeout(() => this.#again(), this.#context.setupTimeoutMs);
  }

  #again(): void {
    if (this.#context.isUp(this.peer)) this.finish();
    else if (this.#tries < MAX_TRIES) this.#dial();
    else this.fail(this.#fault);
  }

  #enter(state: 'dialling' | 'waiting' | 'over'): void {
    clearTimeout(this.#timer);
    this.#state = state;
    this.#turn++;
  }

  #end(): void {
    this.#enter('over');
    this.#setup?.cancel();
    this.#setup = undefined;
  }
}

/** What the resolver said, or why it could not be asked. */
function whyOf(cause: unknown): string {
  const why = cause instanceof TroupeError ? cause.cause : cause;
  return why instanceof Error ? `: ${why.message.replace(/\.$/, '')}` : '';
}
