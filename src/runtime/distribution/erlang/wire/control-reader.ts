/**
 * Reads control messages with their payloads: signals for the node, requests for the services, and what Troupe nodes tell only
 * each other. See `erl_dist_protocol`, "Protocol between Connected Nodes".
 *
 * Both families of messages are read, with a reason in the control message or as payload, and those with a trace token, which
 * is left out. What is not a control message throws an EtfError, and costs the peer its connection; a control message that
 * concerns nothing here is left out. Whose name a signal may be sent in is the router's business.
 *
 * What they carry is read by `arrivals.ts`, which keeps the order of those that cannot be read at once.
 */
import { Arrivals, type Carried, type Carrying, type ControlSink } from './arrivals.ts';
import * as control from './control.ts';
import { Origin, Pid, Ref } from '../../../terms/identifiers.ts';
import type { CarrierHost, Signal } from '../../../process/carrier.ts';
import type { TermReader } from '../../etf/reader.ts';
import { Messages } from '../../messages.ts';
import { EtfError, NEWER_REFERENCE, NEW_PID, PID, SMALL_TUPLE } from '../../etf/tags.ts';
import { ReceivedLists } from './multicast.ts';

const MAX_UNLINK_ID = 2n ** 64n;

/** Reads the messages of one peer. */
export class ControlReader {
  readonly #reader: TermReader;
  readonly #host: CarrierHost;
  readonly #sink: ControlSink;
  /** Whether each term has a version byte. */
  readonly #versions: boolean;
  /** Stands for the sender of a message that does not say it. */
  readonly #unknown: Pid;
  readonly #arrivals: Arrivals;
  readonly #lists = new ReceivedLists();
  readonly #find = (id: number, serial: number): Pid | undefined => {
    const pid = new Pid(this.#host.origin, id, serial);
    const known = this.#host.internPid(pid);
    return known === pid ? undefined : known;
  };

  constructor(
    reader: TermReader,
    host: CarrierHost,
    sink: ControlSink,
    peer: {
      readonly name: string;
      readonly creation: number;
      readonly versions: boolean;
      /** How many bytes may wait to be read. Default 128 MiB. */
      readonly maxWaitingBytes?: number;
    },
  ) {
    this.#reader = reader;
    this.#host = host;
    this.#sink = sink;
    this.#versions = peer.versions;
    this.#unknown = new Pid(new Origin(peer.name, peer.creation), 0, 0);
    const grammar = new Messages(peer.name);
    const { maxWaitingBytes: maxBytes } = peer;
    this.#arrivals = new Arrivals(reader, host, sink, { grammar, unknown: this.#unknown, maxBytes });
  }

  /** True while something waits to be read. */
  get busy(): boolean {
    return this.#arrivals.busy;
  }

  /** True when so much waits that nothing else may be read. */
  get full(): boolean {
    return this.#arrivals.full;
  }

  /**
   * Reads on in what waits, until nothing does or the time has come.
   * @returns whether nothing waits.
   */
  goOn(until: number): boolean {
    return this.#arrivals.goOn(until);
  }

  /** Nothing is read any more. */
  abandon(): void {
    this.#arrivals.abandon();
  }

  /**
   * Reads the message at which the reader stands.
   * @throws EtfError when it is not a control message.
   */
  read(): void {
    const reader = this.#reader;
    this.#version();
    const arity = reader.tupleArity();
    if (arity === 0) throw new EtfError('A control message is empty');
    const op = reader.smallInt();
    switch (op) {
      case control.SEND_SENDER:
        return this.#send(arity, 3, true);
      case control.SEND_SENDER_TT:
        return this.#send(arity, 4, true);
      case control.SEND:
        return this.#send(arity, 3, false);
      case control.SEND_TT:
        return this.#send(arity, 4, false);
      case control.REG_SEND:
        return this.#regSend(arity, 4);
      case control.REG_SEND_TT:
        return this.#regSend(arity, 5);
      case control.ALIAS_SEND:
        return this.#aliasSend(arity, 3);
      case control.ALIAS_SEND_TT:
        return this.#aliasSend(arity, 4);
      case control.ALTACT_SIG_SEND:
        return this.#altact(arity);
      case control.SPAWN_REQUEST:
        return this.#spawnRequest(arity, 6);
      case control.SPAWN_REQUEST_TT:
        return this.#spawnRequest(arity, 7);
      case control.SPAWN_REPLY:
        return this.#spawnReply(arity, 5);
      case control.SPAWN_REPLY_TT:
        return this.#spawnReply(arity, 6);
      default:
        return this.#plain(op, arity);
    }
  }

