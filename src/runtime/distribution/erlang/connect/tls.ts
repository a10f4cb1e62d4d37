/**
 * TLS for connections between nodes, as `inet_tls_dist` of OTP uses it: both sides have a certificate, whoever dials, and
 * the one who dials checks that the other's is for the host in the name of the node. See the user's guide of `ssl`, "Using
 * TLS for Erlang Distribution". epmd is asked without TLS.
 *
 * Certificates are read when the connector is made; new ones need a new connector.
 */
import { isIP } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  createServer,
  type PeerCertificate,
  type SecureContext,
  type Server,
  type TLSSocket,
} from 'node:tls';
import { TroupeError } from '../../../errors.ts';

/** Certificates for connections over TLS. */
export interface TlsOptions {
  /** The private key of this node, PEM. */
  readonly key: string | Buffer;
  /** Its certificate, PEM; good for clients and for servers. */
  readonly cert: string | Buffer;
  /** The certificates that sign those of the nodes, PEM. The well-known ones when left out. */
  readonly ca?: string | Buffer | ReadonlyArray<string | Buffer>;
  /** What the private key is encrypted with. */
  readonly passphrase?: string;
  /** Whether other nodes need a certificate that `ca` has signed, for their host when they are dialled. Default true. */
  readonly verify?: boolean;
}

const MIN_VERSION = 'TLSv1.2';

/** The certificates of a node, ready for use. */
export class SecureIdentity {
  readonly #options: TlsOptions;
  readonly #context: SecureContext;

  /** @throws TroupeError TROUPE_BAD_ARGUMENT when key and certificates cannot be used. */
  constructor(options: TlsOptions) {
    this.#options = options;
    try {
      this.#context = createSecureContext(credentials(options));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new TroupeError(
        'TROUPE_BAD_ARGUMENT',
        `The key and the certificates for TLS cannot be used: ${why}.`,
        { cause: error },
      );
    }
  }

  /** A TLS server that does not listen itself: it is given sockets with `emit('connection', socket)`. */
  server(handshakeTimeout: number): Server {
    const verify = this.#options.verify ?? true;
    return createServer({
      ...credentials(this.#options),
      requestCert: verify,
      rejectUnauthorized: verify,
      handshakeTimeout,
    });
  }

  /** Begins to connect; `nodeHost` is the host in the name of the node, which its certificate has to be for. */
  connect(target: { readonly host: string; readonly port: number }, nodeHost: string): TLSSocket {
    const socket = connect({
      secureContext: this.#context,
      host: target.host,
      port: target.port,
      rejectUnauthorized: this.#options.verify ?? true,
      // An IP address must not be a server name (RFC 6066).
      servername: isIP(nodeHost) === 0 ? nodeHost : '',
      checkServerIdentity: (_name, certificate) => checkNodeHost(nodeHost, certificate),
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    return socket;
  }
}

/**
 * What is wrong with a certificate as that of a node on this host. As `node:tls` checks it; since OTP looks for an address
 * among the DNS names, one that stands there is good too.
 */
export function checkNodeHost(host: string, certificate: PeerCertificate): Error | undefined {
  if (isIP(host) !== 0 && certificate.subjectaltname?.split(', ').includes(`DNS:${host}`)) return undefined;
  return checkServerIdentity(host, certificate);
}

function credentials(options: TlsOptions) {
  const { key, cert, ca, passphrase } = options;
  return {
    key,
    cert,
    minVersion: MIN_VERSION,
    ...(ca === undefined ? {} : { ca: typeof ca === 'string' || Buffer.isBuffer(ca) ? ca : [...ca] }),
    ...(passphrase === undefined ? {} : { passphrase }),
  } as const;
}
