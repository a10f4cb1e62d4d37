/**
 * Writes signals as frames: length, header, control message, payload. See `erl_dist_protocol`, "Protocol between Connected
 * Nodes".
 *
 * It chooses the form that both nodes understand, by the flags of the connection. The atom cache is written only for a message
 * that goes to several processes (`atom-cache.ts`). A frame stands in the writer when it is whole, or not at all.
 *
 * Invariants, since a BEAM node closes the connection otherwise: what a signal comes from is a pid of this node, which the
 * router sees to, and the end of a link is reported only to a pid of the incarnation that is connected.
 */
import * as control from './control.ts';
import { TroupeError, badArgument } from '../../../errors.ts';
import type { Pid, Ref } from '../../../terms/identifiers.ts';
import type { Tuple } from '../../../terms/values.ts';
import type { Signal } from '../../../process/carrier.ts';
import type { TermWriter } from '../../etf/writer.ts';
import { FLAGS, hasNames } from '../connect/handshake-messages.ts';
import type { SentLists } from './multicast.ts';
import { SentAtoms } from './atom-cache.ts';

/** A signal that has one message for one receiver, or none. */
export type SingleSignal = Exclude<Signal, { readonly op: 'sendMany' }>;

/** What nodes of Troupe that know this say in their hello. */
const HELLO_VERSION = 1;

/** Writes the frames of one connection. */
export class ControlWriter {
  readonly writer: TermWriter;
  readonly #peer: string;
  readonly #creation: number;
  readonly #maxFrameBytes: number;
  /** Whether frames have the header of the distribution; if not, each term has its version byte. */
  readonly #headers: boolean;
  readonly #sendSender: boolean;
  readonly #exitPayload: boolean;
  readonly #aliases: boolean;
  readonly #altact: boolean;
  readonly #monitors: boolean;
  readonly #namedMonitors: boolean;
  /** Whether the peer acknowledges unlinks. */
  readonly unlinkIds: boolean;
  /** Whether the peer takes messages in fragments. */
  readonly fragments: boolean;
  /** The atoms sent to the peer by number; undefined when it does not take them so. */
  readonly atoms: SentAtoms | undefined;
  /** Where in the writer the control message and the payload of the frame written last begin; 0 without a payload. */
  controlStart = 0;
  payloadStart = 0;

  constructor(
    writer: TermWriter,
    {
      peer,
      creation,
      flags,
      maxFrameBytes,
    }: {
      readonly peer: string;
      readonly creation: number;
      readonly flags: bigint;
      readonly maxFrameBytes: number;
    },
  ) {
    this.writer = writer;
    this.#peer = peer;
    this.#creation = creation;
    this.#maxFrameBytes = maxFrameBytes;
    this.atoms = (flags & FLAGS.DIST_HDR_ATOM_CACHE) === 0n ? undefined : new SentAtoms();
    this.#headers = (flags & (FLAGS.DIST_HDR_ATOM_CACHE | FLAGS.FRAGMENTS)) !== 0n;
    this.#sendSender = (flags & FLAGS.SEND_SENDER) !== 0n;
    this.#exitPayload = (flags & FLAGS.EXIT_PAYLOAD) !== 0n;
    this.#aliases = (flags & FLAGS.ALIAS) !== 0n;
    this.#altact = (flags & FLAGS.ALTACT_SIG) !== 0n;
    this.#monitors = (flags & FLAGS.DIST_MONITOR) !== 0n;
    this.#namedMonitors = this.#monitors && hasNames({ flags });
    this.unlinkIds = (flags & FLAGS.UNLINK_ID) !== 0n;
    this.fragments = (flags & FLAGS.FRAGMENTS) !== 0n;
  }

