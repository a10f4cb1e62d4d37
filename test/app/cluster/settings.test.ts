// The settings of a cluster: what each takes, what does not go together, and that the cookie is never told.
import { resolve } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError, type ConfigFault, loadConfig } from '../../../src/app/internal.ts';

const node = { TROUPE_NODE: 'a@127.0.0.1', TROUPE_COOKIE: 'secret' };

function faultsOf(env: Record<string, string>): readonly ConfigFault[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults;
  }
}

const wrong = (env: Record<string, string>) => faultsOf(env).map(({ variable }) => variable);

describe('values', () => {
  test('without TROUPE_NODE there is no cluster', () => {
    expect(loadConfig({}).cluster).toBeUndefined();
    expect(loadConfig({ TROUPE_EPMD: 'auto', TROUPE_DIST_PORT: '9100' }).cluster).toBeUndefined();
  });

  test('a name and a cookie are enough', () => {
    expect(loadConfig(node).cluster).toEqual({
      node: 'a@127.0.0.1',
      cookie: 'secret',
      cookieFile: undefined,
      seeds: [],
      epmd: { mode: 'auto', serveOn: '127.0.0.1', port: 4369 },
      listen: { host: undefined, port: 0 },
      addresses: {},
      tls: undefined,
      netTicktimeMs: 60_000,
    });
  });

  test('each setting is read', () => {
    const config = loadConfig({
      TROUPE_NODE: 'notes-1@db.example.org',
      TROUPE_COOKIE_FILE: '/etc/cookie',
      TROUPE_SEEDS: 'notes-2@db.example.org, notes-1@db.example.org,notes-2@db.example.org',
      TROUPE_EPMD: 'client',
      TROUPE_EPMD_SERVE_ON: '0.0.0.0',
      TROUPE_EPMD_PORT: '4370',
      TROUPE_DIST_HOST: '::',
      TROUPE_DIST_PORT: '9100',
      TROUPE_ADDRESSES: 'a@x=10.0.0.1:9100,b@y=[::1]:9101, c@z=z.example.org:9102',
      TROUPE_TLS_KEY: 'key.pem',
      TROUPE_TLS_CERT: 'cert.pem',
      TROUPE_TLS_CA: 'ca.pem',
      TROUPE_NET_TICKTIME_MS: '8000',
      DATABASE_URL: 'troupe://notes-2@db.example.org',
    });
    expect(config.cluster).toEqual({
      node: 'notes-1@db.example.org',
      cookieFile: '/etc/cookie',
      seeds: ['notes-2@db.example.org'],
      epmd: { mode: 'client', serveOn: '0.0.0.0', port: 4370 },
      listen: { host: '::', port: 9100 },
      addresses: {
        'a@x': { host: '10.0.0.1', port: 9100 },
        'b@y': { host: '::1', port: 9101 },
        'c@z': { host: 'z.example.org', port: 9102 },
      },
      tls: { key: 'key.pem', cert: 'cert.pem', ca: 'ca.pem' },
      netTicktimeMs: 8_000,
    });
    expect(config.database).toEqual({
      kind: 'instance',
      node: 'notes-2@db.example.org',
      queryTimeoutMs: 5_000,
      retryMaxMs: 10_000,
    });
  });

  test('they cannot be changed', () => {
    const { cluster } = loadConfig(node);
    expect(
      [cluster, cluster?.seeds, cluster?.epmd, cluster?.listen, cluster?.addresses].every(Object.isFrozen),
    ).toBe(true);
  });

  test('without a cluster the embedded database is where it was', () => {
    expect(loadConfig({}).database).toEqual({
      kind: 'pglite',
      folder: resolve('data/pglite'),
      queryTimeoutMs: 5_000,
    });
  });

  const limits = Object.entries({
    TROUPE_EPMD_PORT: [1, 65_535],
    TROUPE_DIST_PORT: [0, 65_535],
    TROUPE_NET_TICKTIME_MS: [1_000, 3_600_000],
  } satisfies Record<string, [number, number]>);

  test.each(limits)('%s is a whole number between %j', (name, [least, most]) => {
    for (const value of [least, most]) expect(wrong({ ...node, [name]: String(value) })).toEqual([]);
    for (const value of [least - 1, most + 1, 'x', '1e3'])
      expect(wrong({ ...node, [name]: String(value) })).toEqual([name]);
  });

  test.each([
    [
      'TROUPE_NODE',
      ['a', '@', 'a@', '@b', 'a@b@c', 'a b@c', 'ä@b', 'a.b@c', 'a@b/c', `${'a'.repeat(129)}@b`],
    ],
    ['TROUPE_COOKIE', ['a b', 'ä', '\t', 'x'.repeat(256)]],
    ['TROUPE_COOKIE_FILE', ['a\u0000b']],
    ['TROUPE_SEEDS', ['a', 'a@b,,c@d', 'a@b;c@d', Array.from({ length: 101 }, (_, n) => `a${n}@b`).join()]],
    ['TROUPE_EPMD', ['on', 'AUTO', 'false']],
    ['TROUPE_EPMD_SERVE_ON', ['http://a', 'a b']],
    ['TROUPE_DIST_HOST', ['http://a', 'a b', '127.0.0.1/8']],
    [
      'TROUPE_ADDRESSES',
      ['a@b', 'a@b=c', 'a@b=c:0', 'a@b=c:65536', 'a=b:1', 'a@b=c:1=d', 'a@b=::1:1', 'a@b=:1'],
    ],
    ['TROUPE_TLS_KEY', ['a\u0000b']],
  ])('%s is none of %j', (name, values) => {
    const { [name as 'TROUPE_NODE']: _, ...others } = node;
    for (const value of values)
      expect([value, wrong({ ...others, [name]: value })[0]]).toEqual([value, name]);
  });
});

