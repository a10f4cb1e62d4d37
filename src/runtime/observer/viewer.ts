// The process of a page that is open: it looks into the node for the page, and does what the page asks for.
//
// - Nothing runs while the page looks at nothing. Else a tick comes four times a second: what has changed is sent, and what is due is
//   asked; a look is answered at once, four times a second. While bytes wait on the connection a tick does nothing, so for
//   a page that does not read no more than a few frames wait.
// - What one view says is in `views.ts`, when it is asked and told in `looking.ts`.
// - All ends with this process: it ends with the connection, and with the session in which it was opened.
import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import {
  close,
  defineWebSocketHandler,
  type IncomingFrame,
  type OutgoingFrame,
  text,
  UNHANDLED,
  type WebSocketFrame,
  type WebSocketReply,
} from '../fastify/index.ts';
import { type Inspector, inspectNode, inspectRemote } from '../inspect/index.ts';
import { type Node, type Process, type TimerRef, TroupeError } from '../index.ts';
import type { Access } from './access.ts';
import { ActDone, Acts } from './acts.ts';
import { NotUnderstood, readFromPage } from './from-page.ts';
import { Answer, Looking } from './looking.ts';
import { PageTraces } from './page-traces.ts';
import type { FromPage, ToPage } from './protocol.ts';
import type { Session } from './sessions.ts';
import { TICK_MS } from './views.ts';

/** How long a page that looks hears nothing at most, in milliseconds. */
const SILENCE_MS = 5_000;

/** What all pages of one observer share. */
export interface Observed {
  readonly node: Node;
  readonly access: Access;
  /** Whether pages may do something to processes. */
  readonly allow: boolean;
  readonly pagesMax: number;
  /** The pages that are open. */
  readonly pages: Set<Viewer>;
}

/** Messages of a page's process to itself. */
class Tick {
  readonly kind = 'tick';
}
const SESSION_ENDED: unique symbol = Symbol('session ended');
/** The answer to all that a page says when its session has ended. */
const SESSION_OVER = close(1008, 'the session has ended');

/** One page; see the head of this file. */
export class Viewer {
  readonly #self: Process;
  readonly #observed: Observed;
  readonly #socket: Socket;
  readonly #looking: Looking;
  readonly #traces = new PageTraces();
  readonly #acts: Acts;
  readonly #session: Session | undefined;
  #timer: TimerRef | undefined;
  #tick: Tick | undefined;
  #answeredLookAt = -Infinity;
  #sentAt = -Infinity;

