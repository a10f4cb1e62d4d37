// The carrier of a clustered instance, made from its settings and the files that they name.
import { createErlangCarrier, type PeerInfo } from 'troupe/erlang';
import type { Carrier } from 'troupe';
import { readClusterFiles } from './files.ts';
import type { ClusterSettings } from './settings.ts';

/** What connects the node of an instance. The network in memory, which tests use, is always ready. */
export interface ClusterCarrier extends Carrier {
  ready?(): Promise<void>;
  readonly port?: number | undefined;
  peers?(): readonly PeerInfo[];
}

/**
 * The carrier that settings describe; it does nothing before a node has it.
 * @throws ConfigError for files that cannot be used
 */
export function openCarrier(settings: ClusterSettings): ClusterCarrier {
  const { seeds, epmd, listen, addresses, netTicktimeMs } = settings;
  const { cookie, tls } = readClusterFiles(settings);
  return createErlangCarrier({
    cookie,
    seeds,
    epmd: epmd.mode === 'off' ? false : epmd.mode,
    epmdPort: epmd.port,
    epmdServeOn: epmd.serveOn,
    addresses,
    ...(listen.host !== undefined && { host: listen.host }),
    port: listen.port,
    netTickTimeMs: netTicktimeMs,
    ...(tls !== undefined && { tls }),
  });
}
