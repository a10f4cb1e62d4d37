/**
 * What a node has to do with epmd, the Erlang port mapper: registering its name and finding where other nodes listen.
 */
import { TroupeError } from '../../errors.ts';

/**
 * Where names are kept: `'auto'` uses the epmd that runs on this machine, and serves as one in this process when there is
 * none; `'client'` only uses one; `'embedded'` has to be the one; `false` does without.
 */
export type EpmdMode = 'auto' | 'client' | 'embedded' | false;

export interface EpmdOptions {
  /** `'auto'` unless given. */
  readonly mode: EpmdMode;
  /** Where the own epmd is; 127.0.0.1 unless given. */
  readonly host: string;
  /** The port of every epmd: ERL_EPMD_PORT, or 4369 when that is not set. */
  readonly port: number;
  /** Where nodes listen, by full node name; asked first. */
  readonly addresses: Readonly<Record<string, { host: string; port: number }>>;
  /** With mode `false`: every node listens on this port of its host. */
  readonly fixedPort?: number;
  /** After how many milliseconds a lost epmd is tried again; 2,000 as in OTP. */
  readonly retryMs?: number;
}

export interface EpmdEvents {
  state(state: 'registered' | 'lost' | 'failed' | 'serving', error?: unknown): void;
}

export class Epmd {
  constructor(options: Partial<EpmdOptions>, events: EpmdEvents) {
    void options;
    void events;
  }

  /**
   * Registers a node (the part before the @) with its distribution port, and keeps it registered until `close()`: when epmd is
   * lost it tries again every 2 s. Resolves when registered, with mode `false` at once.
   * @throws TroupeError TROUPE_LISTEN_FAILED when the name is taken or no epmd can be had
   */
  register(alive: string, port: number, hidden: boolean): Promise<void> {
    return Promise.reject(new TroupeError('TROUPE_LISTEN_FAILED', `${alive}:${port} ${hidden}`));
  }

  /**
   * Where a node listens.
   * @returns undefined when nobody of that name is registered there
   * @throws when its epmd cannot be asked
   */
  resolve(node: string): Promise<{ host: string; port: number } | undefined> {
    return Promise.reject(new TroupeError('TROUPE_CONNECT_FAILED', node));
  }

  /** The names registered with an epmd; with the own one unless a host is given. */
  names(host?: string): Promise<Array<{ name: string; port: number }>> {
    return Promise.reject(new TroupeError('TROUPE_CONNECT_FAILED', host ?? ''));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
