/**
 * One message for several processes of another Troupe node, in one frame: `{many, ListId, Ids, Message}` to the name `$troupe`.
 * See docs/adr/0014.
 *
 * `Ids` are the receivers, eight bytes each: id:32, serial:32. A list that is likely to be used again has a number, and
 * goes out as `[]` once the receiver knows it; 0 is the number of a list that is not kept. Both sides forget the oldest lists
 * by the same rule, in the order in which they were sent, so that neither has to tell the other. A list names each receiver once:
 * a process that gets a message twice gets it with another list, or alone. No frame may pass one with
 * a new list: a list is not kept that goes out behind a large message, or with one.
 *
 * Limits: `MAX_LISTS` lists, and `MAX_LISTED` receivers in all of them, for a connection and direction. What does not fit is a
 * fault of the sender.
 */
import type { Pid } from '../../../terms/identifiers.ts';
import { BIT_BINARY, NIL } from '../../etf/tags.ts';
import type { TermWriter } from '../../etf/writer.ts';

/** How many lists are kept. */
export const MAX_LISTS = 1_024;
/** How many receivers there may be in all lists that are kept. */
export const MAX_LISTED = 1_048_576;

/** How many bytes one receiver takes. */
export const LISTED_BYTES = 8;
const WHOLE_BYTES = 8;

/** What both sides keep of the lists: each in its own form, forgotten in the same order. */
class Lists<Kept> {
  /** In the order in which they were added. */
  readonly #lists = new Map<number, { readonly kept: Kept; readonly size: number }>();
  #listed = 0;

  get(id: number): Kept | undefined {
    return this.#lists.get(id)?.kept;
  }

  /** @param size how many receivers it has: at most MAX_LISTED. */
  add(id: number, kept: Kept, size: number): void {
    this.#lists.set(id, { kept, size });
    this.#listed += size;
    for (const [oldest, list] of this.#lists) {
      if (this.#lists.size <= MAX_LISTS && this.#listed <= MAX_LISTED) return;
      this.#lists.delete(oldest);
      this.#listed -= list.size;
    }
  }
}

/** Receivers, each once, and those that were there before. */
export interface Apart {
  readonly once: readonly Pid[];
  readonly again: readonly Pid[];
}

const NOBODY: readonly Pid[] = Object.freeze([]);

/** The lists that a peer knows. */
export class SentLists {
  readonly #ids = new WeakMap<readonly Pid[], number>();
  readonly #apart = new WeakMap<readonly Pid[], Apart>();
  readonly #known = new Lists<true>();
  #last = 0;

  /**
   * Writes a message for a list of receivers of the peer.
   * @param to at most MAX_LISTED, all of them of the incarnation that is connected. Frozen when it is likely to be used again;
   * a list whose members change is another object then.
   * @param keeps whether a list that the peer does not know is to get a number.
   * @returns the number to be confirmed with `sent` once the frame is on its way; 0 when there is nothing to confirm.
   * @throws TroupeError TROUPE_NOT_ENCODABLE
   */
  write(writer: TermWriter, to: readonly Pid[], message: unknown, keeps: boolean): number {
    const known = this.#ids.get(to);
    writer.tupleHeader(4);
    writer.atomName('many');
    if (known !== undefined && this.#known.get(known) === true) {
      writer.int(known);
      writer.u8(NIL);
      writer.term(message);
      return 0;
    }
    const id = keeps && Object.isFrozen(to) ? this.#last + 1 : 0;
    writer.int(id);
    writer.tagged(BIT_BINARY, to.length * LISTED_BYTES);
    writer.u8(WHOLE_BYTES);
    for (const pid of to) {
      writer.u32(pid.id);
      writer.u32(pid.serial);
    }
    writer.term(message);
    return id;
  }

  /** Takes a list apart into one that names each receiver once, and the rest. */
  apart(to: readonly Pid[]): Apart {
    const known = this.#apart.get(to);
    if (known !== undefined) return known;
    const seen = new Set<string>();
    const [once, again]: [Pid[], Pid[]] = [[], []];
    for (const pid of to) {
      const { key } = pid;
      (seen.has(key) ? again : once).push(pid);
      seen.add(key);
    }
    if (again.length === 0) return this.#keepApart(to, { once: to, again: NOBODY });
    if (Object.isFrozen(to)) Object.freeze(once);
    return this.#keepApart(to, { once, again: Object.freeze(again) });
  }

  #keepApart(to: readonly Pid[], apart: Apart): Apart {
    if (Object.isFrozen(to)) this.#apart.set(to, apart);
    return apart;
  }

  /** Whether the peer knows a list. */
  has(to: readonly Pid[]): boolean {
    const known = this.#ids.get(to);
    return known !== undefined && this.#known.get(known) === true;
  }

  /** A list has gone out under a number that `write` returned. */
  sent(id: number, to: readonly Pid[]): void {
    this.#last = id;
    this.#ids.set(to, id);
    this.#known.add(id, true, to.length);
  }
}

/** The lists that a peer has sent. */
export class ReceivedLists {
  readonly #known = new Lists<readonly Pid[]>();

  /**
   * Reads who the receivers are.
   * @param find the pid of a live process of this node with an id and a serial. One that has ended does not come back, and is
   * not kept.
   * @returns each once; undefined when the peer is at fault: the list does not exist, or the bytes name no process.
   */
  read(
    id: unknown,
    ids: unknown,
    find: (id: number, serial: number) => Pid | undefined,
  ): readonly Pid[] | undefined {
    if (typeof id !== 'number' || id < 0) return undefined;
    if (Array.isArray(ids) && ids.length === 0) return this.#known.get(id);
    if (!(ids instanceof Uint8Array) || ids.length === 0 || ids.length % LISTED_BYTES !== 0) return undefined;
    const size = ids.length / LISTED_BYTES;
    if (size > MAX_LISTED || (id !== 0 && this.#known.get(id) !== undefined)) return undefined;
    const view = new DataView(ids.buffer, ids.byteOffset, ids.length);
    const found = new Set<Pid>();
    for (let at = 0; at < ids.length; at += LISTED_BYTES) {
      const pid = find(view.getUint32(at), view.getUint32(at + 4));
      if (pid !== undefined) found.add(pid);
    }
    const pids = [...found];
    if (id !== 0) this.#known.add(id, pids, size);
    return pids;
  }
}
