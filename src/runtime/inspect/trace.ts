// Traces a process or a channel: the messages in and out of it, as they happen, until a limit is reached.
//
// A traced process gets methods of its own in place of those of its class (`deliver`, `send` and so on), which are removed when the
// trace ends; no other process pays. What it sends is known where it goes through the process: `send`, casts, calls and the answers to
// its calls, what it answers, and what it broadcasts. What is sent with a method of the node, or by a timer, comes from nobody.
//
// Every trace ends: after a number of messages, after a time, when the process ends, when nobody takes it any more. More than a
// number in one second are counted and left out.
import { Broadcast, type Node, type Pid } from '../index.ts';
import { checkInteger } from '../errors.ts';
import { onExit, removeWatch } from '../process/monitor.ts';
import type { Process } from '../process/process.ts';
import { TRACED } from '../process/state.ts';
import type { TracedCall } from '../process/info.ts';
import { MAX_TIMER_MS, TimerEntry } from '../process/timers.ts';
import { cut } from '../terms/format.ts';
import { hear } from './hear.ts';
import { argumentText, destinationText, isRequest, type MessageText, messageText, textOf } from './text.ts';

/** Limits of a trace. */
export interface TraceOptions {
  /** After how many messages it ends. Default 1,000; at most 100,000. */
  readonly limit?: number;
  /** How many messages of one second are reported; the others are counted. Default 100; at most 10,000. */
  readonly perSecond?: number;
  /** After how many milliseconds it ends. Default 60,000; at most an hour. */
  readonly forMs?: number;
  /** How many characters of a message are shown. Default 200; at most 4,096. */
  readonly textMax?: number;
}

/** A message of a trace. */
export interface TraceEvent {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** From the traced process, or to it. */
  readonly direction: 'in' | 'out';
  readonly kind: MessageText['kind'];
  /** Pid, name or channel; undefined where the message does not say. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** The message, cut. */
  readonly text: string;
}

/** How a trace ended. */
export interface TraceEnd {
  /** `limit`: it has had its number of messages; `time`; `exited`: the process has ended; `stopped`: by its owner. */
  readonly reason: 'limit' | 'time' | 'exited' | 'stopped';
  /** How many messages were reported. */
  readonly reported: number;
  /** How many were left out, because they came too fast. */
  readonly leftOut: number;
}

/** What a trace tells. */
export interface TraceSink {
  event(event: TraceEvent): void;
  /** Once, after the last event. */
  end(end: TraceEnd): void;
}

const LIMIT_MAX = 100_000;
const PER_SECOND_MAX = 10_000;
const FOR_MAX_MS = 3_600_000;
const SHOWN_MAX = 4_096;

/** What all traces share: their limits and their end. */
export class Tracer extends TimerEntry {
  readonly #node: Node;
  readonly #sink: TraceSink;
  readonly #limit: number;
  readonly #perSecond: number;
  readonly #textMax: number;
  readonly #atEnd: Array<() => void> = [];
  #reported = 0;
  #leftOut = 0;
  #second = -Infinity;
  #inSecond = 0;
  #ended = false;

  constructor(node: Node, options: TraceOptions, sink: TraceSink) {
    super();
    const { limit = 1_000, perSecond = 100, forMs = 60_000, textMax = 200 } = options;
    this.#limit = checkInteger('limit', limit, 1, LIMIT_MAX);
    this.#perSecond = checkInteger('perSecond', perSecond, 1, PER_SECOND_MAX);
    this.#textMax = checkInteger('textMax', textMax, 1, SHOWN_MAX);
    checkInteger('forMs', forMs, 1, Math.min(FOR_MAX_MS, MAX_TIMER_MS));
    this.#node = node;
    this.#sink = sink;
    node.timers.start(this, forMs);
  }

  /** Does something when the trace ends. */
  atEnd(undo: () => void): void {
    this.#atEnd.push(undo);
  }

