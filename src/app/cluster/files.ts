// The files that the settings of a cluster name, read once, before anything is opened: the cookie, and the certificates.
//
// - All faults are reported at once, each with its variable, as those of the settings are. None repeats what a file holds.
// - A `~` at the beginning of a path is the user's folder, as a shell reads it; a line of .env has gone through no shell.
// - A private key that others can read is refused, as libpq does: only its owner may read it, or, when it belongs to root, its
//   group as well, as with a Kubernetes secret in a pod with an fsGroup. The cookie's rule is OTP's: only its owner may read it.
// - Whether a certificate is valid for the host in a node's name is not checked here: the node that dials does that.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, type Stats, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { createSecureContext } from 'node:tls';
import type { TSchema } from 'typebox';
import { readCookieFile } from 'troupe/erlang';
import { TroupeError } from 'troupe';
import { ConfigError, type ConfigFault } from '../config.ts';
import { type ClusterSettings, clusterVariables } from './settings.ts';

/** What is in the files. */
export interface ClusterFiles {
  /** A secret. */
  readonly cookie: string;
  /** Undefined for connections that are not encrypted. */
  readonly tls: { readonly key: Buffer; readonly cert: Buffer; readonly ca: Buffer } | undefined;
}

/** All well-known authorities together take a quarter of it. */
const MAX_BYTES = 1_048_576;
const ROOT = 0;
const BEGIN_CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g;

type FileVariable = 'TROUPE_COOKIE_FILE' | 'TROUPE_TLS_KEY' | 'TROUPE_TLS_CERT' | 'TROUPE_TLS_CA';
/** Returns what a function returns, or undefined when it throws, which is then a fault of the variable. */
type Attempt = <Result>(variable: FileVariable, what: () => Result) => Result | undefined;

/**
 * Reads the files, and checks that they hold what they should.
 * @throws ConfigError that names every fault, not just the first
 */
export function readClusterFiles(settings: ClusterSettings): ClusterFiles {
  const faults: ConfigFault[] = [];
  const attempt: Attempt = (variable, what) => {
    try {
      return what();
    } catch (error) {
      const schema: TSchema & { description?: string } = clusterVariables[variable];
      const { description: allowed = '' } = schema;
      faults.push({ variable, problem: `cannot be used: ${whyOf(error)}`, allowed });
      return undefined;
    }
  };
  const { cookieFile } = settings;
  const cookie =
    cookieFile === undefined
      ? settings.cookie
      : attempt('TROUPE_COOKIE_FILE', () => readCookieFile(pathOf(cookieFile)));
  const tls = settings.tls && readCertificates(settings.tls, attempt);
  if (faults.length > 0) throw new ConfigError(faults);
  if (cookie === undefined) throw new Error('settings without a cookie were not checked');
  return { cookie, tls };
}

function readCertificates(tls: NonNullable<ClusterSettings['tls']>, attempt: Attempt): ClusterFiles['tls'] {
  const key = attempt('TROUPE_TLS_KEY', () => parsed(tls.key, privateKey, refuseOthers));
  const cert = attempt('TROUPE_TLS_CERT', () => parsed(tls.cert, certificate));
  const ca = attempt('TROUPE_TLS_CA', () => parsed(tls.ca, certificate));
  if (key === undefined || cert === undefined) return undefined;
  return attempt('TROUPE_TLS_CERT', () => {
    if (!cert.value.checkPrivateKey(key.value))
      throw new Error('it is not the certificate of the key in TROUPE_TLS_KEY');
    if (ca === undefined) return undefined;
    const all = { key: key.bytes, cert: cert.bytes, ca: ca.bytes };
    // This finds what the machine's rules for TLS do not allow, such as a key that is too short.
    createSecureContext(all);
    return all;
  });
}

/** The content of a file, raw and parsed. */
function parsed<Value>(
  given: string,
  parse: (bytes: Buffer) => Value,
  check: (path: string, stats: Stats) => void = () => undefined,
): { readonly bytes: Buffer; readonly value: Value } {
  const path = pathOf(given);
  const stats = statSync(path);
  if (!stats.isFile()) throw new Error(`${path} is not a file`);
  if (stats.size > MAX_BYTES) throw new Error(`${path} has more than ${MAX_BYTES} bytes`);
  check(path, stats);
  const bytes = readFileSync(path);
  try {
    return { bytes, value: parse(bytes) };
  } catch (error) {
    throw new Error(`${path} does not hold that (${whyOf(error)})`, { cause: error });
  }
}

/** Windows has no such permissions. */
function refuseOthers(path: string, { uid, mode }: Stats): void {
  const allowed = uid === ROOT ? 0o740 : 0o700;
  if (process.platform === 'win32' || (mode & 0o777 & ~allowed) === 0) return;
  throw new Error(
    `${path} can be used by others than its owner: run \`chmod 600 ${path}\`; for a secret of Kubernetes set defaultMode to 0400, ` +
      'or to 0440 with an fsGroup',
  );
}

function privateKey(bytes: Buffer): KeyObject {
  if (/^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(bytes.toString('latin1')))
    throw new Error('it needs a passphrase');
  return createPrivateKey(bytes);
}

/** The first certificate; all are checked, since TLS silently skips what it cannot read. */
function certificate(bytes: Buffer): X509Certificate {
  const text = bytes.toString('latin1');
  const [first, ...others] = (text.match(CERTIFICATE) ?? []).map((block) => new X509Certificate(block));
  if (first === undefined) throw new Error('it has no certificate in PEM');
  if (text.match(BEGIN_CERTIFICATE)?.length !== 1 + others.length)
    throw new Error('a certificate in it has no end');
  return first;
}

function pathOf(given: string): string {
  return given.replace(/^~(?=\/|$)/, () => homedir());
}

/** On one line, without the runtime's advice, which is about its own options. */
function whyOf(error: unknown): string {
  if (error instanceof TroupeError) return error.what.replace(/\.$/, '');
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
}
