// The files of a cluster: what is read from them, and what is said of those that cannot be used, all at once.
import { X509Certificate } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { ConfigError, loadConfig } from '../../../src/app/internal.ts';
import { type ClusterSettings, openCarrier, readClusterFiles } from '../../../src/app/cluster/internal.ts';
import { Authority, hasOpenssl } from '../../runtime/distribution/erlang/certificates.ts';
import { temporaryFolder } from '../support/program.ts';

const NODE = { TROUPE_NODE: 'a@127.0.0.1' };
const COOKIE = { TROUPE_COOKIE: 'secret' };

const settingsFor = (env: Record<string, string>): ClusterSettings => {
  const { cluster } = loadConfig({ ...NODE, ...env });
  if (cluster === undefined) throw new Error('no cluster');
  return cluster;
};

/** Each fault as variable and problem. */
function faultsOf(env: Record<string, string>): string[] {
  try {
    readClusterFiles(settingsFor(env));
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map(({ variable, problem }) => `${variable} ${problem}`);
  }
}

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode });
  return path;
}

describe('the cookie', () => {
  test('is the one of the settings, or what the file holds', () => {
    expect(readClusterFiles(settingsFor(COOKIE))).toEqual({ cookie: 'secret', tls: undefined });
    const path = file('cookie', 'of the file\n');
    expect(readClusterFiles(settingsFor({ TROUPE_COOKIE_FILE: path })).cookie).toBe('of the file');
  });

  test('a ~ is the folder of the user, and nothing else is', () => {
    vi.stubEnv('HOME', folder);
    expect(homedir()).toBe(folder);
    file('.erlang.cookie', 'at home');
    expect(readClusterFiles(settingsFor({ TROUPE_COOKIE_FILE: '~/.erlang.cookie' })).cookie).toBe('at home');
    expect(faultsOf({ TROUPE_COOKIE_FILE: '~joe/cookie' })).toEqual([
      expect.stringMatching(/^TROUPE_COOKIE_FILE cannot be used: ~joe\/cookie could not be read: ENOENT/),
    ]);
    expect(faultsOf({ TROUPE_COOKIE_FILE: '~' })).toEqual([
      `TROUPE_COOKIE_FILE cannot be used: ${folder} is not a file that holds a cookie`,
    ]);
  });

  test('others must not be able to read it', () => {
    const path = file('cookie', 'secret', 0o644);
    expect(faultsOf({ TROUPE_COOKIE_FILE: path })).toEqual([
      `TROUPE_COOKIE_FILE cannot be used: ${path} can be used by others than its owner: run \`chmod 600 ${path}\``,
    ]);
  });
});

