/**
 * How nodes prove that they belong together: cookies, the challenges that are answered with them, and certificates.
 *
 * A cookie is an atom in Erlang, of which the Latin-1 bytes count: one for all nodes, and others for single nodes as set by
 * `erlang:set_cookie/2`. It keeps clusters apart that should not mix; without TLS it does not protect against anyone who can read the
 * network.
 *
 * Over TLS, as in OTP's `inet_tls_dist`, both sides present a certificate, and the side that dials checks that the other's is
 * for the host in the node's name. See the user's guide of `ssl`, "Using TLS for Erlang Distribution". Certificates are read
 * when the connector is made; new ones need a new connector. Requests to epmd do not use TLS.
 */
import { lstatSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TroupeError } from '../../../errors.ts';
import { createHash, randomInt, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import {
  type PeerCertificate,
  type SecureContext,
  type Server,
  type TLSSocket,
  checkServerIdentity,
  connect,
  createSecureContext,
  createServer,
} from 'node:tls';

const MAX_COOKIE_CHARACTERS = 255;
/** Longer than any cookie file of OTP. */
const MAX_FILE_BYTES = 1024;
const OTHERS_MAY = 0o077;

/**
 * Returns the cookie if it is valid.
 * @throws TroupeError TROUPE_BAD_COOKIE unless it has 1 to 255 characters of Latin-1.
 */
function checkCookie(cookie: string): string {
  if (typeof cookie !== 'string' || cookie.length === 0 || cookie.length > MAX_COOKIE_CHARACTERS) {
    throw new TroupeError(
      'TROUPE_BAD_COOKIE',
      `A cookie is a string of 1 to ${MAX_COOKIE_CHARACTERS} characters.`,
    );
  }
  for (let at = 0; at < cookie.length; at++) {
    if (cookie.charCodeAt(at) > 0xff) {
      throw new TroupeError('TROUPE_BAD_COOKIE', 'A cookie has only Latin-1 characters.');
    }
  }
  return cookie;
}

/** The cookies of a node. */
export class Cookies {
  readonly #own: string | undefined;
  readonly #ofPeers: ReadonlyMap<string, string>;

  /**
   * @param own The cookie for all nodes without an entry in `ofPeers`; without it, only nodes with an entry can connect.
   * @throws TroupeError TROUPE_BAD_COOKIE
   */
  constructor(own?: string, ofPeers: Readonly<Record<string, string>> = {}) {
    this.#own = own === undefined ? undefined : checkCookie(own);
    this.#ofPeers = new Map(Object.entries(ofPeers).map(([peer, cookie]) => [peer, checkCookie(cookie)]));
  }

  /**
   * The cookie for connections with a node, whichever of the two dials.
   * @throws TroupeError TROUPE_BAD_COOKIE if there is none.
   */
  of(peer: string): string {
    const cookie = this.#ofPeers.get(peer) ?? this.#own;
    if (cookie === undefined) {
      throw new TroupeError('TROUPE_BAD_COOKIE', `There is no cookie for ${peer}.`);
    }
    return cookie;
  }
}

/**
 * Where OTP keeps a user's cookie: `~/.erlang.cookie`, or if that does not exist, `.erlang.cookie` in the user's configuration
 * folder for Erlang. See the chapter "Distributed Erlang" of the reference manual.
 */
function cookieFiles(): string[] {
  const home = homedir();
  const settings = process.env['XDG_CONFIG_HOME'] ?? join(home, '.config');
  return [join(home, '.erlang.cookie'), join(settings, 'erlang', '.erlang.cookie')];
}

/**
 * Reads a cookie as OTP's `auth` does: printable ASCII, without the end of the line.
 * @param path The file. Default: the user's cookie file, where OTP looks for it.
 * @throws TroupeError TROUPE_BAD_COOKIE if the file does not exist, others may read it, or it does not hold a cookie.
 */
export function readCookieFile(path?: string): string {
  const file = path ?? cookieFiles().find(isThere);
  if (file === undefined) {
    throw new TroupeError('TROUPE_BAD_COOKIE', `There is no cookie file (${cookieFiles().join(', ')}).`);
  }
  let text: string;
  try {
    const stats = statSync(file);
    const { mode, size } = stats;
    if (!stats.isFile())
      throw new TroupeError('TROUPE_BAD_COOKIE', `${file} is not a file that holds a cookie.`);
    // Windows has no such permissions; OTP does not check them there either.
    if (process.platform !== 'win32' && (mode & OTHERS_MAY) !== 0) {
      throw new TroupeError(
        'TROUPE_BAD_COOKIE',
        `${file} can be used by others than its owner: run \`chmod 600 ${file}\`.`,
      );
    }
    if (size > MAX_FILE_BYTES)
      throw new TroupeError('TROUPE_BAD_COOKIE', `${file} is too long for a cookie.`);
    text = readFileSync(file, 'latin1');
  } catch (error) {
    if (error instanceof TroupeError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new TroupeError('TROUPE_BAD_COOKIE', `${file} could not be read: ${why}.`, { cause: error });
  }
  const cookie = text.replace(/[\r\n][\r\n ]*$/, '');
  if (!/^[ -~]+$/.test(cookie)) {
    throw new TroupeError('TROUPE_BAD_COOKIE', `${file} does not hold one line of printable ASCII.`);
  }
  return checkCookie(cookie);
}

function isThere(file: string): boolean {
  return lstatSync(file, { throwIfNoEntry: false }) !== undefined;
}

// ---- challenges ----
// Each node sends a random number, and the other answers with the MD5 of cookie and number. MD5 is the protocol's choice. See
// `erl_dist_protocol`, "The Protocol in More Detail".

/** How many bytes a digest has. */
export const DIGEST_BYTES = 16;

/** An unpredictable number for the other side to answer, from 0 to 2^32-1. */
export function makeChallenge(): number {
  return randomInt(2 ** 32);
}

/** The answer to a challenge. */
export function digest(cookie: string, challenge: number): Buffer {
  return createHash('md5').update(cookie, 'latin1').update(String(challenge)).digest();
}

/** Whether an answer is right, in constant time. */
export function isDigest(answer: Buffer, cookie: string, challenge: number): boolean {
  return answer.length === DIGEST_BYTES && timingSafeEqual(answer, digest(cookie, challenge));
}

// ---- certificates ----

/** Certificates for connections over TLS. */
export interface TlsOptions {
  /** The private key of this node, PEM. */
  readonly key: string | Buffer;
  /** Its certificate, PEM, for use as client and as server. */
  readonly cert: string | Buffer;
  /** The certificates of the authority that signs those of the nodes, PEM. Default: the well-known authorities. */
  readonly ca?: string | Buffer | ReadonlyArray<string | Buffer>;
  /** The passphrase of the private key. */
  readonly passphrase?: string;
  /** Whether other nodes need a certificate signed by `ca`, which names their host when they are dialled. Default true. */
  readonly verify?: boolean;
}

const MIN_VERSION = 'TLSv1.2';

/** The certificates of a node, ready for use. */
export class SecureIdentity {
  readonly #options: TlsOptions;
  readonly #context: SecureContext;

  /** @throws TroupeError TROUPE_BAD_ARGUMENT if the key and certificates cannot be used. */
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

  /** A TLS server that does not listen: it gets its sockets by `emit('connection', socket)`. */
  server(handshakeTimeout: number): Server {
    const verify = this.#options.verify ?? true;
    return createServer({
      ...credentials(this.#options),
      requestCert: verify,
      rejectUnauthorized: verify,
      handshakeTimeout,
    });
  }

  /** Starts to connect; the certificate of the node must be for `nodeHost`, the host in its name. */
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
 * The fault of a certificate for a node on this host, if it has one. As `node:tls` checks it; an address among the DNS names is
 * accepted too, since OTP looks for it there.
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