  /**
   * Writes a signal.
   * @param payload what it carries, when that was written before (`writePayload`).
   * @returns false when there is nothing to send: the peer knows no such signal, or the pid is of a node that is gone.
   * @throws TroupeError TROUPE_NOT_ENCODABLE; then nothing was written.
   */
  signal(signal: SingleSignal, payload?: Uint8Array): boolean {
    if (!this.#sendable(signal)) return false;
    const { writer } = this;
    const start = writer.length;
    let done = false;
    try {
      this.#begin();
      this.#control(signal);
      if (control.hasPayload(signal)) this.#payload(signal, payload);
      this.#end(start, payload === undefined ? this.#maxFrameBytes : Infinity);
      done = true;
    } finally {
      if (!done) writer.length = start;
    }
    return true;
  }

  /**
   * Numbers the atoms that stand before the payload of a message to several receivers.
   * @param to one of the receivers
   */
  numberAtoms(from: Pid, to: Pid): void {
    const { writer } = this;
    const start = writer.length;
    try {
      this.#sendTo(from, to, true);
    } finally {
      writer.length = start;
    }
  }

  /**
   * Writes a message to one of several receivers.
   * @param payload written before; with numbers for its atoms when `numbered`.
   */
  message(from: Pid, to: Pid, payload: Uint8Array, numbered: boolean): void {
    const { writer } = this;
    const start = writer.length;
    this.#begin(numbered);
    this.#sendTo(from, to, numbered);
    this.#beginPayload();
    writer.bytes(payload);
    this.#end(start, Infinity);
  }

  /**
   * Writes a message for several receivers, for a peer that is a node of Troupe.
   * @param keeps as for `SentLists.write`
   * @returns as `SentLists.write`
   * @throws TroupeError TROUPE_NOT_ENCODABLE; then nothing was written.
   */
  many(from: Pid, to: readonly Pid[], message: unknown, lists: SentLists, keeps: boolean): number {
    const { writer } = this;
    const start = writer.length;
    let done = false;
    try {
      this.#begin();
      this.#regSend(from, control.TROUPE_NAME);
      this.#beginPayload();
      const id = lists.write(writer, to, message, keeps);
      this.#end(start);
      done = true;
      return id;
    } finally {
      if (!done) writer.length = start;
    }
  }

  /** Writes that this is a node of Troupe. */
  hello(from: Pid): void {
    const { writer } = this;
    const start = writer.length;
    this.#begin();
    this.#regSend(from, control.TROUPE_NAME);
    this.#beginPayload();
    writer.tupleHeader(2);
    writer.atomName('hello');
    writer.int(HELLO_VERSION);
    this.#end(start);
  }

  /**
   * What stands before the payload of a message that goes out in fragments: the header from the number of its atoms on, and
   * the control message.
   */
  fragmentStart(from: Pid, to: Pid, numbered: boolean): Buffer {
    const { writer } = this;
    const start = writer.length;
    this.#atomsOf(numbered);
    this.#sendTo(from, to, numbered);
    const bytes = Buffer.from(writer.buffer.subarray(start, writer.length));
    writer.length = start;
    return bytes;
  }

  /**
   * Writes any control message.
   * @throws TroupeError TROUPE_NOT_ENCODABLE; then nothing was written.
   */
  raw(message: Tuple, payload: readonly [] | readonly [unknown]): void {
    const { writer } = this;
    const start = writer.length;
    let done = false;
    try {
      this.#begin();
      writer.term(message);
      if (payload.length === 1) {
        this.#beginPayload();
        writer.term(payload[0]);
      }
      this.#end(start);
      done = true;
    } finally {
      if (!done) writer.length = start;
    }
  }

  #sendable(signal: SingleSignal): boolean {
    switch (signal.op) {
      case 'exitLink':
        return signal.to.creation === this.#creation && signal.to.node === this.#peer;
      case 'sendAlias':
        return this.#aliases || this.#altact;
      case 'monitor':
      case 'demonitor':
        return typeof signal.target === 'string' ? this.#namedMonitors : this.#monitors;
      case 'unlinkAck':
        // What came as the old UNLINK has no id.
        return this.unlinkIds && signal.id !== 0;
      default:
        return true;
    }
  }

