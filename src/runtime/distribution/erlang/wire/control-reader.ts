/**
 * Reads control messages with their payloads: signals for the node, requests for the services, and what Troupe nodes tell only
 * each other. See `erl_dist_protocol`, "Protocol between Connected Nodes".
 *
 * Both families of messages are read, with a reason in the control message or as payload, and those with a trace token, which
 * is left out. What is no control message throws an EtfError, and costs the peer its connection; what is one and concerns
 * nothing here is left out. Whose name a signal may be sent in is the router's business.
 *
 * What a control message carries is read at once when it is small. A large one is read in slices: `read` leaves it to `goOn`, and
 * nothing else may be read before that is done. What it carries and cannot be read is left out and told, and only that: a message
 * is lost, an exit or a down has the reason `unreadable_reason`, a request to spawn is refused.
 */
import * as control from './control.ts';
import { Origin, Pid, Ref } from '../../../terms/identifiers.ts';
import { atom } from '../../../terms/atom.ts';
import { ImproperList, Tuple } from '../../../terms/values.ts';
import type { CarrierHost, Signal } from '../../../process/carrier.ts';
import type { SlicingReader } from '../../etf/slicing-reader.ts';
import { Messages } from '../../messages.ts';
import {
  EtfError,
  NEWER_REFERENCE,
  NEW_PID,
  PID,
  SMALL_TUPLE,
  TooDeep,
  TooManyValues,
} from '../../etf/tags.ts';
import type { SpawnReply, SpawnRequest } from '../contracts.ts';
import { ReceivedLists } from './multicast.ts';

/** Gets what is read. */
export interface ControlSink {
  signal(signal: Signal): void;
  spawnRequest(request: SpawnRequest): void;
  spawnReply(reply: SpawnReply): void;
  /** The peer says that it is a node of Troupe. */
  hello(): void;
  /** Something concerns nothing here. */
  leftOut(what: string): void;
}

/** What a process ended with whose reason cannot be read. */
const UNREADABLE = 'unreadable_reason';

/** A control message without what it carries. */
type Carrying =
  | { readonly op: 'send'; readonly from: Pid; readonly to: Pid }
  | { readonly op: 'sendMany'; readonly from: Pid; readonly to: readonly Pid[] }
  | { readonly op: 'sendNamed'; readonly from: Pid; readonly to: string }
  | { readonly op: 'sendAlias'; readonly from: Pid; readonly to: Ref }
  | { readonly op: 'exit' | 'exitLink'; readonly from: Pid; readonly to: Pid }
  | { readonly op: 'exitOther' }
  | { readonly op: 'down'; readonly target: Pid | string; readonly to: Pid; readonly ref: Ref }
  | { readonly op: 'spawn'; readonly request: Omit<SpawnRequest, 'args'> };

type Wanted = 'message' | 'reason' | 'term';
const MAX_UNLINK_ID = 2n ** 64n;
const ALIAS = atom('alias');

/** Reads the messages of one peer. */
export class ControlReader {
  readonly #reader: SlicingReader;
  readonly #host: CarrierHost;
  readonly #sink: ControlSink;
  /** Whether each term has a version byte. */
  readonly #versions: boolean;
  /** Stands for the sender of a message that does not say it. */
  readonly #unknown: Pid;
  readonly #messages: Messages;
  readonly #lists = new ReceivedLists();
  /** What is read in slices. */
  #sliced: Carrying | undefined = undefined;
  readonly #find = (id: number, serial: number): Pid | undefined => {
    const pid = new Pid(this.#host.origin, id, serial);
    const known = this.#host.internPid(pid);
    return known === pid ? undefined : known;
  };

  constructor(
    reader: SlicingReader,
    host: CarrierHost,
    sink: ControlSink,
    peer: { readonly name: string; readonly creation: number; readonly versions: boolean },
  ) {
    this.#reader = reader;
    this.#host = host;
    this.#sink = sink;
    this.#versions = peer.versions;
    this.#messages = new Messages(peer.name);
    this.#unknown = new Pid(new Origin(peer.name, peer.creation), 0, 0);
  }

  /** True while what a message carries is read in slices. */
  get slicing(): boolean {
    return this.#sliced !== undefined;
  }

  /**
   * Reads on in what is read in slices, until it is done or the time has come.
   * @returns whether it is done.
   */
  goOn(until: number): boolean {
    const message = this.#sliced;
    if (message === undefined) return true;
    const reader = this.#reader;
    try {
      if (!reader.goOn(until)) return false;
    } catch (error) {
      this.#sliced = undefined;
      this.#unreadable(error, message);
      return true;
    }
    this.#sliced = undefined;
    this.#done(message, reader.taken());
    return true;
  }

  /** Nothing is read any more. */
  abandon(): void {
    this.#sliced = undefined;
    this.#reader.abandon();
  }