  /** The signals without a message. */
  #plain(op: number, arity: number): void {
    const signal = this.#bare(op, arity);
    if (signal === undefined) this.#ending(op, arity);
    else this.#arrivals.signal(signal);
  }

  /** A signal that carries nothing; undefined when it is another. */
  #bare(op: number, arity: number): Signal | undefined {
    switch (op) {
      case control.LINK:
        this.#arity(arity, 3);
        return { op: 'link', from: this.#reader.pid(), to: this.#reader.pid() };
      case control.UNLINK:
        this.#arity(arity, 3);
        // Not acknowledged: 0 is not an id.
        return { op: 'unlink', id: 0, from: this.#reader.pid(), to: this.#reader.pid() };
      case control.UNLINK_ID:
        this.#arity(arity, 4);
        return { op: 'unlink', id: this.#unlinkId(), from: this.#reader.pid(), to: this.#reader.pid() };
      case control.UNLINK_ID_ACK:
        this.#arity(arity, 4);
        return { op: 'unlinkAck', id: this.#unlinkId(), from: this.#reader.pid(), to: this.#reader.pid() };
      case control.GROUP_LEADER:
        this.#arity(arity, 3);
        return { op: 'groupLeader', leader: this.#reader.pid(), to: this.#reader.pid() };
      case control.MONITOR_P:
      case control.DEMONITOR_P: {
        this.#arity(arity, 4);
        const from = this.#reader.pid();
        const target = this.#target();
        const ref = this.#reader.ref();
        return { op: op === control.MONITOR_P ? 'monitor' : 'demonitor', from, target, ref };
      }
      default:
        return undefined;
    }
  }

  /** The signals with a reason. */
  #ending(op: number, arity: number): void {
    switch (op) {
      case control.EXIT:
        return this.#exit('exitLink', arity, 4, false);
      case control.EXIT_TT:
        return this.#exit('exitLink', arity, 5, false);
      case control.PAYLOAD_EXIT:
        return this.#exit('exitLink', arity, 3, true);
      case control.PAYLOAD_EXIT_TT:
        return this.#exit('exitLink', arity, 4, true);
      case control.EXIT2:
        return this.#exit('exit', arity, 4, false);
      case control.EXIT2_TT:
        return this.#exit('exit', arity, 5, false);
      case control.PAYLOAD_EXIT2:
        return this.#exit('exit', arity, 3, true);
      case control.PAYLOAD_EXIT2_TT:
        return this.#exit('exit', arity, 4, true);
      case control.MONITOR_P_EXIT:
        this.#arity(arity, 5);
        return this.#down(false);
      case control.PAYLOAD_MONITOR_P_EXIT:
        this.#arity(arity, 4);
        return this.#down(true);
      default:
        throw new EtfError(`There is no control message ${op}`);
    }
  }

  #exit(op: 'exit' | 'exitLink', arity: number, expected: number, payload: boolean): void {
    this.#arity(arity, expected);
    const reader = this.#reader;
    const from = reader.pid();
    const to = reader.pid();
    // The token stands before the reason.
    if (expected === (payload ? 4 : 5)) reader.term();
    this.#read({ op, from, to }, 'reason', payload);
  }

  #down(payload: boolean): void {
    const reader = this.#reader;
    const target = this.#target();
    const to = reader.pid();
    const ref = reader.ref();
    this.#read({ op: 'down', target, to, ref }, 'reason', payload);
  }

  #send(arity: number, expected: number, hasSender: boolean): void {
    this.#arity(arity, expected);
    const reader = this.#reader;
    let from = this.#unknown;
    if (hasSender) from = reader.pid();
    else reader.term();
    const to = reader.pid();
    if (expected === 4) reader.term();
    this.#version();
    this.#arrivals.send(from, to);
  }

  #regSend(arity: number, expected: number): void {
    this.#arity(arity, expected);
    const reader = this.#reader;
    const from = reader.pid();
    reader.term();
    const name = reader.atomText();
    if (expected === 5) reader.term();
    if (name === control.TROUPE_NAME) this.#troupe(from);
    else this.#read({ op: 'sendNamed', from, to: name }, 'message');
  }

  #aliasSend(arity: number, expected: number): void {
    this.#arity(arity, expected);
    const reader = this.#reader;
    const from = reader.pid();
    const to = reader.ref();
    if (expected === 4) reader.term();
    this.#read({ op: 'sendAlias', from, to }, 'message');
  }

  #altact(arity: number): void {
    if (arity < 4) throw new EtfError(`A control message has ${arity} elements`);
    const reader = this.#reader;
    const flags = Number(BigInt.asUintN(32, BigInt(reader.integer())));
    const from = reader.pid();
    const tag = reader.peek();
    const to = tag === NEWER_REFERENCE ? reader.ref() : tag === NEW_PID ? reader.pid() : reader.atomText();
    // A token, and what later versions may add.
    for (let index = 4; index < arity; index++) reader.term();
    if ((flags & control.ALTACT_EXIT) !== 0) {
      if (to instanceof Pid) this.#read({ op: 'exit', from, to }, 'reason');
      else this.#read({ op: 'exitOther', from }, 'reason');
    } else if (to instanceof Pid) {
      this.#version();
      this.#arrivals.send(from, to);
    } else if (to instanceof Ref) {
      this.#read({ op: 'sendAlias', from, to }, 'message');
    } else {
      this.#read({ op: 'sendNamed', from, to }, 'message');
    }
  }

  /** What only Troupe nodes say to each other. */
  #troupe(from: Pid): void {
    this.#version();
    const reader = this.#reader;
    const arity = reader.tupleArity();
    const tag = arity === 0 ? '' : reader.atomText();
    if (tag === 'hello') {
      this.#sink.hello();
    } else if (tag === 'many' && arity === 4) {
      const id = reader.smallInt();
      const to = this.#lists.read(id, reader.term(), this.#find);
      if (to === undefined) throw new EtfError('A message is for a list that was not sent');
      this.#arrivals.carry({ op: 'sendMany', from, to }, 'message');
    } else {
      this.#sink.leftOut(`'${tag}' between nodes of Troupe`);
    }
  }

  /** The payload comes next. @param payload whether it stands behind the control message, and not in it. */
  #read(message: Carrying, carried: Carried, payload = true): void {
    if (payload) this.#version();
    this.#arrivals.carry(message, carried);
  }

  #spawnRequest(arity: number, expected: number): void {
    this.#arity(arity, expected);
    const reader = this.#reader;
    const ref = reader.ref();
    const from = reader.pid();
    const groupLeader = reader.pid();
    this.#arity(reader.tupleArity(), 3);
    const module = reader.atom();
    const name = reader.atom();
    const count = reader.smallInt();
    const options: unknown = reader.term();
    if (expected === 7) reader.term();
    const request = { ref, from, groupLeader, module, function: name, arity: count, options };
    this.#read({ op: 'spawn', request }, 'term');
  }

  #spawnReply(arity: number, expected: number): void {
    this.#arity(arity, expected);
    const reader = this.#reader;
    const ref = reader.ref();
    const to = reader.pid();
    const flags = reader.smallInt();
    const tag = reader.peek();
    const result = tag === NEW_PID || tag === PID ? reader.pid() : reader.atom();
    this.#arrivals.spawnReply({ ref, to, flags, result });
  }

  /** What a monitor is set on: a pid, or a name, which may come with its node. */
  #target(): Pid | string {
    const reader = this.#reader;
    const tag = reader.peek();
    if (tag === NEW_PID || tag === PID) return reader.pid();
    if (tag !== SMALL_TUPLE) return reader.atomText();
    this.#arity(reader.tupleArity(), 2);
    const name = reader.atomText();
    reader.atom();
    return name;
  }

  #unlinkId(): number | bigint {
    const id = this.#reader.integer();
    if (id < 1 || id >= MAX_UNLINK_ID) throw new EtfError(`An unlink has the id ${id}`);
    return id;
  }

  #arity(arity: number, expected: number): void {
    if (arity !== expected) throw new EtfError(`A tuple has ${arity} elements instead of ${expected}`);
  }

  #version(): void {
    if (!this.#versions) return;
    if (this.#reader.peek() !== control.VERSION) throw new EtfError('A term has no version byte');
    this.#reader.position++;
  }
}
