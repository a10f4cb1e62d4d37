/**
 * Calls that leave the node, and system messages, which are calls to the protocol: what goes over, and how it is answered.
 *
 * The fields came from another node and may be anything: a request that does not say whom to answer gets no answer. An answer
 * that cannot be sent fails the call, and not the server.
 */
import { TroupeError } from '../errors.ts';
import { DROPPED } from '../process/mailbox.ts';
import { ADDRESSED, type ExitReason, KEPT } from '../process/messages.ts';
import { RemoteMonitor, removeWatch } from '../process/monitor.ts';
import { Pid, Ref } from '../terms/identifiers.ts';
import type { Process } from '../process/process.ts';
import { type Formatter, TEXT } from '../terms/format.ts';
import { atom } from '../terms/atom.ts';
import { ImproperList, Tuple } from '../terms/values.ts';
import type { Request } from './gen.ts';

/** @internal The reason of a call whose request the bound of the server's mailbox dropped. */
export const MAILBOX_FULL = 'mailbox_full';

/**
 * @internal A tag that is not of the form `[alias | Ref]`: a plain ref, `{Ref, Node}`, or whatever else a client uses. It
 * goes back to the client as it came.
 */
export class ForeignTag {
  readonly tag: unknown;

  constructor(tag: unknown) {
    this.tag = tag;
  }

  /** Where the answer goes besides the pid: the alias of `[[alias | Alias] | Ref]`, which `gen_server:multi_call` uses from OTP 26 on. */
  get alias(): Ref | undefined {
    const first: unknown = this.tag instanceof ImproperList ? this.tag.items[0] : undefined;
    const isAlias = first instanceof ImproperList && first.items[0] === atom('alias');
    return isAlias && first.tail instanceof Ref ? first.tail : undefined;
  }

  /** The ref in it that is the client's monitor, if it can be recognised. */
  get monitor(): Ref | undefined {
    const ref = this.tag instanceof ImproperList ? this.tag.tail : this.tag;
    return ref instanceof Ref ? ref : undefined;
  }
}

/** @internal A call that leaves the node; `{'$gen_call', {Pid, [alias | Ref]}, Request}` on the wire. */
export class RemoteCall implements Request {
  readonly pid: Pid;
  /** A ref: the answer goes to who holds it as an alias. A tag: the answer is `{Tag, Reply}`, and goes to the pid. */
  readonly alias: Ref | ForeignTag;
  readonly name: string;
  readonly argument: unknown;
  #server: Process | undefined = undefined;

  constructor(pid: Pid, alias: Ref | ForeignTag, name: string, argument: unknown) {
    this.pid = pid;
    this.alias = alias;
    this.name = name;
    this.argument = argument;
  }

  /** Says which process answers; a carrier that decodes the message does not know. */
  [ADDRESSED](server: Process): void {
    this.#server = server;
  }

  reply(value: unknown): void {
    const server = this.#server;
    if (server === undefined || !this.#answerable) return;
    const { node } = server;
    const { alias } = this;
    try {
      if (!(alias instanceof Ref)) {
        node.route(server.pid, alias.alias ?? this.pid, new Tuple([alias.tag, value]));
      } else if (alias.origin.equals(node.origin)) node.router.aliases.get(alias.key)?.aliasMessage(value);
      else {
        node.router.peer(alias.node).send({ op: 'sendAlias', from: server.pid, to: alias, message: value });
      }
    } catch (error) {
      if (!(error instanceof TroupeError) || error.code !== 'TROUPE_NOT_ENCODABLE') throw error;
      // A caller on another node must not end the server with it: its call fails instead.
      this.#end(['not_encodable', error.what]);
    }
  }

  fail(error: TroupeError): void {
    this.#end(error.reason);
  }

  /** The fields are what another node sent; a request that does not say whom to answer must not end the server. */
  get #answerable(): boolean {
    return this.alias instanceof Ref || (this.alias instanceof ForeignTag && this.pid instanceof Pid);
  }

  [DROPPED](server: Process): void {
    this.#server = server;
    this.#end(MAILBOX_FULL);
  }

  /**
   * Ends the call as the exit of the server would. A failed call has no answer of its own on the wire; what the caller
   * waits for besides the answer is the end of its monitor.
   */
  #end(reason: ExitReason): void {
    const monitor = this.#answerable ? this.#monitor() : undefined;
    if (monitor === undefined) return;
    removeWatch(monitor);
    monitor.targetExited(reason);
  }

  /**
   * The caller's monitor. Its ref is the alias or the tag; the one of `gen_server:multi_call`, whose tag is `{Ref, Node}`,
   * is the monitor that it has set last.
   */
  #monitor(): RemoteMonitor | undefined {
    const server = this.#server;
    const { alias, pid } = this;
    const ref = alias instanceof Ref ? alias : alias.monitor;
    if (ref !== undefined) return server?.node.router.connectedPeer(ref.node)?.incoming.get(ref.key);
    const { tag } = alias as ForeignTag;
    if (!(tag instanceof Tuple) || tag.length !== 2 || !(tag.elements[0] instanceof Ref)) return undefined;
    for (let watch = server?.watchers ?? null; watch !== null; watch = watch.watchNext) {
      if (watch instanceof RemoteMonitor && watch.from.equals(pid)) return watch;
    }
    return undefined;
  }

  /** @internal */
  [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('$gen_call', [this.pid, this.alias, this.name, this.argument], depth);
  }
}

/** @internal What `sys` sends to another node: `{system, {Pid, [alias | Ref]}, Request}`, as OTP's. */
export class SystemCall extends RemoteCall {
  /** Whether the caller has a `sys` from before stdlib 5.1 (OTP 26.1), which expects the state alone, and not `{ok, State}`. */
  bareState = false;

  get [KEPT](): boolean {
    return true;
  }

  /** @internal */
  override [TEXT](formatter: Formatter, depth: number): string {
    return formatter.tagged('system', [this.pid, this.alias, this.name, this.argument], depth);
  }
}