  constructor(self: Process, request: FastifyRequest, observed: Observed) {
    this.#self = self;
    this.#observed = observed;
    this.#socket = request.raw.socket;
    const post = (message: unknown): void => {
      if (self.alive) self.node.send(self.pid, message);
    };
    this.#looking = new Looking(observed.node, this.#inspectorOf, post);
    const actor = { pid: self.pid, address: request.ip };
    this.#acts = new Acts(actor, observed.allow, this.#inspectorOf, post);
    this.#session = observed.access.sessionOf(request);
    const forget = this.#session?.whenEnded(() => {
      post(SESSION_ENDED);
    });
    self.signal.addEventListener('abort', () => {
      forget?.();
      observed.pages.delete(this);
      this.#traces.stopAll();
    });
  }

  /** What the page gets first. */
  opened(): WebSocketReply {
    const { pages, pagesMax, node, allow } = this.#observed;
    if (pages.size >= pagesMax) return close(1013, 'too many pages look into this node');
    pages.add(this);
    return frame({ type: 'hello', node: node.name, allow });
  }

  /** The page has sent something. */
  handle(received: IncomingFrame): WebSocketReply {
    if (received.type === 'ping' || received.type === 'pong') return undefined;
    try {
      if (received.type === 'binary') throw new NotUnderstood('a message is text');
      return this.#carryOut(readFromPage(received.data));
    } catch (error) {
      if (!(error instanceof NotUnderstood)) throw error;
      return close(1008, `not understood: ${error.message}`.slice(0, 120));
    }
  }

  /** A message of this process to itself. */
  info(message: unknown): WebSocketReply | typeof UNHANDLED {
    if (message instanceof Tick) return message === this.#tick ? this.#ticked() : undefined;
    if (message instanceof Answer) return this.#answered(message);
    if (message instanceof ActDone) return frame(message.answer);
    if (message === SESSION_ENDED) return SESSION_OVER;
    return UNHANDLED;
  }

  readonly #inspectorOf = (name: string): Inspector => {
    const { node, allow } = this.#observed;
    if (name === node.name) return inspectNode(node, { readOnly: !allow });
    // A page must not make this node connect with others.
    if (!node.nodes().includes(name))
      throw new TroupeError('TROUPE_CALL_NODEDOWN', `${name} is not connected.`);
    return inspectRemote(node, name);
  };

  #carryOut(message: FromPage): WebSocketReply {
    const { node } = this.#observed;
    if (this.#session?.use(node.clock.now()) === false) return SESSION_OVER;
    switch (message.type) {
      case 'look': {
        const now = node.clock.now();
        if (this.#looking.isIdle) this.#sentAt = now; // its silence begins
        this.#looking.look(message.id, message.views);
        if (now - this.#answeredLookAt < TICK_MS) return this.#awaitTick();
        this.#answeredLookAt = now;
        return this.#ticked();
      }
      case 'trace': {
        const end = this.#traces.start(message.id, message.target, () =>
          this.#inspectorOf(this.#looking.node),
        );
        this.#awaitTick();
        return end && frame(end);
      }
      case 'untrace':
        this.#traces.stop(message.id);
        return undefined;
      default:
        this.#acts.start(message.id, message.node ?? node.name, message.act);
        return undefined;
    }
  }

  /** Sends what there is, and asks what is due. */
  #ticked(): WebSocketReply {
    this.#timer?.cancel();
    this.#tick = undefined;
    if (!this.#looking.isIdle || !this.#traces.isIdle) this.#awaitTick();
    const now = this.#observed.node.clock.now();
    if (this.#session?.use(now) === false) return SESSION_OVER;
    if (this.#isBusy) return undefined;
    const frames = [...this.#news(), ...this.#traces.take().map(frame)];
    this.#looking.askDue(now);
    if (!this.#looking.isAsking) frames.push(...this.#news());
    return frames;
  }

  #answered(answer: Answer): WebSocketReply {
    this.#looking.answered(answer, this.#observed.node.clock.now());
    return this.#looking.isAsking || this.#isBusy ? undefined : this.#news();
  }

  #news(): WebSocketFrame[] {
    const now = this.#observed.node.clock.now();
    const frames = this.#looking.take(now - this.#sentAt >= SILENCE_MS && !this.#looking.isIdle);
    if (frames.length > 0) this.#sentAt = now;
    return frames.map(frame);
  }

  #awaitTick(): undefined {
    if (this.#tick !== undefined) return;
    this.#tick = new Tick();
    this.#timer = this.#self.sendAfter(TICK_MS, this.#self.pid, this.#tick);
  }

  /** True while the page has not taken what was sent to it before. */
  get #isBusy(): boolean {
    return this.#socket.writableLength > 0;
  }
}

/** The WebSocket of a page. */
export const viewerHandler = defineWebSocketHandler({
  name: 'observer page',
  limits: {
    slowClient: 'close',
    sendHighWaterBytes: 1_048_576,
    sendLimitBytes: 8_388_608,
    messagesPerSecond: 60,
    mailboxHighWater: 64,
  },
  init: (self, request, observed: Observed) => new Viewer(self, request, observed),
  opened: (viewer) => viewer.opened(),
  handle: (viewer, received) => viewer.handle(received),
  info: (viewer, message) => viewer.info(message),
});

function frame(message: ToPage): OutgoingFrame {
  return text(JSON.stringify(message));
}