  /**
   * Reads the message at which the reader stands.
   * @throws EtfError when it is none.
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
    else this.#sink.signal(signal);
  }

  /** A signal that carries nothing; undefined when it is another. */
  #bare(op: number, arity: number): Signal | undefined {
    switch (op) {
      case control.LINK:
        this.#arity(arity, 3);
        return { op: 'link', from: this.#reader.pid(), to: this.#reader.pid() };
      case control.UNLINK:
        this.#arity(arity, 3);
        // Not acknowledged: 0 is no id.
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
    this.#deliver(from, to);
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
      else this.#read({ op: 'exitOther' }, 'reason');
    } else if (to instanceof Pid) {
      this.#deliver(from, to);
    } else if (to instanceof Ref) {
      this.#read({ op: 'sendAlias', from, to }, 'message');
    } else {
      this.#read({ op: 'sendNamed', from, to }, 'message');
    }
  }

  /** A message to a pid. */
  #deliver(from: Pid, to: Pid): void {
    this.#version();
    const reader = this.#reader;
    const at = reader.position;
    let message: unknown;
    try {
      message = reader.message(this.#messages);
    } catch (error) {
      this.#notAtOnce(error, { op: 'send', from, to }, 'message', at);
      return;
    }
    this.#sent(from, to, message);
  }

  /** A message to a list. As for one pid, what is read at once is handed over without a copy of what it stands in. */
  #deliverMany(from: Pid, to: readonly Pid[]): void {
    const reader = this.#reader;
    const at = reader.position;
    let message: unknown;
    try {
      message = reader.message(this.#messages);
    } catch (error) {
      this.#notAtOnce(error, { op: 'sendMany', from, to }, 'message', at);
      return;
    }
    this.#sink.signal({ op: 'sendMany', from, to, message });
  }

  // ---- what is carried ----

  /** @param payload whether it stands behind the control message, and not in it */
  #read(message: Carrying, wanted: Wanted, payload = true): void {
    if (payload) this.#version();
    const reader = this.#reader;
    const at = reader.position;
    let value: unknown;
    try {
      value =
        wanted === 'message'
          ? reader.message(this.#messages)
          : wanted === 'reason'
            ? reader.reason()
            : reader.term();
    } catch (error) {
      this.#notAtOnce(error, message, wanted, at);
      return;
    }
    this.#done(message, value);
  }

  /** What is carried was not read at once: it is large, or cannot be read. */
  #notAtOnce(error: unknown, message: Carrying, wanted: Wanted, at: number): void {
    if (!(error instanceof TooManyValues || error instanceof TooDeep)) {
      this.#unreadable(error, message);
      return;
    }
    this.#sliced = message;
    this.#reader.begin(wanted === 'message' ? this.#messages : wanted, at);
  }

  #done(message: Carrying, value: unknown): void {
    switch (message.op) {
      case 'send':
        return this.#sent(message.from, message.to, value);
      case 'sendAlias':
        return this.#sentAlias(message.from, message.to, value);
      case 'spawn':
        return this.#sink.spawnRequest({ ...message.request, args: value });
      case 'exitOther':
        return this.#sink.leftOut('an exit signal to an alias or a name');
      case 'exit':
      case 'exitLink':
      case 'down':
        return this.#sink.signal({ ...message, reason: value });
      case 'sendMany':
      case 'sendNamed':
        return this.#sink.signal({ ...message, message: value });
    }
  }

  /** What is carried is left out; a signal takes effect without it. */
  #unreadable(error: unknown, message: Carrying): void {
    if (!(error instanceof EtfError)) throw error;
    this.#sink.leftOut(`what a message carried: ${error.message}`);
    if (message.op === 'spawn') this.#sink.spawnRequest({ ...message.request, args: undefined });
    else if ('target' in message || message.op === 'exit' || message.op === 'exitLink') {
      this.#sink.signal({ ...message, reason: UNREADABLE });
    }
  }

  /** An answer to a call may come to the pid, too: as `{[alias | Ref], Reply}`. */
  #sent(from: Pid, to: Pid, message: unknown): void {
    const alias = message instanceof Tuple ? aliasOf(message) : undefined;
    if (alias === undefined || !alias.origin.equals(this.#host.origin)) {
      this.#sink.signal({ op: 'send', from, to, message });
    } else {
      this.#sink.signal({ op: 'sendAlias', from, to: alias, message: (message as Tuple).elements[1] });
    }
  }

  /** A message to an alias. Aliases are held by calls here: what is no answer to one concerns nobody. */
  #sentAlias(from: Pid, to: Ref, message: unknown): void {
    const alias = message instanceof Tuple ? aliasOf(message) : undefined;
    if (alias?.equals(to) === true) {
      this.#sink.signal({ op: 'sendAlias', from, to, message: (message as Tuple).elements[1] });
    } else {
      this.#sink.leftOut('a message to an alias that is no answer');
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
      this.#deliverMany(from, to);
    } else {
      this.#sink.leftOut(`'${tag}' between nodes of Troupe`);
    }
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
    this.#sink.spawnReply({ ref, to, flags, result });
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

/** The alias of an answer `{[alias | Ref], Reply}`. */
function aliasOf({ elements }: Tuple): Ref | undefined {
  const [tag] = elements;
  if (elements.length !== 2 || !(tag instanceof ImproperList)) return undefined;
  return tag.items.length === 1 && tag.items[0] === ALIAS && tag.tail instanceof Ref ? tag.tail : undefined;
}