describe.skipIf(!hasOpenssl())('certificates', () => {
  let authority: Authority;
  let paths: Record<'TROUPE_TLS_KEY' | 'TROUPE_TLS_CERT' | 'TROUPE_TLS_CA', string>;
  beforeAll(() => {
    authority = new Authority('files');
    authority.issue('a', 'IP:127.0.0.1');
    authority.issue('b', 'IP:127.0.0.1');
    authority.encrypt('a', 'password');
    paths = { TROUPE_TLS_KEY: at('a.key'), TROUPE_TLS_CERT: at('a.pem'), TROUPE_TLS_CA: at('ca.pem') };
  });
  afterAll(() => authority.remove());
  const at = (name: string): string => join(authority.folder, name);

  test('are read, and make a carrier', () => {
    const settings = settingsFor({ ...COOKIE, ...paths });
    const { tls } = readClusterFiles(settings);
    expect(tls?.key.toString()).toContain('PRIVATE KEY');
    expect(openCarrier(settings).peers?.()).toEqual([]);
  });

  test.each([0o640, 0o644, 0o604])('a key that others can use is refused: mode %i', (mode) => {
    const path = file('key.pem', readFileSync(at('a.key'), 'latin1'));
    const faults = (owner: number): string[] => {
      chmodSync(path, mode);
      chownSync(path, owner, process.getgid?.() ?? 0);
      return faultsOf({ ...COOKIE, ...paths, TROUPE_TLS_KEY: path });
    };
    const told = [
      expect.stringContaining(
        `can be used by others than its owner: run \`chmod 600 ${path}\`; for a secret`,
      ),
    ];
    const own = process.getuid?.() ?? 0;
    // Only root can give a file away, and so show both: a group may read what is root's own.
    expect(faults(own === 0 ? 1 : own)).toEqual(told);
    expect(own === 0 ? faults(0) : told).toEqual(own === 0 && mode === 0o640 ? [] : told);
    chmodSync(path, 0o600);
    expect(faultsOf({ ...COOKIE, ...paths, TROUPE_TLS_KEY: path })).toEqual([]);
  });

  test('all that is wrong is told at once, and nothing of what is in the files', () => {
    const secret = file('key.pem', 'a secret that is no key');
    mkdirSync(join(folder, 'ca'));
    const faults = faultsOf({
      TROUPE_COOKIE_FILE: join(folder, 'no-cookie'),
      TROUPE_TLS_KEY: secret,
      TROUPE_TLS_CERT: join(folder, 'none.pem'),
      TROUPE_TLS_CA: join(folder, 'ca'),
    });
    expect(faults).toEqual([
      expect.stringMatching(/^TROUPE_COOKIE_FILE cannot be used: .*no-cookie could not be read: ENOENT/),
      expect.stringMatching(/^TROUPE_TLS_KEY cannot be used: .*key\.pem does not hold that \(.+\)$/),
      expect.stringMatching(/^TROUPE_TLS_CERT cannot be used: ENOENT.*none\.pem/),
      expect.stringMatching(/^TROUPE_TLS_CA cannot be used: .*ca is not a file$/),
    ]);
    expect(faults.join()).not.toContain('secret');
  });

  test('certificates that TLS would leave out without a word', () => {
    const ca = readFileSync(at('ca.pem'), 'latin1');
    const der = file('ca.der', '');
    writeFileSync(der, new X509Certificate(ca).raw);
    const faults = (TROUPE_TLS_CA: string) => faultsOf({ ...COOKIE, ...paths, TROUPE_TLS_CA });
    const told = (why: string) => [expect.stringMatching(`^TROUPE_TLS_CA cannot be used: .* \\(${why}`)];
    expect(faults(der)).toEqual(told('it has no certificate in PEM'));
    expect(faults(file('cut.pem', `${ca}${ca.slice(0, 200)}`))).toEqual(
      told('a certificate in it has no end'),
    );
    expect(faults(file('bad.pem', `${ca}${ca.replace(/M/g, '')}`))).toEqual(told(''));
    expect(faults(file('long.pem', 'x'.repeat(1_048_577)))).toEqual([
      expect.stringMatching(/long\.pem has more than 1048576 bytes$/),
    ]);
    expect(faults(file('all.pem', `the authorities:\r\n${ca.replace(/\n/g, '\r\n')}\n${ca}`))).toEqual([]);
  });

  test('a key with a passphrase, and a certificate of another key', () => {
    expect(faultsOf({ ...COOKIE, ...paths, TROUPE_TLS_KEY: at('a.enc.key') })).toEqual([
      expect.stringMatching(
        /^TROUPE_TLS_KEY cannot be used: .*a\.enc\.key does not hold that \(it needs a passphrase\)$/,
      ),
    ]);
    expect(faultsOf({ ...COOKIE, ...paths, TROUPE_TLS_CERT: at('b.pem') })).toEqual([
      'TROUPE_TLS_CERT cannot be used: it is not the certificate of the key in TROUPE_TLS_KEY',
    ]);
    expect(faultsOf({ ...COOKIE, ...paths, TROUPE_TLS_CERT: at('a.key') })).toEqual([
      expect.stringMatching(/^TROUPE_TLS_CERT cannot be used: .*a\.key does not hold that/),
    ]);
  });
});
