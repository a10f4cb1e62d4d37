/**
 * Sets connections up: listens, dials, and decides between attempts that cross. What comes out is an established link.
 */
import type { LinkEvents } from './contracts.ts';

/** Certificates for distribution over TLS. Both sides of a connection use them. */
export interface TlsOptions {
  /** The private key of this node, PEM. */
  readonly key: string | Buffer;
  /** Its certificate, PEM. */
  readonly cert: string | Buffer;
  /** The certificates that others are checked against, PEM. */
  readonly ca?: string | Buffer | ReadonlyArray<string | Buffer>;
  readonly passphrase?: string;
  /** Whether the other side has to have a certificate signed by `ca`. Default true. */
  readonly verify?: boolean;
}

/** What a connector needs. */
export interface ConnectorOptions {
  readonly name: string;
  readonly creation: number;
  /** @throws TroupeError TROUPE_BAD_COOKIE */
  cookie(peer: string): string;
  readonly visible: boolean;
  readonly listen: { readonly host: string; readonly port: number } | false;
  readonly setupTimeoutMs: number;
  /** How many connections from outside may be set up at a time. Default 256. */
  readonly maxPending?: number;
  readonly tls?: TlsOptions;
  resolve(node: string): Promise<{ readonly host: string; readonly port: number } | undefined>;
  readonly events: LinkEvents;
  /** An attempt to connect, either way, failed or was refused. */
  refused(peer: string | undefined, address: string, reason: string): void;
}

/** Sets the connections of a node up. */
export interface ConnectorApi {
  /** Begins to listen. @returns the port. @throws TroupeError TROUPE_LISTEN_FAILED */
  listen(): Promise<number>;
  /**
   * Connects to a node. Resolves after `events.up` was called for it, whichever side dialled.
   * @throws TroupeError TROUPE_CONNECT_FAILED; `reason` says why in one word.
   */
  dial(peer: string): Promise<void>;
  /** Gives up dialling a node. */
  abort(peer: string): void;
  close(): Promise<void>;
}