describe('what does not go together', () => {
  const told = (env: Record<string, string>) =>
    faultsOf(env).map(({ variable, problem }) => `${variable} ${problem}`);

  test('what only a cluster has a use for, without a name', () => {
    expect(
      told({
        TROUPE_SEEDS: 'b@127.0.0.1',
        TROUPE_COOKIE: 'secret',
        TROUPE_ADDRESSES: 'b@x=c:1',
        DATABASE_URL: 'troupe://b@127.0.0.1',
      }),
    ).toEqual([
      'TROUPE_COOKIE is set, and TROUPE_NODE is not',
      'TROUPE_SEEDS is set, and TROUPE_NODE is not',
      'TROUPE_ADDRESSES is set, and TROUPE_NODE is not',
      'DATABASE_URL names the notes of another node, and TROUPE_NODE is not set',
    ]);
  });

  test('a name without a cookie, and two cookies', () => {
    expect(told({ TROUPE_NODE: 'a@b' })).toEqual(['TROUPE_COOKIE is not set, nor is TROUPE_COOKIE_FILE']);
    expect(told({ ...node, TROUPE_COOKIE_FILE: 'x' })).toEqual([
      'TROUPE_COOKIE_FILE is set, and so is TROUPE_COOKIE',
    ]);
  });

  test('a key without its certificate', () => {
    expect(told({ ...node, TROUPE_TLS_KEY: 'key.pem' })).toEqual([
      'TROUPE_TLS_CERT is not set',
      'TROUPE_TLS_CA is not set',
    ]);
  });

  test('no epmd and no port', () => {
    expect(told({ ...node, TROUPE_EPMD: 'off' })).toEqual([
      'TROUPE_DIST_PORT is 0 or not set, and TROUPE_EPMD is off',
    ]);
    expect(told({ ...node, TROUPE_EPMD: 'off', TROUPE_DIST_PORT: '9100' })).toEqual([]);
  });

  test('the notes of another instance that is this one', () => {
    expect(told({ ...node, DATABASE_URL: 'troupe://a@127.0.0.1' })).toEqual([
      'DATABASE_URL names this node itself',
    ]);
  });

  test('is told with all the rest, each variable once', () => {
    expect(wrong({ TROUPE_NODE: 'a@b', TROUPE_TLS_KEY: 'k', PORT: 'x', TROUPE_EPMD: 'on' })).toEqual([
      'PORT',
      'TROUPE_EPMD',
      'TROUPE_COOKIE',
      'TROUPE_TLS_CERT',
      'TROUPE_TLS_CA',
    ]);
  });
});

test('the cookie is not told, whatever is wrong with it or beside it', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z]{8,20}$/), (secret) => {
      const environments: Array<Record<string, string>> = [
        { TROUPE_COOKIE: secret },
        { TROUPE_NODE: 'a@b', TROUPE_COOKIE: `${secret} ä` },
        { TROUPE_NODE: 'a', TROUPE_COOKIE: secret, TROUPE_COOKIE_FILE: 'x' },
      ];
      for (const env of environments) {
        const faults = faultsOf(env);
        expect(faults).not.toEqual([]);
        expect(new ConfigError(faults).message + JSON.stringify(faults)).not.toContain(secret);
      }
    }),
  );
});
