/**
 * Copies signals as the wire between nodes does, by the codec that is used there.
 *
 * A message or exit reason is encoded when it is sent, so that what the sender changes afterwards does not travel, and decoded
 * when it is delivered. So it arrives as it would from a real node, with the same conversions (a Map whose keys are
 * strings as a plain object, a charlist as an array), and what cannot be sent is refused for the same reasons and with the
 * same error. The rest of a signal, pids, refs and names, is made anew for the receiving side without being encoded.
 */
import { Origin, Pid, Ref } from '../../terms/identifiers.ts';
import type { CarrierHost, Signal } from '../../process/carrier.ts';
import { TermReader } from '../etf/reader.ts';
import { TermWriter } from '../etf/writer.ts';

/** Limits of one signal. */
export interface CodecLimits {
  /** How deep values may be nested. */
  readonly maxDepth: number;
  /** How many values a signal may hold, counting each element, key and value. */
  readonly maxValues: number;
}

/** A signal in transit. */
export interface PackedSignal {
  readonly signal: Signal;
  /** The message or reason of the signal, which is left out of it; empty when it has none. */
  readonly bytes: Uint8Array;
}

const NO_BYTES = new Uint8Array(0);

/** Packs what a node sends. */
export class Packer {
  readonly #writer: TermWriter;

  constructor(limits: CodecLimits) {
    this.#writer = new TermWriter({ ...limits, nativeRecords: true });
  }

  /** @throws TroupeError TROUPE_NOT_ENCODABLE when the signal holds what cannot leave a node, or exceeds a limit. */
  pack(signal: Signal): PackedSignal {
    const writer = this.#writer;
    writer.reset();
    if ('message' in signal) {
      writer.term(signal.message);
      return { signal: { ...signal, message: undefined }, bytes: this.#bytes() };
    }
    if ('reason' in signal) {
      writer.reason(signal.reason);
      return { signal: { ...signal, reason: undefined }, bytes: this.#bytes() };
    }
    return { signal, bytes: NO_BYTES };
  }

  #bytes(): Uint8Array {
    return Uint8Array.from(this.#writer.buffer.subarray(0, this.#writer.length));
  }
}

/** Unpacks what arrives at a node. */
export class Unpacker {
  readonly #host: CarrierHost;
  readonly #reader: TermReader;

  constructor(host: CarrierHost, { maxValues }: CodecLimits) {
    this.#host = host;
    this.#reader = new TermReader(host, { maxValues });
  }

  /**
   * Makes a signal of the receiving side.
   * @param peer the node it came from.
   * @throws EtfError for an `OpaqueFunction` that somebody has made of other bytes than those of a function.
   */
  unpack({ signal, bytes }: PackedSignal, peer: Origin): Signal {
    const made: Record<string, unknown> = {};
    for (const [field, value] of Object.entries(signal)) made[field] = this.#remake(value, peer);
    if (bytes.length > 0) {
      this.#reader.reset(Buffer.from(bytes.buffer), 0, bytes.length);
      if ('message' in signal) made['message'] = this.#reader.message(peer.node);
      else made['reason'] = this.#reader.reason();
    }
    return made as unknown as Signal;
  }

  #remake(value: unknown, peer: Origin): unknown {
    if (value instanceof Pid) {
      return this.#host.internPid(new Pid(this.#origin(value.origin, peer), value.id, value.serial));
    }
    if (value instanceof Ref) {
      return new Ref(this.#origin(value.origin, peer), value.low, value.high, value.foreign);
    }
    return Array.isArray(value) ? value.map((item) => this.#remake(item, peer)) : value;
  }

  /** One object for the origins that are likely, so that the pids of one node share it. */
  #origin(origin: Origin, peer: Origin): Origin {
    if (origin.equals(this.#host.origin)) return this.#host.origin;
    return origin.equals(peer) ? peer : new Origin(origin.node, origin.creation);
  }
}