  /** @param numbered whether the atoms have numbers, which the header says. */
  #begin(numbered = false): void {
    const { writer } = this;
    writer.ensure(8);
    const { buffer, length } = writer;
    if (this.#headers) {
      buffer[length + 4] = control.VERSION;
      buffer[length + 5] = control.DIST_HEADER;
      writer.length = length + 6;
      this.#atomsOf(numbered);
    } else {
      buffer[length + 4] = control.PASS_THROUGH;
      buffer[length + 5] = control.VERSION;
      writer.length = length + 6;
    }
    this.controlStart = writer.length;
    this.payloadStart = 0;
  }

  /** The rest of the header: how many atoms it has, and which. */
  #atomsOf(numbered: boolean): void {
    if (numbered) (this.atoms as SentAtoms).writeHeader(this.writer);
    else this.writer.u8(0);
  }

  #beginPayload(): void {
    if (!this.#headers) this.writer.u8(control.VERSION);
    this.payloadStart = this.writer.length;
  }

  /** @param max how long the frame may be; one whose payload was written before is not refused any more. */
  #end(start: number, max = this.#maxFrameBytes): void {
    const bytes = this.writer.length - start - 4;
    if (bytes > max) {
      throw new TroupeError(
        'TROUPE_NOT_ENCODABLE',
        `The message has ${bytes} bytes, more than may wait to be sent.`,
      );
    }
    this.writer.patch32(start, bytes);
  }

  #payload(signal: SingleSignal, payload: Uint8Array | undefined): void {
    if (!this.#exitPayload && control.hasReason(signal)) {
      // The reason is the last element of the control message.
      if (payload === undefined) control.writePayload(this.writer, signal);
      else this.writer.bytes(payload);
      return;
    }
    this.#beginPayload();
    if (payload === undefined) control.writePayload(this.writer, signal);
    else this.writer.bytes(payload);
  }

  #send(from: Pid, to: Pid): void {
    const { writer } = this;
    writer.tupleHeader(3);
    if (this.#sendSender) {
      writer.int(control.SEND_SENDER);
      writer.pid(from);
    } else {
      writer.int(control.SEND);
      writer.atomName('');
    }
    writer.pid(to);
  }

  #sendTo(from: Pid, to: Pid, numbered: boolean): void {
    if (numbered) this.writer.numbers = this.atoms as SentAtoms;
    try {
      this.#send(from, to);
    } finally {
      this.writer.numbers = null;
    }
  }

  #regSend(from: Pid, name: string): void {
    const { writer } = this;
    writer.tupleHeader(4);
    writer.int(control.REG_SEND);
    writer.pid(from);
    writer.atomName('');
    writer.atomName(name);
  }

  #control(signal: SingleSignal): void {
    const { writer } = this;
    switch (signal.op) {
      case 'send':
        return this.#send(signal.from, signal.to);
      case 'sendNamed':
        return this.#regSend(signal.from, signal.to);
      case 'sendAlias':
        return this.#aliasSend(signal.from, signal.to);
      case 'link':
        return this.#pair(control.LINK, signal.from, signal.to);
      case 'unlink':
        if (!this.unlinkIds) return this.#pair(control.UNLINK, signal.from, signal.to);
        return this.#unlink(control.UNLINK_ID, signal.id, signal.from, signal.to);
      case 'unlinkAck':
        return this.#unlink(control.UNLINK_ID_ACK, signal.id, signal.from, signal.to);
      case 'exitLink':
        return this.#exit(control.PAYLOAD_EXIT, control.EXIT, signal.from, signal.to);
      case 'exit':
        return this.#exit(control.PAYLOAD_EXIT2, control.EXIT2, signal.from, signal.to);
      case 'monitor':
        return this.#monitor(control.MONITOR_P, signal.from, signal.target, signal.ref);
      case 'demonitor':
        return this.#monitor(control.DEMONITOR_P, signal.from, signal.target, signal.ref);
      case 'groupLeader':
        return this.#pair(control.GROUP_LEADER, signal.leader, signal.to);
      case 'down':
        writer.tupleHeader(this.#exitPayload ? 4 : 5);
        writer.int(this.#exitPayload ? control.PAYLOAD_MONITOR_P_EXIT : control.MONITOR_P_EXIT);
        this.#target(signal.target);
        writer.pid(signal.to);
        writer.ref(signal.ref);
        return;
      default:
        throw badArgument(`Unknown signal ${JSON.stringify((signal as Signal).op)}.`);
    }
  }

  #aliasSend(from: Pid, to: Ref): void {
    const { writer } = this;
    writer.tupleHeader(this.#aliases ? 3 : 4);
    if (this.#aliases) {
      writer.int(control.ALIAS_SEND);
    } else {
      writer.int(control.ALTACT_SIG_SEND);
      writer.int(control.ALTACT_ALIAS);
    }
    writer.pid(from);
    writer.ref(to);
  }

  #pair(op: number, first: Pid, second: Pid): void {
    const { writer } = this;
    writer.tupleHeader(3);
    writer.int(op);
    writer.pid(first);
    writer.pid(second);
  }

  #unlink(op: number, id: number | bigint, from: Pid, to: Pid): void {
    const { writer } = this;
    writer.tupleHeader(4);
    writer.int(op);
    // The number that came, whichever of the two kinds it is here.
    if (typeof id === 'number') writer.int(id);
    else writer.term(id);
    writer.pid(from);
    writer.pid(to);
  }

  #exit(op: number, old: number, from: Pid, to: Pid): void {
    const { writer } = this;
    writer.tupleHeader(this.#exitPayload ? 3 : 4);
    writer.int(this.#exitPayload ? op : old);
    writer.pid(from);
    writer.pid(to);
  }

  #monitor(op: number, from: Pid, target: Pid | string, ref: Ref): void {
    const { writer } = this;
    writer.tupleHeader(4);
    writer.int(op);
    writer.pid(from);
    this.#target(target);
    writer.ref(ref);
  }

  #target(target: Pid | string): void {
    if (typeof target === 'string') this.writer.atomName(target);
    else this.writer.pid(target);
  }
}