  /** Reports a message, unless there were too many in this second. What makes the event is called only if it is reported. */
  report(make: (textMax: number) => Omit<TraceEvent, 'at'>): void {
    if (this.#ended) return;
    const now = this.#node.clock.now();
    if (now - this.#second >= 1_000) {
      this.#second = now;
      this.#inSecond = 0;
    }
    if (this.#inSecond === this.#perSecond) {
      this.#leftOut++;
      return;
    }
    this.#inSecond++;
    this.#reported++;
    this.#sink.event({ at: this.#node.clock.wallTime(), ...make(this.#textMax) });
    if (this.#reported === this.#limit) this.end('limit');
  }

  override expired(): void {
    this.end('time');
  }

  /** Ends the trace; no effect when it has ended. */
  end(reason: TraceEnd['reason']): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#node.timers.drop(this);
    for (const undo of this.#atEnd) undo();
    this.#sink.end({ reason, reported: this.#reported, leftOut: this.#leftOut });
  }
}

/** Traces the broadcasts on a channel that reach this node or leave it. */
export function traceChannel(node: Node, channel: string, options: TraceOptions, sink: TraceSink): Tracer {
  const tracer = new Tracer(node, options, sink);
  tracer.atEnd(
    hear(node, {
      broadcast: (heard) => {
        if (heard.channel !== channel) return;
        tracer.report((max) => {
          const { message } = heard;
          const [from, text] =
            message instanceof Broadcast
              ? [message.sender.toString(), `${message.topic} ${textOf(message.payload, max)}`]
              : [undefined, textOf(message, max)];
          return { direction: 'in', kind: 'broadcast', from, to: channel, text: cut(text, max) };
        });
      },
    }),
  );
  return tracer;
}

/** Traces a live process of this node. */
export function traceProcess(node: Node, process: Process, options: TraceOptions, sink: TraceSink): Tracer {
  const tracer = new Tracer(node, options, sink);
  const traces = tracesOf.get(process) ?? new ProcessTraces(process);
  traces.add(tracer);
  tracer.atEnd(() => {
    traces.remove(tracer);
  });
  return tracer;
}

/** The traces of one process. */
const tracesOf = new WeakMap<Process, ProcessTraces>();

class ProcessTraces {
  readonly #process: Process;
  readonly #tracers = new Set<Tracer>();
  readonly #undo: Array<() => void> = [];
  readonly #self: string;

  constructor(process: Process) {
    this.#process = process;
    this.#self = process.pid.toString();
    tracesOf.set(process, this);
    this.#hideMethods();
    const watch = onExit(process, () => {
      for (const tracer of this.#tracers) tracer.end('exited');
    });
    const unhear = hear(process.node, {
      called: (caller, call) => {
        if (caller === process) this.#called(call);
      },
      broadcast: ({ message }) => {
        if (message instanceof Broadcast && message.sender.equals(process.pid)) {
          this.#out(() => messageText(message), message.channel);
        }
      },
    });
    process.flags |= TRACED;
    this.#undo.push(unhear, () => {
      removeWatch(watch);
      process.flags &= ~TRACED;
      tracesOf.delete(process);
    });
  }

  add(tracer: Tracer): void {
    this.#tracers.add(tracer);
  }

  remove(tracer: Tracer): void {
    this.#tracers.delete(tracer);
    if (this.#tracers.size === 0) for (const undo of this.#undo.splice(0)) undo();
  }

  /** Puts properties of the object before the methods of its class. Removed in reverse, they leave its shape as it was. */
  #hideMethods(): void {
    const process = this.#process;
    const { deliver, deliverSignal, send } = Object.getPrototypeOf(process) as Process;
    process.deliver = (message) => {
      this.#in(message);
      return deliver.call(process, message);
    };
    process.deliverSignal = (message) => {
      this.#in(message);
      deliverSignal.call(process, message);
    };
    process.send = (to, message) => {
      send.call(process, to, message);
      this.#out(() => messageText(message), destinationText(to));
    };
    this.#undo.push(() => {
      for (const method of ['send', 'deliverSignal', 'deliver']) Reflect.deleteProperty(process, method);
    });
  }

  #in(message: unknown): void {
    if (isRequest(message)) this.#watchReply(message, message.pid);
    this.#report(() => ({ ...messageText(message), direction: 'in', to: this.#self }));
  }

  #out(describe: () => MessageText, to: string): void {
    this.#report(() => ({ ...describe(), direction: 'out', from: this.#self, to }));
  }

  /** Reports what the process answers to a call. */
  #watchReply(request: { reply: (value: unknown) => void }, caller: Pid): void {
    const { reply } = request;
    request.reply = (value) => {
      this.#out(() => ({ kind: 'reply', from: undefined, text: textOf(value) }), caller.toString());
      reply.call(request, value);
    };
  }

  /** A call that the process makes, and its answer. */
  #called(call: TracedCall): void {
    const { to, name, argument } = call;
    const target = destinationText(to);
    this.#out(() => ({ kind: 'call', from: undefined, text: `${name}(${argumentText(argument)})` }), target);
    const answered = (value: unknown): void => {
      this.#report(() => ({
        direction: 'in',
        kind: 'reply',
        from: target,
        to: this.#self,
        text: textOf(value),
      }));
    };
    const { reply, aliasMessage } = call;
    call.reply = (value) => {
      answered(value);
      reply.call(call, value);
    };
    call.aliasMessage = (message) => {
      answered(message);
      aliasMessage.call(call, message);
    };
  }

  #report(describe: () => Omit<TraceEvent, 'at'>): void {
    for (const tracer of this.#tracers) {
      tracer.report((max) => {
        const event = describe();
        return { ...event, text: cut(event.text, max) };
      });
    }
  }
}
