// The carrier of a clustered instance, made from its settings. The files that the settings name are read here, once, at the
// start; what is wrong with one of them names the file and its variable.
import { readFileSync } from 'node:fs';
import { createErlangCarrier, type PeerInfo } from '../../runtime/distribution/erlang/index.ts';
import type { Carrier } from '../../runtime/index.ts';
import type { ClusterSettings } from './settings.ts';

/** What connects the node of an instance. The network in memory, which tests use, is always ready. */
export interface ClusterCarrier extends Carrier {
  ready?(): Promise<void>;
  readonly port?: number | undefined;
  peers?(): readonly PeerInfo[];
}

/**
 * The carrier that settings describe; it does nothing before a node has it.
 * @throws Error for a file that cannot be read, and TroupeError for what is in it
 */
export function openCarrier(settings: ClusterSettings): ClusterCarrier {
  const { cookie, cookieFile, seeds, epmd, listen, addresses, tls, netTicktimeMs } = settings;
  return createErlangCarrier({
    ...(cookie !== undefined && { cookie }),
    ...(cookieFile !== undefined && { cookieFile }),
    seeds,
    epmd: epmd.mode === 'off' ? false : epmd.mode,
    epmdPort: epmd.port,
    epmdServeOn: epmd.serveOn,
    addresses,
    ...(listen.host !== undefined && { host: listen.host }),
    port: listen.port,
    netTickTimeMs: netTicktimeMs,
    ...(tls !== undefined && {
      tls: {
        key: read('TROUPE_TLS_KEY', tls.key),
        cert: read('TROUPE_TLS_CERT', tls.cert),
        ca: read('TROUPE_TLS_CA', tls.ca),
      },
    }),
  });
}

function read(variable: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${variable} cannot be read: ${why}`, { cause: error });
  }
}
